"""Batch norm into convolutions."""

from torch import nn

from ..modules.convolutional import ConvNormAct, XnorConvNormAct, fold
from ..network import Network


def fold_network(network: Network) -> None:
    """Fold batch norm into every convolution of `network`, which from then on only infers."""
    network.eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConvNormAct) and not isinstance(module, XnorConvNormAct):
            fold_norm(module)
            overwrite(module.activation)


def fold_norm(module: ConvNormAct) -> None:
    """Put the batch norm of `module` into its convolution."""
    if isinstance(module.norm, nn.BatchNorm2d):
        weight, bias = fold(module.conv.weight, module.conv.bias, module.norm)
        module.conv.weight = nn.Parameter(weight, requires_grad=False)
        module.conv.bias = nn.Parameter(bias, requires_grad=False)
        module.norm = nn.Identity()


def overwrite(activation: nn.Module) -> None:
    """Let an activation write over its input, which nothing else reads behind a convolution."""
    if hasattr(activation, "inplace"):
        activation.inplace = True  # type: ignore[assignment]
