"""What a layer is in ONNX: a function for each class of layers, registered in the modules beside this one."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from ..graph import Node
from ..registry import HeadDef, LayerDef
from .builder import Builder, Inexpressible


@singledispatch
def express(layer: LayerDef, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    """Add the nodes of a layer.

    Args:
        layer: `node.layer`, whose class decides
        module: what computes it in PyTorch, with its weights
        inputs: the tensors of its sources
    Returns:
        the tensor of its output; one of `inputs` where it does nothing
    Raises:
        Inexpressible: ONNX has no way to say it
    """
    if layer.passes_on or isinstance(layer, HeadDef):  # of a head the raw output
        return inputs[0]
    raise Inexpressible("ONNX: this section is not written yet; expected another", node.where)


@singledispatch
def fixes_size(layer: LayerDef) -> bool:
    """Whether a layer can only read images of one size: where its weights or its shape depend on that size."""
    return False


@singledispatch
def gives_one_size(layer: LayerDef) -> bool:
    """Whether a layer's output has the same size whatever that of its input."""
    return fixes_size(layer)
