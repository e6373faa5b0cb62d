"""The activations in ONNX: by those of its operators that most runtimes know, and that some fuse.

The conditions of `modules.activation` are written with Clip, as fewer runtimes have Where.
"""

from __future__ import annotations

from collections.abc import Callable

from ..modules.activation import NORM_CHANNELS_EPS, SELU_ALPHA, SELU_SCALE
from .builder import Builder


def activate(to: Builder, name: str, x: str) -> str:
    """The tensor of `darkparse.activations.NAMES`' activation `name` of `x`, `(B, C, ...)`."""
    return _FORMS[name](to, x)


def clip(to: Builder, x: str, low: float, high: float) -> str:
    """`x` between two bounds."""
    return to.add("Clip", x, to.number(low), to.number(high))


def scaled(to: Builder, x: str, factor: float, shift: float = 0.0) -> str:
    """factor x + shift."""
    y = to.add("Mul", x, to.number(factor)) if factor != 1 else x
    return to.add("Add", y, to.number(shift)) if shift else y


def loggy(to: Builder, x: str) -> str:
    """2 logistic(x) - 1."""
    return scaled(to, to.add("Sigmoid", x), 2, -1)


def gelu(to: Builder, x: str) -> str:
    """x/2 (1 + tanh(a x + b x^3))."""
    cube = to.add("Mul", to.add("Mul", x, x), x)
    inner = to.add("Add", scaled(to, x, 0.797885), scaled(to, cube, 0.035677))
    return to.add("Mul", scaled(to, x, 0.5), scaled(to, to.add("Tanh", inner), 1, 1))


def ramp(to: Builder, x: str) -> str:
    """relu(x) + x/10."""
    return to.add("Add", to.add("Relu", x), scaled(to, x, 0.1))


def plse(to: Builder, x: str) -> str:
    """A hundredth of what is beyond +-4, added to x/8 + 1/2 of the rest."""
    middle = clip(to, x, -4, 4)
    return to.add("Add", scaled(to, middle, 0.125, 0.5), scaled(to, to.add("Sub", x, middle), 0.01))


def lhtan(to: Builder, x: str) -> str:
    """A thousandth of what is outside 0..1, added to the rest."""
    middle = clip(to, x, 0, 1)
    return to.add("Add", middle, scaled(to, to.add("Sub", x, middle), 0.001))


def stair(to: Builder, x: str) -> str:
    """floor(x/2), and above odd integers the rest of x."""
    n, half = to.add("Floor", x), to.add("Floor", scaled(to, x, 0.5))
    is_odd = to.add("Sub", n, to.add("Add", half, half))
    return to.add("Add", to.add("Mul", is_odd, to.add("Sub", x, n)), half)


def swish(to: Builder, x: str) -> str:
    """x logistic(x)."""
    return to.add("Mul", x, to.add("Sigmoid", x))


def mish(to: Builder, x: str) -> str:
    """x tanh(softplus(x))."""
    return to.add("Mul", x, to.add("Tanh", to.add("Softplus", x)))


def hard_mish(to: Builder, x: str) -> str:
    """relu(x), and x + x^2/2 of the part from -2 to 0."""
    low = clip(to, x, -2, 0)
    return to.add("Add", to.add("Relu", x), to.add("Add", low, scaled(to, to.add("Mul", low, low), 0.5)))


def normalize_channels(to: Builder, x: str) -> str:
    """Positive values over their sum."""
    return _over_sum(to, to.add("Relu", x))


def normalize_channels_softmax(to: Builder, x: str) -> str:
    """Powers of e over their sum."""
    return _over_sum(to, to.add("Exp", x))


def normalize_channels_softmax_maxval(to: Builder, x: str) -> str:
    """The same after subtracting the largest."""
    return normalize_channels_softmax(to, to.add("Sub", x, to.add("ReduceMax", x, axes=[1], keepdims=1)))


def _over_sum(to: Builder, x: str) -> str:
    total = to.add("ReduceSum", x, axes=[1], keepdims=1)
    return to.add("Div", x, scaled(to, total, 1, NORM_CHANNELS_EPS))


def _leaky(slope: float) -> Callable[[Builder, str], str]:
    return lambda to, x: to.add("LeakyRelu", x, alpha=slope)


_FORMS: dict[str, Callable[[Builder, str], str]] = {
    "linear": lambda to, x: x,
    "logistic": lambda to, x: to.add("Sigmoid", x),
    "loggy": loggy,
    "relu": lambda to, x: to.add("Relu", x),
    "relu6": lambda to, x: clip(to, x, 0, 6),
    "elu": lambda to, x: to.add("Elu", x, alpha=1.0),
    "selu": lambda to, x: to.add("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "gelu": gelu,
    "relie": _leaky(0.01),
    "ramp": ramp,
    "revleaky": _leaky(0.1),
    "leaky": _leaky(0.1),
    "tanh": lambda to, x: to.add("Tanh", x),
    "plse": plse,
    "stair": stair,
    "hardtan": lambda to, x: clip(to, x, -1, 1),
    "lhtan": lhtan,
    "swish": swish,
    "mish": mish,
    "hard_mish": hard_mish,
    "normalize_channels": normalize_channels,
    "normalize_channels_softmax": normalize_channels_softmax,
    "normalize_channels_softmax_maxval": normalize_channels_softmax_maxval,
}
