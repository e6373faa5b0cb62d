"""Latency and throughput of a network by batch, and of its layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checkpoint import is_checkpoint
from ..data import find_cfg
from ..deployment import PRECISIONS, deploy
from ..errors import DarkparseError, refuse, warn
from ..graph import read_graph
from ..loading import check_choice, choose_device, told_plainly
from ..network import Network, check_memory
from ..sources import open_files
from .clock import LEAST, WARM, finish, timed
from .machine import higher, measure_peak
from .network import random_network
from .report import Batch, How, Layer, Report, Subject

BATCHES = (1, 2, 4, 8)


def benchmark(
    cfg: str | Path,
    weights: str | Path = "",
    *,
    batches: Sequence[int] = BATCHES,
    layers: bool = False,
    width: int | None = None,
    height: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    compiled: bool = False,
    strict: bool = False,
) -> Report:
    """Measure a network as `detect` and `classify` run it, from a batch on the device to the raw outputs there.

    It takes a second or more a batch, and what it takes to deploy the network for each.

    Args:
        cfg: a file, or the name of a cfg that comes along; or a .pt or .safetensors, without `weights`
        weights: a .weights file; random numbers where there is none
        batches: how many images at a time
        layers: measure every layer by itself, too, with the first of the batches
        width, height, device, precision, strict: as for `darkparse.load`
        compiled: by torch.compile
    Raises:
        DarkparseError: a file is wrong, there is no such device, not enough memory, or layers cannot be told apart
    """
    check_choice("precision", precision, PRECISIONS)
    if compiled and layers:
        raise DarkparseError("layers: a compiled network has none that could be timed; expected one or the other")
    subject = open_subject(cfg, weights, width, height, strict)
    check_memory(subject.graph, images=max(batches))
    how = How(choose_device(device), precision, compiled)
    kind = PRECISIONS[precision]
    with told_plainly(how.device):
        peak = measure_peak(how.device, kind)
    measured: list[Batch] = []
    found: list[Layer] = []
    failed: list[str] = []
    for images in batches:
        try:
            with told_plainly(how.device):
                measured.append(measure(subject, how, images, found if layers and not found else None))
        except DarkparseError as why:
            if not measured:
                raise
            failed.append(f"batch {images}: {why}")
    return Report(subject, how, higher(peak, measure_peak(how.device, kind)), measured, found, failed)


def open_subject(cfg: str | Path, weights: str | Path, width: int | None, height: int | None, strict: bool) -> Subject:
    """The network that files describe."""
    if str(weights) or is_checkpoint(cfg):
        files = open_files(cfg, weights, width=width, height=height, strict=strict)
        return Subject(files.graph, lambda: files.build().network, str(weights) or str(cfg))
    graph = read_graph(find_cfg(str(cfg)), width=width, height=height, complain=refuse if strict else warn)
    return Subject(graph, lambda: random_network(graph), "random weights")


def deployed(subject: Subject, how: How, images: int) -> tuple[Callable[[], Any], Network]:
    """What runs a batch of `images`, and the network."""
    shape, kind = subject.graph.net.shape, PRECISIONS[how.precision]
    network = deploy(
        subject.fresh(), how.device, how.precision, batch=images, size=(shape.h, shape.w), compiled=how.compiled
    )
    batch = torch.rand(images, *shape).to(how.device, kind, memory_format=torch.channels_last)

    @torch.inference_mode()
    def call() -> Any:
        network.reset()
        return network(batch)

    return call, network


def measure(subject: Subject, how: How, images: int, layers: list[Layer] | None) -> Batch:
    """A batch of `images`.

    Args:
        layers: gets what was measured of each layer, if that is wanted
    """
    call, network = deployed(subject, how, images)
    times = timed(call, how.device)
    if layers is not None:
        layers += measure_layers(network, call, how.device, images)
    work = images * sum(node.operations for node in subject.graph.nodes)
    return Batch(images, times, work / times.median / 1e6)


def measure_layers(network: Network, call: Callable[[], Any], device: torch.device, images: int) -> list[Layer]:
    """Every layer by itself, the median of some calls.

    Raises:
        DarkparseError: the network runs as one
    """
    starts = [0.0] * len(network.layers)
    times: list[list[float]] = [[] for _ in network.layers]

    def start(index: int) -> None:
        finish(device)
        starts[index] = time.perf_counter()

    def stop(index: int) -> None:
        finish(device)
        times[index].append((time.perf_counter() - starts[index]) * 1e3)

    hooks = []
    for index, layer in enumerate(network.layers):
        hooks.append(layer.register_forward_pre_hook(lambda *_, index=index: start(index)))
        hooks.append(layer.register_forward_hook(lambda *_, index=index: stop(index)))
    for _ in range(WARM + LEAST):
        call()
    for hook in hooks:
        hook.remove()
    if not any(times):
        raise DarkparseError(f"layers: {network.graph.file} runs as one on {device}; they cannot be timed")
    medians = [float(np.median(each[-LEAST:])) if each else 0.0 for each in times]
    return [
        Layer(node.index, node.layer.section, ms, images * node.operations / ms / 1e6 if ms else 0.0)
        for node, ms in zip(network.graph.nodes, medians, strict=True)
    ]
