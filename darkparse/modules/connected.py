"""The module of [connected]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .activation import activation
from .norm import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM

if TYPE_CHECKING:
    from ..layers.connected import Connected


class LinearNormAct(nn.Module):
    """Dense layer, batch norm if asked for, activation."""

    def __init__(self, layer: Connected, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, layer.outputs, bias=not layer.batch_normalize)
        self.norm: nn.Module = (
            nn.BatchNorm1d(layer.outputs, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
            if layer.batch_normalize
            else nn.Identity()
        )
        self.activation = activation(layer.activation)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, outputs, 1, 1)`."""
        y: Tensor = self.activation(self.norm(self.linear(x.flatten(1))))
        return y[..., None, None]
