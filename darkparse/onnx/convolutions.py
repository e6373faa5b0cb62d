"""Layers with weights: [convolutional], [deconvolutional], [connected], [local]; batch norm is folded into them."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor, nn

from ..graph import Node
from ..layers.connected import Connected
from ..layers.convolutional import Convolutional
from ..layers.deconvolutional import Deconvolutional
from ..layers.local import Local
from ..modules.antialiasing import Blurred
from ..modules.connected import LinearNormAct
from ..modules.convolutional import ConvNormAct, XnorConvNormAct, fold
from ..modules.deconvolutional import DeconvNormAct
from ..modules.local import LocallyConnected
from .activations import activate
from .builder import Builder
from .express import express, fixes_size

Norm = nn.BatchNorm1d | nn.BatchNorm2d


@express.register
def _(layer: Convolutional, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    inner = module.layer if isinstance(module, Blurred) else module
    assert isinstance(inner, ConvNormAct)
    name = layer.activation
    if isinstance(inner, XnorConvNormAct):
        y, name = signs(to, inner, inputs[0]), "linear" if layer.bin_output else name
    else:
        y = convolution(to, node, inner, inputs[0])
    return blurred(to, module, activate(to, name, y), layer.filters)


def convolution(to: Builder, node: Node, module: ConvNormAct, x: str) -> str:
    """Convolution and batch norm; where another layer's weights are used, they are in the model once."""
    with to.inside(to.scope if node.shares is None else to.layer(node.shares, node.layer)):
        weight, bias = constants(to, *with_norm(module.conv.weight, module.conv.bias, module.norm))
    return to.add("Conv", x, weight, bias, **form(module.conv))


def signs(to: Builder, module: XnorConvNormAct, x: str) -> str:
    """Signs times signs, which add up to integers, times what stands for the weights' size.

    Rounding changes nothing, wherever the sums are made; it keeps runtimes from moving the factor into the weights,
    after which they are no integers, and a sum of 0 is none, either.
    """
    factor, shift, weight = module.affine()
    x = to.add("Where", to.add("Greater", x, to.number(0)), to.number(1), to.number(-1))
    attributes = form(module.conv)
    if module.border and any(attributes["pads"]):
        pads = to.ints(0, 0, *attributes["pads"][:2], 0, 0, *attributes["pads"][2:])
        x = to.add("Pad", x, pads, to.number(module.border))
        attributes["pads"] = [0] * 4
    y = to.add("Round", to.add("Conv", x, to.constant(array(weight), "signs"), **attributes))
    y = to.add("Mul", y, to.constant(array(factor), "factor"))
    return to.add("Add", y, to.constant(array(shift), "bias"))


def blurred(to: Builder, module: nn.Module, x: str, channels: int) -> str:
    """What comes behind a layer with `antialiasing`."""
    if not isinstance(module, Blurred):
        return x
    row = np.array(module.row, np.float32) / sum(module.row)
    kernel = np.broadcast_to(np.outer(row, row), (channels, 1, len(row), len(row)))
    sides = {"kernel_shape": [len(row)] * 2, "strides": list(module.strides), "pads": [module.margin] * 4}
    return to.add("Conv", x, to.constant(kernel.astype(np.float32), "blur"), group=channels, **sides)


@express.register
def _(layer: Deconvolutional, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, DeconvNormAct)
    weight, bias = with_norm(module.conv.weight.transpose(0, 1), module.conv.bias, module.norm)
    y = to.add("ConvTranspose", inputs[0], *constants(to, weight.transpose(0, 1), bias), **form(module.conv))
    return activate(to, layer.activation, y)


@express.register
def _(layer: Connected, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, LinearNormAct)
    weight, bias = with_norm(module.linear.weight[..., None, None], module.linear.bias, module.norm)
    y = to.add("Gemm", to.add("Flatten", inputs[0], axis=1), *constants(to, weight[..., 0, 0], bias), transB=1)
    return to.add("Reshape", activate(to, layer.activation, y), to.ints(0, -1, 1, 1))


@express.register
def _(layer: Local, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, LocallyConnected)
    channels, area = node.inputs[0].c, layer.size**2
    pick = np.tile(np.eye(area, dtype=np.float32).reshape(area, 1, layer.size, layer.size), (channels, 1, 1, 1))
    sides = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2, "pads": [layer.pad] * 4}
    patches = to.add("Conv", inputs[0], to.constant(pick, "pick"), group=channels, **sides)
    patches = to.add("Reshape", patches, to.ints(0, channels * area, node.shape.h * node.shape.w))
    by_place = to.add("Transpose", patches, perm=[2, 1, 0])  # (L, C k k, B)
    y = to.add("MatMul", to.constant(array(module.weight), "weight"), by_place)
    y = to.add("Reshape", to.add("Transpose", y, perm=[2, 1, 0]), to.ints(0, *node.shape))
    return activate(to, layer.activation, to.add("Add", y, to.constant(array(module.bias), "bias")))


@fixes_size.register(Connected)
@fixes_size.register(Local)
def _(layer: Connected | Local) -> bool:
    return True


def with_norm(weight: Tensor, bias: Tensor | None, norm: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weights `(outputs, ...)` and biases, with batch norm put into them."""
    return fold(weight, bias, norm) if isinstance(norm, Norm) else (weight, bias)


def constants(to: Builder, weight: Tensor, bias: Tensor | None) -> list[str]:
    """The constants "scope.weight" and "scope.bias"."""
    pairs = ("weight", weight), ("bias", bias)
    return [to.constant(array(values), name) for name, values in pairs if values is not None]


def array(values: Tensor) -> np.ndarray:
    """A tensor's values."""
    return values.detach().numpy()


def form(conv: nn.Conv2d | nn.ConvTranspose2d) -> dict[str, Any]:
    """The attributes of a node that is `conv`."""
    assert isinstance(conv.padding, tuple)
    return {
        "kernel_shape": list(conv.kernel_size),
        "strides": list(conv.stride),
        "pads": list(conv.padding) * 2,
        "dilations": list(conv.dilation),
        "group": conv.groups,
    }
