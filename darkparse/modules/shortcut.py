"""The module of [shortcut]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .activation import activation
from .gradient import straight_through

if TYPE_CHECKING:
    from ..layers.shortcut import Shortcut

RELU_FLOOR = 1e-3  # src/network.c lrelu
NORMALIZATION_EPS = 1e-4  # src/blas.c shortcut_multilayer_cpu (AlexeyAB 59596d7)


class Add(nn.Module):
    """x + the others, channel by channel as far as both have them.

    In training the gradient of weights is that of the normalized ones, as if they were free.
    Source: src/blas.c shortcut_multilayer_cpu (AlexeyAB 59596d7); shortcut_cpu (pjreddie f6afaab)
    """

    def __init__(self, layer: Shortcut, inputs: int, channels: int) -> None:
        super().__init__()
        self.alpha, self.beta = layer.alpha, layer.beta
        self.softmax = layer.weights_normalization == "softmax"
        self.weight: nn.Parameter | None = None
        if layer.weights_type != "none":
            each = channels if layer.weights_type == "per_channel" else 1
            self.weight = nn.Parameter(torch.ones(inputs, each))
        self.activation = activation(layer.activation)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """`(B, C, H, W)` and the others, to `(B, C, H, W)`."""
        if self.weight is not None:
            share = self.shares(self.weight)
            x = x * share[0]
            others = tuple(
                other[:, : x.shape[1]] * w[: other.shape[1]] for other, w in zip(others, share[1:], strict=True)
            )
        for other in others:
            x = self.add(x, other)
        y: Tensor = self.activation(x)
        return y

    def shares(self, weight: Tensor) -> Tensor:
        """`(inputs, 1 or C)` weights normalized over the inputs, as `(inputs, 1 or C, 1, 1)`."""
        positive = (weight - weight.amax(0)).exp() if self.softmax else weight.clamp(min=RELU_FLOOR)
        normalized = positive / (positive.sum(0) + NORMALIZATION_EPS)
        return (straight_through(normalized, weight) if self.training else normalized)[..., None, None]

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """alpha x + beta other where `other` has a value, else x."""
        if x.shape == other.shape and self.alpha == 1 and self.beta == 1:
            return x + other
        down, across = x.shape[2] // other.shape[2] or 1, x.shape[3] // other.shape[3] or 1
        other = other[:, : x.shape[1], :: other.shape[2] // x.shape[2] or 1, :: other.shape[3] // x.shape[3] or 1]
        y = x.clone()
        touched = y[:, : other.shape[1], ::down, ::across]
        touched.mul_(self.alpha).add_(other, alpha=self.beta)
        return y
