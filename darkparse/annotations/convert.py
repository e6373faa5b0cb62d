"""What files of annotations tell, checked against the images and made `Annotations`: the same for all formats."""

import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..dataset.header import HEAD, orientation_of
from ..dataset.index import examine
from ..errors import DataError, ImageError
from . import NO_BOXES, Annotations, Picture

SLACK = 0.01  # px that a box may reach out of its image: rounding
LEAST = 1e-6  # relative to the image: a smaller size is written as 0
SHOWN = 50  # files that an error lists

Edges = tuple[float, float, float, float]  # left, top, right, bottom, px


class Thing(NamedTuple):
    """An object, as a file tells of it; place: the file and where in it."""

    place: str
    name: str
    edges: Edges


class Sheet(NamedTuple):
    """What a file tells of an image.

    place: the file and where in it; image: path; size: width and height, px, as the file has them, 0 where it has none
    """

    place: str
    image: str
    size: tuple[int, int]
    things: list[Thing]


@dataclass
class Report:
    """What is told of a conversion: decisions, what was left out or changed, and files that cannot be used."""

    notes: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def count(self, what: str, line: str = "") -> None:
        """One more of a kind, and the line that says which."""
        self._counts[what] += 1
        self.bad.extend([line] if line else [])

    def fail(self, line: str) -> None:
        """A file that cannot be used."""
        self.failed.append(line)

    def counted(self) -> list[str]:
        """How many there are of each kind."""
        return [f"{what}: {count}" for what, count in self._counts.items()]

    def check(self, what: str, skip_bad: bool, has_others: bool) -> None:
        """Raises DataError with all that cannot be used, unless it is to be left out and there are others."""
        if not self.failed:
            return
        if not has_others:
            raise DataError(f"none of {len(self.failed)} {what} can be used; {self.failed[0]}")
        if skip_bad:
            self._counts[f"{what} that cannot be used, left out"] += len(self.failed)
            self.bad[:0] = self.failed
            return
        more = [f"... and {len(self.failed) - SHOWN} more"] if len(self.failed) > SHOWN else []
        if len(self.failed) == 1:
            raise DataError(f"{self.failed[0]}; --skip-bad leaves it out")
        count = f"{len(self.failed)} {what} cannot be used; --skip-bad leaves them out"
        raise DataError("\n".join([count, *self.failed[:SHOWN], *more]))


def convert(
    splits: Mapping[str, Sequence[Sheet]],
    names: Sequence[str],
    report: Report,
    *,
    what: str = "images",
    skip_bad: bool = False,
) -> Annotations:
    """The objects of all sheets, those that cannot be used left out, and the others cut at the edges of their images.

    An image is only in one split: the last that has it.

    Args:
        splits: train, valid, ...; what: the word for the files in the error
        names: of the classes; objects of others are left out
        skip_bad: leave out what cannot be used at all, in place of refusing
    Raises:
        DataError: a file cannot be used, or there is nothing left
    """
    numbers = {name: number for number, name in enumerate(names)}
    pictures: dict[str, list[Picture]] = {split: [] for split in splits}
    for split, sheet in _apart(splits, report):
        if picture := _picture(sheet, numbers, report):
            pictures[split].append(picture)
    report.check(what, skip_bad, any(pictures.values()))
    rest = _rest(pictures, report)
    report.notes += _unused(rest, names)
    return Annotations(tuple(names), rest, (*report.notes, *report.counted()), tuple(report.bad))


def _rest(pictures: Mapping[str, list[Picture]], report: Report) -> dict[str, list[Picture]]:
    """The splits in which there is something.

    Raises:
        DataError: there is none, or no object
    """
    first = f"; {report.bad[0]}" if report.bad else ""
    rest = {split: some for split, some in pictures.items() if some}
    if not rest:
        raise DataError(f"no image is left{first}")
    if not any(len(picture.boxes) for some in rest.values() for picture in some):
        raise DataError(f"none of {sum(map(len, rest.values()))} images has an object that can be used{first}")
    if "train" not in rest:
        report.notes.append("no image is to train on")
    return rest


def _unused(pictures: Mapping[str, Sequence[Picture]], names: Sequence[str]) -> Iterator[str]:
    used = {int(number) for some in pictures.values() for picture in some for number in picture.boxes[:, 4]}
    idle = [name for number, name in enumerate(names) if number not in used]
    if idle:
        yield f"classes without an object: {', '.join(idle)}"


