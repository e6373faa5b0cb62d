"""Checkpoints of other PyTorch programs that read Darknet's cfgs: their tensors, matched by order and shape.

Such programs (pytorchyolo, the archive branch of ultralytics/yolov3, and many that began as one of them) make a module
of each section, in the cfg's order, and save the state dict.  The modules have other names in each of them.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .checkpoint.pt import check_archive
from .errors import WeightsError
from .graph import Node
from .guard import note_read
from .layout import Slot, layout
from .network import Network
from .weights import put, start_counters, to_file

STATE = ("model", "state_dict")  # where a checkpoint of a training has the state dict
UNUSED = ("num_batches_tracked", "anchor_grid", "anchors")  # last words of keys whose tensors no .weights file has
FOREIGN = {"w": "factors that go through a sigmoid, which no section of Darknet does"}  # and those it cannot have
LEAVES = {  # their last words for Darknet's tensors
    "biases": "bias",
    "scales": "weight",
    "rolling_mean": "running_mean",
    "rolling_variance": "running_var",
    "weights": "weight",
}
ULTRALYTICS = "BatchNorm2d"  # as its modules, and those of its descendants, are called
NUMBERED = re.compile(r"(\w+)\.(\d+)(?:\.|$)")  # module_list.12.Conv2d

# what pickles of NumPy's numbers and arrays name, such as ultralytics' best_fitness; none of it runs code of a file
_MAKERS: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
_OLD_NAMES = [(make, f"numpy.core.multiarray.{make.__name__}") for make in _MAKERS]  # of NumPy 1
_NUMPY = [*_MAKERS, *_OLD_NAMES, np.ndarray, np.dtype, type(np.dtype("f8")), type(np.dtype("f4"))]


class Part(NamedTuple):
    """A module of a port: its name, and its tensors by the last word of their keys."""

    name: str
    tensors: dict[str, Tensor]

    @property
    def is_norm(self) -> bool:
        """Whether it is a batch norm."""
        return "running_mean" in self.tensors


class Found(NamedTuple):
    """A tensor of a port, in its module, under the last word of its key."""

    part: Part
    leaf: str
    tensor: Tensor

    def __str__(self) -> str:
        return f"{self.part.name}.{self.leaf} {shape(self.tensor)}"


class Pair(NamedTuple):
    """A tensor of a Darknet layer, and the port's that fits it."""

    slot: Slot
    tensor: Tensor


def load(network: Network, path: str | Path) -> list[str]:
    """Fill `network` from the checkpoint of a port; what there is to tell of it.

    Raises:
        WeightsError: it is none, or does not fit, with the first tensor that does not; nothing is changed then
    """
    state = read(path)
    pairs = match(network, state, path)
    with torch.no_grad():
        for slot, tensor in pairs:
            put(network, slot, torch.from_numpy(to_file(slot, tensor)))
        network.tie()
        start_counters(network)
    return list(notes(state, path))


def read(path: str | Path) -> dict[str, Tensor]:
    """The state dict in a file; nothing in it is executed.

    Raises:
        WeightsError: it cannot be read, or there is none in it
    """
    note_read(path)
    try:
        with open(path, "rb") as file:
            is_archive = file.read(2) == b"PK"  # torch.save wrote none before PyTorch 1.6
    except OSError as why:
        raise WeightsError(f"{path}: {why.strerror or why}") from None
    if is_archive:
        check_archive(Path(path))
    try:
        with torch.serialization.safe_globals(_NUMPY), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle protocols; what it cannot read is an error
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as why:  # of a damaged file: nearly any
        raise WeightsError(f"{path}: {unreadable(why)}") from None
    if state := state_dict(found):
        return state
    raise WeightsError(f"{path}: no tensors; expected a state dict, or a dict that has one as {' or '.join(STATE)}")


def unreadable(why: Exception) -> str:
    """What to say of a file that torch cannot or must not read."""
    if found := re.search(r"GLOBAL ([\w.]+)", str(why)):
        what = f"a pickle that names {found[1]}, which is code of a program's own and is not run"
        return f"{what}; expected a state dict, as torch.save(model.state_dict(), ...) writes it"
    told = isinstance(why, pickle.UnpicklingError | RuntimeError)  # of others the kind says more than the text
    said = str(why.__context__ or why).partition("\n")[0].partition(". ")[0] if told else type(why).__name__
    return f"no PyTorch checkpoint: {said}"


def state_dict(found: object) -> dict[str, Tensor]:
    """The tensors of a state dict, or of the checkpoint that it is a part of; {} where there are none."""
    if not isinstance(found, Mapping):
        return {}
    inner = next((found[key] for key in STATE if isinstance(found.get(key), Mapping)), found)
    if not all(isinstance(value, Tensor) and value.layout == torch.strided for value in inner.values()):
        return {}
    return {str(key).removeprefix("module."): value for key, value in inner.items()}


