"""The module of [sam] and [scale_channels]."""

from torch import Tensor, nn

from .activation import activation
from .gradient import straight_through


class Product(nn.Module):
    """scale x features, then the activation.

    Where a cell has one scale for all channels, its gradient is divided by the number of cells.
    Source: src/blas_kernels.cu backward_scale_channels_kernel (AlexeyAB 59596d7)
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.activation = activation(name)

    def forward(self, scale: Tensor, x: Tensor) -> Tensor:
        """`(B, C or 1, H or 1, W or 1)` and `(B, C, H, W)` to `(B, C, H, W)`."""
        if self.training and scale.shape[1] != x.shape[1]:
            scale = straight_through(scale, scale / (scale.shape[2] * scale.shape[3]))
        y: Tensor = self.activation(scale * x)
        return y
