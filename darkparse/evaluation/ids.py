"""What COCO's files of results call images and classes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..cfg import read_text
from ..errors import DataError

_NOT_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # of the 90 of COCO that no class has
COCO_IDS = tuple(number for number in range(1, 91) if number not in _NOT_IDS)
_NUMBER = re.compile(r"(?:.*_)?(\d+)")


class Ids(NamedTuple):
    """What a file of results calls the images and the classes; notes: on where that is from."""

    images: Sequence[int]
    classes: Sequence[int]
    notes: Sequence[str]


def ids_of(images: Sequence[str], names: Sequence[str], truth: str | Path | None = None) -> Ids:
    """The ids for COCO.

    Of the images: the number at the end of the name, as in COCO_val2014_000000000042.jpg, and if some have none or
    share it, 1, 2, ... in the order of the list.  Of the classes: COCO's own for 80, else 1, 2, ...

    Args:
        truth: a COCO file whose ids are taken instead, by the names of files and classes
    Raises:
        DataError: an image or a class is not in `truth`
    Source: src/detector.c print_cocos (AlexeyAB 59596d7), examples/detector.c get_coco_image_id (pjreddie f6afaab):
        the one takes the number at the beginning of the name, 0 for those of 2014, the other as it is done here
    """
    if truth is not None:
        return ids_from(truth, images, names)
    found = [_NUMBER.fullmatch(Path(path).stem) for path in images]
    numbers = [int(one[1]) for one in found if one]
    named, own = len(set(numbers)) == len(images), len(names) == len(COCO_IDS)
    of_images = "the numbers in the names of the files" if named else "1, 2, ... in the order of the list"
    of_classes = "those of COCO, as there are 80 classes" if own else "1, 2, ... by class"
    return Ids(
        numbers if named else range(1, len(images) + 1),
        COCO_IDS if own else range(1, len(names) + 1),
        [f"image ids: {of_images}", f"category ids: {of_classes}"],
    )


def ids_from(truth: str | Path, images: Sequence[str], names: Sequence[str]) -> Ids:
    """The ids that a COCO file gives to files and classes.

    Raises:
        DataError: it is no such file, or an image or a class is not in it
    """
    try:
        content = json.loads(read_text(truth, DataError))
        files = {Path(one["file_name"]).name: int(one["id"]) for one in content["images"]}
        classes = {str(one["name"]): int(one["id"]) for one in content["categories"]}
    except (ValueError, KeyError, TypeError) as why:
        raise DataError(f"{truth}: expected a JSON file of COCO's, with images and categories ({why!r})") from None

    def wanted(table: Mapping[str, int], what: str, keys: Sequence[str]) -> list[int]:
        if missing := [key for key in keys if key not in table]:
            raise DataError(f"{truth}: no {what} {missing[0]!r}; expected all {len(keys)}, {len(missing)} are missing")
        return [table[key] for key in keys]

    return Ids(
        wanted(files, "image with the file name", [Path(path).name for path in images]),
        wanted(classes, "category with the name", names),
        [f"image and category ids: those of {truth}"],
    )