def parts_of(state: Mapping[str, Tensor]) -> list[Part]:
    """The modules of a state dict that have tensors to convert, in the cfg's order.

    That is the dict's own order, unless its keys count the sections: a file may have them sorted as text.
    """
    parts: dict[str, Part] = {}
    for key, tensor in state.items():
        name, _, leaf = key.rpartition(".")
        if leaf not in UNUSED:
            parts.setdefault(name, Part(name, {})).tensors[leaf] = tensor
    numbered = [(found[1], int(found[2]), part) for name, part in parts.items() if (found := NUMBERED.match(name))]
    if len(numbered) < len(parts) or len({container for container, _, _ in numbered}) > 1:
        return list(parts.values())
    return [part for _, _, part in sorted(numbered, key=lambda one: one[1])]


def match(network: Network, state: Mapping[str, Tensor], path: str | Path) -> list[Pair]:
    """The tensors of `network`, each with its value.

    Raises:
        WeightsError: one does not fit
    """
    for key, tensor in state.items():
        if (why := FOREIGN.get(key.rpartition(".")[2])) is not None:
            raise WeightsError(f"{path}: {key} {shape(tensor)}: {why}")
    parts = parts_of(state)
    pairs: list[Pair] = []
    for node, slots in layers_of(network):
        wanted = len({"weights", "scales"} & {slot.stored.name for slot in slots}) or 1  # a batch norm is a module
        taken, parts = parts[:wanted], parts[wanted:]
        try:
            pairs += fitted(node, slots, taken)
        except ValueError as why:
            raise WeightsError(f"{path}: {why}") from None
    if parts:
        key, tensor = next(iter(parts[0].tensors.items()))
        raise WeightsError(
            f"{path}: {parts[0].name}.{key} {shape(tensor)}: {network.graph.file} has no layer left for it"
        )
    return pairs


def layers_of(network: Network) -> Iterator[tuple[Node, list[Slot]]]:
    """The layers that have tensors."""
    slots: dict[int, list[Slot]] = {}
    for slot in layout(network.graph):
        slots.setdefault(slot.node.index, []).append(slot)
    for index, own in slots.items():
        yield network.graph.nodes[index], own


def fitted(node: Node, slots: Sequence[Slot], parts: Sequence[Part]) -> list[Pair]:
    """The tensors of a layer, from the port's modules of it.

    Raises:
        ValueError: one does not fit
    """
    normed = any(slot.stored.name == "scales" for slot in slots)
    left = [Found(part, leaf, tensor) for part in parts for leaf, tensor in part.tensors.items()]
    pairs = []
    for slot in sorted(slots, key=lambda slot: slot.stored.name != "weights"):  # as ports have them
        pairs.append(Pair(slot, take(left, normed and slot.stored.name != "weights", slot)))
    for found in left:
        raise ValueError(f"{found}: {place(node)} has no such tensor")
    return pairs


def take(left: list[Found], in_norm: bool, slot: Slot) -> Tensor:
    """Take the tensor of `slot` from what is left.  Raises ValueError where it is not there or does not fit."""
    leaf = LEAVES.get(slot.stored.name, slot.stored.name)
    found = next((one for one in left if (one.part.is_norm, one.leaf) == (in_norm, leaf)), None)
    fits = found and found.tensor.is_floating_point() and squeezed(found.tensor.shape) == squeezed(slot.stored.shape)
    if found is None or not fits:
        owner = "a batch norm's " if in_norm else ""
        wanted = f"{place(slot.node)} wants {owner}{leaf} {slot.stored.shape}, Darknet's {slot.stored.name}"
        raise ValueError(f"{found or next(iter(left), 'its end')}, where {wanted}")
    left[:] = [one for one in left if one is not found]
    return found.tensor


def place(node: Node) -> str:
    """A layer, for a message."""
    return f"{node.where.file}:{node.where.line}: layer {node.index} [{node.layer.section}]"


def squeezed(sizes: Sequence[int]) -> tuple[int, ...]:
    """A shape without the dimensions of 1, which differ between a matrix and a convolution of 1x1."""
    return tuple(n for n in sizes if n != 1)


def shape(tensor: Tensor) -> str:
    """For a message."""
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{kind}"


def notes(state: Mapping[str, Tensor], path: str | Path) -> Iterator[str]:
    """What there is to tell of a port's tensors."""
    yield f"{path}: {len(state)} tensors of another program, by order and shape"
    if kinds := {str(t.dtype).removeprefix("torch.") for t in state.values() if t.is_floating_point()} - {"float32"}:
        yield f"{', '.join(sorted(kinds))} becomes float32"
    if any(ULTRALYTICS in key for key in state):
        yield "its batch norms add 1e-4 to variances, Darknet's 1e-5, which changes answers a little"
    yield "such programs letterbox images: detect with --resize letterbox if it was trained by one"
