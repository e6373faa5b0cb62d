"""What can be wrong with a .data file, and with the names of the classes that it leads to."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..cfg import read_lines
from ..data import Data, read_names
from ..errors import DarkparseError, DataError, brief
from ..findings import ERROR, NOTE, WARNING, Finding
from . import SPLITS
from .survey import Survey

MOST_CLASSES = (1 << 16) - 1  # a number above is none of classes
_KEYS = (  # src/detector.c, src/classifier.c (AlexeyAB 59596d7); the last three: examples/*.c (pjreddie f6afaab)
    "classes", "train", "valid", "names", "backup", "results", "saveweights", "savelast", "eval", "map", "difficult",
    "labels", "top", "test", "leaves", "tag", "tree",
)  # fmt: skip


def data_faults(data: Data) -> Iterator[Finding]:
    """What is wrong with the keys of a .data file.

    Raises:
        DataError: it cannot be read any more
    """
    first: dict[str, int] = {}
    for number, line in enumerate(read_lines(data.file, DataError), 1):
        key, _, value = (part.strip() for part in line.partition("="))
        if not line or line[0] in "#;":
            continue
        if not value:
            message = f"{key}: no value; the line is passed over, as Darknet does"
            yield Finding("data-value", WARNING, str(data.file), number, message)
        elif key in first:
            message = f"{key}: given again; line {first[key]} counts"
            yield Finding("data-repeated", WARNING, str(data.file), number, message)
        elif key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            remedy = f"did you mean {near[0]}?" if near else ""
            yield Finding("data-key", WARNING, str(data.file), number, f"{key}: nothing reads this key", remedy)
        if value:
            first.setdefault(key, number)
    yield from _classes(data, first.get("classes", 0))


def _classes(data: Data, line: int) -> Iterator[Finding]:
    if line == 0:
        message = "classes: missing; darkparse counts the names, Darknet takes 1"
        yield Finding("classes", WARNING, str(data.file), 0, message, "expected classes = how many there are")
    elif _given_classes(data) is None:
        message = f"classes: expected an integer from 1 to {MOST_CLASSES}, got {brief(data.values['classes'])}"
        yield Finding("classes", ERROR, str(data.file), line, message)


def _given_classes(data: Data) -> int | None:
    text = data.values.get("classes", "")
    is_count = text.isdecimal() and len(text) < 10 and 0 < int(text) <= MOST_CLASSES
    return int(text) if is_count else None


def names_faults(data: Data, classes: int | None = None) -> Iterator[Finding]:
    """What is wrong with the names of classes.

    Args:
        classes: how many the network has, if that is known
    """
    try:
        path = _names_file(data)
        names = None if path is None else read_names(path)
    except DataError as why:
        yield Finding("names", ERROR, str(data.file), 0, str(why).removeprefix(f"{data.file}: "))
        return
    if path is None or names is None:
        message = "names: missing; classes are shown by their numbers, if darkparse finds no names beside the cfg"
        yield Finding("names", WARNING, str(data.file), 0, message)
        return
    counts = {f"classes={_given_classes(data)} of {data.file}": _given_classes(data), "the network": classes}
    for source, count in counts.items():
        if count is not None and count != len(names):
            says = f"{source} has {count} classes" if source == "the network" else source
            line = min(len(names), count + 1)
            yield Finding("names-count", ERROR, str(path), line, f"{len(names)} names, but {says}", "expected as many")
    yield from each_name(path, names)


def each_name(path: Path, names: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with single names of a file: blank ones, and those that come again."""
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name:
            message = f"blank; Darknet counts it as the name of class {number - 1}"
            yield Finding("name-blank", WARNING, str(path), number, message)
        elif name in first:
            message = (
                f"{brief(name)}: the same name as in line {first[name]}; classes {first[name] - 1} and {number - 1}"
            )
            yield Finding("name-repeated", WARNING, str(path), number, message)
        first.setdefault(name, number)


def names_of(data: Data) -> tuple[str, ...]:
    """The names of the classes; none where there is no file of them that can be read."""
    try:
        path = _names_file(data)
        return () if path is None else read_names(path)
    except DarkparseError:
        return ()


def class_count(data: Data, given: int | None = None) -> int | None:
    """How many classes there are: as given, else as there are names, else `classes=`; None where nothing says so."""
    return given or len(names_of(data)) or _given_classes(data)


def unused(survey: Survey, classes: int | None) -> Iterator[Finding]:
    """Classes without an object to learn from, unless that goes for all images."""
    counts = {split: Counter(row[4] for row in survey.rows(split)) for split in SPLITS}
    if not any(image.labels for image in survey.split("train")):
        return
    if not counts["train"]:
        message = "no image of train= has a box; nothing to train on"
        yield Finding("no-boxes", ERROR, str(survey.data.file), 0, message)
        return
    names, (file, line) = names_of(survey.data), _place(survey.data)
    for index in range(classes or 0):
        if counts["train"][index]:
            continue
        title = f"class {index}{f' ({names[index]})' if index < len(names) else ''}"
        severity, message = NOTE, f"{title}: no object of it, in no image"
        if missed := counts["valid"][index]:
            severity, message = WARNING, f"{title}: {missed} objects in valid=, none in train=; it cannot be learnt"
        yield Finding("class-unused", severity, file, line + index if index < len(names) else 0, message)


def _names_file(data: Data) -> Path | None:
    """That of `names=`, or of `labels=`, where a classifier has its own."""
    return data.path("names") or data.path("labels")


def _place(data: Data) -> tuple[str, int]:
    """The file of names and the line of the first, or the .data file and 0."""
    return (str(_names_file(data)), 1) if names_of(data) else (str(data.file), 0)
