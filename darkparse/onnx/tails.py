"""What follows the heads: their boxes, or what is left of them after non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..errors import DarkparseError
from ..graph import Graph
from ..layers.detection import Detection
from ..layers.region import Region
from .builder import BATCH, Builder, Dim, Inexpressible
from .heads import Decoded, decode, dynamic_frame, fixed_frame
from .trees import FLOAT, as_float

TAILS = ("raw", "decode", "nms")  # what a model may give
THRESH, NMS = 0.25, 0.45  # of darkparse detect; what the optional inputs are where a run gives none
FINITE = 3e38  # the largest float32 is a little above it
PLAIN = ("default", "cornersnms")  # what nms_kind says where overlap alone counts


def check_tail(tail: str, graph: Graph) -> None:
    """Raises DarkparseError where a network cannot have that tail.

    Raises:
        DarkparseError: there is no such tail, or the network has no heads
        Inexpressible: its heads differ in their classes
    """
    if tail not in TAILS:
        raise DarkparseError(f"what follows the network: expected one of {', '.join(TAILS)}, got {tail!r}")
    if tail == "raw":
        return
    if not graph.heads:
        raise DarkparseError(f"{graph.file}: no section that gives boxes, so there is nothing to {tail}; expected raw")
    first = graph.heads[0][1]
    for index, head in graph.heads:
        if head.classes != first.classes:
            where = graph.nodes[index].where
            message = f"classes={head.classes}, but the first head has {first.classes}; expected the same, to {tail}"
            raise Inexpressible(message, where)


def notes(tail: str, graph: Graph) -> Iterator[str]:
    """Where a tail cannot give just what darkparse detect does."""
    if tail == "raw":
        return
    kind = graph.heads[-1][1].suppression[0]
    if tail == "nms" and kind not in PLAIN:
        yield (
            f"nms: the cfg asks for nms_kind={kind}, but ONNX's NonMaxSuppression knows overlap alone: a box near "
            "another may go that darkparse detect keeps"
        )
    if tail == "decode" and any(_caps_scores(head) for _, head in graph.heads):
        yield "decode: scores of the class tree are at most the objectness, so that one threshold does for both"


def _caps_scores(head: object) -> bool:
    return isinstance(head, Region) and head.tree is not None and not head.dialect.top_of_tree


def add_tail(tail: str, to: Builder, graph: Graph, raws: Sequence[str], images: str, *, dynamic_size: bool) -> None:
    """Nodes behind the heads, and the model's outputs.

    decode: boxes `(B, N, 4)`, x1 y1 x2 y2 relative to the network's input, and scores `(B, N, C)`, of which those
    above a threshold are what darkparse detects;
    nms: detections `(M, 7)`: image, class, score, x1 y1 x2 y2; with the optional inputs "thresh" and "nms", `(1,)`.

    Args:
        tail: "decode" or "nms"
        raws: the output of each head
        images: the model's input
        dynamic_size: whether images may be of another size than the cfg's
    Raises:
        DarkparseError: see `check_tail`
    """
    check_tail(tail, graph)
    found, count = [], 0
    for (index, head), raw in zip(graph.heads, raws, strict=True):
        shape = graph.nodes[index].shape
        with to.inside(f"{index:03}_{head.section}/decode"):
            frame = dynamic_frame(to, raw, images) if dynamic_size else fixed_frame(to, shape, graph.net.shape)
            found.append(decode(head, to, raw, frame))
        cells = head.side**2 if isinstance(head, Detection) else shape.h * shape.w
        count += cells * head.boxes_per_cell
    with to.inside(tail):
        _TAILS[tail](to, found, "boxes" if dynamic_size else count, graph.classes)


def _decode(to: Builder, found: Sequence[Decoded], count: Dim, classes: int) -> None:
    """Boxes and scores."""
    scores = [to.add("Min", one.scores, one.objectness) if one.needs_objectness else one.scores for one in found]
    boxes = to.rename(_joined(to, _corners(to, [one.boxes for one in found])), "boxes")
    to.output(boxes, [BATCH, count, 4])
    to.output(to.rename(_joined(to, scores), "scores"), [BATCH, count, classes])


def _nms(to: Builder, found: Sequence[Decoded], count: Dim, classes: int) -> None:
    """Boxes and scores, suppressed."""
    thresh, nms = _option(to, "thresh", THRESH), _option(to, "nms", NMS)
    boxes = to.rename(
        _joined(to, _corners(to, [one.boxes for one in found])), "boxes"
    )  # of all, as `verify` wants them
    scores = _joined(to, [_counting(to, one, thresh) for one in found])
    scores = to.add("Mul", scores, _finite(to, boxes))
    scores = to.add("Transpose", scores, perm=[0, 2, 1])
    least = thresh if all(one.needs_score for one in found) else to.constant(np.zeros(1, np.float32))
    count_of = to.add("Gather", to.add("Shape", boxes), to.ints(1), axis=0)
    kept = to.add("NonMaxSuppression", boxes, scores, count_of, nms, least)  # (M, 3): image, class, box
    kept = to.add("Reshape", kept, to.ints(-1, 3))  # OpenCV 5.0 gives (3,) where M is 1
    of_image = to.add("Mul", count_of, to.ints(classes))
    score = _rows(to, scores, 1, kept, to.add("Concat", of_image, count_of, to.ints(1), axis=0))
    box = _rows(to, boxes, 4, kept, to.add("Concat", count_of, to.ints(0, 1), axis=0))
    labels = to.add("Cast", to.add("Slice", kept, to.ints(0), to.ints(2), to.ints(1)), to=FLOAT)
    to.output(to.rename(to.add("Concat", labels, score, box, axis=1), "detections"), ["detections", 7])


def _rows(to: Builder, values: str, width: int, kept: str, strides: str) -> str:
    """`(M, width)`: of values in rows of so many, those of each box that is kept, `(M, 3)`.

    By the row's number, as OpenCV 5.0 crashes in GatherND where nothing is kept.
    """
    row = to.add("ReduceSum", to.add("Mul", kept, strides), axes=[1], keepdims=0)
    return to.add("Gather", to.add("Reshape", values, to.ints(-1, width)), row, axis=0)


_TAILS = {"decode": _decode, "nms": _nms}


def _option(to: Builder, name: str, value: float) -> str:
    """An input of the model that has a value where a run gives none."""
    to.graph.initializer.add(name=name, dims=[1], data_type=FLOAT, float_data=[value])
    return to.input(name, [1])


def _corners(to: Builder, boxes: Sequence[str]) -> list[str]:
    """`(B, N, 4)` each: x1 y1 x2 y2 of cxcywh."""
    result = []
    for one in boxes:
        centre, size = (to.add("Slice", one, to.ints(n), to.ints(n + 2), to.ints(2)) for n in (0, 2))
        half = to.add("Div", size, to.number(2))
        result.append(to.add("Concat", to.add("Sub", centre, half), to.add("Add", centre, half), axis=2))
    return result


def _joined(to: Builder, parts: Sequence[str]) -> str:
    """What the heads say, `(B, N, n)` each, one after the other."""
    return to.add("Concat", *parts, axis=1)


def _counting(to: Builder, found: Decoded, thresh: str) -> str:
    """The scores of boxes that count, for the others 0.  Source: `detections.candidates`."""
    if not found.needs_objectness:
        return found.scores
    return to.add("Mul", found.scores, as_float(to, to.add("Greater", found.objectness, thresh)))


def _finite(to: Builder, boxes: str) -> str:
    """`(B, N, 1)`: 1 for boxes whose numbers are all finite, else 0."""
    good = as_float(to, to.add("Less", to.add("Abs", boxes), to.number(FINITE)))
    return to.add("ReduceMin", good, axes=[2], keepdims=1)
