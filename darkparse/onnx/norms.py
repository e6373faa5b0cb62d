"""Layers that scale values by themselves or by each other: activations, norms, [softmax]."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from ..graph import Node
from ..layers.activation import Activation, Logistic
from ..layers.batchnorm import Batchnorm
from ..layers.iseg import Iseg
from ..layers.l2norm import L2norm
from ..layers.normalization import Normalization
from ..layers.softmax import Softmax
from .activations import activate
from .builder import Builder
from .channels import channels
from .convolutions import array
from .express import express, fixes_size
from .trees import softmax_by_group


@express.register
def _(layer: Activation, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    return activate(to, layer.activation, inputs[0])


@express.register
def _(layer: Logistic, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    return to.add("Sigmoid", inputs[0])


@express.register
def _(layer: Batchnorm, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, nn.BatchNorm2d)
    assert module.running_mean is not None
    assert module.running_var is not None
    bias = torch.zeros_like(module.weight) if module.bias is None else module.bias
    tensors = {"weight": module.weight, "bias": bias, "mean": module.running_mean, "variance": module.running_var}
    given = [to.constant(array(tensor), name) for name, tensor in tensors.items()]
    return to.add("BatchNormalization", inputs[0], *given, epsilon=module.eps)


@express.register
def _(layer: Normalization, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), weight = inputs, layer.alpha * window(node.shape.c, layer.size)
    bias = np.full(len(weight), layer.kappa, np.float32)
    weight = weight[..., None, None].astype(np.float32)
    sums = to.add("Conv", to.add("Mul", x, x), to.constant(weight, "weight"), to.constant(bias, "bias"))
    return to.add("Mul", x, to.add("Pow", sums, to.number(-layer.beta)))


def window(count: int, size: int) -> np.ndarray:
    """How often the square of channel j counts in the sum for channel k, `(count, count)` by k and j.

    See `modules.normalization.ResponseNorm`: channel size/2 is never added, but dropped.
    """
    half, channel, k = size // 2, np.arange(count), np.arange(count)[:, None]
    added = (channel <= k + half) & (channel != half)
    dropped = channel < k - (size - 1) // 2
    weights: np.ndarray = added.astype(np.float64) - dropped
    return weights


@express.register
def _(layer: L2norm, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), ones = inputs, np.ones((1, node.shape.c, 1, 1), np.float32)
    squares = to.add("Conv", to.add("Mul", x, x), to.constant(ones))  # OpenCV has ReduceL2 of one channel wrong
    return to.add("Div", x, to.add("Sqrt", squares))


@express.register
def _(layer: Iseg, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    if not layer.ids:
        return to.add("Sigmoid", inputs[0])
    classes = to.add("Sigmoid", channels(to, inputs[0], 0, layer.classes))
    return to.add("Concat", classes, channels(to, inputs[0], layer.classes, layer.ids), axis=1)


@fixes_size.register
def _(layer: Softmax) -> bool:
    return layer.tree is not None


@express.register
def _(layer: Softmax, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), (given,) = inputs, node.inputs
    if layer.spatial and not layer.tree:  # of this opset Softmax takes all axes from its own to the last for one
        y = to.add("Softmax", to.add("Transpose", x, perm=[0, 2, 3, 1]), axis=3)
        return to.add("Transpose", y, perm=[0, 3, 1, 2])
    y = to.add("Div", x, to.number(layer.temperature)) if layer.temperature != 1 else x
    if layer.tree:
        y = softmax_by_group(layer.tree, to, to.add("Reshape", y, to.ints(0, 1, -1)))
    elif layer.groups > 1:
        y = to.add("Softmax", to.add("Reshape", y, to.ints(0, layer.groups, -1)), axis=2)
    elif given.h == given.w == 1:
        return to.add("Softmax", y, axis=1)
    else:
        y = to.add("Softmax", to.add("Flatten", y, axis=1), axis=1)
    return to.like(y, x, given)
