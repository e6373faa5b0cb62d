"""Names of classes and .data files: found, read, and checked against the network."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .cfg import read_lines
from .errors import DataError, brief
from .graph import Graph
from .tree import Tree

COUNTS = {80: "coco.names", 20: "voc.names"}  # what a network of so many classes was most likely trained on


@dataclass(frozen=True)
class Data:
    """A .data file: `key = value` lines.  Source: src/option_list.c read_data_cfg (AlexeyAB 59596d7)."""

    file: Path
    values: dict[str, str] = field(default_factory=dict)

    def path(self, key: str) -> Path | None:
        """The file that `key` names: seen from the .data file, from the working folder, or from the folder above.

        Raises:
            DataError: it is in none of them
        """
        if key not in self.values:
            return None
        folder = self.file.parent
        for place in (folder / self.values[key], Path(self.values[key]), folder.parent / self.values[key]):
            if os.path.exists(place):
                return place
        raise DataError(f"{self.file}: {key}: no file {self.values[key]!r} beside it, here, or in the folder above it")

    def positive(self, key: str, usual: int) -> int:
        """The number that `key` gives, or the usual one.

        Raises:
            DataError: it is none above 0
        """
        text = self.values.get(key, str(usual))
        if not text.isdecimal() or int(text) < 1:
            raise DataError(f"{self.file}: {key}: expected a number above 0, got {text!r}")
        return int(text)


def read_data(path: str | Path) -> Data:
    """A .data file; of a repeated key the first counts.

    Raises:
        DataError: it is missing, or a line is not `key = value`
    """
    values: dict[str, str] = {}
    for number, line in enumerate(read_lines(path, DataError), 1):
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        if not equals:
            raise DataError(f"{path}:{number}: expected 'key = value', got {brief(line)}")
        if value.strip():  # src/option_list.c read_option passes over the others
            values.setdefault(key.strip(), value.strip())
    return Data(Path(path), values)


def read_names(path: str | Path) -> tuple[str, ...]:
    """The names of a .names file, one a line; blank lines at the end do not count.

    Raises:
        DataError: it is missing or empty
    """
    names = read_lines(path, DataError)
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError(f"{path}: expected a name on each line, got an empty file")
    return tuple(names)


def names_for(
    graph: Graph, names: str | Path | None = None, data: str | Path | None = None, own: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str]:
    """The names of a detector's classes, and where they are from; see `known_names`.

    Raises:
        DarkparseError: its heads do not agree on how many classes there are
    """
    classes = graph.classes
    return known_names(graph, names, data, own) or (tuple(f"class_{i}" for i in range(classes)), "none found")


def known_names(
    graph: Graph, names: str | Path | None, data: str | Path | None, own: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str] | None:
    """The names of a network's classes, and where they are from; None where nothing says them.

    Args:
        names: a .names file
        data: a .data file that names one (`names=`, or for a classifier else `labels=`)
        own: those that came with the network's weights, which count before any that lie beside it
    Raises:
        DataError: a file is missing, or has another number of names than the network has classes
    Source: src/classifier.c predict_classifier (AlexeyAB 59596d7)
    """
    given, classes = names is not None or data is not None, classes_of(graph)
    if not (given or classes):
        return None
    if own and not given:
        if len(own) != classes:
            raise DataError(f"{graph.file}: {len(own)} names in it, but {classes} classes")
        return own, f"those in {graph.file}"
    if found := given_names(graph.file, classes, names, data, ["names"] if graph.heads else ["names", "labels"]):
        return found
    if tree := tree_of(graph):
        return tree.names, "the class tree"
    if graph.heads and classes in COUNTS:
        return read_names(shipped() / COUNTS[classes]), f"{COUNTS[classes]}, as it has {classes} classes"
    return None


def classes_of(graph: Graph) -> int:
    """Number of classes of a detector or of a classifier of images; 0 where it is neither, or its heads differ."""
    if graph.heads:
        counts = {head.classes for _, head in graph.heads}
        return counts.pop() if len(counts) == 1 else 0
    shape, net = graph.nodes[-1].shape, graph.net
    return shape.c if shape.h * shape.w == 1 and net.width * net.height * net.channels else 0


def tree_of(graph: Graph) -> Tree | None:
    """The class tree of the output, if any.  Source: src/parser.c parse_network_cfg_custom (AlexeyAB 59596d7)."""
    if graph.heads:
        return next((tree for _, head in graph.heads if (tree := getattr(head, "tree", None))), None)
    trees = [tree for node in graph.nodes if isinstance(tree := getattr(node.layer, "tree", None), Tree)]
    return trees[-1] if trees and len(trees[-1]) == graph.nodes[-1].shape.size else None


def given_names(
    cfg: str, classes: int, names: str | Path | None, data: str | Path | None, keys: Sequence[str]
) -> tuple[tuple[str, ...], str] | None:
    """The names that a file gives, and which file; None where none is named and none lies beside the cfg.

    Args:
        keys: what may name it in a .data file; of several the first there counts
    Raises:
        DataError: a file is missing, or has another number of names than there are classes
    """
    if data is not None and names is None:
        given = read_data(data)
        names = next(filter(None, map(given.path, keys)), None)
        if names is None:
            raise DataError(f"{data}: {', '.join(keys)}: missing; expected the path of a .names file")
    near = next(beside(Path(cfg)), None) if names is None else None
    path = near if names is None else names
    if path is None:
        return None
    found = read_names(path)
    if len(found) != classes:
        raise DataError(f"{path}: {len(found)} names, but {cfg} has {classes} classes")
    return found, f"{path}, found beside the cfg" if near else str(path)


def beside(cfg: Path) -> Iterator[Path]:
    """The .names files that belong to a cfg by their place."""
    for name in (f"{cfg.stem}.names", "obj.names"):
        if (path := cfg.with_name(name)).is_file():
            yield path


def shipped() -> Path:
    """The folder of the cfgs and names that come with darkparse."""
    installed = Path(__file__).parent / "shipped"
    return installed if installed.is_dir() else Path(__file__).parent.parent / "cfg"


def find_cfg(name: str) -> Path:
    """A cfg by its path, or else one that comes with darkparse, by its name with or without ".cfg"."""
    path = Path(name)
    if os.path.exists(path) or path.parent != Path() or path.suffix not in ("", ".cfg"):
        return path
    own = shipped() / f"{path.stem}.cfg"
    return own if os.path.isfile(own) else path
