"""What was measured, as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from ..graph import Graph
from ..network import Network
from ..summary import line as described
from .clock import Times
from .machine import Peak, describe

WIDTH = 80  # of the part of a layer's line that says what it is
RATES = f"{'GFLOP/s':>9s} {'of peak':>8s}"


class Subject(NamedTuple):
    """What is measured; fresh: makes the network anew, with its weights."""

    graph: Graph
    fresh: Callable[[], Network]
    weights: str


class How(NamedTuple):
    """The deployment that is measured."""

    device: torch.device
    precision: str
    compiled: bool


@dataclass(frozen=True)
class Batch:
    """What was measured of a batch of so many images; rate: GFLOP/s, as Darknet counts them."""

    images: int
    times: Times
    rate: float

    @property
    def throughput(self) -> float:
        """Images a second."""
        return self.images * 1e3 / self.times.median


@dataclass(frozen=True)
class Layer:
    """What was measured of a layer: milliseconds a batch, and GFLOP/s."""

    index: int
    section: str
    milliseconds: float
    rate: float


@dataclass(frozen=True)
class Report:
    """All that was measured.

    layers: of the first batch, if they were asked for; failed: why other batches could not be measured
    """

    subject: Subject
    how: How
    peak: Peak
    batches: list[Batch]
    layers: list[Layer]
    failed: list[str]

    @property
    def operations(self) -> float:
        """Operations for one image, as Darknet counts them."""
        return sum(node.operations for node in self.subject.graph.nodes)

    def lines(self) -> Iterator[str]:
        """For people."""
        graph, how, peak = self.subject.graph, self.how, self.peak
        yield (
            f"{graph.file}: {len(graph.nodes)} layers, {graph.parameters:,} parameters, "
            f"{self.operations / 1e9:.3f} BFLOPs for an image of {graph.net.shape}; {self.subject.weights}"
        )
        yield f"{how.device}: {describe(how.device)}; {how.precision}{', compiled' if how.compiled else ''}"
        yield (
            f"the machine's peak: {peak.best:.1f} GFLOP/s "
            f"(product of matrices {peak.product:.1f}, 3x3 convolution {peak.convolution:.1f})"
        )
        yield ""
        yield f"batch {'ms':>10s} {'half of all':>21s} {'ms an image':>12s} {'images/s':>9s} {RATES}"
        for one in self.batches:
            median, low, high = one.times
            yield (
                f"{one.images:5d} {median:10.3f} {f'{low:.3f} to {high:.3f}':>21s} {median / one.images:12.3f} "
                f"{one.throughput:9.1f} {one.rate:9.1f} {one.rate / peak.best:8.1%}"
            )
        if self.layers:
            yield ""
            yield from self.layer_lines()
        if max(*(one.rate for one in self.batches), *(one.rate for one in self.layers), 0) > peak.best:
            yield "more than the peak: operations are those of the plain algorithm; a faster one (Winograd's) has fewer"

    def layer_lines(self) -> Iterator[str]:
        """A line a layer."""
        total = sum(layer.milliseconds for layer in self.layers)
        images = self.batches[0].images
        heading = f"   layer, of a batch of {images}" if images > 1 else "   layer"
        yield f"{heading:{WIDTH}s} {'ms':>9s} {'of all':>7s} {RATES}"
        for layer, node in zip(self.layers, self.subject.graph.nodes, strict=True):
            share = layer.milliseconds / total if total else 0.0
            rate = f"{layer.rate:9.1f} {layer.rate / self.peak.best:8.1%}" if layer.rate else ""
            what = described(node, 0)
            yield f"{what:{WIDTH}s} {layer.milliseconds:9.3f} {share:7.1%} {rate}".rstrip()
        yield f"{'all layers, each timed by itself':{WIDTH}s} {total:9.3f}"

    def as_json(self) -> str:
        """For programs."""
        graph = self.subject.graph
        found: dict[str, Any] = {
            "cfg": graph.file,
            "weights": self.subject.weights,
            "input": list(graph.net.shape),
            "operations": self.operations,
            "parameters": graph.parameters,
            "device": str(self.how.device),
            "machine": describe(self.how.device),
            "torch": torch.__version__,
            "precision": self.how.precision,
            "compiled": self.how.compiled,
            "peak_gflops": {**self.peak._asdict(), "best": self.peak.best},
            "batches": [
                {
                    "batch": one.images,
                    **{f"{name}_ms": value for name, value in one.times._asdict().items()},
                    "images_per_second": one.throughput,
                    "gflops": one.rate,
                    "of_peak": one.rate / self.peak.best,
                }
                for one in self.batches
            ],
        }
        if self.failed:
            found["failed"] = self.failed
        if self.layers:
            found["layers"] = [
                {"index": one.index, "section": one.section, "ms": one.milliseconds, "gflops": one.rate}
                for one in self.layers
            ]
        return json.dumps(found, indent=1)
