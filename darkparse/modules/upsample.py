"""The modules of [upsample].  Source: src/blas.c upsample_cpu (AlexeyAB 59596d7)."""

import torch.nn.functional as F
from torch import Tensor, nn


class Repeat(nn.Module):
    """Each cell `stride` x `stride` times, multiplied by `scale`."""

    def __init__(self, stride: int, scale: float) -> None:
        super().__init__()
        self.stride, self.scale = stride, scale

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C, H stride, W stride)`."""
        y = F.interpolate(x, scale_factor=self.stride, mode="nearest")
        return y if self.scale == 1 else y * self.scale


class SumPool(nn.Module):
    """The sum of each block of `stride` x `stride` cells, multiplied by `scale`."""

    def __init__(self, stride: int, scale: float) -> None:
        super().__init__()
        self.stride, self.scale = stride, scale

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C, H / stride, W / stride)`."""
        return F.avg_pool2d(x, self.stride) * (self.scale * self.stride**2)
