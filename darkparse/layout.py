"""What a .weights file holds: a header, then float32 tensors, layer after layer, with no names or sizes.

Reader, writer and size all walk `layout`.  Nothing here needs torch.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from .dialect import ALEXEYAB, PJREDDIE, Dialect
from .errors import NotWeights, OddHeader, Trailing, Truncated, WeightsError
from .graph import Graph, Node
from .guard import note_read
from .kinds import CHECKPOINTS, recognise
from .registry import Stored

FLOAT = 4  # bytes
BATCH_NORM = ("scales", "rolling_mean", "rolling_variance")


class Header(NamedTuple):
    """The head of a .weights file.  Source: src/parser.c load_weights_upto (AlexeyAB 59596d7)."""

    major: int = 0
    minor: int = 2
    revision: int = 5
    seen: int = 0  # images
    long_seen: bool = True  # 64 bits

    @property
    def size(self) -> int:
        """Bytes."""
        return 20 if self.long_seen else 16

    @property
    def version(self) -> str:
        """As in "0.2.5"."""
        return f"{self.major}.{self.minor}.{self.revision}"

    @property
    def writer(self) -> str:
        """Who writes such headers."""
        known = {
            (0, 2, 5): "AlexeyAB's Darknet or a fork of it",
            (0, 2, 0): "pjreddie's Darknet",
            (0, 1, 0): "pjreddie's Darknet before 2017",
        }
        return known.get(self[:3], "an unknown program")

    @property
    def dialect(self) -> Dialect:
        """Whose arithmetic the tensors were trained with."""
        fork = PJREDDIE if self[:3] in ((0, 1, 0), (0, 2, 0)) else ALEXEYAB
        return replace(fork, transposed=self.major > 1000 or self.minor > 1000)

    def pack(self) -> bytes:
        """The bytes."""
        return struct.pack("<3iQ" if self.long_seen else "<3iI", *self[:4])


class Slot(NamedTuple):
    """One tensor in its place: numbers `start` to `stop` of the file, counted in floats after the header."""

    node: Node
    stored: Stored
    start: int

    @property
    def stop(self) -> int:
        """The number after the last."""
        return self.start + self.stored.size

    def __str__(self) -> str:
        return f"layer {self.node.index} [{self.node.layer.section}] {self.stored.name}"


def layout(graph: Graph, *, loading: bool = False) -> Iterator[Slot]:
    """Every tensor of the network in file order.

    Args:
        loading: leave out what `dontload` and `dontloadscales` say is not in the file
    """
    start = 0
    for node in graph.nodes:
        if loading and node.layer.dontload:
            continue
        for stored in node.tensors:
            if loading and node.layer.skips_scales and stored.name in BATCH_NORM:
                continue
            yield Slot(node, stored, start)
            start += stored.size


def count(graph: Graph, *, loading: bool = False) -> int:
    """Number of floats of a .weights file of this network."""
    return sum(slot.stored.size for slot in layout(graph, loading=loading))


def size(graph: Graph, header: Header | None = None) -> int:
    """Bytes of a .weights file of this network; with AlexeyAB's header unless another is given."""
    return (header or Header()).size + FLOAT * count(graph)


def read_header(path: str | Path) -> Header:
    """The head of a .weights file.

    Raises:
        NotWeights: the file is empty, or something else
        WeightsError: it cannot be read
    """
    try:
        with open(path, "rb") as file:
            first = file.read(512)
    except (OSError, ValueError) as why:
        raise WeightsError(f"{path}: {getattr(why, 'strerror', None) or why}") from None
    note_read(path)
    if other := mistaken(first):
        hint = ", which darkparse convert makes" if other in CHECKPOINTS else ""
        raise NotWeights(f"{path}: {other}; expected Darknet's .weights format{hint}")
    if len(first) < 16:
        raise Truncated(f"{path}: {len(first)} bytes; expected a header of 16 or 20 and then the weights")
    major, minor, revision = struct.unpack_from("<3i", first)
    if min(major, minor, revision) < 0:
        raise NotWeights(f"{path}: begins with a version of {major}.{minor}.{revision}; expected 0.2.5 or the like")
    long_seen = major * 10 + minor >= 2
    if long_seen and len(first) < 20:
        raise Truncated(f"{path}: {len(first)} bytes; expected a header of 20 and then the weights")
    (seen,) = struct.unpack_from("<Q" if long_seen else "<I", first, 12)
    return Header(major, minor, revision, seen, long_seen)


