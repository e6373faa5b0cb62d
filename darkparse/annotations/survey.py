"""A data set in Darknet's layout looked through once: each listed image, and its labels line by line.

It only says what is there.  What is wrong with it, `faults` says.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..cfg import read_lines, read_text
from ..data import Data
from ..dataset.header import HEAD, orientation_of
from ..dataset.index import examine, listed
from ..dataset.labels import label_files
from ..errors import DarkparseError, DataError, ImageError, ignore
from ..findings import ERROR, WARNING, Finding
from ..guard import note_read
from ..images import read_image
from . import SPLITS

_THREADS = 8  # they wait for files, and OpenCV decodes beside them
_REDUCED = 8  # each side is decoded at that part of its length: all bytes are read, in half the time

Row = tuple[float, float, float, float, int]  # centre x and y, width, height, relative to the image; class
Tell = Callable[[int, int], None]  # takes how many images are looked at, and of how many


class Line(NamedTuple):
    """A line of a file of labels that is not blank: its number, its text, and the box, unless it is no five numbers."""

    number: int
    text: str
    row: Row | None


@dataclass(frozen=True)
class Seen:
    """What there is to know of an image of a list.

    split: one of `SPLITS`; path: its file; listing, line: where it is named; line 0: found in the folder `listing`
    size: width and height, px, turned as EXIF says; None where it cannot be read, and `why` says why
    turned: EXIF says that it is to be turned or mirrored; bytes: of its file, -1 where there is none
    labels: the files of labels that there are for it, of which the first counts, and the rules that lead there
    lines: of the first; unread: why it cannot be read, or ""
    """

    split: str
    path: str
    listing: str
    line: int
    size: tuple[int, int] | None = None
    why: str = ""
    turned: bool = False
    bytes: int = -1
    labels: tuple[tuple[str, str], ...] = ()
    lines: tuple[Line, ...] = ()
    unread: str = ""

    @property
    def label_file(self) -> str:
        """The one that counts, or ""."""
        return self.labels[0][0] if self.labels else ""

    @property
    def place(self) -> tuple[str, int]:
        """Where it is named: the list and the line, or its own path and 0."""
        return (self.listing, self.line) if self.line else (self.path, 0)

    @property
    def rows(self) -> list[Row]:
        """All boxes, sound or not."""
        return [line.row for line in self.lines if line.row]


@dataclass(frozen=True)
class Survey:
    """A data set looked through: its images in the order of the lists, and what is wrong with the lists themselves."""

    data: Data
    images: list[Seen]
    problems: list[Finding]

    def split(self, name: str) -> list[Seen]:
        """The images of one."""
        return [image for image in self.images if image.split == name]

    def rows(self, name: str) -> Iterator[Row]:
        """All boxes of a split, sound or not."""
        return (row for image in self.split(name) for row in image.rows)


def look(data: Data, *, channels: int = 3, quick: bool = False, tell: Tell = ignore) -> Survey:
    """Look through the images of `train=` and `valid=` and their labels.

    Args:
        channels: of the network
        quick: do not decode images, but take their sizes from their first bytes
        tell: told of each image
    """
    problems: list[Finding] = []
    named = [image for key in SPLITS for image in _named(data, key, problems)]
    images = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for image in pool.map(lambda image: _look(image, channels, quick), named):
            images.append(image)
            tell(len(images), len(named))
    return Survey(data, images, problems)


def _named(data: Data, key: str, problems: list[Finding]) -> Iterator[Seen]:
    """The images of a split, yet to be looked at."""
    if key not in data.values:
        problems.append(_missing(data, key))
        return
    try:
        path, (images, _) = data.path(key), listed(data, key)
        assert path is not None
        if key == "valid" and _is_train(data, path):
            message = f"valid: the same as train, {path}; its mAP says nothing of other images"
            problems.append(Finding("valid-is-train", WARNING, str(data.file), 0, message))
            return
        numbers = [0] * len(images) if path.is_dir() else _numbers(path)
    except DarkparseError as why:
        problems.append(Finding("list", ERROR, str(data.file), 0, str(why).removeprefix(f"{data.file}: ")))
        return
    yield from (Seen(key, image, str(path), number) for image, number in zip(images, numbers, strict=True))


def _missing(data: Data, key: str) -> Finding:
    remedy = f"expected {key} = a list of images, or a folder of them"
    if key == "train":
        return Finding("no-train", ERROR, str(data.file), 0, "train: missing; there is nothing to train on", remedy)
    message = "valid: missing; Darknet evaluates on the images that it trains on, whose mAP says nothing of others"
    return Finding("no-valid", WARNING, str(data.file), 0, message, remedy)


def _is_train(data: Data, valid: Path) -> bool:
    try:
        train = data.path("train")
    except DataError:
        return False
    return train is not None and os.path.samefile(train, valid)


def _numbers(path: Path) -> list[int]:
    """Of the lines of a list that name an image; see `dataset.index.listed`."""
    return [number for number, line in enumerate(read_lines(path), 1) if line.strip("\"'").strip()]


def _look(image: Seen, channels: int, quick: bool) -> Seen:
    note_read(image.path)
    count, turned = _file(image.path)
    size, why = _size(image.path, channels, quick)
    labels = tuple(found for found in label_files(image.path) if os.path.isfile(found[0]))
    lines, unread = read_label_lines(labels[0][0]) if labels else ((), "")
    return replace(image, size=size, why=why, turned=turned, bytes=count, labels=labels, lines=lines, unread=unread)


def _file(path: str) -> tuple[int, bool]:
    """How many bytes an image has, -1 where there is none; and whether EXIF says that it is to be turned."""
    try:
        with open(path, "rb") as file:
            return os.fstat(file.fileno()).st_size, orientation_of(file.read(HEAD)) > 1
    except (OSError, ValueError):
        return (0 if os.path.exists(path) else -1), False


def _size(path: str, channels: int, quick: bool) -> tuple[tuple[int, int] | None, str]:
    """Width and height of an image, or why it cannot be read."""
    try:
        found = examine(path, channels)
        if not quick:
            read_image(path, channels, _REDUCED if channels in {1, 3} else 1)
    except ImageError as why:
        return None, str(why).removeprefix(f"{path}: ")
    return (found.width, found.height), ""


def read_label_lines(path: str) -> tuple[tuple[Line, ...], str]:
    """The lines of a file of labels that are not blank, also those that training does not use; or why there are none.

    A number is what `dataset.labels.read_labels` takes for one.
    """
    try:
        text = read_text(path, DataError)
    except DataError as why:
        return (), str(why).removeprefix(f"{path}: ")
    numbered = enumerate(text.split("\n"), 1)
    return tuple(Line(n, line.strip(), _row(line.split())) for n, line in numbered if line.strip()), ""


def _row(words: list[str]) -> Row | None:
    try:
        index, x, y, w, h = int(words[0]), *map(float, words[1:])
    except ValueError:
        return None
    return x, y, w, h, index
