"""Windows with Darknet's padding: `margin` cells in all, half of them (rounded down) before the first.

Source: src/maxpool_layer.c forward_maxpool_layer, forward_local_avgpool_layer (AlexeyAB 59596d7)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gradient import straight_through


class WindowMaxPool(nn.Module):
    """Largest value of each window; cells outside the image do not count."""

    def __init__(self, size: int, strides: tuple[int, int], margin: int) -> None:
        super().__init__()
        self.size, self.strides, self.margin = size, strides, margin
        self.symmetric = margin % 2 == 0 and margin // 2 <= size // 2

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C, h, w)`."""
        if self.symmetric:
            return F.max_pool2d(x, self.size, self.strides, self.margin // 2)
        lowest = torch.finfo(x.dtype).min
        return F.max_pool2d(F.pad(x, _sides(self.margin), value=lowest), self.size, self.strides)


class WindowAvgPool(nn.Module):
    """Mean of the cells of each window that lie inside the image; the gradient is divided by all of them."""

    def __init__(self, size: int, strides: tuple[int, int], margin: int) -> None:
        super().__init__()
        self.size, self.strides, self.margin = size, strides, margin

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C, h, w)`."""
        inside = F.pad(torch.ones_like(x[:1, :1]), _sides(self.margin))
        total = F.avg_pool2d(F.pad(x, _sides(self.margin)), self.size, self.strides)
        mean = total / F.avg_pool2d(inside, self.size, self.strides)
        return straight_through(mean, total) if self.training else mean


class DepthMaxPool(nn.Module):
    """Largest value over channels k, k + out_channels, k + 2 out_channels, ..."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.out_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, out_channels, H, W)`."""
        lowest = torch.finfo(x.dtype).min
        missing = -x.shape[1] % self.out_channels
        padded = F.pad(x, (0, 0, 0, 0, 0, missing), value=lowest)
        return padded.reshape(x.shape[0], -1, self.out_channels, *x.shape[2:]).max(1).values


def _sides(margin: int) -> list[int]:
    near, far = margin // 2, margin - margin // 2
    return [near, far, near, far]
