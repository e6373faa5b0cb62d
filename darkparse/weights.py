"""Filling a network from a .weights file, and the way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import Truncated, WeightsError
from .files import blamed, writing
from .graph import Graph
from .guard import check_not_input
from .layout import FLOAT, Fit, Header, Slot, fit, layout

DEFAULTS = {"scales": 1.0, "rolling_mean": 0.0, "rolling_variance": 0.0}  # src/convolutional_layer.c: calloc

if TYPE_CHECKING:
    from torch import Tensor

    from .network import Network


def load(network: Network, path: str | Path, *, partial: bool = False) -> Fit:
    """Fill `network` from a .weights file.

    The file is read once, into one block of memory; a network on the meta device gets its tensors there.  What the
    file does not hold (layers with `dontload`, those after a partial file's end) stays as it is.

    Args:
        partial: accept a file that ends after any layer, such as darknet53.conv.74
    Returns:
        the header, and how many of the cfg's first layers the file holds
    Raises:
        WeightsError: the file is no .weights file, or does not fit; nothing is changed then
    Source: src/parser.c load_weights_upto (AlexeyAB 59596d7)
    """
    found = read(network.graph, path, partial=partial)
    fill(network, found)
    return found.fit


class Values(NamedTuple):
    """What a file holds for a network: all its numbers, `(N,)` float32, which a thread is reading."""

    path: str | Path
    fit: Fit
    numbers: Future[np.ndarray]


def read(graph: Graph, path: str | Path, *, partial: bool = False) -> Values:
    """Begin to read what a file holds for the network of `graph`; see `load`.

    The file is read, not mapped: one that is cut short while it is mapped, as when Darknet saves anew, would kill the
    process, and what is written to it would get into a network at work.

    Raises:
        WeightsError: the file is no .weights file, or does not fit
    """
    found = fit(graph, path, partial=partial)
    if found.header.dialect.transposed != graph.dialect.transposed:
        raise WeightsError(
            f"{path}: version {found.header.version} has transposed [connected] layers; read the cfg with that dialect"
        )
    return Values(path, found, begin(path, found.header))


def fill(network: Network, found: Values) -> None:
    """Give a network the numbers that were read for its graph; one on the meta device shares their memory.

    Raises:
        WeightsError: the file could not be read, or has changed meanwhile; nothing is changed then
    """
    import torch

    layers = found.fit.layers
    slots = [slot for slot in layout(network.graph, loading=True) if slot.node.index < layers]
    places = [locate(network, slot) for slot in slots]
    numbers = found.numbers.result()
    if numbers.size != (wanted := slots[-1].stop if slots else 0):
        raise Truncated(f"{found.path}: changed while it was read, to {numbers.size:,} floats; expected {wanted:,}")
    with torch.no_grad():
        for slot, place in zip(slots, places, strict=True):
            assign(*place, from_file(slot, torch.from_numpy(numbers[slot.start : slot.stop])))
        put_defaults(network, layers)
        network.tie()
        start_counters(network)


def put_defaults(network: Network, layers: int) -> None:
    """Fill what `dontloadscales` leaves out of the first `layers` layers, as Darknet does."""
    import torch

    if not any(node.layer.skips_scales for node in network.graph.nodes):
        return
    for slot in layout(network.graph):
        layer = slot.node.layer
        if layer.skips_scales and not layer.dontload and slot.node.index < layers and slot.stored.name in DEFAULTS:
            put(network, slot, torch.full((slot.stored.size,), DEFAULTS[slot.stored.name]))


def read_values(path: str | Path, header: Header) -> np.ndarray:
    """All numbers of a file, `(N,)` float32.

    Raises:
        WeightsError: it cannot be read, or is cut short meanwhile
    """
    return begin(path, header).result()


def begin(path: str | Path, header: Header) -> Future[np.ndarray]:
    """Let a thread read all numbers of a file; see `read_values`."""
    with blamed(path, WeightsError):
        file = open(path, "rb", buffering=0)  # noqa: SIM115  (closed by `finish`)
        size = os.fstat(file.fileno()).st_size - header.size
        file.seek(header.size)
    values = np.empty(max(0, size) // FLOAT, "<f4")  # one block, for which NumPy gets large pages
    reader = ThreadPoolExecutor(1)
    reading = reader.submit(finish, path, file, values)
    reader.shutdown(wait=False)
    return reading


def finish(path: str | Path, file: FileIO, values: np.ndarray) -> np.ndarray:
    """Read `values`, and close the file.  Raises WeightsError where there are too few."""
    left = values.view(np.uint8).data
    with blamed(path, WeightsError), file:
        while left and (done := file.readinto(left)):
            left = left[done:]
    if left:
        raise Truncated(f"{path}: cut short while it was read; expected {len(left):,} bytes more")
    return values.astype(np.float32, copy=False)


def put(network: Network, slot: Slot, values: Tensor) -> None:
    """Give the tensor of `slot` its `values`, `(N,)`; where it has no memory yet, theirs becomes its own."""
    assign(*locate(network, slot), from_file(slot, values))


def assign(owner: object, name: str, values: Tensor) -> None:
    """Give a tensor of a module its `values`, `(N,)`, as `put` does."""
    from torch import nn

    old = getattr(owner, name)
    if not old.is_meta:
        old.copy_(values.view_as(old))
    elif isinstance(old, nn.Parameter):
        setattr(owner, name, nn.Parameter(values.view(old.shape), requires_grad=old.requires_grad))
    else:
        setattr(owner, name, values.view(old.shape))


def from_file(slot: Slot, values: Tensor) -> Tensor:
    """The values in the order of the module's tensor."""
    if not slot.stored.transposed:
        return values
    rows = slot.stored.shape[0]
    return values.view(-1, rows).T.contiguous()


def to_file(slot: Slot, tensor: Tensor) -> np.ndarray:
    """The values in the order of the file, `(N,)` float32."""
    import torch

    array = tensor.detach().to("cpu", torch.float32)
    if slot.stored.transposed:
        array = array.reshape(slot.stored.shape[0], -1).T
    values: np.ndarray = array.contiguous().numpy().ravel()
    return values.astype("<f4", copy=False)


def locate(network: Network, slot: Slot) -> tuple[object, str]:
    """The module that keeps the tensor of `slot`, and the name that it has there."""
    *path, name = slot.stored.path.split(".")
    owner: object = network.layers[slot.node.index]
    for step in path:
        owner = getattr(owner, step)
    return owner, name


def tensor_of(network: Network, slot: Slot) -> Tensor:
    """The tensor of `slot`."""
    owner, name = locate(network, slot)
    tensor: Tensor = getattr(owner, name)
    return tensor


def start_counters(network: Network) -> None:
    """Batch norm counts its batches, which no file holds: from 0."""
    import torch

    for module in network.modules():
        counter = getattr(module, "num_batches_tracked", None)
        if counter is not None and counter.is_meta:
            module.num_batches_tracked = torch.zeros((), dtype=torch.long)


def save(
    network: Network, path: str | Path, header: Header, *, layers: int | None = None, loading: bool = False
) -> None:
    """Write a .weights file, of the first `layers` layers if given.

    The file appears whole or not at all.

    Args:
        loading: leave out what `dontload` and `dontloadscales` say is not in the file, which Darknet writes
    Raises:
        WeightsError: it cannot be written
    Source: src/parser.c save_weights_upto (AlexeyAB 59596d7)
    """
    if header.seen >= (most := 2 ** (64 if header.long_seen else 32)):
        what = f"{header.seen:,} images seen; expected at most {most - 1:,} in a header of version {header.version}"
        raise WeightsError(f"{path}: {what}")
    with writing(path, WeightsError) as file:
        file.write(header.pack())
        for slot in layout(network.graph, loading=loading):
            if layers is None or slot.node.index < layers:
                file.write(to_file(slot, tensor_of(network, slot)).data)


def tensors(network: Network) -> Iterator[tuple[Slot, Tensor]]:
    """Every tensor of the network in file order."""
    for slot in layout(network.graph):
        yield slot, tensor_of(network, slot)


def save_first_layers(graph: Graph, path: str | Path, out: str | Path, layers: int) -> int:
    """Write the first `layers` layers of a .weights file to another, with nothing seen; return its size in bytes.

    Raises:
        WeightsError: the file does not fit, or the other cannot be written
    Source: src/darknet.c partial (AlexeyAB 59596d7)
    """
    check_not_input(out, [path, graph.file])
    header, held = fit(graph, path, partial=True)
    if not 1 <= layers <= held:
        raise WeightsError(f"{path}: holds the first {held} layers; expected a number from 1 to {held}, got {layers}")
    slots = [slot for slot in layout(graph, loading=True) if slot.node.index < layers]
    count = slots[-1].stop if slots else 0
    with writing(out, WeightsError) as file:
        file.write(header._replace(seen=0).pack())
        file.write(read_values(path, header)[:count].astype("<f4", copy=False).data)
    return os.path.getsize(out)
