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
    low = np.minimum(one[:2] - one[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.maximum(one[:2] + one[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    diagonal = ((high - low) ** 2).sum(axis=1)
    distance = ((one[:2] - others[:, :2]) ** 2).sum(axis=1)
    share = np.divide(distance, diagonal, out=np.zeros_like(distance), where=diagonal != 0)
    overlap = iou(one, others)
    return np.where(diagonal == 0, overlap, overlap - share**beta)


GREEDY_BETA = 0.6  # src/box.c box_diou: what greedynms uses, whatever beta_nms says


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
    keep = np.ones(len(boxes), dtype=bool)
    order = np.lexsort((-scores, labels))  # by class, then best first
    starts = np.flatnonzero(np.diff(labels[order], prepend=-1))
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # boxes of an untrained network
        for group in np.split(order, starts[1:]):
            keep[group] = suppress(boxes[group], thresh, betas.get(kind))
    return np.flatnonzero(keep)


def suppress(boxes: Floats, thresh: float, beta: float | None) -> NDArray[np.bool_]:
    """Which of `(N, 4)` cxcywh boxes of one class, best first, stay: `(N,)`."""
    keep = np.ones(len(boxes), dtype=bool)
    for i in range(len(boxes) - 1):
        if not keep[i]:
            continue
        rest = i + 1 + np.flatnonzero(keep[i + 1 :])
        overlap = iou(boxes[i], boxes[rest]) if beta is None else diou(boxes[i], boxes[rest], beta)
        keep[rest[overlap > thresh]] = False
    return keep
