"""Detections and classes of both sides: what is gained, lost, or moved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..boxes import iou
from ..classification import Classification
from ..detections import Detections
from .sides import Found, Picture, Wanted

OVERLAP = 0.5  # from which on two boxes of a class are taken for the same
SHOWN = 3  # classes of a classifier
NAMELESS = re.compile(r"(class_\d+)?")
MOST = 10  # detections of an image that are told of


class Seen(NamedTuple):
    """One detection: class, score, and box cxcywh relative to the image."""

    label: int
    name: str
    score: float
    box: tuple[float, ...]

    def text(self, size: tuple[int, int]) -> str:
        """For people: with the box in px where the size of the image is known, as -ext_output has it."""
        width, height = size if all(size) else (1, 1)
        cx, cy, w, h = (float(value) * unit for value, unit in zip(self.box, (width, height) * 2, strict=True))
        figures = (cx - w / 2, cy - h / 2, w, h)
        left, top, across, down = (f"{value:.0f}" if all(size) else f"{value:.4f}" for value in figures)
        return f"{self.name} {self.score:.2%} (left {left}, top {top}, width {across}, height {down})"


class Moved(NamedTuple):
    """One that both have: as A and as B have it."""

    one: Seen
    other: Seen

    @property
    def score(self) -> float:
        """Difference of the scores."""
        return abs(self.one.score - self.other.score)

    @property
    def box(self) -> float:
        """Largest difference of the boxes' middles, widths and heights, as part of the image's."""
        return max(abs(a - b) for a, b in zip(self.one.box, self.other.box, strict=True))

    def text(self, size: tuple[int, int]) -> str:
        """For people."""
        return f"{self.one.text(size)} -> {self.other.text(size)}"

    @property
    def largest(self) -> float:
        """The larger of the two differences."""
        return max(self.score, self.box)

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {"one": self.one._asdict(), "other": self.other._asdict(), "score": self.score, "box": self.box}


class Alone(NamedTuple):
    """One above the threshold on one side alone; and what the other has there below it, if that is worth knowing."""

    seen: Seen
    faint: Seen | None

    def text(self, size: tuple[int, int]) -> str:
        """For people."""
        return self.seen.text(size) + (f", on the other side {self.faint.score:.2%}" if self.faint else "")

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.seen._asdict(), "faint": self.faint and self.faint._asdict()}


@dataclass(frozen=True)
class Boxes:
    """The detections in one image: those of B that A lacks, those of A that B lacks, and those that both have."""

    image: str
    size: tuple[int, int]
    gained: list[Alone]
    lost: list[Alone]
    both: list[Moved]
    tolerance: float

    @property
    def moved(self) -> list[Moved]:
        """Those that both have, but otherwise; the farthest first."""
        found = [one for one in self.both if one.largest > self.tolerance]
        return sorted(found, key=lambda one: -one.largest)

    @property
    def same(self) -> bool:
        """Whether there is no difference beyond the tolerance."""
        return not (self.gained or self.lost or self.moved)

    def counts(self) -> str:
        """How many."""
        a, b = len(self.both) + len(self.lost), len(self.both) + len(self.gained)
        return f"{a} in A, {b} in B: {len(self.gained)} gained, {len(self.lost)} lost, {len(self.moved)} moved"

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.image}: {self.counts()}"
        for word, found in (("gained", self.gained), ("lost", self.lost), ("moved", self.moved)):
            yield from (f"  {word}: {one.text(self.size)}" for one in found[:MOST])
            if (more := len(found) - MOST) > 0:
                yield f"  and {more} more {word}"

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        gained, lost, both = ([one.as_json() for one in found] for found in (self.gained, self.lost, self.both))
        return {"image": self.image, "gained": gained, "lost": lost, "both": both}


@dataclass(frozen=True)
class Classes:
    """What one image was classified as."""

    image: str
    one: Classification
    other: Classification
    tolerance: float

    @property
    def score(self) -> float:
        """The largest difference of a class' scores; 1 where only one side has one."""
        a = {row.label: row.score for row in self.one}
        b = dict(zip(numbered(self.one.names, self.other.names, self.other.labels), self.other.scores, strict=True))
        return max((abs(a[label] - b[label]) if label in a and label in b else 1.0 for label in {*a, *b}), default=0.0)

    @property
    def same(self) -> bool:
        """Whether the first class is the same, and no score differs beyond the tolerance."""
        first = numbered(self.one.names, self.other.names, self.other.labels[:1])
        return self.one.labels[:1].tolist() == first and self.score <= self.tolerance

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.image}: largest difference of a score {self.score:.3g}"
        if not self.same:
            for name, found in (("A", self.one), ("B", self.other)):
                yield f"  {name}: " + ", ".join(f"{row.name} {row.score:.4f}" for row in [*found][:SHOWN])

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        a, b = ([row._asdict() for row in [*found][:SHOWN]] for found in (self.one, self.other))
        return {"image": self.image, "score": self.score, "one": a, "other": b}


