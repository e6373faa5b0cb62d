"""A network as an ONNX model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DarkparseError
from ..graph import IMAGE, Graph
from ..registry import Shape
from ..sources import Source
from . import channels, convolutions, norms, recurrent, windows  # noqa: F401  (register what sections are)
from .builder import BATCH, Builder, Dim
from .express import express, fixes_size, gives_one_size
from .stored import stored
from .tails import add_tail

if TYPE_CHECKING:
    import onnx

IMAGES, HEIGHT, WIDTH = "images", "height", "width"
LARGEST = 2**29 - 2**20  # float32 numbers in the 2 GB of a protobuf message, and room for the rest


def build(source: Source, *, tail: str = "raw", dynamic_size: bool = True, batch: int | None = None) -> onnx.ModelProto:
    """A network as an ONNX model, without metadata.

    Its input is "images", `(batch, C, height, width)`, 0..1.  The output of a layer is the tensor "NNN_section", by its
    index; its constants are "NNN_section.weight", "NNN_section.bias" and so on, batch norm folded in.  Layers that do
    nothing ([dropout], a [route] to one layer, ...) leave no node and no tensor: who reads them reads their source.
    Where they are outputs, as heads are, there is an Identity, so that each output has its layer's name.  What later
    layers read of a head is behind that: see `HeadDef.stored`.  Recurrent layers are one step, with states beside the
    images and the outputs: see `recurrent`.

    ONNX Runtime and OpenCV 5 read all that comes out.  OpenCV 4 works out all shapes when it reads a file: it takes any
    batch, but fails on most networks of any size (at a Shape, or at the Concat behind pools), so for it `dynamic_size`
    must be False; 4.5 lacks Where, which [convolutional] with `xnor` needs, and 4.8 is wrong in ReduceSum and ReduceMax
    over channels, of which normalize_channels and [maxpool] with `maxpool_depth` are made.

    Args:
        tail: "raw": outputs are what `Network.forward` gives; "decode" and "nms": see `tails.add_tail`
        dynamic_size: let height and width vary, where no layer is made for one size
        batch: so many images, and no others; by default any number
    Raises:
        Inexpressible: ONNX has no way to say what a section does
        DarkparseError: the package onnx is not installed; the tail does not suit the network; it is too large
    """
    graph = source.graph
    if graph.parameters > LARGEST:
        raise DarkparseError(f"{graph.file}: {graph.parameters:,} parameters; an .onnx file holds at most {LARGEST:,}")
    any_size = dynamic_size and reads_any_size(graph)
    to = Builder(Path(graph.file).stem, any_size=any_size, batch=batch)
    image = graph.net.shape
    sides: list[Dim] = [HEIGHT, WIDTH] if any_size else [image.h, image.w]
    to.input(IMAGES, [BATCH, image.c, *sides])
    raws = walk(to, source)
    if tail == "raw":
        for index, name in zip(graph.outputs, raws, strict=True):
            to.output(name, [BATCH, *dims(to, graph, index, name)])
    else:
        add_tail(tail, to, graph, raws, IMAGES, dynamic_size=any_size)
    model: onnx.ModelProto = to.model
    return model


def walk(to: Builder, source: Source) -> list[str]:
    """Add every layer; gives the raw outputs, as `Network.forward` does."""
    graph, alive = source.graph, {IMAGE: IMAGES}
    raws = []
    for node, module in zip(graph.nodes, source.network.layers, strict=True):
        name = to.layer(node.index, node.layer)
        with to.inside(name):
            given = [alive[i] for i in node.sources]
            tensor = express(node.layer, to, node, module, given)
            if node.index in graph.outputs and not to.owns(tensor):
                tensor = to.add("Identity", tensor)
            if to.owns(tensor):
                tensor = to.rename(tensor, name)
            alive[node.index] = tensor
            if node.index in graph.outputs:
                raws.append(tensor)
            if node.head and is_read(graph, node.index):
                alive[node.index] = stored(node.head, to, node, tensor)
    return raws


def is_read(graph: Graph, index: int) -> bool:
    """Whether a layer is another's source."""
    return any(index in node.sources for node in graph.nodes)


def varying(graph: Graph) -> set[int]:
    """Indices of the layers whose output has another size when the image has; `IMAGE` is one."""
    found = {IMAGE}
    for node in graph.nodes:
        if found.intersection(node.sources) and not gives_one_size(node.layer):
            found.add(node.index)
    return found


def reads_any_size(graph: Graph) -> bool:
    """Whether a network can read images of other sizes than the cfg's: no layer is made for one."""
    if not graph.net.width or not graph.net.height:
        return False  # single values
    found = varying(graph)
    return not any(fixes_size(node.layer) and found.intersection(node.sources) for node in graph.nodes)


def dims(to: Builder, graph: Graph, index: int, name: str) -> list[Dim]:
    """Channels, rows and columns of a layer's output."""
    shape: Shape = graph.nodes[index].shape
    if to.any_size and index in varying(graph):
        return [shape.c, f"{name}.height", f"{name}.width"]
    return list(shape)
