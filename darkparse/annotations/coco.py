"""COCO's JSON of object instances (instances_train2017.json, ...), read and written.

A box is x, y, width, height, px from the corner of the image.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..cfg import read_text
from ..errors import DarkparseError, DataError, brief
from ..files import blamed, write_text
from ..guard import check_not_read
from . import Annotations, Picture
from .convert import Edges, Report, Sheet, Thing, convert
from .image_finder import Finder, base_of
from .split import divided

LONGEST = 1 << 32  # bytes
_LISTS = ("images", "annotations", "categories")
_UNUSED = ("segmentation", "keypoints")  # long, and dropped before all is in memory
_SPLITS = {"train": r"train", "valid": r"(?:mini)?val(?:id|idation)?", "test": r"test"}
_FAR = 1e9  # px; no image is so large
_DIGITS = 6  # after the point, px: labels of six digits survive the way there and back

_Entry = dict[str, Any]


def read(
    files: Iterable[str | Path] = (),
    *,
    train: Iterable[str | Path] = (),
    valid: Iterable[str | Path] | float = (),
    images: str | Path | None = None,
    names: Sequence[str] | None = None,
    seed: int = 1,
    keep_crowds: bool = False,
    skip_bad: bool = False,
) -> Annotations:
    """The objects of COCO files.

    Args:
        files: to evaluate on where the name has the word val or valid, or if there is none test, or the folder is named
            so; else to train on.  A folder stands for annotations/instances_*.json, or else *.json and */*.json in it
        train, valid: files for each; or for valid the fraction of all images to keep; see `split.divided`
        images: folder of the images; else they are looked for beside a file, in the folder above, and in folders of
            these with the name of the split (train2017) or images/ before it
        names: of the classes; else all categories, by their ids
        keep_crowds: use boxes of crowds (iscrowd=1), which COCO's evaluation passes over
        skip_bad: leave out images that cannot be used, in place of refusing
    Raises:
        DataError: a file is no such JSON, images cannot be used, or nothing is left
    """
    report = Report()
    given = {"train": list(map(Path, train)), "valid": [] if isinstance(valid, float) else list(map(Path, valid))}
    for split, one in _sorted_out([one for file in files for one in _files(Path(file))], report):
        given["train" if isinstance(valid, float) else split].append(one)
    source = _Source(images, report, keep_crowds)
    splits: dict[str, list[Sheet]] = {}
    for split, some in given.items():
        if some:
            splits[split] = [sheet for file in some for sheet in source.sheets(file)]
            report.notes.append(f"{split}: {' and '.join(map(str, some))}, {len(splits[split])} images")
    names = source.names() if names is None else names
    found = convert(splits, names, report, skip_bad=skip_bad)
    return divided(found, valid, seed) if isinstance(valid, float) else found


def _files(file: Path) -> list[Path]:
    """A file itself; those of a folder."""
    if not file.is_dir():
        return [file]
    found = next(
        filter(None, (sorted(file.glob(p)) for p in ("annotations/instances_*.json", "*.json", "*/*.json"))), []
    )
    if not found:
        raise DataError(f"{file}: no annotations/instances_*.json, nor any other JSON file in this folder")
    return found


def _sorted_out(files: Sequence[Path], report: Report) -> Iterator[tuple[str, Path]]:
    """Each file with what it is for."""
    kinds = {file: _kind(file) for file in files}
    for file, kind in kinds.items():
        if kind == "test" and "valid" in kinds.values():
            report.notes.append(f"not used: {file}")
        else:
            yield "train" if kind == "train" else "valid", file


def _kind(file: Path) -> str:
    """By a word in the name of a file, or else by the name of its folder."""
    name, folder = file.stem.lower(), file.absolute().parent.name.lower()
    by_name = (kind for kind, word in _SPLITS.items() if re.search(rf"(?<![a-z]){word}(?![a-z])", name))
    by_folder = (kind for kind, word in _SPLITS.items() if re.fullmatch(rf"{word}\d*", folder))
    return next(by_name, None) or next(by_folder, "train")


