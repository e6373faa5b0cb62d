"""Labelled images to evaluate on: those that a .data file names, and their objects."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..boxes import Floats, Ints
from ..data import Data
from ..dataset.index import listed
from ..dataset.labels import CUT, NO_BOXES, find_labels, label_files, read_labels
from ..errors import DataError

_THREADS = 8  # they wait for files, mostly
_TOLD = 5  # problems that are told of one by one


class Sample(NamedTuple):
    """An image file, and its objects: `(M, 5)` of x, y, w, h (relative) and class.

    difficult: objects that need not be found, in the same way
    """

    path: str | Path
    boxes: Floats
    difficult: Floats = NO_BOXES


@dataclass(frozen=True)
class Labelled:
    """Images with their objects; iterated over it gives a `Sample` each.

    images: paths; boxes: `(T, 5)` of all images, one after the other; ends: `(N,)` where those of each image end;
    notes: what the user should know, a line each; difficult: the objects that need not be found, if any
    """

    images: Sequence[str]
    boxes: Floats
    ends: Ints
    notes: Sequence[str] = ()
    difficult: Labelled | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Sample]:
        for number, path in enumerate(self.images):
            difficult = NO_BOXES if self.difficult is None else self.difficult.boxes_of(number)
            yield Sample(path, self.boxes_of(number), difficult)

    def boxes_of(self, number: int) -> Floats:
        """The objects of one image, `(M, 5)`."""
        return self.boxes[self.ends[number - 1] if number else 0 : self.ends[number]]


def labelled(data: Data, classes: int, valid_list: str | Path | None = None) -> Labelled:
    """The images of `valid=` of a .data file, or else of `train=`, and those of `difficult=`, with their labels.

    Labels that cannot be used are left out and told of; an image without a file of labels has no objects.

    Args:
        classes: how many the network has
        valid_list: another list of images, or folder, in place of `valid=`
    Raises:
        DataError: no image is listed, or none has a label; `difficult=` has another number of lines
    Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)
    """
    images, reports = validation_images(data, valid_list)
    result = read_objects(images, classes)
    if not len(result.boxes):
        raise DataError(f"no label of {len(images)} images is usable; {result.notes[-1]}")
    result = replace(result, notes=[*reports, *result.notes])
    if "difficult" not in data.values:
        return result
    others, _ = listed(data, "difficult")
    if len(others) != len(images):
        expected = f"expected {len(images)}, as many as to evaluate on"
        raise DataError(f"{data.file}: difficult: {len(others)} images; {expected}")
    return replace(result, difficult=read_objects(others, classes))


def validation_images(data: Data, valid_list: str | Path | None = None) -> tuple[list[str], list[str]]:
    """The images of `valid=`, or else of `train=`, or of another list, and what to report; see `dataset.index.listed`.

    Raises:
        DataError: there is no such list, or no image in it
    """
    if valid_list is None:
        return listed(data, "valid" if "valid" in data.values else "train")
    if not os.path.exists(valid_list):
        raise DataError(f"{valid_list}: no such file; expected a list of images, or a folder of them")
    return listed(Data(data.file, {"valid": os.path.abspath(valid_list)}), "valid")


def read_objects(images: Sequence[str], classes: int) -> Labelled:
    """Images and their labels.

    Raises:
        DataError: none has a file of labels, or one cannot be read
    """

    def look(path: str) -> tuple[str, Floats, list[str]]:
        labels, rule = find_labels(path)
        boxes, bad = read_labels(labels, classes) if labels else (NO_BOXES, [])
        return rule, boxes, [line for line in bad if not line.endswith(CUT)]

    with ThreadPoolExecutor(_THREADS) as pool:
        rules, boxes, bad = zip(*pool.map(look, images), strict=True)
    found = Counter(filter(None, rules))
    if not found:
        expected = ", ".join(file for file, _ in label_files(images[0]))
        raise DataError(f"no image has labels; for the first of {len(images)}, expected one of {expected}")
    notes = [f"labels of {count} images found {rule}" for rule, count in found.most_common()]
    if bare := [path for path, rule in zip(images, rules, strict=True) if not rule]:
        notes.append(f"{len(bare)} images have no file of labels, so no objects; the first is {bare[0]}")
    notes += shortened(list(chain.from_iterable(bad)))
    return Labelled(images, np.concatenate(boxes), np.cumsum([*map(len, boxes)]), notes)


def shortened(problems: Sequence[str]) -> Iterator[str]:
    """The first few, and how many more there are."""
    yield from problems[:_TOLD]
    if (more := len(problems) - _TOLD) > 0:
        yield f"and {more} more like these"
