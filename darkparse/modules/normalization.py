"""The modules of [normalization] and [l2norm]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..layers.normalization import Normalization


class ResponseNorm(nn.Module):
    """x (kappa + alpha sum)^-beta, the sum over squares of channels near by.

    The sum slides: channel k adds k + size/2 and drops k - (size-1)/2 - 1, and channel size/2 is never added.
    It counts as a constant in the gradient.
    Source: src/normalization_layer.c forward_normalization_layer (AlexeyAB 59596d7)
    """

    def __init__(self, layer: Normalization) -> None:
        super().__init__()
        self.alpha, self.beta, self.kappa, self.size = layer.alpha, layer.beta, layer.kappa, layer.size

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        half, channels = self.size // 2, x.shape[1]
        sums = F.pad(x.square().cumsum(1), (0, 0, 0, 0, 1, 0))  # sums[:, n]: of the first n channels
        k = torch.arange(channels, device=x.device)
        first = min(half + 1, channels)
        added = sums[:, half : half + 1] + sums[:, (k + half + 1).clamp(max=channels)] - sums[:, first : first + 1]
        dropped = sums[:, (k - (self.size - 1) // 2).clamp(min=0)]
        return x * ((self.kappa + self.alpha * (added - dropped)) ** -self.beta).detach()


class L2Norm(nn.Module):
    """Each cell over its length.  Source: src/blas.c l2normalize_cpu (pjreddie f6afaab)."""

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        length: Tensor = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x / length
