"""From a network as the cfg has it to one that only infers, faster, with the same results."""

import torch
from torch import nn

from .modules.convolutional import ConvNormAct, XnorConvNormAct, fold
from .network import Network


def deploy(network: Network, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Network:
    """Make `network` ready for inference: batch norm folded into convolutions, channels last, on `device`.

    It takes the network over: what comes back computes the same outputs but can no longer be saved or trained.
    """
    network.eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, ConvNormAct) and not isinstance(module, XnorConvNormAct):
            fold_norm(module)
            overwrite(module.activation)
    return network.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


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
