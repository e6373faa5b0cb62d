"""The module of [iseg]."""

import torch
from torch import Tensor, nn


class ClassLogistic(nn.Module):
    """Logistic of the first channels.  Source: src/iseg_layer.c forward_iseg_layer (pjreddie f6afaab)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Tensor) -> Tensor:
        """`(B, classes + ids, H, W)` to the same."""
        return torch.cat([x[:, : self.classes].sigmoid(), x[:, self.classes :]], dim=1)
