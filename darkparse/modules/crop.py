"""The module of [crop]."""

from torch import Tensor, nn


class CenterCrop(nn.Module):
    """The middle, and 2 x - 1 of it where `adjust`.  Source: src/crop_layer.c forward_crop_layer (AlexeyAB 59596d7)."""

    def __init__(self, height: int, width: int, adjust: bool) -> None:
        super().__init__()
        self.height, self.width, self.adjust = height, width, adjust

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to `(B, C, height, width)`."""
        top, left = (x.shape[2] - self.height) // 2, (x.shape[3] - self.width) // 2
        y = x[:, :, top : top + self.height, left : left + self.width]
        return y * 2 - 1 if self.adjust else y
