"""Inputs to try a file on, and what the network makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import Checkpoint, graph_of
from ..errors import CfgError, ignore
from ..graph import Graph
from ..network import Network, empty_network
from ..sources import Source
from .session import Session

STEP = 32  # px: what the sizes of images that a network without heads reads are multiples of
STEPS = 3  # of a sequence
PATCH = 16  # px


class Trial(NamedTuple):
    """One input, and what the network makes of it.

    network: for images of this size; steps: `(B, C, H, W)` each, one after the other; raws: its outputs after the last
    """

    network: Network
    steps: list[np.ndarray]
    raws: list[Tensor]

    @property
    def size(self) -> str:
        """As text, "BxCxHxW"."""
        return "x".join(map(str, self.steps[0].shape))

    @property
    def graph(self) -> Graph:
        """Of the network."""
        return self.network.graph

    def exact(self) -> list[Tensor]:
        """The outputs of the network, of double precision."""
        double = deepcopy(self.network).double()
        return forward(double, [images.astype(np.float64) for images in self.steps])


def make_trials(source: Source, session: Session) -> Iterator[Trial]:
    """Inputs of several kinds, of one image and of two, and of several sizes, as far as the file reads them."""
    counts = (1, 2) if session.shape[0] is None else (session.shape[0],) * 2
    rng = np.random.default_rng(0)
    sizes = [(source.graph.net.width, source.graph.net.height)]
    if None in session.shape[2:]:
        sizes += other_sizes(source.graph)
    for number, size in enumerate(sizes):
        network = source.network if number == 0 else resized(source, *size)
        if network is None:
            continue
        shape = network.graph.net.shape
        steps = STEPS if network.is_recurrent else 1
        kinds = patches(rng, (steps, counts[0], *shape)), smooth((steps, counts[1], *shape))
        for images in kinds if number == 0 else kinds[number % 2 :][:1]:
            yield Trial(network, list(images), forward(network, list(images)))


def other_sizes(graph: Graph) -> list[tuple[int, int]]:
    """A smaller size, of another form, and a larger one, px."""
    step = graph.stride if graph.heads else STEP
    width, height = graph.net.width, graph.net.height
    smaller = max(width // 2 // step, 2) * step, max(height * 3 // 4 // step, 2) * step
    return [smaller, ((width // step + 1) * step, height // step * step or step)]


def resized(source: Source, width: int, height: int) -> Network | None:
    """The network for images of another size, with the same tensors; None where it cannot be."""
    model = Checkpoint(source.cfg, source.files, source.names, source.header, {})
    try:
        graph = graph_of(model, source.graph.file, width=width, height=height, complain=ignore)
    except CfgError:
        return None
    network = empty_network(graph)
    network.load_state_dict(source.network.state_dict(), assign=True)
    return network.eval().requires_grad_(False)


def patches(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Squares of random colours over waves: `(T, B, C, H, W)`, 0..1.  Pure noise is like no image."""
    *several, height, width = shape
    coarse = rng.random((*several, -(-height // PATCH), -(-width // PATCH)), np.float32)
    squares: np.ndarray = coarse.repeat(PATCH, 3).repeat(PATCH, 4)[..., :height, :width]
    mixed: np.ndarray = (squares + smooth(shape)) / 2
    return mixed


def smooth(shape: Sequence[int]) -> np.ndarray:
    """Waves, others in each image and channel: `(T, B, C, H, W)`, 0..1."""
    steps, count, channels, height, width = shape
    step, image, channel = np.ogrid[1 : steps + 1, 1 : count + 1, 1 : channels + 1]
    phase = (step * 7 + image * 3 + channel)[..., None, None].astype(np.float32)
    across = np.linspace(0, 6, width, dtype=np.float32)
    down = np.linspace(0, 4, height, dtype=np.float32)[:, None]
    waves: np.ndarray = 0.5 + 0.5 * np.sin(across * (1 + phase % 3) + down + phase)
    return waves.astype(np.float32)


@torch.inference_mode()
def forward(network: Network, steps: Sequence[np.ndarray]) -> list[Tensor]:
    """The outputs of the network after the last step."""
    network.reset()
    outputs: list[Tensor] = []
    for images in steps:
        outputs = network(torch.from_numpy(images))
    return outputs
