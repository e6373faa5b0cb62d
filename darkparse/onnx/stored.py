"""What later layers read of a head, in ONNX: the same as `HeadDef.stored`."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from ..graph import Node
from ..layers.detection import Detection
from ..layers.region import Region
from ..layers.yolo import GaussianYolo, Yolo
from ..registry import HeadDef
from .builder import Builder
from .express import fixes_size
from .heads import cut, stretched
from .trees import softmax_by_group


@singledispatch
def stored(head: HeadDef, to: Builder, node: Node, raw: str) -> str:
    """Darknet's own output of a layer, in the shape of `raw`."""
    raise NotImplementedError(type(head))


def joined(to: Builder, node: Node, raw: str, parts: list[str]) -> str:
    """The entries of each box, `(B, A, n, S)` each, as `(B, A E, h, w)`."""
    return to.like(to.add("Concat", *parts, axis=2), raw, node.shape)


def entries(to: Builder, raw: str, boxes: int, sizes: list[int]) -> list[str]:
    """The entries of each box in groups of so many, `(B, A, n, S)` each."""
    x = to.add("Reshape", raw, to.ints(0, boxes, sum(sizes), -1))
    return cut(to, x, np.cumsum(sizes), 2)


@stored.register
def _(head: Yolo, to: Builder, node: Node, raw: str) -> str:
    position, size, rest = entries(to, raw, head.boxes_per_cell, [2, 2, 1 + head.classes])
    if not head.new_coords:
        position, rest = to.add("Sigmoid", position), to.add("Sigmoid", rest)
    return joined(to, node, raw, [stretched(to, position, head.scale_x_y), size, rest])


@stored.register
def _(head: GaussianYolo, to: Builder, node: Node, raw: str) -> str:
    parts = entries(to, raw, head.boxes_per_cell, [1] * 8 + [1 + head.classes])
    for i in (0, 1, 2, 3, 5, 7, 8):
        parts[i] = to.add("Sigmoid", parts[i])
    for i in (0, 2):
        parts[i] = stretched(to, parts[i], head.scale_x_y)
    return joined(to, node, raw, parts)


@stored.register
def _(head: Region, to: Builder, node: Node, raw: str) -> str:
    position, size, objectness, classes = entries(to, raw, head.num, [2, 2, 1, head.classes])
    planar = head.dialect.planar_region
    position = to.add("Sigmoid", position) if planar else position
    parts = [position, size, to.add("Sigmoid", objectness), region_classes(head, to, classes)]
    if planar:
        return joined(to, node, raw, parts)
    boxes = to.add("Transpose", to.add("Concat", *parts, axis=2), perm=[0, 3, 1, 2])  # a box's entries together
    return to.like(boxes, raw, node.shape)


def region_classes(head: Region, to: Builder, x: str) -> str:
    """The classes of each box, `(B, A, C, S)`, after softmax or logistic."""
    if not head.tree and not head.softmax:
        return to.add("Sigmoid", x) if head.dialect.planar_region else x
    x = to.add("Transpose", x, perm=[0, 1, 3, 2])
    if head.tree:
        flat = softmax_by_group(head.tree, to, to.add("Reshape", x, to.ints(0, -1, head.classes)))
        x = to.add("Reshape", flat, to.ints(0, head.num, -1, head.classes))
    else:
        x = to.add("Softmax", x, axis=3)
    return to.add("Transpose", x, perm=[0, 1, 3, 2])


@fixes_size.register
def _(layer: Detection) -> bool:
    return True


@stored.register
def _(head: Detection, to: Builder, node: Node, raw: str) -> str:
    if not head.softmax:
        return raw
    cells = head.side**2
    values = to.add("Reshape", raw, to.ints(0, -1))
    classes, rest = cut(to, values, np.array([cells * head.classes, head.reads]), 1)
    classes = to.add("Softmax", to.add("Reshape", classes, to.ints(0, cells, -1)), axis=2)
    return to.like(to.add("Concat", to.add("Reshape", classes, to.ints(0, -1)), rest, axis=1), raw, node.shape)
