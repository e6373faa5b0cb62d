"""Batch norm into convolutions."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ..modules.convolutional import ConvNormAct, XnorConvNormAct, fold
from ..network import Network


def fold_network(network: Network) -> None:
    """Fold batch norm into every convolution of `network`, which from then on only infers."""
    network.eval().requires_grad_(False)
    for module in convolutions(network):
        if isinstance(module.norm, nn.BatchNorm2d):
            weight, bias = fold(module.conv.weight, module.conv.bias, module.norm)
            module.conv.weight = nn.Parameter(weight, requires_grad=False)
            module.conv.bias = nn.Parameter(bias, requires_grad=False)
            module.norm = nn.Identity()


def part_from_file(network: Network) -> None:
    """Give what is left of a file's numbers memory of its own, so that nothing holds all of them."""
    for tensor in [*network.parameters(), *network.buffers()]:
        if tensor.untyped_storage().nbytes() > tensor.nbytes:
            tensor.data = tensor.data.clone()


def overwrite_network(network: Network) -> None:
    """Let activations write over their inputs, which nothing else reads behind a convolution."""
    for module in convolutions(network):
        if hasattr(module.activation, "inplace"):
            module.activation.inplace = True  # type: ignore[assignment]


def convolutions(network: Network) -> Iterator[ConvNormAct]:
    """Those into which a batch norm can be folded."""
    for module in network.modules():
        if isinstance(module, ConvNormAct) and not isinstance(module, XnorConvNormAct):
            yield module
