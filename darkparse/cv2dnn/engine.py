"""A network at the size of the images that it is given, where it is to run, and what its modules give there."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..deployment import FEW, PRECISIONS, Use, deploy
from ..errors import GraphError, ignore
from ..graph import Graph, resolve
from ..loading import check_numbers, told_plainly
from ..network import Network, check_memory, empty_network
from .names import BEFORE_ACTIVATION

EPS = 1e-6  # darknet_io.cpp setBatchNorm (OpenCV 4.14); Darknet's 1e-5 changes rows by up to 1e-3 or so
Hook = Callable[[nn.Module, Any, Tensor], None]


class Place(NamedTuple):
    """Where to run, and how precisely."""

    device: str = "cpu"
    precision: str = "fp32"


class Setting(NamedTuple):
    """What a network is made ready for.

    plain: with every module of a layer as it was read; images: how many at a time; lasting: many were run already
    """

    height: int
    width: int
    place: Place
    plain: bool
    images: int
    lasting: bool


class Engine:
    """Runs a network on images of any size that it allows.

    network: as it was read, never changed; place: where to run;
    started, seconds: when the last run began (time.perf_counter), and what each layer took
    """

    def __init__(self, network: Network) -> None:
        self.network = network.eval().requires_grad_(False)
        self.place = Place()
        self.started = 0.0
        self.seconds: list[float] = []
        self.runs = 0
        self._ready: dict[bool, tuple[Setting, Network]] = {}  # one of each kind: plain or not
        self._mark = 0.0

    @torch.inference_mode()
    def run(self, images: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """What the `wanted` modules of the network give for images, `(B, C, H, W)`: float32, by their names.

        Raises:
            DarkparseError: the network cannot take images of this size, has no room, or gives NaN
        """
        plain = any(name.count(".") > 1 for name in wanted)
        self.runs += 1
        setting = Setting(images.shape[2], images.shape[3], self.place, plain, len(images), self.runs > FEW)
        network = self.ready(setting)
        check_memory(network.graph, images=len(images))
        device, dtype = torch.device(self.place.device), PRECISIONS[self.place.precision]
        self.started = time.perf_counter()
        found: dict[str, Tensor] = {}
        with ExitStack() as hooks, told_plainly(device):
            for name in wanted:
                hooks.callback(network.get_submodule(name).register_forward_hook(keeper(found, name)).remove)
            batch = images.to(device, dtype).contiguous(memory_format=torch.channels_last)
            network.reset()
            self.seconds = [0.0] * len(network.layers)
            self._mark = time.perf_counter()
            network(batch)
            found = {name: tensor.float().cpu() for name, tensor in found.items()}
        check_numbers(network.graph, list(found.values()))
        return found

    def ready(self, setting: Setting) -> Network:
        """The network for a setting; the last plain one and the last other one are kept."""
        if setting.plain not in self._ready or self._ready[setting.plain][0] != setting:
            self._ready.pop(setting.plain, None)  # before memory is taken for another
            self._ready[setting.plain] = setting, self.made(setting)
        return self._ready[setting.plain][1]

    def made(self, setting: Setting) -> Network:
        """The network made ready; it shares what tensors it can with the one that was read."""
        network = shared(self.network, resized(self.network.graph, setting.width, setting.height))
        with told_plainly(torch.device(setting.place.device)):
            if setting.plain:
                network.to(setting.place.device, PRECISIONS[setting.place.precision])
            else:
                use = Use(setting.images, None if setting.lasting else 1)
                network = deploy(network, setting.place.device, setting.place.precision, **use._asdict())
        for index, layer in enumerate(network.layers):
            layer.register_forward_hook(partial(self.stop, index))
        return network

    def stop(self, index: int, *_: object) -> None:
        """Take the time since the layer before: a hook, of this engine's copies their own."""
        now = time.perf_counter()
        self.seconds[index], self._mark = now - self._mark, now


def keeper(found: dict[str, Tensor], name: str) -> Hook:
    """A hook that keeps what a module gives, of an activation inside a layer what it is given."""
    before = name.endswith(f".{BEFORE_ACTIVATION}")

    def keep(module: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        found[name] = given[0] if before else result

    return keep


def shared(network: Network, graph: Graph) -> Network:
    """A network of `graph` with the tensors of another, which it shares; batch norm is as in OpenCV."""
    copy = empty_network(graph)
    copy.load_state_dict(network.state_dict(), assign=True)
    copy.tie()
    for module in copy.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eps = EPS
    return copy.eval().requires_grad_(False)


def resized(graph: Graph, width: int, height: int) -> Graph:
    """The same layers for another size of the input, px.

    Raises:
        GraphError: it cannot be, or a layer's weights are for one size alone
    """
    if graph.net.shape[1:] == (height, width):
        return graph
    other = resolve(graph.sections, width=width, height=height, dialect=graph.dialect, complain=ignore)
    for old, new in zip(graph.nodes, other.nodes, strict=True):
        if old.tensors != new.tensors:
            what = f"its weights are for an input of {graph.net.width}x{graph.net.height}, not {width}x{height}"
            raise GraphError(what, old.where)
    return other
