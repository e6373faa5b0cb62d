"""What a training set holds, looked through once: which images, how large, with which labels."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cfg import read_lines
from ..data import Data
from ..errors import DarkparseError, DataError, ImageError
from ..files import write_text
from ..images import read_image
from ..inputs import in_folder
from .augment import Boxes
from .header import HEAD, is_jpeg, size_of
from .labels import NO_BOXES, find_labels, label_files, read_labels

_THREADS = 8  # they wait for files, mostly
_NO_LABELS = "no file of labels, so it trains as an image without objects"


class Image(NamedTuple):
    """A usable image: its file, its size, px, and whether it can be decoded at a part of that in less time."""

    path: str
    width: int
    height: int
    reducible: bool


@dataclass(frozen=True)
class Index:
    """The usable images of a training set.

    images: paths; sizes: `(N, 2)` width and height, px; reducible: `(N,)` whether they can be decoded at reduced scale;
    boxes: `(T, 5)` of all images, one after the other; ends: `(N,)` where those of each image end
    reports: what the user should know, a line each; bad, bad_labels: lines for bad.list and bad_label.list
    """

    images: list[str]
    sizes: NDArray[np.int32]
    reducible: NDArray[np.bool_]
    boxes: Boxes = field(default_factory=lambda: NO_BOXES)
    ends: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    reports: Sequence[str] = ()
    bad: Sequence[str] = ()
    bad_labels: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.images)

    def boxes_of(self, number: int) -> Boxes:
        """The labels of one image, `(M, 5)`."""
        first = self.ends[number - 1] if number else 0
        return self.boxes[first : self.ends[number]]

    def write_lists(self, folder: str | Path) -> list[Path]:
        """Write bad.list and bad_label.list, each unless there is nothing to put into it; the files written.

        Raises:
            DarkparseError: they cannot be written
        """
        lists = (("bad.list", self.bad), ("bad_label.list", self.bad_labels))
        written = [(Path(folder) / name, lines) for name, lines in lists if lines]
        for path, lines in written:
            write_text(path, "".join(f"{line}\n" for line in lines))
        return [path for path, _ in written]


def listed(data: Data, key: str = "train") -> tuple[list[str], list[str]]:
    """The images that `key` of a .data file names in a list, a line each, or as a folder; and what to report.

    A path is seen from the working folder, else from the list's folder, else from the .data file's.

    Raises:
        DataError: there is no such key or file, or no image in it
    """
    path = data.path(key)
    if path is None:
        raise DataError(f"{data.file}: {key}: missing; expected a list of images, or a folder of them")
    if path.is_dir():
        return in_folder(path), []
    folders = {
        "the working folder": Path(),
        "the list's folder": path.parent,
        "the .data file's folder": data.file.parent,
    }
    names = [name for line in read_lines(path, DataError) if (name := line.strip("\"'").strip())]
    if not names:
        raise DataError(f"{path}: expected the path of an image on each line, got an empty list")
    places = [_place(name, folders) for name in names]
    reports = [f"{path}: {count} images" + (f", seen from {rule}" if rule else "") for rule, count in _counts(places)]
    return [found for found, _ in places], reports


def _place(name: str, folders: dict[str, Path]) -> tuple[str, str]:
    """The file that a line of a list means, and from where it is seen."""
    if os.path.isabs(name):
        return name, ""
    seen = ((str(folder / name), rule) for rule, folder in folders.items())
    return next((place for place in seen if os.path.exists(place[0])), (name, ""))


def _counts(found: Iterable[tuple[object, str]]) -> list[tuple[str, int]]:
    """How often each rule was used."""
    return Counter(rule for _, rule in found).most_common()


def examine(path: str, channels: int) -> Image:
    """An image as `read_image` would give it.

    Raises:
        ImageError: it cannot be read
    """
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except (OSError, ValueError):
        head = b""  # read_image says why
    size = size_of(head) if channels in {1, 3} else None
    if size is None:
        rows, columns = read_image(path, channels).shape[:2]
        size = columns, rows
    return Image(path, *size, reducible=is_jpeg(head) and channels in {1, 3})


class _Found(NamedTuple):
    """What there is to know of one image."""

    image: Image | None
    rule: str = ""
    boxes: Boxes = NO_BOXES
    bad: Sequence[str] = ()
    bad_labels: Sequence[str] = ()


def index_boxes(images: Sequence[str], channels: int, classes: int) -> Index:
    """Look through images and their boxes.

    Raises:
        DataError: no image is usable, or none has a label
    """

    def look(path: str) -> _Found:
        try:
            image = examine(path, channels)
        except ImageError as why:
            return _Found(None, bad=[str(why)])
        labels, rule = find_labels(path)
        if not labels:
            return _Found(image, bad=[f"{next(label_files(path))[0]}: {_NO_LABELS}"])
        try:
            boxes, bad = read_labels(labels, classes)
        except DarkparseError as why:
            return _Found(image, bad=[str(why)])
        return _Found(image, rule, boxes, bad_labels=bad)

    found = list(_look(look, images))
    index = _index(found)
    rules = _counts((one, one.rule) for one in found if one.rule)
    reports = [f"labels of {count} images found {rule}" for rule, count in rules]
    if not rules:
        expected = ", ".join(file for file, _ in label_files(index.images[0]))
        raise DataError(f"no image has labels; for the first of {len(images)}, expected one of {expected}")
    if not len(index.boxes):
        problem = f"; {index.bad_labels[0]}" if index.bad_labels else ""
        raise DataError(f"no label of {len(images)} images is usable{problem}")
    return replace(index, reports=reports)


def index_images(images: Sequence[str], channels: int) -> Index:
    """Look through images without labels of their own.

    Raises:
        DataError: none is usable
    """

    def look(path: str) -> _Found:
        try:
            return _Found(examine(path, channels))
        except ImageError as why:
            return _Found(None, bad=[str(why)])

    return _index(list(_look(look, images)))


def _look(look: Callable[[str], _Found], images: Sequence[str]) -> Iterator[_Found]:
    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(look, images)


def _index(found: Sequence[_Found]) -> Index:
    usable = [(one.image, one.boxes) for one in found if one.image]
    bad = [line for one in found for line in one.bad]
    if not usable:
        raise DataError(f"none of {len(found)} images is usable; {bad[0]}")
    images = [image for image, _ in usable]
    return Index(
        [image.path for image in images],
        np.array([(image.width, image.height) for image in images], np.int32),
        np.array([image.reducible for image in images]),
        np.concatenate([boxes for _, boxes in usable]),
        np.cumsum([len(boxes) for _, boxes in usable]),
        bad=bad,
        bad_labels=[line for one in found for line in one.bad_labels],
    )
