"""Darknet's own layout: lists of images, labels beside them, names, and the .data file that leads to all."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import Data, read_names
from ..dataset.index import examine, listed
from ..dataset.labels import find_labels, label_files, read_labels
from ..errors import DarkparseError, DataError, ImageError
from ..files import blamed, write_text
from . import NO_BOXES, SPLITS, Annotations, Picture
from .convert import Report
from .image_folder import checked_name, file_names, is_at, lines_of, put, told_unseen

MARK = "# written by darkparse dataset"  # begins the .data file: such a folder may be written anew
FOLDER = "obj"  # of images and labels; neither Darknet replaces a part of it when it looks for labels
BAD = "bad.list"  # tells what was left out or changed
_SHOWN = 3  # examples
_DIGITS = 7  # that labels, read as float32, have after the point


def read(data: Data, keys: Sequence[str] = SPLITS) -> Annotations:
    """The images and labels that a .data file leads to, without what training could not use.

    Args:
        keys: of the lists; those that the file lacks are passed over, unless it lacks all
    Raises:
        DataError: a file is missing or wrong, or no image has labels
    """
    names, report = names_of(data), Report()
    pictures: dict[str, list[Picture]] = {}
    for key in [key for key in keys if key in data.values] or keys[:1]:
        paths, told = listed(data, key)
        report.notes += told
        _told_twice(paths, key, report)
        images = (_picture(path, len(names), report) for path in dict.fromkeys(paths))
        pictures[key] = [picture for picture in images if picture]
    found = [picture for some in pictures.values() for picture in some]
    if not found:
        raise DataError(f"{data.file}: no image can be used; {report.bad[0]}")
    if not any(find_labels(picture.path)[0] for picture in found):
        expected = ", ".join(file for file, _ in label_files(found[0].path))
        raise DataError(f"no image has labels; for the first of {len(found)}, expected one of {expected}")
    return Annotations(names, pictures, (*report.notes, *report.counted()), tuple(report.bad))


def names_of(data: Data) -> tuple[str, ...]:
    """The names of the classes, or where none are given class_0, class_1, ..., as many as `classes=` says.

    Raises:
        DataError: the file of names is missing, or neither is given
    """
    if path := data.path("names"):
        return read_names(path)
    count = data.values.get("classes", "")
    if not count.isdecimal() or not 0 < int(count) < 1 << 16:
        raise DataError(f"{data.file}: expected names= (a file), or classes= (their number)")
    return tuple(f"class_{number}" for number in range(int(count)))


def _told_twice(paths: Sequence[str], key: str, report: Report) -> None:
    for _ in range(len(paths) - len(set(paths))):
        report.count(f"images named twice in {key}")


def _picture(path: str, classes: int, report: Report) -> Picture | None:
    try:
        _, width, height, _ = examine(path, 3)
        labels, _ = find_labels(path)
        boxes, bad = read_labels(labels, classes) if labels else (NO_BOXES, [])
    except (ImageError, DataError) as why:
        report.count("images that cannot be used, left out", str(why))
        return None
    for line in bad:
        report.count("labels that are wrong", line)
    if not labels:
        report.count("images without a file of labels, taken to be without objects")
    return Picture(path, width, height, boxes.astype(np.float64).round(_DIGITS))


@dataclass(frozen=True)
class Written:
    """A data set in Darknet's layout: its .data file, and what the user should know, a line each."""

    data: Path
    notes: tuple[str, ...]


def write(
    annotations: Annotations, folder: str | Path, *, copy: bool = False, name: str = "", overwrite: bool = False
) -> Written:
    """Write Darknet's layout, links to the images in place of the images themselves.

    `FOLDER/obj` has the links, each with its labels beside it, where both Darknets look; besides `NAME.data`,
    `NAME.names`, a list for each split, and `bad.list`, which tells what was left out or changed.  All paths are
    absolute, so that they mean the same wherever Darknet is started.  The .data file is written last.

    Args:
        copy: copies of the images, not links
        name: of the .data and .names files; else the folder's
        overwrite: also write files and images anew that were changed since they were written
    Raises:
        DarkparseError: the folder has something else, or cannot be written, or no link can be made
    """
    place = Path(os.path.abspath(folder))
    data = place / f"{checked_name(name) or place.name or FOLDER}.data"
    pictures = [picture for some in annotations.pictures.values() for picture in some]
    names = file_names(picture.path for picture in pictures)
    lines_of([str(place)])
    class_names = lines_of(annotations.names)
    _claim(place, data, {path: place / FOLDER / file for path, file in names.items()}, overwrite)
    write_text(data, f"{MARK}, which was interrupted\n")
    kinds = set()
    for picture in pictures:
        target = place / FOLDER / names[picture.path]
        kinds.add(put(picture.path, target, copy))
        write_text(target.with_suffix(".txt"), label_text(picture))
    values = {"classes": str(len(annotations.names))}
    for split, some in annotations.pictures.items():
        values[split] = (place / f"{split}.txt").as_posix()
        write_text(values[split], lines_of((place / FOLDER / names[one.path]).as_posix() for one in some))
    values |= {"names": data.with_suffix(".names").as_posix(), "backup": (place / "backup").as_posix()}
    write_text(values["names"], class_names)
    if annotations.bad or (place / BAD).exists():
        write_text(place / BAD, "".join(f"{line}\n" for line in annotations.bad).encode(errors="replace").decode())
    body = data_text(values)
    write_text(data, f"{MARK}, files {_digest(data, body)}\n{body}")
    return Written(data, tuple(_notes(place, names, kinds)))


