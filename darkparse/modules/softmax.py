"""The module of [softmax]."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from .gradient import straight_through
from .region import softmax_by_group

if TYPE_CHECKING:
    from ..layers.softmax import Softmax


class SoftmaxBy(nn.Module):
    """Softmax over each of `groups` parts of an image's values, over siblings of a tree, or over channels.

    In training its gradient passes to its input as it is.
    Source: src/softmax_layer.c forward_softmax_layer, forward_softmax_layer_gpu (AlexeyAB 59596d7)
    """

    def __init__(self, layer: Softmax) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        y = self.softmax(x)
        return straight_through(y, x) if self.training else y

    def softmax(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        if self.layer.spatial and not self.layer.tree:
            return x.softmax(1)  # its GPU code takes 1 for the temperature; the CPU's knows nothing of it
        scaled = x / self.layer.temperature
        if self.layer.tree:
            return softmax_by_group(self.layer.tree, scaled.flatten(1), 1).view_as(x)
        return scaled.reshape(x.shape[0], self.layer.groups, -1).softmax(2).view_as(x)