def mistaken(first: bytes) -> str:
    """What a file that begins with these bytes is, if it cannot be weights; else ""."""
    if not first:
        return "an empty file"
    is_text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in first)
    return recognise(first) or ("text" if is_text else "")


class Fit(NamedTuple):
    """How a file fits a network."""

    header: Header
    layers: int  # how many of the cfg's first layers it holds


def fit(graph: Graph, path: str | Path, *, partial: bool = False) -> Fit:
    """How many of the first layers the file holds: all of them, or fewer with `partial`.

    Raises:
        WeightsError: the file does not end where a layer does, with what would fit
    """
    header = read_header(path)
    extra = os.path.getsize(path) - header.size
    wanted = FLOAT * count(graph, loading=True)
    if extra == wanted:
        return Fit(header, len(graph.nodes))
    if (other := with_other_seen(path, header)) and os.path.getsize(path) - other.size == wanted:
        message = f"{path}: version {header.version} with {'64' if other.long_seen else '32'} bits of images seen"
        warnings.warn(f"{message}, as its size says; others may misread it", OddHeader, stacklevel=2)
        return Fit(other, len(graph.nodes))
    held = held_layers(graph, extra)
    if held and partial:
        return Fit(header, held)
    hint = suggestion(graph, extra)
    if extra > wanted:
        what = f"{extra - wanted:,} bytes too long for {graph.file}"
        raise Trailing(f"{path}: {what}: {wanted + header.size:,} bytes end its last layer{hint}")
    if held:
        what = f"a partial file, the first {held} of {len(graph.nodes)} layers of {graph.file}"
        raise Truncated(f"{path}: {what}; expected {wanted - extra:,} bytes more{hint}")
    short = next(slot for slot in layout(graph, loading=True) if FLOAT * slot.stop > extra)
    have = max(0, extra // FLOAT - short.start)
    raise Truncated(
        f"{path}: {wanted - extra:,} bytes too short for {graph.file}: {short} wants {short.stored.size:,} floats "
        f"{short.stored.shape}, but the file ends after {have:,}{hint}"
    )


def with_other_seen(path: str | Path, header: Header) -> Header | None:
    """The header with as many bits of images seen as its version does not have, where there are such files.

    Some PyTorch ports write 64 bits below version 0.2; pjreddie's Darknet reads 32 above version 1000.
    """
    with open(path, "rb") as file:
        start = file.read(20)
    if header.dialect.transposed:
        return header._replace(seen=struct.unpack_from("<I", start, 12)[0], long_seen=False)
    if header.long_seen or len(start) < 20 or start[16:] != b"\0\0\0\0":
        return None
    return header._replace(seen=struct.unpack_from("<Q", start, 12)[0], long_seen=True)


def held_layers(graph: Graph, extra: int) -> int:
    """How many layers a file of `extra` bytes after the header holds, if it ends where one does; else 0."""
    last = 0
    for slot in layout(graph, loading=True):
        if FLOAT * slot.start == extra and slot.stored == slot.node.tensors[0]:
            return last
        last = slot.node.index + 1
    return 0


def suggestion(graph: Graph, extra: int) -> str:
    """What change of the cfg's classes would make a file of `extra` bytes fit, as the tail of a message; or ""."""
    slope = 0  # floats that one more class adds
    for index, head in graph.heads:
        if (source := graph.nodes[index].sources[0]) < 0:
            return ""
        before = graph.nodes[source]
        slope += head.boxes_per_cell * sum(stored.size for stored in before.tensors) // before.shape.c
    missing = extra - FLOAT * count(graph, loading=True)
    if not slope or missing % (FLOAT * slope):
        return ""
    more = missing // (FLOAT * slope)
    if graph.heads[0][1].classes + more < 1:
        return ""
    filters = sorted({graph.nodes[index].shape.c + head.boxes_per_cell * more for index, head in graph.heads})
    sections = sorted({f"[{head.section}]" for _, head in graph.heads})
    return (
        f"; the file fits this cfg with classes={graph.heads[0][1].classes + more}: "
        f"filters={' or '.join(str(n) for n in filters)} before each {' or '.join(sections)}"
    )