class _Source:
    """Reads files whose categories belong together."""

    def __init__(self, images: str | Path | None, report: Report, keep_crowds: bool) -> None:
        self.images = Path(images) if images else None
        self.finder = Finder([self.images] if self.images else [])
        self.report, self.keep_crowds = report, keep_crowds
        self.categories: dict[int, str] = {}

    def names(self) -> list[str]:
        """Those of the categories, by their ids."""
        names = [self.categories[number] for number in sorted(self.categories)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            numbers = [number for number, name in self.categories.items() if name == twice]
            raise DataError(
                f"categories {' and '.join(map(str, numbers))} are both {twice!r}; expected different names"
            )
        return names

    def sheets(self, file: Path) -> list[Sheet]:
        """The images of a file, with their objects."""
        content = _load(file)
        self._add_categories(file, content["categories"])
        sheets: dict[object, Sheet] = {}
        missing: set[object] = set()
        for entry in content["images"]:
            number = _id(entry, "id")
            if number in sheets or number in missing:
                raise DataError(f"{file}: two images with the id {number!r}; expected one")
            try:
                sheets[number] = Sheet(f"{file}: image {number}", self._image(file, entry), _size(entry), [])
            except DataError as why:
                missing.add(number)
                self.report.fail(str(why))
        for entry in content["annotations"]:
            number = _id(entry, "image_id")
            if number not in missing and (thing := self._thing(file, entry, number in sheets)):
                sheets[number].things.append(thing)
        return list(sheets.values())

    def _add_categories(self, file: Path, entries: Iterable[_Entry]) -> None:
        for entry in entries:
            number, name = entry.get("id"), entry.get("name")
            if not isinstance(number, int) or not isinstance(name, str) or not name.strip():
                raise DataError(f"{file}: category {brief(str(entry))}: expected a whole number as id, and a name")
            name = " ".join(name.split())
            if self.categories.setdefault(number, name) != name:
                raise DataError(f"{file}: category {number} is {name!r}, but {self.categories[number]!r} before")

    def _thing(self, file: Path, entry: _Entry, has_image: bool) -> Thing | None:
        """An object; None where it is left out."""
        place = f"{file}: annotation {entry.get('id')}"
        number = entry.get("category_id")
        name = self.categories.get(number) if isinstance(number, int) else None
        if not has_image:
            line = f"{place}: image_id {entry.get('image_id')}: no such image; left out"
            self.report.count("objects of images that are not there, left out", line)
        elif name is None:
            line = f"{place}: category_id {number}: no such category; left out"
            self.report.count("objects of categories that are not there, left out", line)
        elif entry.get("iscrowd") and not self.keep_crowds:
            self.report.count("crowds (iscrowd=1), left out (--crowds keeps them)")
        else:
            return Thing(place, name, _edges(entry.get("bbox")))
        return None

    def _image(self, file: Path, entry: _Entry) -> str:
        """The path of an image."""
        name = entry.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{file}: image {entry.get('id')}: no file_name")
        part = file.stem.partition("_")[2] or file.stem
        tops = [self.images] if self.images else [file.parent, file.parent.parent]
        for top in tops:
            for folder in (top, top / part, top / "images" / part, top / "images"):
                if os.path.isfile(path := folder / name.replace("\\", "/")):
                    return str(path)
        try:
            if found := self.finder.find(base_of(name), [top / part for top in tops]):
                return found
        except DataError as why:
            raise DataError(f"{file}: image {entry.get('id')}: {why}") from None
        expected = f"in {self.images}" if self.images else f"near {file}; --images names their folder"
        raise DataError(f"{file}: image {entry.get('id')}: no file {name!r} {expected}")


def _load(file: Path) -> dict[str, list[_Entry]]:
    """What a file holds."""
    text = read_text(file, DataError, LONGEST)
    try:
        content = json.loads(text, object_hook=_slim)
    except json.JSONDecodeError as why:
        raise DataError(f"{file}:{why.lineno}: {why.msg}; expected COCO's JSON") from None
    except (ValueError, RecursionError) as why:
        raise DataError(f"{file}: {why}; expected COCO's JSON") from None
    for key in _LISTS:
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise DataError(f"{file}: no list of {key}; expected COCO's object instances")
    lists: dict[str, list[_Entry]] = content
    return lists


def _slim(entry: _Entry) -> _Entry:
    for key in _UNUSED:
        entry.pop(key, None)
    return entry


def _id(entry: _Entry, key: str) -> object:
    """A number or a string; None where it is neither."""
    found = entry.get(key)
    return found if isinstance(found, int | float | str) else None


def _size(entry: _Entry) -> tuple[int, int]:
    width, height = (entry.get(side) for side in ("width", "height"))
    return (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)


def _edges(bbox: object) -> Edges:
    """Left, top, right and bottom of a box; not numbers where it is none."""
    if isinstance(bbox, list) and len(bbox) == 4 and all(isinstance(one, int | float) for one in bbox):
        x, y, width, height = (float(one) if abs(one) < _FAR else math.nan for one in bbox)
        return x, y, x + width, y + height
    return math.nan, math.nan, math.nan, math.nan


def write(annotations: Annotations, folder: str | Path, *, overwrite: bool = False) -> tuple[list[Path], Path]:
    """Write `FOLDER/instances_SPLIT.json` for each split.

    Returns:
        the files, and the folder from which their file_name is seen
    Raises:
        DarkparseError: there is such a file, or it cannot be written
    """
    files = {split: Path(folder) / f"instances_{split}.json" for split in annotations.pictures}
    for file in files.values():
        check_not_read(file)
        if file.exists() and not overwrite:
            raise DarkparseError(f"{file}: is there already; not overwritten without --overwrite")
    paths = [os.path.abspath(picture.path) for some in annotations.pictures.values() for picture in some]
    top = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else os.getcwd()
    with blamed(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
    for split, file in files.items():
        content = as_coco(annotations.pictures[split], annotations.names, top)
        write_text(file, json.dumps(content))
    return list(files.values()), Path(top)


def as_coco(pictures: Sequence[Picture], names: Sequence[str], top: str | Path = ".") -> dict[str, list[_Entry]]:
    """What a COCO file holds; all ids are from 1 on.

    Args:
        top: folder from which file_name is seen
    """
    images: list[_Entry] = []
    annotations: list[_Entry] = []
    for number, picture in enumerate(pictures, 1):
        name = Path(os.path.relpath(picture.path, top)).as_posix()
        images.append({"id": number, "file_name": name, "width": picture.width, "height": picture.height})
        for x, y, w, h, label in picture.boxes.tolist():
            width, height = w * picture.width, h * picture.height
            box = [x * picture.width - width / 2, y * picture.height - height / 2, width, height]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": [round(side, _DIGITS) for side in box],
                    "area": round(width * height, _DIGITS),
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(names, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}
