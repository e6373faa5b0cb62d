"""What an .onnx file says of itself: enough to prepare images for it and to read its outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import __version__, checkpoint
from ..checkpoint import Checkpoint
from ..errors import DarkparseError, brief
from ..graph import Graph, Node
from ..layers.region import Region
from ..layers.yolo import AnchorHead
from ..layout import Header
from .tails import TAILS, notes

if TYPE_CHECKING:
    import onnx

    from ..sources import Source

RESIZES = ("stretch", "letterbox", "crop", "")


class Metadata(NamedTuple):
    """What darkparse notes in the files that it writes.

    tail: "raw", "decode" or "nms"; resize: how images become the network's size: "stretch", "letterbox" or "crop",
    "" where it reads none; names: one a class, none where they are not known; width, height, channels: of the input;
    cfg, files, header: see `Checkpoint`
    """

    tail: str
    resize: str
    names: tuple[str, ...]
    width: int
    height: int
    channels: int
    cfg: str
    files: dict[str, str]
    header: Header

    def graph(self, path: str | Path, *, width: int | None = None, height: int | None = None) -> Graph:
        """The network of the cfg, at the size that was converted, or another.

        Args:
            path: the .onnx file, for messages
        Raises:
            CfgError: the cfg in the file is damaged
        """
        model = Checkpoint(self.cfg, self.files, self.names, self.header, {})
        return checkpoint.graph_of(model, path, width=width or self.width, height=height or self.height)


def describe(source: Source, *, tail: str, resize: str) -> dict[str, str]:
    """The entries of a file for `source`.

    Args:
        resize: "stretch", "letterbox" or "crop"; "" where the network reads no images
    Raises:
        DarkparseError: there is no such tail or rule
    """
    graph = source.graph
    for what, value, known in (("resize", resize, RESIZES), ("with", tail, TAILS)):
        if value not in known:
            raise DarkparseError(f"{what}: expected one of {', '.join(filter(None, known))}, got {value!r}")
    kind, beta = graph.heads[-1][1].suppression if graph.heads else ("", 0.0)
    values: dict[str, Any] = {
        "names": source.names,
        "files": source.files,
        "header": list(source.header),
        "anchors": {f"{index:03}_{head.section}": anchors(graph, graph.nodes[index]) for index, head in graph.heads},
        "notes": list(notes(tail, graph)),
    }
    plain: dict[str, Any] = {"darkparse": __version__, "tail": tail, "resize": resize, "cfg": source.cfg}
    plain |= {"width": graph.net.shape.w, "height": graph.net.shape.h, "channels": graph.net.shape.c}
    plain |= {"classes": classes(graph), "nms_kind": kind, "beta_nms": beta}
    written = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    return {key: str(value) for key, value in plain.items()} | written


def classes(graph: Graph) -> int:
    """Number of classes: of the heads, else of the values that the network gives."""
    return graph.heads[-1][1].classes if graph.heads else graph.nodes[-1].shape.c


def anchors(graph: Graph, node: Node) -> list[list[float]]:
    """Width and height of the anchor of each box of a head, px of the network's input."""
    if isinstance(node.layer, AnchorHead):
        return [list(size) for size in node.layer.sizes]
    if isinstance(node.layer, Region):  # there in cells
        across, down = graph.net.width / node.shape.w, graph.net.height / node.shape.h
        return [[width * across, height * down] for width, height in node.layer.sizes]
    return []


def attach(model: onnx.ModelProto, entries: Mapping[str, str]) -> None:
    """Give a model these entries."""
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)


def read(entries: Mapping[str, str], path: str | Path) -> Metadata | None:
    """What a file says of itself; None where darkparse did not write it.

    Args:
        entries: `Session.metadata`
        path: the file, for messages
    Raises:
        DarkparseError: the entries are damaged
    """
    if "darkparse" not in entries:
        return None
    values = {}
    for key, check in _CHECKS.items():
        try:
            values[key] = check(entries[key])
        except (KeyError, ValueError, TypeError, RecursionError):
            found = brief(entries[key]) if key in entries else "none"
            raise DarkparseError(f"{path}: metadata: {key}: expected what darkparse writes, got {found}") from None
    return Metadata(**values)


def _one_of(known: tuple[str, ...]) -> Callable[[str], str]:
    return lambda text: known[known.index(text)]


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(_only(str, one) for one in _only(list, json.loads(text)))


def _files(text: str) -> dict[str, str]:
    return {name: _only(str, one) for name, one in _only(dict, json.loads(text)).items()}


def _header(text: str) -> Header:
    major, minor, revision, seen, long_seen = _only(list, json.loads(text))
    major, minor, revision, seen = (_only(int, number) for number in (major, minor, revision, seen))
    return Header(major, minor, revision, seen, _only(bool, long_seen))


def _only(kind: Any, value: Any) -> Any:
    """The value, of that type; else ValueError."""
    if type(value) is not kind:
        raise ValueError(value)
    return value


_CHECKS: dict[str, Callable[[str], Any]] = {
    "tail": _one_of(TAILS),
    "resize": _one_of(RESIZES),
    "names": _names,
    "width": _positive,
    "height": _positive,
    "channels": _positive,
    "cfg": str,
    "files": _files,
    "header": _header,
}
