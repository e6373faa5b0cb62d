"""What is wrong with the names of the classes, and with how many a .data file says there are.

The names that a .data file leads to are looked through with the rest of the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..annotations.data_faults import each_name, names_of
from ..annotations.faults import Network
from ..cfg import read_lines
from ..data import Data, beside, read_data, read_names
from ..errors import DarkparseError, DataError
from ..findings import ERROR, WARNING, Finding
from ..graph import Graph


def open_data(path: Path) -> tuple[Data | None, list[Finding]]:
    """A .data file; of one that cannot be read, why."""
    try:
        return read_data(path), []
    except DataError as why:
        return None, [blamed("data", str(path), why)]


def blamed(rule: str, file: str, why: DarkparseError) -> Finding:
    """An error whose message begins with its file, and perhaps its line."""
    rest = str(why).removeprefix(f"{file}:")
    number, _, message = rest.partition(":")
    line, text = (int(number), message) if number.isdigit() else (0, rest)
    return Finding(rule, ERROR, file, line, text.strip())


def check_classes(graph: Graph, data: Data) -> Iterator[Finding]:
    """Whether a .data file without names says as many classes as the network has."""
    classes = Network.of(graph).classes or 0
    given = data.values.get("classes", "")
    if not names_of(data) and given.isdecimal() and int(given) != classes > 0:
        lines = enumerate(read_lines(data.file), 1)
        line = next(number for number, text in lines if text.partition("=")[0].strip() == "classes")
        message = f"classes: {given}, but {graph.file} has {classes}, which counts"
        yield Finding("classes", WARNING, str(data.file), line, message, f"set classes={classes}")


def check_names(graph: Graph, path: Path | None) -> Iterator[Finding]:
    """Whether there are as many names as classes: in the file given, or else in that beside the cfg."""
    classes = Network.of(graph).classes or 0
    path = path or next(beside(Path(graph.file)), None)
    if not classes or not path:
        return
    try:
        names = read_names(path)
    except DataError as why:
        yield blamed("names", str(path), why)
        return
    if len(names) != classes:
        message = f"{len(names)} names, but {graph.file} has {classes} classes"
        line = min(len(names), classes + 1)
        yield Finding(
            "names-count", ERROR, str(path), line, message, "expected a name for each class, one on each line"
        )
    elif graph.heads:  # in a classifier's, as ImageNet's, the same word may stand for two classes
        yield from each_name(path, names)
