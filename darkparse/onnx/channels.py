"""Layers that move values about, or join tensors: [route], [shortcut], [sam], [reorg], [history], ..."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from torch import nn

from ..graph import Node
from ..layers.history import History
from ..layers.implicit import Implicit
from ..layers.reorg import Reorg, Reorg3d
from ..layers.route import Route
from ..layers.sam import Sam
from ..layers.shortcut import Shortcut
from ..modules.implicit import Constant
from ..modules.shortcut import Add
from ..registry import Shape
from .activations import activate, scaled
from .builder import Builder
from .convolutions import array
from .express import express, fixes_size, gives_one_size


@express.register
def _(layer: Route, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    parts = list(inputs)
    if layer.groups > 1:
        each = [shape.c // layer.groups for shape in node.inputs]
        parts = [channels(to, x, layer.group_id * n, n) for x, n in zip(inputs, each, strict=True)]
    return to.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]


def channels(to: Builder, x: str, first: int, count: int) -> str:
    """So many channels of `(B, C, ...)`."""
    return to.add("Slice", x, to.ints(first), to.ints(first + count), to.ints(1))


def more_channels(to: Builder, x: str, count: int) -> str:
    """`(B, C, H, W)` with so many channels of zeros behind."""
    return to.add("Pad", x, to.ints(0, 0, 0, 0, 0, count, 0, 0)) if count else x


class Part(NamedTuple):
    """A tensor, `(B, *shape)`."""

    tensor: str
    shape: Shape


@express.register
def _(layer: Shortcut, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, Add)
    first, *others = (Part(*pair) for pair in zip(inputs, node.inputs, strict=True))
    shares = iter(() if module.weight is None else array(module.shares(module.weight)))
    total = shared(to, first, next(shares, None), "weight_0")
    for i, other in enumerate(others, 1):
        part = shared(to, fewer(to, other, first.shape.c), next(shares, None), f"weight_{i}")
        total = Part(add(layer, to, total, part), first.shape)
    return activate(to, layer.activation, total.tensor)


def fewer(to: Builder, x: Part, most: int) -> Part:
    """The first channels of `x`, at most so many."""
    return x if x.shape.c <= most else Part(channels(to, x.tensor, 0, most), x.shape._replace(c=most))


def shared(to: Builder, x: Part, share: np.ndarray | None, name: str) -> Part:
    """`x` times its share, `(C or 1, 1, 1)`, if it has one."""
    return x if share is None else Part(to.add("Mul", x.tensor, to.constant(share[: x.shape.c], name)), x.shape)


def add(layer: Shortcut, to: Builder, y: Part, x: Part) -> str:
    """alpha y + beta x where `x` has a value, else y; of `x` every n-th cell where it is larger."""
    (count, rows, columns), (other, h, w) = y.shape, x.shape
    if (plain := layer.alpha == layer.beta == 1) and y.shape == x.shape:
        return to.add("Add", y.tensor, x.tensor)
    step = rows // h or 1, columns // w or 1
    added = scaled(to, every(to, x.tensor, h // rows or 1, w // columns or 1), layer.beta)
    if not plain:
        touched = every(to, fewer(to, y, other).tensor, *step)
        added = to.add("Add", added, scaled(to, touched, layer.alpha - 1))
    return to.add("Add", y.tensor, more_channels(to, spread(to, added, other, *step), count - other))


def every(to: Builder, x: str, down: int, across: int) -> str:
    """Every so many-th row and column."""
    if down == across == 1:
        return x
    end = np.iinfo(np.int32).max
    return to.add("Slice", x, to.ints(0, 0), to.ints(end, end), to.ints(2, 3), to.ints(down, across))


def spread(to: Builder, x: str, count: int, down: int, across: int) -> str:
    """`(B, count, H, W)` to `(B, count, H down, W across)`: zeros below and to the right of each cell."""
    if down == across == 1:
        return x
    corner = np.zeros((count, 1, down, across), np.float32)
    corner[..., 0, 0] = 1
    form = {"kernel_shape": [down, across], "strides": [down, across], "group": count}
    return to.add("ConvTranspose", x, to.constant(corner), **form)


@express.register
def _(layer: Sam, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    return activate(to, layer.activation, to.add("Mul", *inputs))


@express.register
def _(layer: Implicit, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, Constant)
    values = to.constant(array(module.weight)[None, :, :, None], "weight")
    batch = to.add("Slice", to.add("Shape", inputs[0]), to.ints(0), to.ints(1))
    return to.add("Expand", values, to.add("Concat", batch, to.ints(*node.shape), axis=0))


@gives_one_size.register
def _(layer: Implicit) -> bool:
    return True


@express.register
def _(layer: History, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    return more_channels(to, inputs[0], node.shape.c - node.inputs[0].c)


@express.register
def _(layer: Reorg, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    (x,), (given,), s = inputs, node.inputs, layer.stride
    if layer.flat:
        rows = (0, -1, given.c) if layer.reverse else (0, given.c, -1)
        x = to.add("Transpose", to.add("Reshape", x, to.ints(*rows)), perm=[0, 2, 1])
    elif layer.appended:
        x = to.add("Pad", to.add("Flatten", x, axis=1), to.ints(0, 0, 0, layer.appended))
        return to.add("Reshape", x, to.ints(0, -1, 1, 1))
    elif layer.reverse:
        return to.add("DepthToSpace", x, blocksize=s)
    else:
        x = to.add("Reshape", x, to.ints(0, given.c // (s * s), 0, s, -1, s))
        x = to.add("Transpose", x, perm=[0, 3, 5, 1, 2, 4])
    return regrouped(to, x, inputs[0], node, layer)


def regrouped(to: Builder, y: str, x: str, node: Node, layer: Reorg) -> str:
    """The values `y` in the shape of the layer's output; `x` is its input."""
    if not to.any_size:
        return to.add("Reshape", y, to.ints(0, *node.shape))
    size = to.add("Slice", to.add("Shape", x), to.ints(2), to.ints(4))
    size = to.add("Mul" if layer.reverse else "Div", size, to.ints(layer.stride))
    return to.add("Reshape", y, to.add("Concat", to.ints(0, node.shape.c), size, axis=0))


@fixes_size.register
def _(layer: Reorg) -> bool:
    return bool(layer.appended)


@express.register
def _(layer: Reorg3d, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    s, end = layer.stride, np.iinfo(np.int32).max
    parts = [
        to.add("Slice", inputs[0], to.ints(*start), to.ints(end, end), to.ints(2, 3), to.ints(s, s))
        for start in itertools.product(range(s), repeat=2)
    ]
    return to.add("Concat", *parts, axis=1) if s > 1 else inputs[0]
