"""The module of [sam] and [scale_channels]."""

from torch import Tensor, nn

from .activation import activation


class Product(nn.Module):
    """scale x features, then the activation."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.activation = activation(name)

    def forward(self, scale: Tensor, x: Tensor) -> Tensor:
        """`(B, C or 1, H or 1, W or 1)` and `(B, C, H, W)` to `(B, C, H, W)`."""
        y: Tensor = self.activation(scale * x)
        return y
