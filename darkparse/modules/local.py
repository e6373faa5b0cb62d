"""The module of [local]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import Shape
from .activation import activation

if TYPE_CHECKING:
    from ..layers.local import Local


class LocallyConnected(nn.Module):
    """A kernel for each of L places.  Source: src/local_layer.c forward_local_layer (AlexeyAB 59596d7)."""

    def __init__(self, layer: Local, channels: int, out: Shape) -> None:
        super().__init__()
        fan_in = channels * layer.size**2
        self.weight = nn.Parameter(torch.empty(out.h * out.w, out.c, fan_in))
        self.bias = nn.Parameter(torch.zeros(out.c, out.h, out.w))
        nn.init.uniform_(self.weight, -((2 / fan_in) ** 0.5), (2 / fan_in) ** 0.5)
        self.size, self.stride, self.pad = layer.size, layer.stride, layer.pad
        self.activation = activation(layer.activation)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, filters, h, w)`."""
        patches = F.unfold(x, self.size, padding=self.pad, stride=self.stride)  # (B, C k k, L)
        y = torch.einsum("lnk,bkl->bnl", self.weight, patches)
        result: Tensor = self.activation(y.reshape(x.shape[0], *self.bias.shape) + self.bias)
        return result
