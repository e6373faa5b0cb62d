"""The module of [deconvolutional]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .activation import activation
from .norm import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM

if TYPE_CHECKING:
    from ..layers.deconvolutional import Deconvolutional


class DeconvNormAct(nn.Module):
    """Transposed convolution, batch norm if asked for, activation.

    Source: src/deconvolutional_layer.c forward_deconvolutional_layer (pjreddie f6afaab)
    """

    def __init__(self, layer: Deconvolutional, channels: int) -> None:
        super().__init__()
        normed = layer.batch_normalize
        self.conv = nn.ConvTranspose2d(channels, layer.filters, layer.size, layer.stride, layer.margin, bias=not normed)
        self.norm: nn.Module = (
            nn.BatchNorm2d(layer.filters, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM) if normed else nn.Identity()
        )
        self.activation = activation(layer.activation)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, filters, h, w)`."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y
