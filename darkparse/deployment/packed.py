"""Convolutions with packed weights, and the choice among the ways to compute one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn

from ..graph import Graph
from ..modules.convolutional import ConvNormAct
from ..network import Network
from .mish import mish_of_negative, sign_for
from .onednn import NONE, Attribute, Convolution, Linear, Way, attribute
from .pooling import Halved, halves
from .winograd import POINTS, TAPS, WinogradConv

COARSE = 1000  # cells up to which F(3x3, 3x3) may pay: with more, the weights are not what is waited for
BROAD = 16  # channels from which Winograd may pay
SURE = 0.9  # what another way must take at most of the time of the plain one, as times are noisy
TIMES, CACHE = 5, 1 << 22  # runs in a trial, and values that are touched before each
_chosen: dict[tuple[object, ...], int] = {}  # way by kind of convolution, of this process

Maker = Callable[[], nn.Module]


class Activated(nn.Module):
    """A linear operation and its activation: in one, where oneDNN knows it."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        known = attribute(activation)
        self.attribute: Attribute = known or NONE
        self.after: Callable[[Tensor], Tensor] | None = None if known else partial(_after, activation)
        self.sign = sign_for(activation)


class PackedConv(Activated):
    """A convolution and its activation: `(B, C, H, W)` to `(B, K, h, w)`."""

    def __init__(
        self, conv: nn.Conv2d, weight: Tensor, bias: Tensor, activation: nn.Module, shape: Sequence[int]
    ) -> None:
        super().__init__(activation)
        assert isinstance(conv.padding, tuple)
        way = Way(conv.padding, conv.stride, conv.dilation, conv.groups, self.attribute)
        self.run = Convolution(self.sign * weight, self.sign * bias, way, shape)

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        y = self.run(x.contiguous(memory_format=torch.channels_last))
        return self.after(y) if self.after else y


class PackedPointwise(Activated):
    """A 1x1 convolution of stride 1 as a matrix product, which starts sooner, and its activation."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: nn.Module, shape: Sequence[int]) -> None:
        super().__init__(activation)
        rows = shape[0] * shape[2] * shape[3]
        self.run = Linear(self.sign * weight.flatten(1), self.sign * bias, rows, self.attribute)

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        y = self.run(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.after(y) if self.after else y


def _after(activation: nn.Module, y: Tensor) -> Tensor:
    if isinstance(activation, nn.Mish):
        mish_of_negative(y)
        return y
    result: Tensor = activation(y)
    return result


def pack(network: Network, graph: Graph, batch: int, dtype: torch.dtype) -> None:
    """Put the quickest in the place of each convolution of a folded network, for batches of images as `graph` reads
    them, and of each pooling that halves."""
    for node in graph.nodes:
        module = network.layers[node.index]
        if type(module) is ConvNormAct:
            network.layers[node.index] = quickest(module, (batch, *node.inputs[0]), dtype)
        elif halves(module):
            network.layers[node.index] = Halved(module)


def quickest(module: ConvNormAct, shape: Sequence[int], dtype: torch.dtype) -> nn.Module:
    """What computes a convolution without batch norm soonest on this machine, for inputs of `shape`, `(B, C, H, W)`."""
    conv = module.conv
    found = list(ways(module, shape, dtype))
    if len(found) == 1:
        return found[0]()
    activation = type(module.activation), attribute(module.activation) is None
    key = conv.weight.shape, conv.stride, conv.padding, *activation, tuple(shape), dtype, torch.get_num_threads()
    if key not in _chosen:
        return trial(found, torch.rand(tuple(shape), generator=torch.Generator()).to(dtype), key)
    return found[_chosen[key]]()


def ways(module: ConvNormAct, shape: Sequence[int], dtype: torch.dtype) -> Iterator[Maker]:
    """What can compute a convolution, the plain one first."""
    conv, activation = module.conv, module.activation
    weight, bias = conv.weight.detach().to(dtype), conv.bias
    bias = weight.new_zeros(len(weight)) if bias is None else bias.detach().to(dtype)
    yield partial(PackedConv, conv, weight, bias, activation, shape)
    if conv.groups > 1 or conv.stride != (1, 1) or conv.dilation != (1, 1):
        return
    if conv.kernel_size == (1, 1) and conv.padding == (0, 0):
        yield partial(PackedPointwise, weight, bias, activation, shape)
    if conv.kernel_size == (TAPS, TAPS) and conv.padding == (1, 1) and min(weight.shape[:2]) >= BROAD:
        for cells in POINTS if shape[0] * shape[2] * shape[3] <= COARSE else [4]:
            yield partial(WinogradConv, conv.weight.detach(), bias, activation, shape, cells)


def trial(found: Sequence[Maker], images: Tensor, key: tuple[object, ...]) -> nn.Module:
    """The quickest of several ways, found by trying; what it learns is kept under `key`."""
    images = images.contiguous(memory_format=torch.channels_last)
    best, least = found[0](), float("inf")
    for number, way in enumerate(found):
        module = best if number == 0 else way()
        seconds = taken(module, images)
        if seconds < least * (SURE if number else 1):
            best, least, _chosen[key] = module, seconds, number
    return best


def taken(module: Callable[[Tensor], object], images: Tensor) -> float:
    """Seconds that it takes, the median of a few times, with other things in the cache, as other layers leave it."""
    others = torch.zeros(CACHE)
    module(images)
    times: list[float] = []
    for _ in range(TIMES):
        others.add_(1)
        start = time.perf_counter()
        module(images)
        times.append(time.perf_counter() - start)
    return median(times)
