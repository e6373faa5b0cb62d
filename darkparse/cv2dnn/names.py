"""What OpenCV 4's importer makes of each section: layers with names, types and places in its list.

OpenCV counts the sections itself, and gives an activation the number of the section behind it: [convolutional] 0 with
batch norm and leaky is "conv_0", "bn_0" and "leaky_1".  Sections that it cannot read get names of the same kind.
Source: modules/dnn/src/darknet/darknet_io.cpp setLayersParams, ReadDarknetFromCfgStream (OpenCV 4.14)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import singledispatch
from typing import NamedTuple

from .. import layers
from ..graph import IMAGE, Graph, Node
from ..registry import LayerDef

INPUT = "data"  # what setInput calls the image
INPUT_LAYER = "_input"  # the same among the layers: number 0
BEFORE_ACTIVATION = "activation"  # the module whose input, not output, is meant
TYPES = {"leaky": "ReLU", "relu": "ReLU", "swish": "Swish", "mish": "Mish", "logistic": "Sigmoid", "tanh": "TanH"}


class Part(NamedTuple):
    """One of OpenCV's layers for a section.

    kind: how its name begins; path: the module inside the section's whose output it is, None where there is none;
    ends: whether what comes next has the next number; reads: the parts before it, counted back, or else positions
    of the section's sources; view: what is to be made of that output
    """

    kind: str
    type: str
    path: str | None = None
    ends: bool = True
    reads: tuple[int, ...] = (-1,)
    view: str = ""


class Blob(NamedTuple):
    """A layer in OpenCV's list, and its output.

    layer: Darknet's, that it belongs to; at: the module whose output it is, by its name in `Network`, "" where there
    is none, of an activation inside a layer the input; view: "permute", "rows", or "" for the output as it is;
    flat: as (B, C), not (B, C, H, W);
    sources: the positions in the list of those that it reads, -1 for the image
    """

    name: str
    type: str
    layer: int
    at: str
    view: str
    flat: bool
    sources: tuple[int, ...]


SINGLE: dict[type[LayerDef], Part] = {
    layers.avgpool.Avgpool: Part("avgpool", "Pooling"),
    layers.cost.Cost: Part("identity", "Identity"),
    layers.dropout.Dropout: Part("identity", "Identity"),
    layers.maxpool.Maxpool: Part("pool", "Pooling"),
    layers.reorg.Reorg: Part("reorg", "Reorg"),
    layers.sam.Sam: Part("sam", "Eltwise"),
    layers.scale_channels.ScaleChannels: Part("scale_channels", "Scale"),
    layers.shortcut.Shortcut: Part("shortcut", "Eltwise"),
    layers.softmax.Softmax: Part("softmax", "Softmax"),
    layers.upsample.Upsample: Part("upsample", "Resize"),
}


@singledispatch
def parts(layer: LayerDef, sources: int) -> list[Part]:
    """OpenCV's layers for a section that reads so many `sources`, without its activation.

    A section that OpenCV does not know is one layer.
    """
    return [SINGLE.get(type(layer)) or Part(layer.section.lower(), layer.section)]


@parts.register
def _(layer: layers.convolutional.Convolutional, sources: int) -> list[Part]:
    inside = "layer." if layer.antialiasing else ""
    conv, norm = (None, None) if layer.xnor else (f"{inside}conv", f"{inside}norm")
    if not (layer.batch_normalize or layer.cbn):
        return [Part("conv", "Convolution", conv)]
    return [Part("conv", "Convolution", conv, ends=False), Part("bn", "BatchNorm", norm)]


@parts.register
def _(layer: layers.connected.Connected, sources: int) -> list[Part]:
    dense = Part("fullyConnected", "InnerProduct", "linear", ends=not layer.batch_normalize)
    return [dense, Part("bn", "BatchNorm", "norm")] if layer.batch_normalize else [dense]


@parts.register
def _(layer: layers.crop.Crop, sources: int) -> list[Part]:
    crop = Part("crop", "Slice")
    return [crop] if layer.noadjust else [crop, Part("adjust_crop", "Scale")]


@parts.register
def _(layer: layers.route.Route, sources: int) -> list[Part]:
    if layer.groups == 1:
        return [Part("identity", "Identity") if sources == 1 else Part("concat", "Concat")]
    slices = [Part("slice", "Slice", reads=(source,)) for source in range(sources)]
    return slices if sources == 1 else [*slices, Part("concat", "Concat", reads=tuple(range(-sources, 0)))]


@parts.register
def _(layer: layers.yolo.AnchorHead, sources: int) -> list[Part]:
    return [Part("permute", "Permute", "", ends=False, view="permute"), Part(layer.section.lower(), "Region")]


@parts.register
def _(layer: layers.region.Region, sources: int) -> list[Part]:
    return [Part("permute", "Permute", "", ends=False, view="permute"), Part("detection_out", "Region")]


def parts_of(node: Node) -> list[Part]:
    """OpenCV's layers for a section; what the last one gives is what the section gives."""
    layer = node.layer
    every = parts(layer, len(node.sources))
    if every[0].reads == (-1,):
        every[0] = every[0]._replace(reads=tuple(range(len(node.sources))))
    name = getattr(layer, "activation", "linear")
    if name != "linear" and (type(layer) in SINGLE or parts.dispatch(type(layer)) is not parts.dispatch(LayerDef)):
        every[-1] = every[-1]._replace(path=every[-1].path or BEFORE_ACTIVATION)
        every.append(Part(name, TYPES.get(name, name), ends=False))
    return [*every[:-1], every[-1]._replace(path="", view="rows" if node.head else "")]


def blobs(graph: Graph) -> list[Blob]:
    """All of OpenCV's layers for a network, in its order; the number of one is its position and 1."""
    found: list[Blob] = []
    gives = {IMAGE: IMAGE}  # the position of what each section gives
    flat = {IMAGE: False}
    number = 0
    for node in graph.nodes:
        before = [gives[source] for source in node.sources]
        flat[node.index] = flat[node.sources[0]] or isinstance(node.layer, layers.connected.Connected)
        for part in parts_of(node):
            sources = tuple(before[one] if one >= 0 else len(found) + one for one in part.reads)
            at = "" if part.path is None else ".".join(filter(None, ("layers", str(node.index), part.path)))
            name = part.kind if part.kind == "detection_out" else f"{part.kind}_{number}"
            found.append(Blob(name, part.type, node.index, at, part.view, flat[node.index], sources))
            number += part.ends
        gives[node.index] = len(found) - 1
    return list(distinct(found))


def distinct(found: list[Blob]) -> Iterator[Blob]:
    """The same, where a name comes again with a number behind it."""
    seen: Counter[str] = Counter()
    for blob in found:
        yield blob._replace(name=f"{blob.name}_{seen[blob.name]}") if seen[blob.name] else blob
        seen[blob.name] += 1


def unread(found: list[Blob]) -> list[int]:
    """The positions of the layers that no other reads."""
    read = {source for blob in found for source in blob.sources}
    return [position for position in range(len(found)) if position not in read]
