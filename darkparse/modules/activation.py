"""Activations by Darknet's names.  Source: src/activations.h, src/activations.c (AlexeyAB 59596d7)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gradient import with_slope

NORM_CHANNELS_EPS = 1e-4  # src/activations.c activate_array_normalize_channels
SELU_ALPHA, SELU_SCALE = 1.6732, 1.0507  # src/activations.h selu_activate


class Elementwise(nn.Module):
    """An activation that torch has no module for, or not Darknet's gradient."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.slope = function, _SLOPES.get(function)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if self.training and self.slope:
            return with_slope(x, self.function, self.slope)
        return self.function(x)

    def extra_repr(self) -> str:
        """The function's name."""
        return self.function.__name__


def loggy(x: Tensor) -> Tensor:
    """A logistic from -1 to 1."""
    return 2 * x.sigmoid() - 1


def selu(x: Tensor) -> Tensor:
    """SELU with Darknet's four-digit constants."""
    return SELU_SCALE * F.elu(x, SELU_ALPHA)


def gelu(x: Tensor) -> Tensor:
    """GELU by tanh, with Darknet's constants."""
    return 0.5 * x * (1 + torch.tanh(0.797885 * x + 0.035677 * x**3))


def gelu_slope(y: Tensor) -> Tensor:
    """The derivative of GELU, which Darknet takes at the output.  Source: src/activations.h gelu_gradient."""
    inner = 0.797885 * y + 0.0356774 * y**3
    return 0.5 + 0.5 * inner.tanh() + (0.398942 * y + 0.0535161 * y**3) / inner.cosh() ** 2


def revleaky(x: Tensor) -> Tensor:
    """Leaky ReLU."""
    return F.leaky_relu(x, 0.1)


def revleaky_slope(y: Tensor) -> Tensor:
    """The inverse of leaky's.  Source: src/activation_kernels.cu gradient_array_revleaky_kernel."""
    return torch.where(y > 0, 1.0, 10.0)


def ramp(x: Tensor) -> Tensor:
    """ReLU plus a tenth of x."""
    return x.relu() + 0.1 * x


def plse(x: Tensor) -> Tensor:
    """x/8 + 1/2 between -4 and 4, nearly flat beyond."""
    inner = 0.125 * x + 0.5
    return torch.where(x < -4, 0.01 * (x + 4), torch.where(x > 4, 0.01 * (x - 4) + 1, inner))


def stair(x: Tensor) -> Tensor:
    """Flat from even to odd integers, rising by one from odd to even ones."""
    n = x.floor()
    return torch.where(n.remainder(2) == 0, 0.0, x - n) + (x / 2).floor()


def lhtan(x: Tensor) -> Tensor:
    """x between 0 and 1, nearly flat beyond."""
    return torch.where(x < 0, 0.001 * x, torch.where(x > 1, 0.001 * (x - 1) + 1, x))


def hard_mish(x: Tensor) -> Tensor:
    """x above 0, x + x^2/2 from -2 to 0, else 0."""
    return torch.where(x > 0, x, torch.where(x > -2, x * x / 2 + x, 0.0))


def normalize_channels(x: Tensor) -> Tensor:
    """Positive values over their sum in each cell, `(B, C, ...)`; the others 0."""
    positive = x.relu()
    return positive / (positive.sum(1, keepdim=True) + NORM_CHANNELS_EPS)


def normalize_channels_slope(y: Tensor) -> Tensor:
    """Source: src/activation_kernels.cu gradient_array_normalize_channels_kernel."""
    return torch.where(y > 0, y, 1.0)


def normalize_channels_softmax(x: Tensor) -> Tensor:
    """Softmax over the channels of each cell, `(B, C, ...)`, without subtracting the largest."""
    powers = x.exp()
    return powers / (powers.sum(1, keepdim=True) + NORM_CHANNELS_EPS)


def normalize_channels_softmax_maxval(x: Tensor) -> Tensor:
    """The same after subtracting the largest."""
    return normalize_channels_softmax(x - x.amax(1, keepdim=True))


def softmax_slope(y: Tensor) -> Tensor:
    """The gradient's own channel alone.  Source: gradient_array_normalize_channels_softmax_kernel, there."""
    return y * (1 - y)


_SLOPES: dict[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]] = {
    gelu: gelu_slope,
    revleaky: revleaky_slope,
    normalize_channels: normalize_channels_slope,
    normalize_channels_softmax: softmax_slope,
    normalize_channels_softmax_maxval: softmax_slope,
}
_MODULES: dict[str, Callable[[], nn.Module]] = {
    "linear": nn.Identity,
    "logistic": nn.Sigmoid,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,  # the CPU code of AlexeyAB's fork gives 0; this is its GPU code
    "elu": nn.ELU,
    "relie": lambda: nn.LeakyReLU(0.01),
    "leaky": lambda: nn.LeakyReLU(0.1),
    "tanh": nn.Tanh,
    "hardtan": nn.Hardtanh,
    "swish": nn.SiLU,
    "mish": nn.Mish,
}
_FUNCTIONS = (
    loggy,
    selu,
    gelu,
    revleaky,
    ramp,
    plse,
    stair,
    lhtan,
    hard_mish,
    normalize_channels,
    normalize_channels_softmax,
    normalize_channels_softmax_maxval,
)


def activation(name: str) -> nn.Module:
    """The module for one of `darkparse.activations.NAMES`."""
    for function in _FUNCTIONS:
        if function.__name__ == name:
            return Elementwise(function)
    return _MODULES[name]()
