"""What heads' raw outputs mean, in ONNX: the same as `HeadDef.decode`, for any size of batch and image.

Shapes: B images, A boxes a cell, E entries a box, C classes, S = h x w cells, N = S A boxes.
"""

from __future__ import annotations

from functools import singledispatch
from typing import NamedTuple

import numpy as np

from ..layers.detection import Detection
from ..layers.region import Region
from ..layers.yolo import AnchorHead, GaussianYolo, Yolo
from ..registry import HeadDef, Shape
from ..tree import Tree
from .builder import Builder
from .trees import FLOAT, along_path, deepest_likely, softmax_by_group, top_of_tree

HIER = 0.5  # how sure a node of a class tree must be, as for darkparse detect


class Decoded(NamedTuple):
    """What a head says, as names of tensors; see `registry.Predictions`.

    boxes: `(B, N, 4)` cxcywh, relative to the input; objectness: `(B, N, 1)`; scores: `(B, N, C)`
    needs_objectness: whether a box counts by its objectness, too, where its score alone does not tell
    needs_score: whether a score must be above the threshold, and not just above 0
    """

    boxes: str
    objectness: str
    scores: str
    needs_objectness: bool = False
    needs_score: bool = True


class Frame(NamedTuple):
    """Where a head's cells lie, as names of tensors.

    cell: `(1, S, 1, 2)` column and row of each; grid: `(2,)` columns and rows;
    image: `(2,)` width and height of the network's input, px; numbers where it has one size
    """

    cell: str
    grid: str
    image: str | np.ndarray


def fixed_frame(to: Builder, head: Shape, image: Shape) -> Frame:
    """The frame of a head, as constants."""
    rows, columns = np.divmod(np.arange(head.h * head.w), head.w)
    cell = np.stack([columns, rows], 1)[None, :, None]
    grid = np.array([head.w, head.h], np.float32)
    return Frame(to.constant(cell.astype(np.float32)), to.constant(grid), np.array([image.w, image.h], np.float32))


def dynamic_frame(to: Builder, raw: str, images: str) -> Frame:
    """The frame of a head, from the shapes that its output `raw` and the `images` turn out to have.

    Cells are counted by sums of ones: with Range OpenCV 5.0 fails.
    """
    shape = to.add("Concat", to.ints(1, 1), sides(to, raw, 2, 3), axis=0)
    ones = to.add("Expand", to.constant(np.ones((1, 1, 1, 1), np.float32)), shape)
    column, row = (to.add("CumSum", ones, to.constant(np.array(axis)), exclusive=1) for axis in (3, 2))
    parts = [to.add("Reshape", one, to.ints(1, -1, 1, 1)) for one in (column, row)]
    grid, image = (to.add("Cast", sides(to, one, 3, 2), to=FLOAT) for one in (raw, images))
    return Frame(joined(to, *parts), grid, image)


def sides(to: Builder, x: str, *axes: int) -> str:
    """Sizes of `x` along some axes."""
    return to.add("Gather", to.add("Shape", x), to.ints(*axes), axis=0)


@singledispatch
def decode(head: HeadDef, to: Builder, raw: str, frame: Frame) -> Decoded:
    """Nodes that give what `head` means by its output `raw`, `(B, A E, h, w)`."""
    raise NotImplementedError(type(head))


@decode.register(Yolo)
def _(head: Yolo, to: Builder, raw: str, frame: Frame) -> Decoded:
    xy, wh, objectness, classes = entries(to, raw, head.boxes_per_cell, [2, 2, 1, head.classes])
    if not head.new_coords:
        xy, objectness, classes = (to.add("Sigmoid", part) for part in (xy, objectness, classes))
    grown = to.add("Mul", to.add("Mul", wh, wh), to.number(4)) if head.new_coords else to.add("Exp", wh)
    size = to.add("Mul", grown, anchors(to, head, frame))
    boxes = joined(to, centres(to, stretched(to, xy, head.scale_x_y), frame), size)
    found = flat(to, boxes, objectness, to.add("Mul", objectness, classes), head.classes)
    return Decoded(*found, needs_objectness=head.new_coords)  # where classes may be above 1


@decode.register(GaussianYolo)
def _(head: GaussianYolo, to: Builder, raw: str, frame: Frame) -> Decoded:
    parts = entries(to, raw, head.boxes_per_cell, [1] * 9 + [head.classes])
    x, _, y, _, w, _, h, _, objectness, classes = parts
    deviations = to.add("Sigmoid", joined(to, *parts[1:8:2]))
    certainty = to.add("Sub", to.number(1), to.add("ReduceMean", deviations, axes=[3], keepdims=1))
    objectness, classes = to.add("Sigmoid", objectness), to.add("Sigmoid", classes)
    xy = stretched(to, to.add("Sigmoid", joined(to, x, y)), head.scale_x_y)
    size = to.add("Mul", to.add("Exp", joined(to, w, h)), anchors(to, head, frame))
    centre = centres(to, xy, frame)
    if shift := {"center": 0.0, "left_top": 0.5, "right_bottom": -0.5}[head.yolo_point]:
        centre = to.add("Add", centre, to.add("Mul", size, to.number(shift)))
    scores = to.add("Mul", to.add("Mul", objectness, classes), certainty)
    return Decoded(*flat(to, joined(to, centre, size), objectness, scores, head.classes))


