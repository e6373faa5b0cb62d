"""The detections of an image in Darknet's order, on which its true positives and its files of results depend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..boxes import Floats
from ..detect import Model
from ..detections import Candidates, select
from ..metrics import Found, Truths

Size = tuple[int, int]  # width and height of an image, px

NOTHING = Candidates(*(np.zeros(shape, kind) for shape, kind in (((0, 4), "f4"), (0, "f4"), (0, "i8"), (0, "f4"))))


def found_in(
    model: Model,
    sizes: Sequence[Size],
    raw: Sequence[Tensor],
    *,
    least: float,
    nms: float,
    hier: float,
    in_pixels: bool = False,
) -> list[Candidates]:
    """What the heads gave for images, after suppression and in the order in which Darknet's leaves it.

    Args:
        sizes: of each image
        least, nms, hier: as for `Model.detect`
        in_pixels: boxes are in px from before suppression on, whose distances depend on it; else relative to the image
    """
    found = []
    for size, one in zip(sizes, model.decode(sizes, raw, least, hier), strict=True):
        unit = np.array(size * 2 if in_pixels else (1,) * 4, np.float32)
        found.append(select(listed(one._replace(boxes=one.boxes * unit)), nms, model.suppression))
    return found


def listed(found: Candidates) -> Candidates:
    """The same in the order in which Darknet's suppression leaves it.

    It sorts boxes by the score of each class in turn, so that the last class counts first.
    Source: src/box.c do_nms_sort, diounms_sort (AlexeyAB 59596d7)
    """
    if not len(found.scores):
        return found
    boxes, labels = found.boxes, found.labels
    begins = np.append(True, (boxes[1:] != boxes[:-1]).any(axis=1) | (labels[1:] <= labels[:-1]))
    box = np.cumsum(begins) - 1
    classes, row = np.unique(labels, return_inverse=True)
    scores = np.zeros((len(classes), box[-1] + 1), np.float32)
    scores[row, box] = found.scores
    place = np.empty(box[-1] + 1, np.int64)
    place[np.lexsort(-scores)] = np.arange(len(place))
    return found.keep(np.lexsort((labels, place[box])))


def as_found(found: Candidates) -> Found:
    """The detections of one image."""
    return Found(np.zeros(len(found.labels), np.int64), found.labels, found.boxes, found.scores)


def as_truths(boxes: Floats, classes: int) -> Truths:
    """The objects of one image, `(M, 5)` of x, y, w, h and class; not those of a class that the network lacks."""
    rows = np.asarray(boxes, np.float32).reshape(-1, 5)
    rows = rows[(rows[:, 4] >= 0) & (rows[:, 4] < classes)]
    return Truths(np.zeros(len(rows), np.int64), rows[:, 4].astype(np.int64), rows[:, :4])
