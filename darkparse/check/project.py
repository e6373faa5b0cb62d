"""A whole project looked through: cfg, weights, names and data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..annotations.data_faults import data_faults, names_faults
from ..annotations.faults import Network, judge
from ..annotations.survey import Tell, look
from ..cfg import LONGEST, read_text
from ..data import Data, find_cfg
from ..dataset.index import listed
from ..dialect import ALEXEYAB, Dialect
from ..errors import DarkparseError, WeightsError, ignore
from ..findings import Finding
from ..graph import Graph
from ..layout import read_header
from .draft import Edit
from .heads import check_heads
from .names import check_classes, check_names, open_data
from .schedule import check_schedule, check_training
from .sections import read
from .shapes import check_shapes
from .weights import check_weights


@dataclass(frozen=True)
class Project:
    """The files that belong together.

    cfg: a file; weights, names: files, if they are to be looked at; data: a .data file, with `train=` if it is to train
    """

    cfg: Path
    weights: Path | None = None
    data: Path | None = None
    names: Path | None = None

    @classmethod
    def of(cls, cfg: str, weights: str | None = None, data: str | None = None, names: str | None = None) -> Project:
        """From the names of the files; a cfg that comes with darkparse may be named without its folder."""
        others = (Path(name) if name else None for name in (weights, data, names))
        return cls(find_cfg(cfg), *others)


class Examined(NamedTuple):
    """What is wrong with a cfg, what would mend its text, and its network, unless something hides a part of it."""

    findings: list[Finding]
    edits: list[Edit]
    graph: Graph | None


def check(project: Project, tell: Tell = ignore) -> list[Finding]:
    """What is wrong with a project, by file and line.

    Args:
        tell: told of each image of the data set that was looked at
    Raises:
        DarkparseError: the cfg cannot be read
    """
    data, findings = open_data(project.data) if project.data else (None, [])
    examined = examine(project, data, read_text(project.cfg, limit=LONGEST))
    graph = examined.graph
    findings += examined.findings
    if project.weights:
        findings += check_weights(project.weights, graph, trains=trains(data))
    if graph and (data is None or project.names):
        findings += check_names(graph, project.names)
    if data:
        findings += check_data(data, graph, tell)
    return in_order(findings, project)


def examine(project: Project, data: Data | None, text: str) -> Examined:
    """Look through a cfg, `text`, that is to train on `data`."""
    draft = read(text, str(project.cfg), dialect_of(project.weights), trains=trains(data))
    check_heads(draft)
    graph = check_shapes(draft)
    check_schedule(draft, count_images(data))
    if graph and trains(data):
        check_training(draft, graph)
    return Examined(draft.findings, draft.edits, graph)


def trains(data: Data | None) -> bool:
    """Whether a .data file names images to train on; it may also have nothing but names for detection."""
    return data is not None and "train" in data.values


def dialect_of(weights: Path | None) -> Dialect:
    """What a cfg means to who wrote the weights."""
    try:
        return read_header(weights).dialect if weights else ALEXEYAB
    except WeightsError:
        return ALEXEYAB


def count_images(data: Data | None) -> int:
    """How many images there are to train on; 0 where they cannot be listed."""
    try:
        return len(listed(data)[0]) if data else 0
    except DarkparseError:
        return 0


def check_data(data: Data, graph: Graph | None, tell: Tell) -> Iterable[Finding]:
    """What is wrong with a data set, and whether it suits the network."""
    network = Network.of(graph) if graph else Network()
    if graph:
        yield from check_classes(graph, data)
    if trains(data):
        yield from judge(look(data, channels=network.channels, tell=tell), *network[:3])
    else:
        yield from data_faults(data)
        yield from names_faults(data, network.classes)


def in_order(findings: Iterable[Finding], project: Project) -> list[Finding]:
    """By file, the cfg first, then by line."""
    files = [str(path) for path in (project.cfg, project.weights, project.names, project.data) if path]
    rank = {file: number for number, file in enumerate(files)}
    return sorted(findings, key=lambda one: (rank.get(one.file, len(rank)), one.file, one.line))