@decode.register(Region)
def _(head: Region, to: Builder, raw: str, frame: Frame) -> Decoded:
    xy, wh, objectness, classes = entries(to, raw, head.num, [2, 2, 1, head.classes])
    sizes = to.constant(np.array(head.sizes, np.float32))
    size = to.add("Div", to.add("Mul", to.add("Exp", wh), sizes), frame.grid)
    boxes = joined(to, centres(to, to.add("Sigmoid", xy), frame), size)
    objectness = to.add("Sigmoid", objectness)
    if head.classfix == -1 and not head.dialect.planar_region:
        faint = to.add("Less", objectness, to.number(0.5))
        objectness = to.add("Where", faint, to.number(0), objectness)
    found = Decoded(*flat(to, boxes, objectness, classes, head.classes))
    return _tree_scores(head, head.tree, to, found) if head.tree else _scores(head, to, found)


def _scores(head: Region, to: Builder, found: Decoded) -> Decoded:
    """With the scores of classes that stand beside each other."""
    classes = found.scores
    if head.softmax:
        classes = to.add("Softmax", classes, axis=2)
    elif head.dialect.planar_region:
        classes = to.add("Sigmoid", classes)
    return found._replace(scores=to.add("Mul", found.objectness, classes))


def _tree_scores(head: Region, tree: Tree, to: Builder, found: Decoded) -> Decoded:
    """With the scores of the nodes of a tree."""
    p = along_path(tree, to, softmax_by_group(tree, to, found.scores))
    if head.dialect.top_of_tree:  # there the score is the objectness
        return found._replace(scores=top_of_tree(tree, to, p, found.objectness, HIER))
    scores = deepest_likely(tree, to, p, HIER)
    return found._replace(scores=scores, needs_objectness=True, needs_score=False)


@decode.register(Detection)
def _(head: Detection, to: Builder, raw: str, frame: Frame) -> Decoded:
    cells, count = head.side**2, head.num
    values = to.add("Reshape", raw, to.ints(0, -1))
    ends = np.cumsum([cells * head.classes, cells * count, cells * count * 4])
    classes, objectness, box = (
        to.add("Reshape", part, to.ints(0, cells, *shape))
        for part, shape in zip(cut(to, values, ends, 1), [(1, head.classes), (count, 1), (count, 4)], strict=True)
    )
    if head.softmax:
        classes = to.add("Softmax", classes, axis=3)
    xy, size = cut(to, box, np.array([2, 4]), 3)
    if head.sqrt:
        size = to.add("Mul", size, size)
    frame = fixed_frame(to, Shape(0, head.side, head.side), Shape(0, 1, 1))
    boxes, scores = joined(to, centres(to, xy, frame), size), to.add("Mul", objectness, classes)
    return Decoded(*flat(to, boxes, objectness, scores, head.classes))


def entries(to: Builder, raw: str, boxes: int, sizes: list[int]) -> list[str]:
    """The entries of `(B, A E, h, w)`, in groups of so many: `(B, S, A, n)` each."""
    x = to.add("Reshape", raw, to.ints(0, boxes, sum(sizes), -1))
    return cut(to, to.add("Transpose", x, perm=[0, 3, 1, 2]), np.cumsum(sizes), 3)


def cut(to: Builder, x: str, ends: np.ndarray, axis: int) -> list[str]:
    """Parts of `x` along an axis, each up to where the next begins."""
    starts = [0, *ends[:-1].tolist()]
    bounds = zip(starts, ends.tolist(), strict=True)
    return [to.add("Slice", x, to.ints(start), to.ints(end), to.ints(axis)) for start, end in bounds]


def joined(to: Builder, *parts: str) -> str:
    """`(B, S, A, n)` each, side by side."""
    return to.add("Concat", *parts, axis=3)


def stretched(to: Builder, xy: str, scale: float) -> str:
    """Offsets in a cell, stretched about its middle."""
    return xy if scale == 1 else to.add("Sub", to.add("Mul", xy, to.number(scale)), to.number(0.5 * (scale - 1)))


def centres(to: Builder, xy: str, frame: Frame) -> str:
    """Centres of boxes, relative to the input, from their offsets in their cells."""
    return to.add("Div", to.add("Add", xy, frame.cell), frame.grid)


def anchors(to: Builder, head: AnchorHead, frame: Frame) -> str:
    """Sizes of the anchors, `(A, 2)`, relative to the input."""
    sizes = np.array(head.sizes, np.float32)
    if isinstance(frame.image, str):
        return to.add("Div", to.constant(sizes), frame.image)
    return to.constant(sizes / frame.image)  # OpenCV 4 has no nodes of constants alone


def flat(to: Builder, boxes: str, objectness: str, scores: str, classes: int) -> tuple[str, str, str]:
    """`(B, S, A, n)` each, to `(B, N, n)`."""
    parts = (boxes, 4), (objectness, 1), (scores, classes)
    boxes, objectness, scores = (to.add("Reshape", part, to.ints(0, -1, size)) for part, size in parts)
    return boxes, objectness, scores
