"""Where an image's labels are, and what they say."""

import os
import re
from collections.abc import Iterator

import numpy as np

from ..cfg import read_text
from ..errors import DataError, brief
from .augment import Boxes

NO_BOXES = np.zeros((0, 5), np.float32)
LARGEST = float(np.finfo(np.float32).max)  # Darknet reads floats: what is beyond is infinite
CUT = "cut at the edges of the image"  # what becomes of a box that reaches far outside, in training

_ALEXEYAB = (
    "/images/train2017/", "/images/val2017/", "/JPEGImages/", "\\images\\train2017\\", "\\images\\val2017\\",
    "\\images\\train2014\\", "\\images\\val2014\\", "/images/train2014/", "/images/val2014/", "\\JPEGImages\\",
)  # fmt: skip
PJREDDIE = ("images", "JPEGImages", "raw")
_FOLDER = re.compile(r"(.*[/\\]|^)images([/\\])", re.DOTALL)  # the last of that name
_WORD = re.compile(r"images|JPEGImages")


def label_files(image: str) -> Iterator[tuple[str, str]]:
    """Where the labels of an image may be, by which rule: (file, rule), in the order in which they are looked for.

    Each rule replaces a part of the path, and the suffix by .txt.
    Source: src/utils.c replace_image_to_label (AlexeyAB 59596d7), src/data.c fill_truth_detection (pjreddie f6afaab)
    """
    stem = os.path.splitext(image)[0]
    by_alexeyab = by_pjreddie = stem
    for folder in _ALEXEYAB:
        by_alexeyab = by_alexeyab.replace(folder, _WORD.sub("labels", folder), 1)
    for word in PJREDDIE:
        by_pjreddie = by_pjreddie.replace(word, "labels", 1)
    beside = "beside the images"
    rules = {
        by_alexeyab: "in the folder labels, as AlexeyAB's Darknet looks for them",
        _FOLDER.sub(r"\1labels\2", stem, count=1): "in the folder labels, for images in the path",
        by_pjreddie: "with labels for images, JPEGImages and raw in the path, as pjreddie's Darknet looks for them",
        stem: beside,
    }
    for path, rule in rules.items():
        yield f"{path}.txt", beside if path == stem else rule


def find_labels(image: str) -> tuple[str, str]:
    """The first file of labels that exists for an image, and the rule by which it was found; ("", "") if none does."""
    return next((found for found in label_files(image) if os.path.isfile(found[0])), ("", ""))


def read_labels(path: str, classes: int) -> tuple[Boxes, list[str]]:
    """The boxes in a file of labels, lines of class, centre, width and height, without those that must not be used.

    A class that the network lacks, x = y = 0, a box wholly outside the image or without size are left out; a box that
    reaches far outside is used, and cut at the edges.  Reading stops at the first line that is not five numbers.

    Returns:
        the boxes, and what is wrong, a line `file:line: reason` each
    Raises:
        DataError: it cannot be read
    Source: src/data.c read_boxes, correct_boxes, fill_truth_detection (AlexeyAB 59596d7)
    """
    boxes: list[tuple[float, ...]] = []
    bad: list[str] = []
    for number, line in enumerate(read_text(path, DataError).split("\n"), 1):
        if not (words := line.split()):
            continue
        try:
            index, x, y, w, h = int(words[0]), *map(float, words[1:])
        except ValueError:
            expected = "expected 'class x y width height', five numbers"
            bad.append(f"{path}:{number}: {expected}, got {brief(line.strip())}; the rest is not read")
            break
        if why := _unusable(index, (x, y, w, h), classes):
            bad.append(f"{path}:{number}: {why}; left out")
            continue
        if why := _odd(x, y, w, h):
            bad.append(f"{path}:{number}: {why}; {CUT}")
        boxes.append((x, y, w, h, index))
    return np.array(boxes, np.float32).reshape(-1, 5), bad


def _unusable(index: int, box: tuple[float, float, float, float], classes: int) -> str:
    """Why a label must be left out, or ""."""
    x, y, w, h = box
    if not 0 <= index < classes:
        return f"class {index}: expected 0 to {classes - 1}"
    if not all(abs(value) <= LARGEST for value in box):
        return f"x={x:g} y={y:g} width={w:g} height={h:g}: expected finite numbers"
    if x == y == 0:
        return "x=0 y=0: expected a centre inside the image"
    if w <= 0 or h <= 0:
        return f"width={w:g} height={h:g}: expected a size above 0"
    if x + w / 2 < 0 or y + h / 2 < 0 or x - w / 2 > 1 or y - h / 2 > 1:
        return f"x={x:g} y={y:g}: the box is outside the image; expected 0..1"
    return ""


def _odd(x: float, y: float, w: float, h: float) -> str:
    """What is wrong with a label that can be used, or ""."""
    if not (0 < x <= 1 and 0 < y <= 1):
        return f"x={x:g} y={y:g}: the centre is outside the image; expected 0..1"
    return f"width={w:g} height={h:g}: expected at most 1" if max(w, h) > 1 else ""
