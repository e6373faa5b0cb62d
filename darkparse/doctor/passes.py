"""What a network makes of images, layer by layer: measured, not judged."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import weights as weights_file
from ..detections import Candidates, candidates, select
from ..errors import OddHeader
from ..graph import IMAGE, Graph
from ..images import Floats
from ..loading import told_plainly
from ..network import Network, check_memory, empty_network
from ..registry import Predictions

NMS = 0.45  # of `darkparse detect`
MOST = 5000  # boxes of an image that are looked at; a million, of an untrained network, would take minutes
SAME = 1e-6  # part of a layer's largest value: float32 has seven digits
CELLS = 16  # at least so many values of a channel make a variance worth comparing
SURE = 0.8  # an objectness from which on a box is said to hold something; at .64 a healthy network wavers (a painting)


@dataclass
class LayerLook:
    """Of one layer's output: whether all is finite, the largest value, and which channels change with the image."""

    index: int
    finite: bool = True
    largest: float = 0.0
    changing: Tensor | None = None  # (C,)

    @property
    def dead(self) -> float:
        """Share of the channels that are the same for every image."""
        return 0.0 if self.changing is None else float((~self.changing).float().mean())


@dataclass(frozen=True)
class NormLook:
    """How what reaches a batch norm compares with what reached it in training; medians over its channels.

    factor: log10 of the variance now over the running variance; strangeness: Kullback-Leibler divergence, in nats, of
    a normal distribution with mean and variance as they are now from one with the running ones
    """

    layer: int
    factor: float
    strangeness: float


@dataclass
class HeadLook:
    """Of one head, over all images: the highest objectness, the highest score of each class, `(C,)`, and the highest
    probability of a class in a box that is said to hold something (None without such a box)."""

    index: int
    objectness: float
    scores: np.ndarray
    sureness: float | None
    image: int  # the one with the highest score

    @property
    def best(self) -> float:
        """The highest score."""
        return float(self.scores.max())

    @property
    def label(self) -> int:
        """The class that has it."""
        return int(self.scores.argmax())


@dataclass
class Outcome:
    """What a network detects in images, and how at home it is with them.

    scores, sides: of the detections in all images, the larger side in px of the network's input; best: the highest
    score, detected or not; boxes: how many there are to choose from, in all images; images: how many
    """

    scores: list[float] = field(default_factory=list)
    sides: list[float] = field(default_factory=list)
    best: float = 0.0
    boxes: int = 0
    images: int = 0
    norms: list[NormLook] = field(default_factory=list)

    @property
    def strangeness(self) -> float | None:
        """The median of the batch norms', or None without any."""
        return median(norm.strangeness for norm in self.norms) if self.norms else None

    def found(self, thresh: float) -> int:
        """How many are above a threshold."""
        return sum(score > thresh for score in self.scores)


def load(graph: Graph, weights: str | Path, device: torch.device) -> Network:
    """The network as the cfg has it, with its batch norms, ready to run.

    Raises:
        DarkparseError: the weights do not fit, or there is not enough memory
    """
    check_memory(graph, images=2)
    random = any(node.layer.dontload and node.tensors for node in graph.nodes)
    network = Network(graph) if random else empty_network(graph)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OddHeader)  # it was shown when the file was looked at
        weights_file.load(network, weights)
    with told_plainly(device):
        return network.eval().requires_grad_(False).to(device)


@torch.inference_mode()
def run(network: Network, images: Sequence[Floats], device: torch.device) -> list[Predictions]:
    """What the heads say of a batch of images, (C, H, W) each."""
    _, height, width = network.graph.net.shape
    with told_plainly(device):
        network.reset()
        raw = network(torch.from_numpy(np.stack(images)).to(device))
        heads = zip(network.graph.heads, raw, strict=True)
        return [head.decode(one.float(), width, height) for (_, head), one in heads]


def look(
    network: Network, images: Iterable[Floats], other: Floats, device: torch.device
) -> tuple[list[LayerLook], list[HeadLook]]:
    """Of the layers on which a head depends, and of the heads.

    Args:
        other: an image unlike all of `images`, to see what changes
    """
    looks = {index: LayerLook(index) for index in between(network.graph)}
    heads: list[HeadLook] = []
    with hooks((network.layers[index], partial(note_layer, one)) for index, one in looks.items()):
        for number, image in enumerate(images):
            said = zip(network.graph.heads, run(network, [image, other], device), strict=True)
            found = [look_at_head(*pair, number) for pair in said]
            heads = [better(*pair) for pair in zip(heads, found, strict=True)] if heads else found
    return list(looks.values()), heads


def between(graph: Graph) -> list[int]:
    """The layers that depend on the image, and on which a head depends."""
    seeing = {IMAGE}
    for node in graph.nodes:
        if seeing.intersection(node.sources):
            seeing.add(node.index)
    needed = {index for index, _ in graph.heads}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed.update(node.sources)
    return sorted(needed & seeing - {IMAGE})


