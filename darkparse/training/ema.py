"""The moving average of weights that `ema_alpha` asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..network import Network
from ..weights import tensors

APPLIED = 1000  # iterations before the end


class Ema:
    """From half of the run on; it becomes the weights 1000 iterations before the end.

    Source: src/network.c train_network_waitkey, ema_update, ema_apply (AlexeyAB 59596d7)
    """

    def __init__(self, network: Network) -> None:
        net = network.graph.net
        self.alpha, self.start, self.end = net.ema_alpha, net.max_batches // 2, net.max_batches - APPLIED
        self.weights: list[Tensor] = [one for _, one in tensors(network) if isinstance(one, nn.Parameter)]
        self.averages: list[Tensor] = []

    @torch.no_grad()
    def step(self, iteration: int) -> None:
        """Take up the weights after this iteration, from 1."""
        if not self.alpha or iteration < self.start:
            return
        if not self.averages:
            self.averages = [one.detach().clone() for one in self.weights]
        if iteration == self.end:
            torch._foreach_copy_(self.weights, self.averages)
        elif iteration < self.end:
            torch._foreach_lerp_(self.averages, self.weights, 1 - self.alpha)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts, the network has the averages for weights."""
        old = [one.detach().clone() for one in self.weights]
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.averages)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self.weights, old)

    def state_dict(self) -> dict[str, Any]:
        """The averages; none before it has begun."""
        return {"averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        averages = zip(state["averages"], self.weights, strict=False)
        self.averages = [average.to(one.device) for average, one in averages]
