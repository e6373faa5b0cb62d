"""Where OpenCV 4 takes a section for something else than Darknet does; here Darknet's meaning counts.

Source: modules/dnn/src/darknet/darknet_io.cpp ReadDarknetFromCfgStream (OpenCV 4.14)
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from functools import singledispatch

from .. import layers
from ..graph import Graph, Node
from ..registry import LayerDef
from .errors import OpenCVDiffers


def tell(graph: Graph) -> None:
    """Warn, once for each reason, of what makes OpenCV's rows differ from these."""
    found: dict[str, list[Node]] = {}
    for node, part in zip(graph.nodes, graph.sections[1:], strict=True):
        for what in differences(node.layer, node, part.entries):
            found.setdefault(what, []).append(node)
    for what, (first, *others) in found.items():
        more = f" (and in {len(others)} more)" if others else ""
        message = f"{first.where}: OpenCV 4 {what}{more}, so it gave other values; these are Darknet's"
        warnings.warn(message, OpenCVDiffers, stacklevel=3)


@singledispatch
def differences(layer: LayerDef, node: Node, given: Collection[str]) -> Iterator[str]:
    """What OpenCV does with a layer that Darknet does not, where its options `given` in the cfg let them differ."""
    return iter(())


@differences.register
def _(layer: layers.convolutional.Convolutional, node: Node, given: Collection[str]) -> Iterator[str]:
    reasons = {
        "leaves out dilation": layer.spread > 1,
        "leaves out stride_x and stride_y": layer.strides != (layer.stride, layer.stride),
        "leaves out antialiasing": bool(layer.antialiasing),
        "leaves out xnor": layer.xnor,
        "reads weights of a layer with share_index": node.shares is not None,
        "leaves out a batch norm that is not batch_normalize=1": layer.crosses_iterations,
        "takes activation=linear where none is given, not logistic": "activation" not in given,
    }
    return (what for what, so in reasons.items() if so)


@differences.register
def _(layer: layers.maxpool.Maxpool, node: Node, given: Collection[str]) -> Iterator[str]:
    reasons = {
        "leaves out maxpool_depth": layer.maxpool_depth,
        "leaves out stride_x and stride_y": layer.strides != (layer.stride, layer.stride),
        "leaves out antialiasing": bool(layer.antialiasing),
        "takes stride=2 where none is given, not 1": "stride" not in given,
        "takes size=2 where none is given, not the stride": "size" not in given and layer.window != 2,
    }
    return (what for what, so in reasons.items() if so)


@differences.register
def _(layer: layers.softmax.Softmax, node: Node, given: Collection[str]) -> Iterator[str]:
    reasons = {
        "leaves out the tree": layer.tree is not None,
        "leaves out the temperature": layer.temperature != 1,
        "takes the softmax over the channels of each cell, not over all values": node.shape.h * node.shape.w > 1
        and not layer.spatial,
    }
    return (what for what, so in reasons.items() if so)


@differences.register
def _(layer: layers.shortcut.Shortcut, node: Node, given: Collection[str]) -> Iterator[str]:
    reasons = {
        "adds only the first of several layers": len(node.sources) > 2,
        "leaves out the weights of a sum": layer.weights_type != "none",
    }
    return (what for what, so in reasons.items() if so)


@differences.register
def _(layer: layers.upsample.Upsample, node: Node, given: Collection[str]) -> Iterator[str]:
    reasons = {
        "takes stride=1 where none is given, not 2": "stride" not in given,
        "leaves out scale": layer.scale != 1,
    }
    return (what for what, so in reasons.items() if so)


@differences.register
def _(layer: layers.route.Route, node: Node, given: Collection[str]) -> Iterator[str]:
    if layer.groups > 1 and len(node.sources) > 1:
        yield "miscounts layers behind a route with groups of several"


@differences.register
def _(layer: layers.reorg.Reorg, node: Node, given: Collection[str]) -> Iterator[str]:
    if layer.reverse or layer.flat or layer.appended:
        yield "leaves out reverse, flatten and extra"
