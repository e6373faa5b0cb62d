"""Precision and recall at every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Floats
from ..metrics import Doubles, Evaluation, envelope

RECALLS = np.linspace(0, 1, 101)


class Point(NamedTuple):
    """A threshold, and what it gives; all 0..1."""

    thresh: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Curve:
    """What each threshold gives, the highest first; `(K,)` each, 0..1.

    Detections count from the best on: of several of one object the first is right.  Darknet's own figures at a
    threshold differ a little, as there the first in its list is.
    """

    thresh: Doubles
    precision: Doubles
    recall: Doubles

    @property
    def f1(self) -> Doubles:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> Point | None:
        """Where F1 is highest; None without a detection that is right."""
        if not len(self.thresh) or not self.f1.any():
            return None
        at = int(self.f1.argmax())
        return Point(*(float(one[at]) for one in (self.thresh, self.precision, self.recall, self.f1)))

    def thinned(self, most: int) -> Curve:
        """No more than some `most` points of it, as evenly as may be by their recall, its ends among them."""
        if len(self.thresh) <= most:
            return self
        steps = np.linspace(0, 1, most) * self.recall[-1]
        last = len(self.thresh) - 1
        rows = np.unique([0, *np.searchsorted(self.recall, steps).clip(0, last), last])
        return Curve(self.thresh[rows], self.precision[rows], self.recall[rows])

    def precision_at(self) -> Doubles:
        """`(101,)` the best precision at recalls of 0, .01, ... 1 or more, as COCO interpolates."""
        best = np.append(envelope(self.precision), 0)
        return np.asarray(best[np.searchsorted(self.recall, RECALLS)])


def curve(scores: Floats, hits: NDArray[np.bool_], objects: int) -> Curve:
    """The curve of detections, `(D,)`, best first, of so many objects.

    Each threshold is half way to the next score, so that it divides the detections as it should even when rounded.
    """
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    right = np.cumsum(hits)[ends]
    levels = scores[ends].astype(np.float64)
    below = np.append(levels[1:], levels[-1:])
    return Curve((levels + below) / 2, right / (ends + 1), right / max(1, objects))


def curves(evaluation: Evaluation) -> list[Curve]:
    """One a class."""
    ranked, classes = evaluation.ranked, evaluation.classes
    parts = zip(ranked.by_class(len(classes)), classes, strict=True)
    return [curve(ranked.scores[part], ranked.hits[part], one.truths) for part, one in parts]


def curve_of_all(evaluation: Evaluation) -> Curve:
    """That of all detections together."""
    ranked = evaluation.ranked
    order = np.argsort(-ranked.scores, kind="stable")
    return curve(ranked.scores[order], ranked.hits[order], evaluation.total.truths)
