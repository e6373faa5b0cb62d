"""The values that Darknet gives to weights before training."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from ..network import Network
from ..weights import tensors


@torch.no_grad()
def initialise(network: Network, generator: Generator) -> None:
    """Give every tensor its value: running means and variances 0 both, scales 1, biases 0, weights as each layer says.

    Args:
        generator: of the CPU; the same one gives the same values on every device
    Source: make_*_layer in src/*_layer.c (AlexeyAB 59596d7)
    """
    for slot, tensor in tensors(network):
        name = slot.stored.name.rpartition(".")[2]
        if name == "weights":
            tensor.copy_(drawn(slot.node.layer.initial(slot.stored), tensor, generator))
        else:
            tensor.fill_(1.0 if name == "scales" else 0.0)


def drawn(bounds: tuple[float, float], like: Tensor, generator: Generator) -> Tensor:
    """Values spread evenly over `bounds`, of the shape of `like`."""
    low, high = bounds
    return torch.rand(like.shape, generator=generator) * (high - low) + low
