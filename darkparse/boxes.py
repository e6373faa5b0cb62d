"""Boxes: formats, overlap, non-maximum suppression.  Boxes are float32, `(N, 4)`.

What takes `xp` works on arrays of numpy and tensors of torch alike: `xp` is the one package or the other.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Array: TypeAlias = Any  # of numpy or torch


def cxcywh_to_xyxy(boxes: Floats) -> Floats:
    """Centre and size to corners, same unit."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def xyxy_to_cxcywh(boxes: Floats) -> Floats:
    """Corners to centre and size, same unit."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def iou(one: Array, others: Array, xp: ModuleType = np) -> Array:
    """Overlap of a box with others.

    Args:
        one: `(4,)` cxcywh, any unit; or `(N, 4)`: one for each of the others
        others: `(N, 4)` cxcywh, same unit
    Returns:
        `(N,)`, 0..1
    Source: src/box.c box_iou (AlexeyAB 59596d7)
    """
    (x, y, w, h), (x2, y2, w2, h2) = one.T, others.T
    across = xp.minimum(x + w / 2, x2 + w2 / 2) - xp.maximum(x - w / 2, x2 - w2 / 2)
    down = xp.minimum(y + h / 2, y2 + h2 / 2) - xp.maximum(y - h / 2, y2 - h2 / 2)
    inter = xp.where((across < 0) | (down < 0), 0, across * down)
    union = w * h + w2 * h2 - inter
    return inter / xp.where((inter == 0) | (union == 0), np.inf, union)


def diou(one: Array, others: Array, beta: float, xp: ModuleType = np) -> Array:
    """Overlap less the distance of the centres, relative to the diagonal around both, to the power 2 beta.

    Args and returns as of `iou`, but from -1 to 1.
    Source: src/box.c box_diounms (AlexeyAB 59596d7)
    """
    (x, y, w, h), (x2, y2, w2, h2) = one.T, others.T
    across = xp.maximum(x + w / 2, x2 + w2 / 2) - xp.minimum(x - w / 2, x2 - w2 / 2)
    down = xp.maximum(y + h / 2, y2 + h2 / 2) - xp.minimum(y - h / 2, y2 - h2 / 2)
    diagonal = across**2 + down**2
    distance = (x - x2) ** 2 + (y - y2) ** 2
    overlap = iou(one, others, xp)
    apart = diagonal != 0
    return xp.where(apart, overlap - (distance / xp.where(apart, diagonal, 1)) ** beta, overlap)


GREEDY_BETA = 0.6  # src/box.c box_diou: what greedynms uses, whatever beta_nms says
BLOCK, REST = 256, 2048  # so many boxes are compared with so many at once: 0.5 MB, which a core's cache holds


def nms(
    boxes: Floats, scores: Floats, labels: Ints, thresh: float, *, kind: str = "default", beta: float = 0.6
) -> Ints:
    """Which boxes stay when each suppresses those of its class that it overlaps and that score less.

    Args:
        boxes: `(N, 4)` cxcywh, any unit
        scores: `(N,)`
        labels: `(N,)` class of each
        thresh: overlap above which the weaker goes, 0..1; 0 keeps all
        kind: "default" (overlap), "greedynms" or "diounms" (overlap less distance), "cornersnms" (overlap)
        beta: of diounms
    Returns:
        `(K,)` indices of those that stay, in their order
    Source: src/box.c do_nms_sort, diounms_sort (AlexeyAB 59596d7)
    """
    if thresh <= 0 or len(boxes) < 2:
        return np.arange(len(boxes))
    order = np.lexsort((-scores, labels))  # by class, then best first
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # boxes of an untrained network
        return np.sort(order[survivors(boxes[order], labels[order], thresh, kind=kind, beta=beta)])


def survivors(
    boxes: Array,
    labels: Array,
    thresh: float,
    *,
    kind: str,
    beta: float,
    xp: ModuleType = np,
    block: int = BLOCK,
    rest: int = REST,
) -> Array:
    """Which of `(N, 4)` cxcywh boxes, sorted by class and best first, stay: `(N,)`.

    It goes through them a `block` at a time: first in the block itself, then what stays of it against all behind, of
    which it sees `rest` at once.

    Args:
        thresh, kind, beta: as of `nms`; thresh above 0
    """
    power = {"greedynms": GREEDY_BETA, "diounms": beta}.get(kind)
    corners = cores(boxes, thresh, xp)
    keep = xp.ones_like(labels) == 1

    def clashes(strong: Array, weak: Array) -> tuple[Array, Array]:
        """The pairs that overlap too much, whatever their classes, as places in `strong` and in `weak`."""
        left, right, top, bottom = (side[strong][:, None] for side in corners)
        left2, right2, top2, bottom2 = (side[weak] for side in corners)
        pair = left <= right2  # the other three in place: memory is what takes the time
        pair &= right >= left2
        pair &= top <= bottom2
        pair &= bottom >= top2
        flat = xp.where(pair.reshape(-1))[0]
        row, column = flat // len(weak), flat % len(weak)
        if strong is weak:
            behind = (row < column) & (labels[strong[row]] == labels[strong[column]])
            row, column = row[behind], column[behind]
        one, other = boxes[strong[row]], boxes[weak[column]]
        over = iou(one, other, xp) > thresh
        if power is not None:  # the distance only takes away from the overlap
            over &= diou(one, other, power, xp) > thresh
        return row[over], column[over]

    for start, stop, end in spans(labels, block, xp):
        if not len(strong := start + xp.where(keep[start:stop])[0]):
            continue
        stays = settled(keep[strong], *clashes(strong, strong))
        keep[strong[~stays]] = False
        strong = strong[stays]
        behind = stop + xp.where(keep[stop:end])[0]
        for at in range(0, len(behind), rest):
            weak = behind[at : at + rest]
            keep[weak[clashes(strong, weak)[1]]] = False
    return keep


def spans(labels: Array, block: int, xp: ModuleType) -> Iterator[tuple[int, int, int]]:
    """Sorted labels in parts of at most `block`: begin, end, and how far the last class of the part reaches.

    A part holds whole classes, as many as it has room for, or is of one class that is larger.
    """
    ends = [0, *(xp.where(labels[1:] != labels[:-1])[0] + 1).tolist(), len(labels)]
    start = 0
    while start < len(labels):
        whole = ends[bisect_right(ends, start + block) - 1]
        end = ends[bisect_right(ends, start)]
        stop = whole if whole > start else start + block
        yield start, stop, max(stop, end)
        start = stop


def settled(stays: Array, strong: Array, weak: Array) -> Array:
    """Which boxes stay when of each pair the strong one, if it stays, suppresses the weak one: `(N,)`.

    Round by round: each one settles at least all boxes that those settled before decide on.

    Args:
        stays: `(N,)`, all true
        strong, weak: `(P,)` indices, the strong ones lower
    """
    now = stays
    while True:
        before, now = now, stays | True
        now[weak[before[strong]]] = False
        if bool((now == before).all()):
            return now


def cores(boxes: Array, thresh: float, xp: ModuleType) -> list[Array]:
    """Left, right, top and bottom, `(N,)` uint8 each, of cores: boxes whose cores are apart overlap by less.

    Along one axis, sizes a and b with their centres d apart overlap by at most ((a + b) / 2 - d) / ((a + b) / 2 + d),
    and in two dimensions it cannot be more.  So above `thresh` d is less than (a + b) / 2 (1 - thresh) / (1 + thresh).
    Of boxes so thin that rounding moves their edges, the core is all of the box.
    """
    reach = max(0, (1 - thresh) / (1 + thresh)) / 2 + SPARE
    x, y, w, h = boxes.T
    thin = (w < abs(x) / 100) | (h < abs(y) / 100) | (thresh < 0.05)
    return [*steps(x, w, thin, reach, xp), *steps(y, h, thin, reach, xp)]


SPARE = 1e-3  # of a size: more than its edges are moved by rounding, if it is not thin


def steps(centre: Array, size: Array, thin: Array, reach: float, xp: ModuleType) -> Iterator[Array]:
    """Lower and upper ends of cores along an axis, `(N,)` uint8: 0 to 255 from the first centre to the last.

    Bytes are compared fastest.  What is not a number reaches everywhere.
    """
    half = xp.where(thin, (0.5 + SPARE) * size + 1e-6 * abs(centre), reach * size)
    first = centre.min()
    step = (centre.max() - first) / 255
    for end, otherwise in ((centre - half, 0), (centre + half, 255)):
        at = (end - first) / step
        yield xp.asarray(xp.clip(xp.where(xp.isnan(at), otherwise, at), 0, 255), dtype=xp.uint8)