def data_text(values: Mapping[str, str]) -> str:
    """The lines of a .data file."""
    return "".join(f"{key} = {value}\n" for key, value in values.items())


def label_text(picture: Picture) -> str:
    """A line an object: class, centre, width and height."""
    return "".join(f"{int(label)} {' '.join(f'{v:.6f}' for v in box)}\n" for *box, label in picture.boxes.tolist())


def _claim(place: Path, data: Path, targets: Mapping[str, Path], overwrite: bool) -> None:
    """Make the folders.

    Raises:
        DarkparseError: there is something that must not be written over, or they cannot be made
    """
    with blamed(place):
        mark, body = _mark(data)
        if place.exists() and any(place.iterdir()) and not mark:
            raise DarkparseError(
                f"{place}: not empty, and not written by this command as {data.name}; expected a new folder"
            )
        for folder in (place / FOLDER, place / "backup"):
            folder.mkdir(parents=True, exist_ok=True)
        _, known, digest = mark.partition(", files ")
        if known and not overwrite and _digest(data, body) != digest:
            raise DarkparseError(
                f"{place}: {data.name}, names, lists or labels were changed since they were written; "
                "--overwrite writes them anew"
            )
    sources = {os.path.realpath(path) for path in targets}
    for path, target in targets.items():
        if not target.is_symlink() and target.exists() and not is_at(path, target):
            if os.path.realpath(target) in sources:
                raise DarkparseError(
                    f"{target}: is one of the images, and would become {path}; expected another folder"
                )
            if not overwrite:
                raise DarkparseError(f"{target}: differs from {path}; --overwrite writes it anew")


def _mark(data: Path) -> tuple[str, str]:
    """The first line of a .data file that we wrote, or "", and the others."""
    first, _, rest = data.read_text(errors="replace").partition("\n") if data.is_file() else ("", "", "")
    return (first, rest) if first.startswith(MARK) else ("", "")


def _digest(data: Path, body: str) -> str:
    """Of the labels, the lists, the names, and the lines of the .data file itself."""
    place = data.parent
    lists = [path for split in SPLITS if (path := place / f"{split}.txt").is_file()]
    names = [path for path in [data.with_suffix(".names")] if path.is_file()]
    digest = hashlib.sha256(body.encode(errors="surrogateescape"))
    for path in [*sorted((place / FOLDER).glob("*.txt")), *lists, *names]:
        digest.update(f"{path.name}\n".encode(errors="surrogateescape") + path.read_bytes())
    return digest.hexdigest()[:16]


def _notes(place: Path, names: Mapping[str, str], kinds: Iterable[str]) -> Iterator[str]:
    if "hard link" in kinds:
        yield "hard links to the images, as no symbolic links can be made here"
    stems = {path: os.path.splitext(os.path.basename(path))[0] for path in names}
    renamed = [f"{path} is {FOLDER}/{name}" for path, name in names.items() if stems[path] != os.path.splitext(name)[0]]
    if renamed:
        more = ", ..." if len(renamed) > _SHOWN else ""
        yield f"images named anew, as others have their names: {len(renamed)}: {', '.join(renamed[:_SHOWN])}{more}"
    images = [place / FOLDER / name for name in names.values()]
    yield from told_unseen({image.as_posix(): image.with_suffix(".txt").as_posix() for image in images})
    if " " in str(place):
        yield f"{place}: Darknet drops blanks from the paths of a .data file, and will not find these; darkparse does"
