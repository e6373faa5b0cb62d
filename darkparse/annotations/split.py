"""Images divided into those to train on and those to evaluate on, so that rare classes are in both."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..data import read_data
from ..dataset.labels import find_labels
from ..errors import DarkparseError, DataError
from ..files import write_text
from ..guard import check_not_read
from . import SPLITS, Annotations, Picture, darknet
from .image_folder import checked_name, lines_of, told_unseen
from .repeats import contents

_Group = list[Picture]  # images with the same content, which stay together


class Divided(NamedTuple):
    """A data set that was divided: the new .data file, and what it leads to."""

    data: Path
    annotations: Annotations


def divided(annotations: Annotations, fraction: float, seed: int) -> Annotations:
    """The images to train on divided into train and valid; see `divide`.

    Raises:
        DataError: there are fewer than two different images, or the fraction is not between 0 and 1
    """
    train, valid = divide(annotations.pictures["train"], fraction, seed)
    note = f"valid: {len(valid)} of {len(train) + len(valid)} images, drawn by seed {seed}"
    notes = (*annotations.notes, note, *_uneven(train, valid, annotations.names))
    return replace(annotations, pictures={**annotations.pictures, "train": train, "valid": valid}, notes=notes)


def divide(pictures: Sequence[Picture], fraction: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """Images to train on, and about a fraction of them to evaluate on, each in its order.

    The classes are gone through from the rarest on.  Of the images with a class the fraction is for valid, but at least
    one and not all; as many are drawn as the images of rarer classes, which are divided by then, leave to be drawn.
    Images without objects come last, and make the whole right.  What is drawn depends on the seed and on the names of
    the files and the folders that they do not share, not on their order.  Files with the same content stay together.

    Raises:
        DataError: there are fewer than two different images, or the fraction is not between 0 and 1
    """
    if not 0 < fraction < 1:
        raise DataError(f"{fraction:g} of the images to evaluate on: expected more than 0 and less than 1")
    groups = _shuffled(_groups(pictures), seed)
    if len(groups) < 2:
        raise DataError(f"{len(groups)} different images: expected two or more to divide")
    with_class: dict[int, list[int]] = defaultdict(list)
    for number, group in enumerate(groups):
        for label in {int(label) for picture in group for label in picture.boxes[:, 4]}:
            with_class[label].append(number)
    rarest_first = sorted(with_class, key=lambda label: (len(with_class[label]), label))
    for_valid: dict[int, bool] = {}
    for members in [*(with_class[label] for label in rarest_first), list(range(len(groups)))]:
        _draw(members, fraction, for_valid)
    valid = {picture.path for number, group in enumerate(groups) if for_valid[number] for picture in group}
    return [p for p in pictures if p.path not in valid], [p for p in pictures if p.path in valid]


def _draw(members: Sequence[int], fraction: float, for_valid: dict[int, bool]) -> None:
    """Decide on those of which nothing is decided yet."""
    wanted = min(max(1, round(fraction * len(members))), len(members) - 1)
    have = sum(for_valid.get(number, False) for number in members)
    for number in members:
        if number not in for_valid:
            for_valid[number] = have < wanted
            have += for_valid[number]


def _shuffled(groups: Sequence[_Group], seed: int) -> list[_Group]:
    """The groups in an order that the seed and their names decide."""
    paths = [os.path.abspath(picture.path) for group in groups for picture in group]
    top = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""

    def key(group: _Group) -> tuple[bytes, str]:
        name = min(Path(os.path.relpath(picture.path, top)).as_posix() for picture in group)
        return hashlib.sha256(f"{seed} {name}".encode(errors="surrogateescape")).digest(), name

    return sorted(groups, key=key)


def _groups(pictures: Sequence[Picture]) -> list[_Group]:
    """The images by their content."""
    keys = contents(picture.path for picture in pictures)
    groups: dict[object, _Group] = defaultdict(list)
    for picture in pictures:
        groups[keys[picture.path]].append(picture)
    return list(groups.values())


def _uneven(train: Sequence[Picture], valid: Sequence[Picture], names: Sequence[str]) -> Iterator[str]:
    """The classes that are on one side only."""
    sides = {"train": _images_with(train), "valid": _images_with(valid)}
    for number, name in enumerate(names):
        having = [side for side, counts in sides.items() if counts[number]]
        if len(having) == 1:
            count = sides[having[0]][number]
            yield f"class {name} is in {having[0]} only: {count} image{'s' if count > 1 else ''}"


def _images_with(pictures: Sequence[Picture]) -> Counter[int]:
    """How many images have each class."""
    return Counter(label for picture in pictures for label in {int(label) for label in picture.boxes[:, 4]})


def split(
    file: str | Path,
    *,
    valid: float = 0.2,
    seed: int = 1,
    together: bool = False,
    name: str = "",
    overwrite: bool = False,
) -> Divided:
    """Divide the images of a .data file: new lists and a new .data file, beside it.

    The new one has the old one's keys, but train and valid lead to `NAME-train.txt` and `NAME-valid.txt`, and what was
    valid becomes test, unless it was divided, too.  The lists have absolute paths.

    Args:
        valid: the fraction of the images to evaluate on; see `divide`
        together: divide the images of train and of valid, not only those of train
        name: of the new files; else the old one's with "-split"
        overwrite: also if there are such files
    Raises:
        DarkparseError: a file is missing or wrong, or there already, or cannot be written
    """
    data = read_data(file)
    read = darknet.read(data, SPLITS if together else ("train",))
    every = {picture.path: picture for some in read.pictures.values() for picture in some}
    found = divided(replace(read, pictures={"train": list(every.values())}), valid, seed)
    target = data.file.parent / f"{checked_name(name) or f'{data.file.stem}-split'}.data"
    lists = {split: target.with_name(f"{target.stem}-{split}.txt") for split in SPLITS}
    _check_new([target, *lists.values()], overwrite)
    for split, path in lists.items():
        write_text(path, lines_of(os.path.abspath(picture.path) for picture in found.pictures[split]))
    values = dict(data.values)
    if not together and values.get("valid", values["train"]) != values["train"]:
        values["test"] = values["valid"]
    values |= {split: os.path.abspath(path) for split, path in lists.items()}
    write_text(target, f"# {data.file.name}, split by darkparse dataset, seed {seed}\n{darknet.data_text(values)}")
    labels = {path: label for path in map(os.path.abspath, every) if (label := find_labels(path)[0])}
    return Divided(target, replace(found, notes=(*found.notes, *told_unseen(labels))))


def _check_new(paths: Sequence[Path], overwrite: bool) -> None:
    for path in paths:
        check_not_read(path)
        if path.exists() and not overwrite:
            raise DarkparseError(f"{path}: is there already; not overwritten without --overwrite")
