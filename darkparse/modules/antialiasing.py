"""The blur behind a layer with `antialiasing`."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Blurred(nn.Module):
    """A layer, then a fixed low-pass filter with a stride: [1 2 1]^2 / 16 with a margin, or the mean of 2x2.

    Source: src/convolutional_layer.c make_convolutional_layer, its end (AlexeyAB 59596d7)
    """

    def __init__(self, layer: nn.Module, kind: int, strides: tuple[int, int]) -> None:
        super().__init__()
        self.layer, self.strides = layer, strides
        self.row, self.margin = ([1.0, 2.0, 1.0], 1) if kind == 1 else ([1.0, 1.0], 0)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, channels, h, w)`."""
        y = self.layer(x)
        row = torch.cat([y.new_full((1,), value / sum(self.row)) for value in self.row])  # a GPU records no transfers
        kernel = torch.outer(row, row).expand(y.shape[1], 1, -1, -1)
        return F.conv2d(y, kernel, None, self.strides, self.margin, groups=y.shape[1])

    def share(self, other: nn.Module) -> None:
        """Use the tensors of `other`."""
        self.layer.share(other)  # type: ignore[operator]


def with_blur(layer: nn.Module, kind: int, strides: tuple[int, int]) -> nn.Module:
    """`layer`, with a blur behind it unless `kind` is 0."""
    return Blurred(layer, kind, strides) if kind else layer
