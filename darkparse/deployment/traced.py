"""Networks of many light layers, whose time goes into starting each: as one oneDNN graph, by TorchScript.

TorchScript is deprecated, and its way to oneDNN Graph is a switch that few know, so that all of it is in here, is used
only where a trial finds it both right and quicker, and nothing depends on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from ..network import Network

LIGHT = 3e7  # operations of a layer, on average, below which starting it counts
RUNS = 3  # in which it is compiled
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.15, torch.float16: 0.05}

Traced = Callable[[Tensor], Sequence[Tensor]]


def is_light(network: Network, batch: int) -> bool:
    """Whether most of the time of a batch may go into starting layers."""
    nodes = network.graph.nodes
    return batch * sum(node.operations for node in nodes) / len(nodes) < LIGHT and not network.is_recurrent


def trace_whole(network: Network, images: Tensor) -> Traced | None:
    """A folded network as one graph for batches like `images`; None where it cannot be, or gives something else."""
    try:
        with silence(), torch.no_grad(), fusing():
            found: Traced = torch.jit.freeze(torch.jit.trace(Tuple(network).eval(), images, check_trace=False))  # type: ignore[no-untyped-call]
            for _ in range(RUNS):
                found(images)
    except (AttributeError, RuntimeError, TypeError):  # another PyTorch's
        return None
    if not alike(found(images), network(images)):
        return None
    return partial(found)  # which is a module; the network is not to take it for one of its own


def alike(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether outputs are the same but for rounding, which of less than float32 goes by the largest value."""
    for one, other in zip(found, expected, strict=True):
        size = other.float().abs()
        scale = size.clamp(min=1) if other.dtype == torch.float32 else size.max()
        if not bool(((one.float() - other.float()).abs() <= TOLERANCE[other.dtype] * scale).all()):
            return False
    return True


class Tuple(nn.Module):
    """A network that gives a tuple, as TorchScript wants it, and overwrites nothing."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See `Network.forward`."""
        return tuple(self.network(images))


@contextmanager
def fusing() -> Iterator[None]:
    """While this lasts, what is traced becomes oneDNN graphs."""
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    torch.jit.enable_onednn_fusion(True)
    try:
        yield
    finally:
        torch.jit.enable_onednn_fusion(before)


@contextmanager
def silence() -> Iterator[None]:
    """Without the warnings on deprecation and on constants in a trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
