"""2x2 max pooling of stride 2, which PyTorch's own kernel does a window at a time: rows, then columns."""

import torch
from torch import Tensor, nn

from ..modules.maxpool import WindowMaxPool


class Halved(nn.Module):
    """The largest of each 2x2 cells: `(B, C, H, W)` to `(B, C, H / 2, W / 2)`."""

    def __init__(self, other: nn.Module) -> None:
        """Other: what does the same, also where a side is odd."""
        super().__init__()
        self.other = other

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        if x.shape[2] % 2 or x.shape[3] % 2:
            y: Tensor = self.other(x)
            return y
        rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
        return torch.maximum(rows[..., ::2], rows[..., 1::2])


def halves(module: nn.Module) -> bool:
    """Whether it is such a layer."""
    return type(module) is WindowMaxPool and module.size == 2 and module.strides == (2, 2) and module.margin <= 1
