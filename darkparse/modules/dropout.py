"""The modules of [dropout] in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..layers.dropout import Dropout

GROWING = 0.85  # of a run: until then probability and block grow; src/dropout_layer_kernels.cu
DEFAULT_BLOCK = 7  # cells; src/parser.c parse_dropout


class DropBlock(nn.Module):
    """A square of some channels is 0, the rest of the image grows so much that its sum stays alike.

    Source: src/dropout_layer_kernels.cu forward_dropout_layer_gpu, dropblock_fast_kernel (AlexeyAB 59596d7)
    """

    def __init__(self, layer: Dropout) -> None:
        super().__init__()
        self.probability, self.part = layer.probability, layer.dropblock_size_rel
        self.cells = layer.dropblock_size_abs or (0 if self.part else DEFAULT_BLOCK)
        self.growth = 0.0

    def at(self, progress: float, minibatch: int) -> None:
        """What comes next is of an iteration behind `progress`, 0..1, of the run."""
        self.growth = min(1.0, progress / GROWING)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        if not self.training:
            return x
        h, w = x.shape[2:]
        side = min(max(1, min(n, int((self.cells or self.part * n) * self.growth))) for n in (h, w))
        chance = min(1.0, self.probability * self.growth / side**2)  # of each cell; a channel has one block at most
        is_hit = torch.rand(x.shape[:2], device=x.device) < 1 - (1 - chance) ** (h * w)
        top, left = (self.corner(x, n, side) for n in (h, w))
        rows, columns = (_within(n, at, side) for n, at in ((h, top), (w, left)))
        kept = ~(is_hit[..., None, None] & rows[..., :, None] & columns[..., None, :])
        dropped = is_hit.sum(1) * (side**2 / (x[0].numel()))
        return x * kept / (1 - dropped).to(x.dtype)[:, None, None, None]

    def corner(self, x: Tensor, n: int, side: int) -> Tensor:
        """`(B, C)` first row, or column, of a block: one too near the end of the `n` is moved to the beginning."""
        at = torch.randint(n, x.shape[:2], device=x.device)
        return torch.where(at > n - side, at - (n - side), at).clamp(0, n - side)


def _within(n: int, start: Tensor, side: int) -> Tensor:
    cells = torch.arange(n, device=start.device)
    return (cells >= start[..., None]) & (cells < start[..., None] + side)
