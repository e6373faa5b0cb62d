"""What runs: a row for each cfg of a folder, and the table of all sections for the README."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import Field, fields
from pathlib import Path
from typing import Any, NamedTuple

from .errors import DarkparseError, ignore
from .graph import Graph, read_graph
from .inputs import cfgs_in
from .layout import size
from .net import Net
from .registry import LayerDef, registered

COLUMNS = ("name", "runs", "heads", "classes", "layers", "BFLOPs", "parameters", "bytes")
LEFT = ("name", "runs", "heads")  # flush left; the others are numbers
FORKS = ("AlexeyAB", "pjreddie")


class Entry(NamedTuple):
    """One cfg."""

    name: str
    error: str = ""  # why it does not run
    heads: tuple[tuple[str, int], ...] = ()  # sections whose output means boxes (or a [softmax] at the end), how many
    classes: tuple[int, ...] = ()  # of the heads; several where they differ
    layers: int = 0
    bflops: float = 0.0  # for one image, 1e9 operations as Darknet counts them
    parameters: int = 0
    bytes: int = 0  # of its .weights, with AlexeyAB's header

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of its row."""
        heads = " ".join(f"{name} x{count}" if count > 1 else name for name, count in self.heads)
        classes = "/".join(str(n) for n in self.classes)
        numbers = (f"{self.layers}", f"{self.bflops:.3f}", f"{self.parameters:,}", f"{self.bytes:,}")
        return (self.name, "yes", heads or "-", classes or "-", *numbers)


def survey(folder: str | Path) -> list[Entry]:
    """Every cfg of a folder, by name, as AlexeyAB's Darknet means it.

    Raises:
        DarkparseError: there is none
    """
    paths = cfgs_in(folder)
    return [examine(path) for path in paths]


def examine(path: Path) -> Entry:
    """One cfg; of one that does not run, why."""
    if not path.is_file():
        return Entry(path.stem, f"{path}: no regular file")
    try:
        graph = read_graph(path, complain=ignore)
    except DarkparseError as why:
        return Entry(" ".join(path.stem.split()), " ".join(str(why).split()))
    heads, classes = answers(graph)
    bflops = sum(node.operations for node in graph.nodes) / 1e9
    return Entry(
        " ".join(path.stem.split()), "", heads, classes, len(graph.nodes), bflops, graph.parameters, size(graph)
    )


def answers(graph: Graph) -> tuple[tuple[tuple[str, int], ...], tuple[int, ...]]:
    """How many heads of which section, and their numbers of classes; without a head, the [softmax] at the end."""
    if graph.heads:
        counts = Counter(head.section for _, head in graph.heads)
        return tuple(counts.items()), tuple(sorted({head.classes for _, head in graph.heads}))
    if graph.last.layer.gives_probabilities:
        return ((graph.last.layer.section, 1),), (graph.last.shape.size,)
    return (), ()


def table(entries: Sequence[Entry]) -> Iterator[str]:
    """A line a cfg in aligned columns, then how many of them run."""
    rows = [COLUMNS, *(entry.cells for entry in entries if not entry.error)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    widths[0] = max(widths[0], *(len(entry.name) for entry in entries))
    yield aligned(COLUMNS, widths)
    for entry in entries:
        yield f"{entry.name:{widths[0]}s}  no    {entry.error}" if entry.error else aligned(entry.cells, widths)
    yield f"{sum(not entry.error for entry in entries)} of {len(entries)} run"


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A line."""
    pairs = zip(COLUMNS, cells, widths, strict=True)
    return "  ".join(f"{cell:<{n}s}" if name in LEFT else f"{cell:>{n}s}" for name, cell, n in pairs)


def as_json(entry: Entry) -> dict[str, Any]:
    """A row as JSON has it: of a cfg that does not run its name and why, of the others everything."""
    if entry.error:
        return {"name": entry.name, "runs": False, "error": entry.error}
    values = entry._asdict()
    del values["error"]
    return {"name": values.pop("name"), "runs": True, **values, "heads": dict(entry.heads)}


def support_table() -> Iterator[str]:
    """Every section as a row of a Markdown table: names, what it is, its options, whose code says what it does."""
    yield "| section | what it is | options | as in |"
    yield "|---|---|---|---|"
    yield row(["net", "network"], Net, ())
    sections: dict[type[LayerDef], list[str]] = {}
    for name, cls in registered().items():
        sections.setdefault(cls, []).append(name)
    common = [f.name for f in fields(LayerDef)]
    for cls, names in sorted(sections.items(), key=lambda item: item[0].section.lower()):
        yield row(names, cls, common)
    yield f"| all but `[net]` | what any layer may have, besides | {options(LayerDef, ['dialect'])} | - |"


def row(names: Sequence[str], cls: type, common: Sequence[str]) -> str:
    """The row of a section; options in `common` are left out."""
    _, _, what = (sys.modules[cls.__module__].__doc__ or "").partition("\n")[0].partition(": ")
    headings = " ".join(f"`[{name}]`" for name in names)
    return f"| {headings} | {what.rstrip('.')} | {options(cls, common)} | {whose(cls)} |"


def options(cls: type, common: Sequence[str]) -> str:
    """The options that darkparse reads; of those with only one supported value, that."""
    return " ".join(option(f) for f in fields(cls) if f.name not in common)


def option(declared: Field[Any]) -> str:
    """An option."""
    name, choices = declared.metadata.get("name") or declared.name, declared.metadata.get("choices", ())
    return f"`{name}`" if len(choices) != 1 else f"`{name}` (only {int(choices[0])})"


def whose(cls: type) -> str:
    """The Darknets whose code is named as the source."""
    _, _, source = (cls.__doc__ or "").partition("Source: ")
    return ", ".join(fork for fork in FORKS if fork in source)
