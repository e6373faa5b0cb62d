"""Layers that look at windows of cells, or change their number: pools, [upsample], [crop], [avgpool]."""

from __future__ import annotations

import numpy as np
from torch import nn

from ..graph import Node
from ..layers.avgpool import Avgpool
from ..layers.crop import Crop
from ..layers.maxpool import LocalAvgpool, Maxpool, Pool
from ..layers.upsample import Upsample
from .activations import scaled
from .builder import Builder, Inexpressible
from .convolutions import blurred
from .express import express, fixes_size, gives_one_size

LOWEST = float(np.finfo(np.float32).min)


@express.register
def _(layer: Maxpool, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), (given,) = inputs, node.inputs
    if layer.maxpool_depth:
        return deepest(to, x, given.c, layer.out_channels)
    sides = near_and_far(layer)
    if max(sides) >= layer.window:  # runtimes refuse windows that lie in the padding; PyTorch's give this
        x = to.add("Pad", x, to.ints(0, 0, *sides[:2], 0, 0, *sides[2:]), to.number(LOWEST))
        sides = [0] * 4
    strides = (1, 1) if layer.antialiasing else layer.strides
    y = to.add("MaxPool", x, kernel_shape=[layer.window] * 2, strides=list(strides), pads=sides)
    return blurred(to, module, y, given.c)


def deepest(to: Builder, x: str, channels: int, step: int) -> str:
    """The largest over channels k, k + step, k + 2 step, ..."""
    if step == 1:
        return to.add("ReduceMax", x, axes=[1], keepdims=1)
    if missing := -channels % step:
        x = to.add("Pad", x, to.ints(0, 0, 0, 0, 0, missing, 0, 0), to.number(LOWEST))
    starts = range(0, channels, step)
    parts = [to.add("Slice", x, to.ints(k), to.ints(k + step), to.ints(1)) for k in starts]
    return to.add("Max", *parts) if len(parts) > 1 else parts[0]


@express.register
def _(layer: LocalAvgpool, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    sides = near_and_far(layer)
    if max(sides) >= layer.window:
        raise Inexpressible(
            f"padding={layer.margin}: windows of {layer.window} may have no cell of the image; expected less than "
            f"{2 * layer.window - 1}",
            node.where,
        )
    form = {"kernel_shape": [layer.window] * 2, "strides": list(layer.strides), "pads": sides}
    return to.add("AveragePool", inputs[0], **form)  # which does not count the padding


def near_and_far(layer: Pool) -> list[int]:
    """Cells added above, to the left, below and to the right."""
    near = layer.margin // 2
    return [near, near, layer.margin - near, layer.margin - near]


@express.register
def _(layer: Avgpool, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    return to.add("GlobalAveragePool", inputs[0])  # ReduceMean rounds less, but OpenCV 4.8 gives wrong means for it


@gives_one_size.register
def _(layer: Avgpool) -> bool:
    return True


@express.register
def _(layer: Upsample, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), n = inputs, abs(layer.stride)
    if layer.stride < 0:
        return scaled(to, to.add("AveragePool", x, kernel_shape=[n, n], strides=[n, n]), layer.scale * n * n)
    scales = to.constant(np.array([1, 1, n, n], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return scaled(to, to.add("Resize", x, to.constant(np.zeros(0, np.float32)), scales, **how), layer.scale)


@express.register
def _(layer: Crop, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), (given,), out = inputs, node.inputs, node.shape
    top, left = (given.h - out.h) // 2, (given.w - out.w) // 2
    y = to.add("Slice", x, to.ints(top, left), to.ints(top + out.h, left + out.w), to.ints(2, 3))
    return y if layer.noadjust else scaled(to, y, 2, -1)


@fixes_size.register
def _(layer: Crop) -> bool:
    return True