def compare(picture: Picture, one: Found, other: Found, wanted: Wanted, tolerance: float) -> Boxes | Classes | None:
    """What two sides say of an image; None where the one has boxes and the other classes."""
    if isinstance(one, Detections) and isinstance(other, Detections):
        return boxes(picture, one, other, wanted.thresh, tolerance)
    if isinstance(one, Classification) and isinstance(other, Classification):
        return Classes(picture.name, one, other, tolerance)
    return None


def boxes(picture: Picture, one: Detections, other: Detections, thresh: float, tolerance: float) -> Boxes:
    """The detections above a threshold of both sides, those of one class that overlap most taken for the same."""
    mine, yours = rows(one), rows(other)
    found = Boxes(picture.name, picture.size, [], [], [], tolerance)
    for index, its in pairs(one, other, thresh):
        a, b = mine[index] if index is not None else None, yours[its] if its is not None else None
        if a and b and min(a.score, b.score) > thresh:
            found.both.append(Moved(a, b))
        elif a and a.score > thresh:
            found.lost.append(Alone(a, b))
        elif b and b.score > thresh:
            found.gained.append(Alone(b, a))
    return found


def rows(found: Detections) -> list[Seen]:
    """The detections one by one."""
    each = zip(found.labels.tolist(), found.scores.tolist(), found.relative.tolist(), strict=True)
    return [Seen(label, found.names[label], score, tuple(box)) for label, score, box in each]


def numbered(mine: Sequence[str], yours: Sequence[str], labels: np.ndarray) -> list[int]:
    """Classes of `yours` by their numbers in `mine`, where two networks have other classes; negative: it has none.

    A class without a name of its own, such as class_3, is that number.
    """
    places = {name: number for number, name in reversed([*enumerate(mine)])}

    def place(label: int) -> int:
        name, its = yours[label], mine[label] if label < len(mine) else ""
        if name == its or NAMELESS.fullmatch(name):
            return label
        return places.get(name, label if NAMELESS.fullmatch(its) else -1 - label)

    return [place(label) for label in labels.tolist()]


def pairs(one: Detections, other: Detections, thresh: float) -> list[tuple[int | None, int | None]]:
    """Rows of both that are of one class and overlap, each row once, those without one with None.

    First come those that are both above the threshold, of these the ones that overlap most, or else score alike.
    """
    labels = np.array(numbered(one.names, other.names, other.labels))
    found, of_class = [], {label: np.flatnonzero(labels == label) for label in set(labels.tolist())}
    mine, yours = (side.relative.astype(np.float64) for side in (one, other))  # boxes of untrained networks are huge
    for index, (box, label, score) in enumerate(zip(mine, one.labels.tolist(), one.scores, strict=True)):
        rivals = of_class.get(label, np.empty(0, np.int64))
        theirs, scores = yours[rivals], other.scores[rivals]
        overlap = np.where((theirs == box).all(axis=1), 1, iou(box, theirs))
        for place in np.flatnonzero(overlap >= OVERLAP).tolist():
            faint = bool(min(score, scores[place]) <= thresh)
            found.append((faint, -float(overlap[place]), abs(float(score - scores[place])), index, int(rivals[place])))
    left, right = dict.fromkeys(range(len(one))), dict.fromkeys(range(len(other)))
    chosen: list[tuple[int | None, int | None]] = []
    for *_, index, its in sorted(found):
        if index in left and its in right:
            chosen.append((index, its))
            del left[index], right[its]
    return [*chosen, *((index, None) for index in left), *((None, its) for its in right)]
