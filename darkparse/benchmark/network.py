"""A network to measure, where there are no weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..graph import Graph
from ..network import Network
from ..training.initial import initialise


@torch.no_grad()
def random_network(graph: Graph, seed: int = 0) -> Network:
    """A network with random weights whose batch norms keep values at the size that they have in trained ones.

    Values that shrink from layer to layer would end as denormal numbers, which processors are slow with.
    """
    generator = torch.Generator().manual_seed(seed)
    network = Network(graph)
    initialise(network, generator)
    network.eval().requires_grad_(False)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    hooks = []
    for norm in norms:
        nn.init.ones_(norm.running_var)  # type: ignore[arg-type]
        hooks.append(norm.register_forward_pre_hook(settle))
    network(torch.rand(1, *graph.net.shape, generator=generator))
    network.reset()
    for hook in hooks:
        hook.remove()
    return network


def settle(norm: Any, given: tuple[Tensor, ...]) -> None:
    """Let a batch norm divide by the size of what it is given: by one number, so that weak channels stay weak."""
    norm.running_var.fill_(given[0].square().mean())
