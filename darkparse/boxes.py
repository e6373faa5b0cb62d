"""Boxes: formats, overlap, non-maximum suppression.  Plain numpy; boxes are float32, `(N, 4)`."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


def cxcywh_to_xyxy(boxes: Floats) -> Floats:
    """Centre and size to corners, same unit."""
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def xyxy_to_cxcywh(boxes: Floats) -> Floats:
    """Corners to centre and size, same unit."""
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], axis=1)


def iou(one: Floats, others: Floats) -> Floats:
    """Overlap of a box with others.

    Args:
        one: `(4,)` cxcywh, any unit; or `(N, 4)`: one for each of the others
        others: `(N, 4)` cxcywh, same unit
    Returns:
        `(N,)`, 0..1
    Source: src/box.c box_iou (AlexeyAB 59596d7)
    """
    low = np.maximum(one[..., :2] - one[..., 2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(one[..., :2] + one[..., 2:] / 2, others[:, :2] + others[:, 2:] / 2)
    side = high - low
    inter = np.where((side < 0).any(axis=1), np.float32(0), side[:, 0] * side[:, 1])
    union = one[..., 2] * one[..., 3] + others[:, 2] * others[:, 3] - inter
    result: Floats = np.divide(inter, union, out=np.zeros_like(inter), where=(inter != 0) & (union != 0))
    return result


def diou(one: Floats, others: Floats, beta: float) -> Floats:
    """Overlap less the distance of the centres, relative to the diagonal around both, to the power 2 beta.

    Args and returns as of `iou`, but from -1 to 1.
    Source: src/box.c box_diounms (AlexeyAB 59596d7)
    """
    low = np.minimum(one[..., :2] - one[..., 2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.maximum(one[..., :2] + one[..., 2:] / 2, others[:, :2] + others[:, 2:] / 2)
    diagonal = ((high - low) ** 2).sum(axis=1)
    distance = ((one[..., :2] - others[:, :2]) ** 2).sum(axis=1)
    share = np.divide(distance, diagonal, out=np.zeros_like(distance), where=diagonal != 0)
    overlap = iou(one, others)
    return np.where(diagonal == 0, overlap, overlap - share**beta)


GREEDY_BETA = 0.6  # src/box.c box_diou: what greedynms uses, whatever beta_nms says
BLOCK = 256  # boxes that are compared with each other at once


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
    if thresh <= 0:
        return np.arange(len(boxes))
    betas = {"greedynms": GREEDY_BETA, "diounms": beta}
    order = np.lexsort((-scores, labels))  # by class, then best first
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # boxes of an untrained network
        keep = survivors(boxes[order], labels[order], thresh, betas.get(kind))
    return np.sort(order[keep])


def survivors(boxes: Floats, labels: Ints, thresh: float, beta: float | None) -> NDArray[np.bool_]:
    """Which of `(N, 4)` cxcywh boxes, sorted by class and best first, stay: `(N,)`.

    It goes through them a block at a time: first in the block itself, then what stays of it against all behind.
    """
    keep = np.ones(len(boxes), dtype=bool)
    for start in range(0, len(boxes), BLOCK):
        block = start + np.flatnonzero(keep[start : start + BLOCK])
        for strong, weak in zip(*clashes(boxes, labels, block, block, thresh=thresh, beta=beta), strict=True):
            if keep[strong]:  # nothing that comes later can change that
                keep[weak] = False
        block = block[keep[block]]
        end = int(np.searchsorted(labels, labels[start : start + BLOCK][-1], "right"))
        rest = start + BLOCK + np.flatnonzero(keep[start + BLOCK : end])
        keep[clashes(boxes, labels, block, rest, thresh=thresh, beta=beta)[1]] = False
    return keep


def clashes(
    boxes: Floats, labels: Ints, strong: Ints, weak: Ints, *, thresh: float, beta: float | None
) -> tuple[list[int], list[int]]:
    """The pairs of which the first, one of `strong`, may suppress the second, one of `weak` and behind it; in order."""
    pair = (labels[strong, None] == labels[weak]) & (strong[:, None] < weak)
    one, other = cxcywh_to_xyxy(boxes[strong])[:, None], cxcywh_to_xyxy(boxes[weak])
    for low, high in ((0, 2), (1, 3)):  # most pairs have nothing in common
        pair &= np.minimum(one[..., high], other[:, high]) > np.maximum(one[..., low], other[:, low])
    row, column = np.nonzero(pair)
    first, second = strong[row], weak[column]
    over = iou(boxes[first], boxes[second]) > thresh
    if beta is not None:  # the distance only takes away from the overlap
        over[over] = diou(boxes[first[over]], boxes[second[over]], beta) > thresh
    return first[over].tolist(), second[over].tolist()
