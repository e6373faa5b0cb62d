"""The module of [implicit]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..layers.implicit import Implicit


class Constant(nn.Module):
    """The same values for every image.

    Source: src/representation_layer.c forward_implicit_layer (AlexeyAB 59596d7)
    """

    def __init__(self, layer: Implicit) -> None:
        super().__init__()
        self.weight = nn.Parameter(layer.mean + layer.std * (2 * torch.rand(layer.filters, layer.atoms) - 1))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, filters, atoms, 1)`."""
        return self.weight[None, :, :, None].expand(x.shape[0], -1, -1, -1)
