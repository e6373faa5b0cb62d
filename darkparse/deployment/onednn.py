"""PyTorch's private operators of oneDNN, with which torch.compile runs convolutions on a CPU; the only place that
names them.

A convolution's weights are put beforehand into the order in which the processor reads them, and its activation is
computed while its output is still in the cache.  Source: torch/_inductor/fx_passes/mkldnn_fusion.py (PyTorch 2.13)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Attribute = tuple[str, list[float], str]  # an activation's name in these operators, its parameters, its algorithm
NONE: Attribute = ("none", [], "")
_ATTRIBUTES: dict[type[nn.Module], Callable[[Any], Attribute]] = {
    nn.Identity: lambda module: NONE,
    nn.ReLU: lambda module: ("relu", [], ""),
    nn.ReLU6: lambda module: ("hardtanh", [0.0, 6.0], ""),
    nn.LeakyReLU: lambda module: ("leaky_relu", [module.negative_slope], ""),
    nn.Sigmoid: lambda module: ("sigmoid", [], ""),
    nn.SiLU: lambda module: ("swish", [], ""),
    nn.Tanh: lambda module: ("tanh", [], ""),
}
_EXACT = {torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 1e-2}


def _operators() -> Any:
    return torch.ops.mkldnn


def attribute(activation: nn.Module) -> Attribute | None:
    """What stands for an activation in these operators; None where nothing does."""
    known = _ATTRIBUTES.get(type(activation))
    return known(activation) if known else None


@cache
def available(dtype: torch.dtype) -> bool:
    """Whether this PyTorch has the operators, this processor runs them in `dtype`, and they give what they should."""
    if not torch.backends.mkldnn.is_available() or dtype not in _EXACT:  # type: ignore[no-untyped-call]
        return False
    try:
        return all(_supported(dtype)) and _agrees(dtype)
    except (AttributeError, RuntimeError, TypeError):  # another PyTorch's: not there, or with other arguments
        return False


def _supported(dtype: torch.dtype) -> list[bool]:
    names = {torch.bfloat16: "_is_mkldnn_bf16_supported", torch.float16: "_is_mkldnn_fp16_supported"}
    return [getattr(_operators(), names[dtype])()] if dtype in names else []


@torch.inference_mode()
def _agrees(dtype: torch.dtype) -> bool:
    images, weight, bias = torch.ones(1, 3, 4, 4, dtype=dtype), torch.ones(5, 3, 3, 3, dtype=dtype), torch.ones(5)
    bias = bias.to(dtype)
    images = images.contiguous(memory_format=torch.channels_last)
    conv = Convolution(weight, bias, Way(padding=(1, 1), attribute=("leaky_relu", [0.1], "")), (1, 3, 4, 4))
    flat, matrix = torch.ones(4, 3, dtype=dtype), torch.ones(5, 3, dtype=dtype)
    linear = Linear(matrix, bias, 4, NONE)
    found = [(conv(images)[0, 0, 1, 1], 28.0), (linear(flat)[0, 0], 4.0)]
    return all(abs(float(one) - expected) <= _EXACT[dtype] * expected for one, expected in found)


class Way(NamedTuple):
    """How to convolve, in the words of nn.Conv2d, and with which activation."""

    padding: Sequence[int] = (0, 0)
    stride: Sequence[int] = (1, 1)
    dilation: Sequence[int] = (1, 1)
    groups: int = 1
    attribute: Attribute = NONE


class Packed:
    """An operation with packed weights, which never change: a copy is the same one."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Packed:
        return self


class Convolution(Packed):
    """A convolution with its activation, weights packed for inputs of one shape; others work, more slowly."""

    def __init__(self, weight: Tensor, bias: Tensor | None, way: Way, shape: Sequence[int]) -> None:
        """Pack the weights.

        Args:
            weight: `(K, C / groups, h, w)`; bias: `(K,)`
            shape: of the input, `(B, C, H, W)`
        """
        *how, attribute = list(way.padding), list(way.stride), list(way.dilation), way.groups, way.attribute
        packed = _operators()._reorder_convolution_weight(weight, *how, list(shape))
        self._run = _operators()._convolution_pointwise.default
        self._rest = packed, bias, *how, *attribute

    def __call__(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` channels last, to `(B, K, h, w)` channels last."""
        y: Tensor = self._run(x, *self._rest)
        return y


class Linear(Packed):
    """A product with a matrix and its activation, weights packed for inputs of so many rows; others work."""

    def __init__(self, weight: Tensor, bias: Tensor | None, rows: int, attribute: Attribute) -> None:
        """Pack the weights, `(K, C)`; bias: `(K,)`."""
        packed = _operators()._reorder_linear_weight(weight, rows)
        self._run = _operators()._linear_pointwise.default
        self._rest = packed, bias, *attribute

    def __call__(self, x: Tensor) -> Tensor:
        """`(N, C)` to `(N, K)`."""
        y: Tensor = self._run(x, *self._rest)
        return y