def _apart(splits: Mapping[str, Sequence[Sheet]], report: Report) -> list[tuple[str, Sheet]]:
    """The sheets with their splits, in order, each image once."""
    homes: dict[str, tuple[str, Sheet]] = {}
    for split, sheets in splits.items():
        for sheet in sheets:
            image = os.path.realpath(sheet.image)
            before, other = homes.pop(image, ("", sheet))
            homes[image] = split, sheet
            if before == split and other.place != sheet.place:
                report.fail(f"{sheet.place}: {sheet.image} is annotated in {other.place}, too; expected one of them")
            elif before == split:
                report.count(f"images named twice in {split}")
            elif before:
                report.count(f"images left out of {before}, as they are in {split}")
    return list(homes.values())


def _picture(sheet: Sheet, numbers: Mapping[str, int], report: Report) -> Picture | None:
    try:
        _, width, height, _ = examine(sheet.image, 3)
    except ImageError as why:
        report.fail(f"{sheet.place}: {why}")
        return None
    if reason := _of_another_size(sheet, width, height):
        report.fail(f"{sheet.place}: {reason}")
        return None
    if sheet.size != (width, height):
        said = "x".join(map(str, sheet.size)) if any(sheet.size) else "none"
        line = f"{sheet.place}: size: {said}, but {sheet.image} is {width}x{height}; the image counts"
        report.count(
            "sizes that are not those of the images, which count (boxes are wrong where an image was resized since)",
            line,
        )
    rows = [row for thing in sheet.things if (row := _row(thing, (width, height), numbers, report))]
    return Picture(sheet.image, width, height, np.array(rows).reshape(-1, 5) if rows else NO_BOXES)


def _of_another_size(sheet: Sheet, width: int, height: int) -> str:
    """Why the boxes are not those of the image as it is, but of it turned, or smaller, or larger; else ""."""
    if sheet.size == (width, height) or 0 in sheet.size:
        return ""
    said = f"the boxes are for {sheet.size[0]}x{sheet.size[1]}, but {sheet.image} is {width}x{height}"
    if sheet.size == (height, width) and _is_turned(sheet.image):
        return f"{said}, as EXIF turns it; expected it without its EXIF data, as it was labelled"
    right = max((thing.edges[2] for thing in sheet.things), default=0)
    bottom = max((thing.edges[3] for thing in sheet.things), default=0)
    inside = right <= sheet.size[0] + 1 and bottom <= sheet.size[1] + 1
    if inside and (right > width + 1 or bottom > height + 1):
        return f"{said}, and one reaches to {right:g}, {bottom:g}; expected the image that was labelled"
    return ""


def _is_turned(path: str) -> bool:
    with open(path, "rb") as file:
        return orientation_of(file.read(HEAD)) > 1


def _row(
    thing: Thing, size: tuple[int, int], numbers: Mapping[str, int], report: Report
) -> tuple[float, float, float, float, int] | None:
    """Centre, width and height relative to the image, and class; None where that cannot be."""
    place, name, edges = thing
    at = f"{place}: {name} {','.join(f'{edge:g}' for edge in edges)}"
    if name not in numbers:
        report.count(f"objects of the class {name!r}, which is not among the names, left out", f"{at}: unknown class")
        return None
    if not all(map(math.isfinite, edges)):
        report.count("objects without a box, left out", f"{at}: expected four numbers; left out")
        return None
    if edges[2] <= edges[0] or edges[3] <= edges[1]:
        report.count("objects without a size, left out", f"{at}: no size; left out")
        return None
    left, top, right, bottom = _cut(edges, size)
    if right <= left or bottom <= top:
        whole = f"the image of {size[0]}x{size[1]}"
        report.count("objects outside the image, left out", f"{at}: outside {whole}; left out")
        return None
    if (left, top, right, bottom) != edges:
        report.count("objects that reach out of the image, cut at its edges", f"{at}: cut at {size[0]}x{size[1]}")
    width, height = size
    box = (left + right) / 2 / width, (top + bottom) / 2 / height, (right - left) / width, (bottom - top) / height
    if min(box[2:]) < LEAST:
        report.count("objects without a size, left out", f"{at}: less than a millionth of the image; left out")
        return None
    return *box, numbers[name]


def _cut(edges: Edges, size: tuple[int, int]) -> Edges:
    """The part of a box that is in the image; the box itself where it is in it but for rounding."""
    limits = (*size, *size)
    if all(-SLACK <= edge <= limit + SLACK for edge, limit in zip(edges, limits, strict=True)):
        return edges
    left, top, right, bottom = (min(max(edge, 0.0), limit) for edge, limit in zip(edges, limits, strict=True))
    return left, top, right, bottom


def number_of(text: str) -> float:
    """A number of a file; not a number where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
