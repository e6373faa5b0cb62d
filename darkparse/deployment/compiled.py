"""A network by torch.compile, for long jobs: it takes up to a minute, and on a CPU a C++ compiler."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from ..errors import DarkparseError
from ..network import Network
from .traced import Traced, silence


def compile_whole(network: Network, images: Tensor) -> Traced:
    """A copy of a folded network, compiled for batches like `images`.

    Raises:
        DarkparseError: nothing here can compile it
    """
    copy = deepcopy(network).to(images.device, images.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _ = copy.graph.steps, copy.graph.outputs  # kept from now on: to work them out takes a lock, which ends a graph
    try:
        with silence():
            compiled: Traced = torch.compile(copy.forward, dynamic=False, options={"freezing": True})
            compiled(images)
    except (RuntimeError, ImportError) as why:
        raise DarkparseError(f"torch.compile: {brief(why)}; expected what it needs, on a CPU a C++ compiler") from None
    return compiled


def brief(why: Exception) -> str:
    """The first line of what went wrong."""
    return next((line for line in str(why).splitlines() if line.strip()), type(why).__name__)