@contextmanager
def hooks(wanted: Iterable[tuple[nn.Module, Any]]) -> Iterator[None]:
    """Functions that modules call with their inputs and their output, for a while."""
    handles = [module.register_forward_hook(function) for module, function in wanted]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def note_layer(look: LayerLook, _: nn.Module, __: Any, output: Tensor) -> None:
    """Compare what a layer makes of the two images of a batch."""
    one, other = output.detach().float().flatten(2) if output.ndim > 2 else output.detach().float()[..., None]
    largest = float(torch.maximum(one.abs().max(), other.abs().max()))
    look.finite = look.finite and bool(np.isfinite(largest))
    look.largest = max(look.largest, largest)
    changing = ((one - other).abs().amax(1) > SAME * largest).cpu()
    look.changing = changing if look.changing is None else look.changing | changing


def look_at_head(head: tuple[int, Any], said: Predictions, image: int) -> HeadLook:
    """Of one head and the first image of a batch."""
    objectness, scores = said.objectness[0], said.scores[0]
    sure = objectness >= SURE
    sureness = float((scores[sure] / objectness[sure, None]).max()) if bool(sure.any()) else None
    return HeadLook(head[0], float(objectness.max()), scores.amax(0).cpu().numpy(), sureness, image)


def better(one: HeadLook, other: HeadLook) -> HeadLook:
    """Of the same head, of more images."""
    sure = [value for value in (one.sureness, other.sureness) if value is not None]
    return HeadLook(
        one.index,
        max(one.objectness, other.objectness),
        np.maximum(one.scores, other.scores),
        max(sure, default=None),
        one.image if one.best >= other.best else other.image,
    )


def detect(network: Network, images: Sequence[Floats], thresh: float, device: torch.device) -> Outcome:
    """What is detected in images, and how at home the network is with them all."""
    outcome, sums = Outcome(), norms_of(network)
    with hooks((norm, partial(note_norm, sums[layer][1])) for layer, (norm, _) in sums.items()):
        for image in images:
            said = run(network, [image], device)
            outcome.best = max([outcome.best, *(float(head.scores.max()) for head in said)])
            outcome.boxes += sum(head.objectness.shape[1] for head in said)
            outcome.images += 1
            likely = candidates(said, 0, thresh)
            likely = likely.keep(np.argsort(-likely.scores, kind="stable")[:MOST])
            found = select(likely, NMS, network.graph.heads[-1][1].suppression)
            outcome.scores += found.scores.tolist()
            outcome.sides += sides(found, network.graph)
    outcome.norms = [compare(layer, norm, given) for layer, (norm, given) in sums.items() if given]
    return outcome


def sides(found: Candidates, graph: Graph) -> list[float]:
    """The larger side of each box, px of the network's input."""
    _, height, width = graph.net.shape
    larger: list[float] = (found.boxes[:, 2:] * [width, height]).max(axis=1).tolist()
    return larger


def norms_of(network: Network) -> dict[int, tuple[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]]]:
    """Layer -> its batch norm over enough cells, and a list for the mean and the variance of each image, `(C,)`."""
    shared = {node.shares for node in network.graph.nodes}
    result: dict[int, tuple[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]]] = {}
    for node in network.graph.nodes:
        norm = next((one for one in network.layers[node.index].modules() if isinstance(one, nn.BatchNorm2d)), None)
        alone = node.shares is None and node.index not in shared  # else the statistics are of several layers
        if norm is not None and alone and node.shape.h * node.shape.w >= CELLS and not is_idle(norm):
            result[node.index] = norm, []
    return result


def is_idle(norm: nn.BatchNorm2d) -> bool:
    """Whether it has the mean 0 and the variance 1 throughout: what a program wrote that had folded it away."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return not bool(norm.running_mean.any()) and bool((norm.running_var == 1).all())


def note_norm(given: list[tuple[Tensor, Tensor]], _: nn.Module, inputs: tuple[Tensor], __: Tensor) -> None:
    """Add the statistics of an image."""
    x = inputs[0].detach().float()
    mean = x.mean((0, 2, 3))
    variance = (x - mean[:, None, None]).square().mean((0, 2, 3))  # faster than var() by ten times
    given.append((mean.cpu(), variance.cpu()))


def compare(layer: int, norm: nn.BatchNorm2d, given: list[tuple[Tensor, Tensor]]) -> NormLook:
    """The statistics of all images together with the running ones."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    means, variances = (torch.stack(parts).double() for parts in zip(*given, strict=True))
    variance = variances.mean(0) + means.var(0, correction=0) + norm.eps
    expected = norm.running_var.cpu().double() + norm.eps
    ratio = variance / expected
    shift = (means.mean(0) - norm.running_mean.cpu().double()) ** 2 / expected
    divergence = (ratio + shift - 1 - ratio.log()) / 2
    return NormLook(layer, float(ratio.log10().median()), float(divergence.median()))
