"""The modules of [reorg] and [reorg3d]."""

import torch.nn.functional as F
from torch import Tensor, nn

from ..registry import Shape


class OldReorg(nn.Module):
    """Darknet's first reorg, which takes its input for one of stride^2 fewer channels and a larger size.

    Source: src/reorg_old_layer.c forward_reorg_old_layer, src/blas.c reorg_cpu (AlexeyAB 59596d7)
    """

    def __init__(self, stride: int, reverse: bool) -> None:
        super().__init__()
        self.stride, self.reverse = stride, reverse

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C s s, H / s, W / s)`, or back."""
        b, c, h, w = x.shape
        s = self.stride
        if self.reverse:  # what forward took from (channel, row, row in block, column, column in block) goes back
            blocks = x.reshape(b, s, s, c // (s * s), h, w)
            return blocks.permute(0, 3, 4, 1, 5, 2).reshape(b, c // (s * s), h * s, w * s)
        blocks = x.reshape(b, c // (s * s), h, s, w, s)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(b, c * s * s, h // s, w // s)


class SpaceToDepth(nn.Module):
    """Channel (dy s + dx) C + k of a cell is channel k of the block's cell (dy, dx).

    Source: src/reorg_layer.c forward_reorg_layer, src/blas.c reorg_cpu (AlexeyAB 59596d7)
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, s s C, H / s, W / s)`."""
        b, c, h, w = x.shape
        s = self.stride
        blocks = x.reshape(b, c, h // s, s, w // s, s)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(b, s * s * c, h // s, w // s)


class Interleave(nn.Module):
    """Channels last in memory (or back), taken for another shape.

    Source: src/reorg_layer.c forward_reorg_layer, src/blas.c flatten (pjreddie f6afaab)
    """

    def __init__(self, reverse: bool, out: Shape) -> None:
        super().__init__()
        self.reverse, self.out = reverse, out

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, *out)`."""
        b, c, h, w = x.shape
        rows = (h * w, c) if self.reverse else (c, h * w)
        return x.reshape(b, *rows).transpose(1, 2).reshape(b, *self.out)


class AppendZeros(nn.Module):
    """The values of an image and `extra` zeros.  Source: src/reorg_layer.c forward_reorg_layer (pjreddie f6afaab)."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C H W + extra, 1, 1)`."""
        return F.pad(x.flatten(1), (0, self.extra))[..., None, None]
