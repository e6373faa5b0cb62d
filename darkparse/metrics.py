"""How good detections are: average precision and its kin, as Darknet counts them.  Plain numpy.

Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .boxes import Floats, Ints, iou

Doubles = NDArray[np.float64]
NONE = -1  # in place of a truth's number
IOU_THRESH, THRESH = 0.5, 0.25  # src/detector.c run_detector


class Truths(NamedTuple):
    """The objects that there are in a set of images.

    images: `(N,)` number of the image of each; labels: `(N,)` its class; boxes: `(N, 4)` cxcywh, relative
    """

    images: Ints
    labels: Ints
    boxes: Floats


class Found(NamedTuple):
    """What was detected in a set of images, image by image, in the order in which Darknet lists it.

    images, labels, boxes: as of `Truths`, `(D,)` and `(D, 4)`; scores: `(D,)`, 0..1
    """

    images: Ints
    labels: Ints
    boxes: Floats
    scores: Floats


@dataclass(frozen=True)
class Counts:
    """Hits and misses: of a class, or of all."""

    truths: int  # objects that there are
    tp: int  # true positives: detections above the threshold that are the first for an object
    fp: int  # false positives: the others above the threshold
    overlap: float  # sum of the true positives' IoU

    @property
    def fn(self) -> int:
        """Objects without a true positive."""
        return self.truths - self.tp

    @property
    def precision(self) -> float:
        """Share of the detections that are right; 0 where there are none."""
        return self.tp / max(1, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the objects that were detected; 0 where there are none."""
        return self.tp / max(1, self.truths)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.tp / max(1, self.tp + self.fp + self.truths)

    @property
    def average_iou(self) -> float:
        """Mean overlap of the detections, 0 for the false ones."""
        return self.overlap / max(1, self.tp + self.fp)


@dataclass(frozen=True)
class OfClass(Counts):
    """The counts of one class, and its average precision."""

    ap: float  # 0..1


class Ranked(NamedTuple):
    """All detections of a set of images, by class, of each the best first; `(D,)` each.

    hits: whether it is the first of its rank to be of an object
    """

    labels: Ints
    scores: Floats
    hits: NDArray[np.bool_]

    def by_class(self, classes: int) -> Iterator[slice]:
        """Where each class stands."""
        ends = np.searchsorted(self.labels, np.arange(classes), "right").tolist()
        yield from map(slice, [0, *ends[:-1]], ends)


@dataclass(frozen=True)
class Evaluation:
    """What `detector map` says of a network.

    classes: one each, by number; detections: how many there are, of any score; iou_thresh, points, thresh: as given;
    ranked: what the average precisions are of
    """

    classes: tuple[OfClass, ...]
    detections: int
    iou_thresh: float
    points: int
    thresh: float
    ranked: Ranked = field(repr=False, compare=False)

    @property
    def map(self) -> float:
        """Mean average precision, 0..1, over all classes: those without an object count 0."""
        return sum(one.ap for one in self.classes) / max(1, len(self.classes))

    @property
    def total(self) -> Counts:
        """The counts of all classes together."""
        return Counts(*(sum(getattr(one, name) for one in self.classes) for name in ("truths", "tp", "fp", "overlap")))


def evaluation(
    found: Found,
    truths: Truths,
    classes: int,
    *,
    iou_thresh: float = IOU_THRESH,
    points: int = 0,
    thresh: float = THRESH,
) -> Evaluation:
    """Compare what was found with what there is.

    Args:
        classes: how many there are; each label is below it
        iou_thresh: overlap with an object above which a detection may be of it, 0..1
        points: at how many recalls the precision is taken (11 of PASCAL VOC 2007, 101 of COCO); 0: at all, that is the
            area under the curve
        thresh: score above which detections are counted as true and false positives
    """
    tally = Tally(classes, iou_thresh=iou_thresh, thresh=thresh)
    tally.add(found, truths)
    return tally.evaluation(points)


