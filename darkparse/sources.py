"""Where a network comes from: a cfg with its .weights, or one checkpoint that holds both; and all that they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import checkpoint as checkpoints
from . import weights as weights_file
from .cfg import COMMENT, LONGEST, bare, read_text, sections_of
from .checkpoint import is_checkpoint
from .data import find_cfg, known_names
from .errors import Complain, WeightsError, brief, refuse, warn
from .garbage import uncollected
from .graph import Graph, from_sections
from .layout import Header, read_header

if TYPE_CHECKING:
    from .network import Network

Fill = Callable[["Network"], Header]  # gives a network its tensors, and returns the header


class Source(NamedTuple):
    """A network with its weights.

    network: float32, on the CPU, for inference; names: one a class, none where they are not known;
    cfg: the text of the cfg; files: the texts of class trees and maps, by the names that the cfg has for them
    """

    graph: Graph
    network: Network
    header: Header
    names: tuple[str, ...]
    cfg: str
    files: dict[str, str]


class Files(NamedTuple):
    """Files that were opened, and the network that they describe.

    cfg: the text of the cfg; names: of the classes, where a checkpoint has them; random: indices of layers of
    which the files have no tensors; read: begins to read the others, and gives what fills a network with them
    """

    graph: Graph
    cfg: str
    names: tuple[str, ...]
    random: tuple[int, ...]
    read: Callable[[], Fill]

    def build(self) -> Built:
        """The network with its weights, which are read while its modules are made.

        Raises:
            WeightsError: they do not fit
            DarkparseError: there is not enough memory
        """
        from .network import Network, check_memory, empty_network

        check_memory(self.graph)
        with uncollected():
            fill = self.read()
            network = Network(self.graph) if self.random else empty_network(self.graph)
            return Built(network, fill(network), self.random)


class Built(NamedTuple):
    """A network with its weights.

    header: of the weights; random: indices of layers whose tensors no file holds
    """

    network: Network
    header: Header
    random: tuple[int, ...]


def open_files(
    cfg: str | Path,
    weights: str | Path = "",
    *,
    width: int | None = None,
    height: int | None = None,
    strict: bool = False,
) -> Files:
    """The network of a cfg as the writer of its weights means it, before it has these.

    Args:
        cfg, weights, width, height, strict: as for `read_source`
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the weights are none
    """
    if not str(weights) and is_checkpoint(cfg):
        cfg, weights = "", cfg
    if not str(cfg) and not is_checkpoint(weights):
        raise WeightsError(f"{weights}: expected its .cfg, too, or one .pt or .safetensors in place of both")
    if not str(weights):
        raise WeightsError(f"{cfg}: expected its .weights, too, or one .pt or .safetensors in place of both")
    if is_checkpoint(cfg):
        raise WeightsError(f"{cfg}: has weights of its own; expected a .cfg for {weights}, or {cfg} alone")
    complain = refuse if strict else warn
    opened = open_checkpoint if is_checkpoint(weights) else open_pair
    return opened(cfg, weights, width, height, complain)


def open_pair(cfg: str | Path, weights: str | Path, width: int | None, height: int | None, complain: Complain) -> Files:
    """A cfg and its .weights."""
    dialect = read_header(weights).dialect
    path = find_cfg(str(cfg))
    text = read_text(path, limit=LONGEST)
    sections = sections_of(text, str(path), complain)
    graph = from_sections(sections, width=width, height=height, dialect=dialect, complain=complain)
    random = tuple(node.index for node in graph.nodes if node.layer.dontload and node.tensors)

    def read() -> Fill:
        values = weights_file.read(graph, weights)

        def fill(network: Network) -> Header:
            weights_file.fill(network, values)
            return values.fit.header

        return fill

    return Files(graph, text, (), random, read)


def open_checkpoint(
    cfg: str | Path, path: str | Path, width: int | None, height: int | None, complain: Complain
) -> Files:
    """One file; a cfg beside it must say what its own says."""
    checkpoint = checkpoints.read(path)
    if str(cfg):
        check_same(find_cfg(str(cfg)), checkpoint.cfg, path)
    graph = checkpoints.graph_of(checkpoint, path, width=width, height=height, complain=complain)

    def fill(network: Network) -> Header:
        checkpoints.fill(network, checkpoint, path)
        return checkpoint.header

    return Files(graph, checkpoint.cfg, checkpoint.names, (), lambda: fill)


def check_same(cfg: Path, own: str, path: str | Path) -> None:
    """Raises WeightsError where a cfg says something else than `own`, that of the checkpoint at `path`."""
    given, expected = list(statements(read_text(cfg, limit=LONGEST))), list(statements(own))
    if [line for _, line in given] == [line for _, line in expected]:
        return
    both = zip([*given, (0, "")], [*expected, (0, "")], strict=False)
    number, line = next(one for one, other in both if one[1] != other[1])
    what = f"line {number}, {brief(line)}, is not in it" if line else "ends before it"
    raise WeightsError(f"{path}: holds a cfg of its own, from which {cfg} differs: {what}; expected one of the two")


def statements(cfg: str) -> Iterator[tuple[int, str]]:
    """The lines of a cfg that say something, with their numbers."""
    for number, line in enumerate(map(bare, cfg.split("\n")), 1):
        if line and not line.startswith(COMMENT):
            yield number, line


def read_source(
    cfg: str | Path,
    weights: str | Path = "",
    *,
    names: str | Path | None = None,
    data: str | Path | None = None,
    width: int | None = None,
    height: int | None = None,
    strict: bool = False,
) -> Source:
    """A network with its weights, from a cfg and a .weights file that fits it exactly, or from one checkpoint.

    Args:
        cfg: a file, or the name of a cfg that comes with darkparse; or a .pt or .safetensors, without `weights`
        weights: a .weights file; or a .pt or .safetensors, then without a cfg, or with the one that it holds
        names, data: a .names file, or a .data file that names one; else one is looked for
        width, height: another size of the network's input than the cfg's, px
        strict: take oddities of the cfg for errors
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the weights do not fit, or are damaged
        DataError: the names do not fit
    """
    files = open_files(cfg, weights, width=width, height=height, strict=strict)
    found = known_names(files.graph, names, data, files.names)
    network, header, _ = files.build()
    network.eval().requires_grad_(False)
    return Source(files.graph, network, header, found[0] if found else (), files.cfg, files.graph.texts)
