"""Class trees in ONNX: what modules/region.py does with them, without a loop.

Values are `(B, N, C)`: images, boxes, and a value for each node of the tree.
"""

from __future__ import annotations

import numpy as np

from ..tree import Tree
from .builder import Builder

FLOAT = 1  # onnx.TensorProto.FLOAT


def softmax_by_group(tree: Tree, to: Builder, x: str) -> str:
    """Softmax over the siblings of each group."""
    return by_group(tree, to, x, "Softmax")


def best_of_group(tree: Tree, to: Builder, x: str) -> str:
    """1 for the largest of each group (of equal ones the first), else 0."""
    return by_group(tree, to, x, "ArgMax")


def by_group(tree: Tree, to: Builder, x: str, op: str) -> str:
    """An operation over the siblings of each group: groups of one size are done together, side by side."""
    parts, order = [], []
    for size in np.unique(tree.sizes):
        first = tree.offsets[tree.sizes == size]
        nodes = (first[:, None] + np.arange(size)).reshape(-1)
        part = to.add("Gather", x, to.constant(nodes.astype(np.int64)), axis=2)
        part = to.add("Reshape", part, to.ints(0, -1, len(first), size))
        part = to.add("Softmax", part, axis=3) if op == "Softmax" else _first_largest(to, part, int(size))
        parts.append(to.add("Reshape", part, to.ints(0, -1, len(nodes))))
        order.append(nodes)
    back = np.argsort(np.concatenate(order))
    joined = to.add("Concat", *parts, axis=2) if len(parts) > 1 else parts[0]
    return to.add("Gather", joined, to.constant(back), axis=2)


def _first_largest(to: Builder, x: str, size: int) -> str:
    """1 where the last axis has its first largest value, else 0."""
    best = to.add("ArgMax", x, axis=3, keepdims=1)
    return as_float(to, to.add("Equal", best, to.constant(np.arange(size))))


def along_path(tree: Tree, to: Builder, x: str) -> str:
    """The product of each node's value with those of all above it, by steps that double in length."""
    count = len(tree)
    above = np.array([*(parent if parent >= 0 else count for parent in tree.parents), count])
    one = to.add("Slice", x, *map(to.ints, (0, 1, 2)))
    one = to.add("Add", to.add("Mul", one, to.number(0)), to.number(1))
    while (above[:count] < count).any():  # `count` stands for what is above the root: 1
        factors = to.add("Gather", to.add("Concat", x, one, axis=2), to.constant(above[:count]), axis=2)
        x = to.add("Mul", x, factors)
        above = above[above]
    return x


def deepest_likely(tree: Tree, to: Builder, p: str, hier: float) -> str:
    """See `modules.region.deepest_likely`."""
    likely = as_float(to, to.add("Greater", p, to.number(hier)))
    rank = to.add("Mul", likely, to.constant(np.arange(1, len(tree) + 1, dtype=np.float32)))
    return to.add("Mul", to.add("Mul", p, likely), is_largest(to, rank))


def top_of_tree(tree: Tree, to: Builder, p: str, objectness: str, hier: float) -> str:
    """See `modules.region.top_of_tree`.

    The nodes that the walk passes lie on one path, so that the deepest of them is where it stops.
    """
    best = best_of_group(tree, to, p)
    walked = to.add("Greater", along_path(tree, to, p), to.number(hier))
    passed = along_path(tree, to, to.add("Mul", best, as_float(to, walked)))
    depth, root = np.full(len(tree), 2, np.float32), np.array(tree.groups) == 0
    for level, nodes in enumerate(tree.levels, 3):
        depth[nodes] = level
    rank = to.add("Mul", passed, to.constant(depth))
    rank = to.add("Max", rank, to.add("Mul", best, to.constant(root.astype(np.float32))))  # stopped at once
    return to.add("Mul", is_largest(to, rank), objectness)


def is_largest(to: Builder, x: str) -> str:
    """1 where the last axis has its largest value, else 0."""
    return as_float(to, to.add("Equal", x, to.add("ReduceMax", x, axes=[2], keepdims=1)))


def as_float(to: Builder, truth: str) -> str:
    """1 and 0 for true and false."""
    return to.add("Cast", truth, to=FLOAT)