class Tally:
    """Takes what was found and what there is, one or several whole images at a time.

    Only the class, the score and whether it is right are kept of each detection.  Whether it is depends on its own
    image alone, so it makes no difference how a set of images is divided.

    Args:
        classes, iou_thresh, thresh: as for `evaluation`
    """

    def __init__(self, classes: int, *, iou_thresh: float = IOU_THRESH, thresh: float = THRESH) -> None:
        self.classes, self.iou_thresh, self.thresh = classes, iou_thresh, thresh
        self.truths, self.tp, self.fp = (np.zeros(classes, np.int64) for _ in range(3))
        self.overlap = np.zeros(classes)
        self._labels, self._scores, self._hits = array("i"), array("f"), bytearray()

    def add(self, found: Found, truths: Truths, difficult: Truths | None = None) -> None:
        """One or several images.

        Args:
            difficult: objects that need not be found.  As in Darknet a detection of one has no part in the average
                precision, but is a false positive above the threshold.
        """
        claimed, overlaps = match(found, truths, self.iou_thresh)
        first, shown = firsts(claimed), found.scores > np.float32(self.thresh)
        true, false = first & shown, ~first & shown
        self.truths += np.bincount(truths.labels, minlength=self.classes)
        self.tp += np.bincount(found.labels[true], minlength=self.classes)
        self.fp += np.bincount(found.labels[false], minlength=self.classes)
        np.add.at(self.overlap, found.labels[true], overlaps[true])
        ranks = np.argsort(-found.scores, kind="stable")
        hits = np.empty(len(ranks), bool)
        hits[ranks] = firsts(claimed[ranks])
        if difficult is not None:
            counting = (claimed != NONE) | (match(found, difficult, self.iou_thresh)[0] == NONE)
            found, hits = Found(*(part[counting] for part in found)), hits[counting]
        self._labels.frombytes(found.labels.astype(np.int32).tobytes())
        self._scores.frombytes(found.scores.astype(np.float32).tobytes())
        self._hits += hits.tobytes()

    def evaluation(self, points: int = 0) -> Evaluation:
        """Of all images so far; `points` as for `evaluation`."""
        ranked = self.ranked()
        rows = []
        for label, part in enumerate(ranked.by_class(self.classes)):
            objects = int(self.truths[label])
            ap = average_precision(ranked.hits[part], objects, points)
            rows.append(OfClass(objects, int(self.tp[label]), int(self.fp[label]), float(self.overlap[label]), ap))
        return Evaluation(tuple(rows), len(ranked.hits), self.iou_thresh, points, self.thresh, ranked)

    def ranked(self) -> Ranked:
        """Its detections so far; of equal scores in the order in which they came."""
        scores, labels = np.array(self._scores, np.float32), np.array(self._labels, np.int64)
        order = np.lexsort((-scores, labels))
        return Ranked(labels[order], scores[order], np.frombuffer(bytes(self._hits), bool)[order])


def match(found: Found, truths: Truths, iou_thresh: float) -> tuple[Ints, Floats]:
    """The object that each detection is of, and their overlap.

    Returns:
        `(D,)` number of the object of the same image and class that it overlaps most (of equals the first), if by more
        than `iou_thresh`, else NONE; `(D,)` the overlap, or 0
    """
    best, overlaps = np.full(len(found.scores), NONE, np.int64), np.zeros(len(found.scores), np.float32)
    detection, truth = pairs(found, truths)
    overlap = iou(found.boxes[detection], truths.boxes[truth])
    order = np.lexsort((truth, -overlap, detection))
    order = order[np.diff(detection[order], prepend=NONE) > 0]  # the first pair of each detection
    order = order[overlap[order] > np.float32(iou_thresh)]
    best[detection[order]], overlaps[detection[order]] = truth[order], overlap[order]
    return best, overlaps


def pairs(found: Found, truths: Truths) -> tuple[Ints, Ints]:
    """Every pair of a detection and an object of the same image and class: `(P,)` the one, `(P,)` the other."""
    classes = int(max(found.labels.max(initial=0), truths.labels.max(initial=0))) + 1
    there, wanted = truths.images * classes + truths.labels, found.images * classes + found.labels
    order = np.argsort(there, kind="stable")
    low, high = (np.searchsorted(there[order], wanted, side) for side in ("left", "right"))
    counts = high - low
    detection = np.repeat(np.arange(len(wanted)), counts)
    within = np.arange(len(detection)) - np.repeat(np.cumsum(counts) - counts, counts)
    return detection, order[low[detection] + within]


def firsts(claimed: Ints) -> NDArray[np.bool_]:
    """`(D,)` which are the first in their order to claim an object, and not NONE."""
    result = np.zeros(len(claimed), bool)
    result[np.unique(claimed, return_index=True)[1]] = True
    result[claimed == NONE] = False
    return result


def envelope(precision: Doubles) -> Doubles:
    """`(K,)` by rising recall: the best precision at this recall or a higher one."""
    return np.asarray(np.maximum.accumulate(precision[::-1])[::-1])


def average_precision(hits: NDArray[np.bool_], objects: int, points: int) -> float:
    """The average precision of one class, 0..1.

    Args:
        hits: `(D,)` whether each detection is right, best score first
        objects: how many there are
        points: as for `evaluation`
    """
    if not len(hits) or not objects:
        return 0.0
    right = np.cumsum(hits)
    recall = right / objects
    precision = right / np.arange(1, len(hits) + 1)
    best = envelope(precision)
    if not points:
        return float((np.diff(recall, prepend=0) * best).sum())
    # Darknet is compiled to multiply by the reciprocal: 3 * .1 is above .3, so a recall of just .3 does not count
    wanted = np.arange(points) * (1 / (points - 1))
    return float(np.append(best, 0)[np.searchsorted(recall, wanted)].mean())
