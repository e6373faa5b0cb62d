"""From the tensors of a checkpoint to a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import WeightsError, brief, first_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..network import Network
    from .contents import Checkpoint


def fill(network: Network, checkpoint: Checkpoint, path: str | Path) -> None:
    """Give a network the tensors of a checkpoint, which become its own: nothing is copied.

    Raises:
        WeightsError: they do not fit; nothing is changed then
    """
    own, found = network.state_dict(keep_vars=True), checkpoint.tensors
    first: dict[int, str] = {}  # of tensors that layers share, the name that they have first
    tensors: dict[str, Tensor] = {}
    for name, old in own.items():
        same = first.setdefault(id(old), name)
        new = found.get(name, found.get(same))
        if new is None:
            raise WeightsError(f"{path}: no tensor {name}; expected {told(old)}, by {place(network, name)}")
        if new.shape != old.shape or new.dtype != old.dtype:
            expected = f"expected {told(old)}, by {place(network, name)}"
            raise WeightsError(f"{path}: {name} is {told(new)}; {expected}")
        if same != name and not alike(new, tensors[same]):
            raise WeightsError(f"{path}: {name} differs from {same}; expected the same, by {place(network, name)}")
        tensors[name] = new.contiguous()
    if unknown := [brief(name) for name in found if name not in own]:
        raise WeightsError(f"{path}: {first_of(unknown, 3)}: no tensors of its cfg; expected the {len(own)} that are")
    network.load_state_dict(tensors, assign=True)
    network.tie()


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape are the same."""
    return one.data_ptr() == other.data_ptr() or bool(one.equal(other))


def told(tensor: Tensor) -> str:
    """Type and shape of a tensor."""
    return f"{str(tensor.dtype).removeprefix('torch.')} {'x'.join(str(n) for n in tensor.shape) or 'scalar'}"


def place(network: Network, name: str) -> str:
    """The line of the cfg that a name of the state dict belongs to: "layers.7.conv.weight" to the seventh layer's."""
    where = network.graph.nodes[int(name.split(".")[1])].where
    return f"line {where.line} of its cfg, [{where.section}]"
