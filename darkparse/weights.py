"""Filling a network from a .weights file, and the way back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import WeightsError
from .files import writing
from .graph import Graph
from .guard import check_not_input
from .layout import Fit, Header, Slot, fit, layout

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
    import torch

    graph = network.graph
    header, layers = fit(graph, path, partial=partial)
    if header.dialect.transposed != graph.dialect.transposed:
        raise WeightsError(
            f"{path}: version {header.version} has transposed [connected] layers; read the cfg with that dialect"
        )
    values = read_values(path, header)
    with torch.no_grad():
        for slot in layout(graph, loading=True):
            if slot.node.index >= layers:
                break
            put(network, slot, torch.from_numpy(values[slot.start : slot.stop]))
        put_defaults(network, layers)
        network.tie()
        start_counters(network)
    return Fit(header, layers)


def put_defaults(network: Network, layers: int) -> None:
    """Fill what `dontloadscales` leaves out of the first `layers` layers, as Darknet does."""
    import torch

    for slot in layout(network.graph):
        layer = slot.node.layer
        if layer.skips_scales and not layer.dontload and slot.node.index < layers and slot.stored.name in DEFAULTS:
            put(network, slot, torch.full((slot.stored.size,), DEFAULTS[slot.stored.name]))


def read_values(path: str | Path, header: Header) -> np.ndarray:
    """All numbers of a file, `(N,)` float32.

    Raises:
        WeightsError: it cannot be read
    """
    try:
        return np.fromfile(path, "<f4", offset=header.size).astype(np.float32, copy=False)
    except OSError as why:
        raise WeightsError(f"{path}: {why.strerror or why}") from None


def put(network: Network, slot: Slot, values: Tensor) -> None:
    """Give the tensor of `slot` its `values`, `(N,)`; where it has no memory yet, theirs becomes its own."""
    from torch import nn

    owner, name = locate(network, slot)
    old = getattr(owner, name)
    shaped = from_file(slot, values)
    if not old.is_meta:
        old.copy_(shaped.view_as(old))
    elif isinstance(old, nn.Parameter):
        setattr(owner, name, nn.Parameter(shaped.view(old.shape), requires_grad=old.requires_grad))
    else:
        setattr(owner, name, shaped.view(old.shape))


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

    for name, buffer in list(network.named_buffers()):
        if buffer.is_meta and name.endswith("num_batches_tracked"):
            owner = network.get_submodule(name.rpartition(".")[0])
            owner.num_batches_tracked = torch.zeros((), dtype=torch.long)


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
