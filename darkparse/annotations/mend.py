"""A cleaned copy of a data set: without what training cannot use and evaluation should not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..data import Data, read_data
from ..errors import DataError, first_of
from . import SPLITS, Annotations, Picture, darknet
from .data_faults import MOST_CLASSES, class_count, names_of
from .label_faults import Sizes, clipped, label_faults
from .repeats import same_images
from .survey import Row, Seen, Survey

SHOWN = 3  # names in a note
_DECIMALS = 6  # of a file of labels
_DROPPED = {  # rules of `label_faults`, and what is done about them
    "label-line": "lines that are no box, left out",
    "class-range": "boxes of classes that there are not, left out",
    "zero-size": "boxes without a size, left out",
    "outside": "boxes outside their image, left out",
    "duplicate": "boxes that were there already, left out",
}
_CUT = "boxes that reached out of their image, cut at its edges"
_IN_BOTH = "images left out of train, as they are in valid"  # which is what figures are compared by, and often smaller

_TWICE = "images that come twice, left out once"


@dataclass(frozen=True)
class Mended:
    """A cleaned copy: its .data file; how often what was done; what the user should know of the files, a line each."""

    data: Path
    done: Counter[str]
    notes: tuple[str, ...]


class _Deed(NamedTuple):
    """Something that was done, its kind, or "" for nothing; where, and why."""

    kind: str
    place: str
    why: str


@dataclass
class _Account:
    """All that was done: how often each kind, and a line each."""

    done: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, deed: _Deed) -> None:
        self.done[deed.kind] += 1
        line = f"{deed.place}: {deed.why} ({deed.kind})"
        self.lines.append(line.encode("utf-8", "backslashreplace").decode())  # names of files need not be valid text


def mend(survey: Survey, folder: str | Path, *, classes: int | None = None, copy: bool = False) -> Mended:
    """Write a cleaned copy of a data set that was looked through; nothing of the data set itself is changed.

    Images that are missing or cannot be read are left out, and those that come twice; of those in train and valid,
    valid keeps them, so that figures stay comparable.  Boxes that training would not use are left out, as are repeated
    ones, and boxes that reach out of their image are cut at its edges.  What was done is listed in bad.list.

    Args:
        folder: new, empty, or written by this
        classes: how many the network has; else as many as there are names, else `classes=`, else as the labels need
        copy: copies of the images in place of links
    Raises:
        DataError: nothing would be left to train on
        DarkparseError: the folder has something else, or cannot be written
    """
    account = _Account()
    count = class_count(survey.data, classes) or _needed(survey)
    refused = dict(_refused(survey.images))
    pictures: dict[str, list[Picture]] = {split: [] for split in SPLITS}
    for image in survey.images:
        if id(image) in refused:
            account.add(refused[id(image)])
        else:
            pictures[image.split].append(_picture(image, count, account))
    if not any(len(picture.boxes) for picture in pictures["train"]):
        raise DataError(f"{survey.data.file}: no image with a box would be left to train on")
    if "valid" in survey.data.values and not pictures["valid"]:
        account.add(_Deed("valid= left out", str(survey.data.file), "it has no image of its own that can be used"))
    given = names_of(survey.data)[:count]
    names = (*given, *(f"class_{index}" for index in range(len(given), count)))
    found = Annotations(names, {split: some for split, some in pictures.items() if some}, bad=tuple(account.lines))
    written = darknet.write(found, folder, copy=copy)
    return Mended(written.data, account.done, (*written.notes, *_changed(survey.data, written.data)))


def _changed(old: Data, new: Path) -> Iterator[str]:
    """What is otherwise in the .data file and in the names than it was."""
    had, has = names_of(old), names_of(read_data(new))
    for what, names in (("made up", has[len(had) :]), ("left out", had[len(has) :])):
        if names:
            yield f"{new.with_suffix('.names')}: {what}, as there are {len(has)} classes: {first_of(names, SHOWN)}"
    if keys := [key for key in old.values if key not in {*read_data(new).values, *SPLITS, "labels"}]:
        yield f"{new}: without {', '.join(f'{key}=' for key in keys)} of {old.file}"


def _needed(survey: Survey) -> int:
    """As many classes as the labels speak of, where nothing else says so."""
    numbers = (row[4] for split in SPLITS for row in survey.rows(split))
    return 1 + max((number for number in numbers if number < MOST_CLASSES), default=0)


def _refused(images: Sequence[Seen]) -> Iterator[tuple[int, _Deed]]:
    """The images that are left out, by their identity, and why."""
    for image in images:
        if image.size is None:
            kind = "missing images, left out" if image.bytes < 0 else "images that cannot be read, left out"
            yield id(image), _Deed(kind, image.path, image.why)
        elif image.unread:
            yield id(image), _Deed("images whose labels cannot be read, left out", image.label_file, image.unread)
    for group in same_images([image for image in images if image.size and not image.unread]):
        for_valid = [image for image in group if image.split == "valid"]
        kept: list[Seen] = []
        for image in group:
            if for_valid and image.split != "valid":
                yield id(image), _Deed(_IN_BOTH, image.path, f"the same as {for_valid[0].path} of valid")
            elif any(Counter(image.rows) == Counter(earlier.rows) for earlier in kept):
                yield id(image), _Deed(_TWICE, image.path, f"the same as {kept[0].path}, with the same labels")
            else:
                kept.append(image)


def _picture(image: Seen, classes: int, account: _Account) -> Picture:
    assert image.size is not None
    if not image.labels:
        account.add(_Deed("images without a file of labels, which get an empty one", image.path, "no file of labels"))
    rows: dict[Row, None] = {}  # in their order
    for row, deed in _mended(image, image.size, classes):
        if row in rows:
            account.add(_Deed(_DROPPED["duplicate"], deed.place, "the same box as another"))
            continue
        if deed.kind:
            account.add(deed)
        if row:
            rows[row] = None
    return Picture(image.path, *image.size, np.array(list(rows), np.float64).reshape(-1, 5))


def _mended(image: Seen, size: tuple[int, int], classes: int) -> Iterator[tuple[Row | None, _Deed]]:
    """What becomes of each line, None if it is left out, and what is done about it."""
    faults = list(label_faults(image.lines, classes, Sizes(size)))
    dropped = {fault.line.number: fault for fault in faults if fault.rule in _DROPPED}
    over = {fault.line.number: fault for fault in faults if fault.rule == "partly-outside"}
    for line in image.lines:
        place = f"{image.label_file}:{line.number}"
        if line.row is None or line.number in dropped:
            fault = dropped[line.number]
            yield None, _Deed(_DROPPED[fault.rule], place, fault.message)
            continue
        x, y, w, h = (round(value, _DECIMALS) for value in clipped(line.row)[:4])
        row = x, y, w, h, line.row[4]
        if line.number not in over:
            yield row, _Deed("", place, "")
        elif w * size[0] < 1 or h * size[1] < 1:
            yield None, _Deed(_DROPPED["outside"], place, "less than a pixel of the box is in the image")
        else:
            yield row, _Deed(_CUT, place, over[line.number].message)
