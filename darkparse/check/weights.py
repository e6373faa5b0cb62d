"""What is wrong with a .weights file, by itself and for a network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import OddHeader, WeightsError, first_of
from ..findings import ERROR, NOTE, Finding
from ..graph import Graph
from ..layout import FLOAT, Fit, Header, fit, layout, read_header

SHOWN = 3  # layers that a message names
CHUNK = 1 << 22  # floats


def check_weights(path: Path, graph: Graph | None, *, trains: bool) -> Iterator[Finding]:
    """Whether the file fits the network, and holds numbers.

    Args:
        graph: None where the cfg is too wrong to say
        trains: whether it is to begin a training with
    """
    file = str(path)
    try:
        header = read_header(path)
    except WeightsError as why:
        yield Finding("weights", ERROR, file, 0, str(why).removeprefix(f"{file}: "))
        return
    if graph is None:
        yield from check_numbers(path, header, None)
        return
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", OddHeader)
            found = fit(graph, path, partial=True)
    except WeightsError as why:
        message, fits, rest = str(why).removeprefix(f"{file}: ").partition("; the file fits ")
        remedy = fits[2:] + rest or "expected the weights that were trained with this cfg"
        yield Finding("weights-fit", ERROR, file, 0, message, remedy)
        yield from check_numbers(path, header, None)
        return
    for oddity in told:
        yield Finding("weights-header", NOTE, file, 0, str(oddity.message).removeprefix(f"{file}: "))
    yield from check_parts(file, graph, found, trains=trains)
    yield from check_numbers(path, found.header, graph)


def check_parts(file: str, graph: Graph, found: Fit, *, trains: bool) -> Iterator[Finding]:
    """Whether the file holds all layers, and iterations are left."""
    if found.layers < len(graph.nodes):
        message = f"the first {found.layers} of {len(graph.nodes)} layers of {graph.file}, to begin a training with"
        if trains or ".conv." in Path(file).name:
            yield Finding("weights-part", NOTE, file, 0, message)
        else:
            yield Finding("weights-part", ERROR, file, 0, message, "to detect, expected a file of all layers")
    net, seen = graph.net, found.header.seen
    if trains and 0 < net.max_batches <= seen // net.batch:
        message = f"has seen {seen:,} images, all of max_batches={net.max_batches}: no iteration is left"
        yield Finding("weights-seen", NOTE, file, 0, message, "to begin anew train with --clear")


def check_numbers(path: Path, header: Header, graph: Graph | None) -> Iterator[Finding]:
    """Whether the file holds NaN or infinite values, or variances below 0, and in which layers.

    Args:
        graph: that it fits; None: it fits none, and layers are not known
    """
    if not (floats := (path.stat().st_size - header.size) // FLOAT):
        return
    values = np.memmap(path, "<f4", "r", offset=header.size, shape=(floats,))
    wrong, negative, count = [], [], 0
    for place, name, part in parts(values, graph):
        if bad := int(part.size - np.isfinite(part).sum()):
            wrong.append(place)
            count += bad
        elif name == "rolling_variance" and part.min() < 0:
            negative.append(place)
    if wrong:
        where = f" in {first_of(wrong, SHOWN)}" if graph else ""
        message = f"{count:,} NaN or infinite values{where}; the network gives no numbers with them"
        yield Finding("weights-finite", ERROR, str(path), 0, message, "use weights of an earlier iteration")
    if negative:
        message = f"variances below 0 in {first_of(negative, SHOWN)}; the network gives NaN with them"
        remedy = "expected the weights that were trained with this cfg"
        yield Finding("weights-finite", ERROR, str(path), 0, message, remedy)


def parts(values: NDArray[np.float32], graph: Graph | None) -> Iterator[tuple[str, str, NDArray[np.float32]]]:
    """Each tensor with its place and its name; without a network the values by the million."""
    if graph is None:
        for start in range(0, values.size, CHUNK):
            yield "", "", values[start : start + CHUNK]
        return
    for slot in layout(graph, loading=True):
        if slot.stop > values.size:
            return
        if slot.stored.size:
            yield str(slot), slot.stored.name, values[slot.start : slot.stop]
