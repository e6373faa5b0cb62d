"""Measures the backbones of table 2 of YOLOv3's paper, from the cfgs that come along, and prints it beside the paper's.

Usage: python benchmarks/backbones.py [--device cpu] [--precision fp32] [--batch 1] [--rounds 9]

Without --device on the processor and, where there is one, on a GPU with CUDA; there also in fp16.  Weights are random,
which takes as long as trained ones.  Bn Ops: operations for an image of 256 x 256 px, 1e9, as Darknet counts them;
BFLOP/s: as many as that, a second; FPS: images a second, from a batch on the device to the probabilities there.  What
may be compared with the paper, whose GPU was a Titan X, are Bn Ops and how many times as fast as another a backbone is.
Exit status 0 only if Bn Ops are the paper's to 1 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch

from darkparse.benchmark.network import random_network
from darkparse.data import find_cfg
from darkparse.deployment import PRECISIONS, deploy
from darkparse.graph import Graph, read_graph
from darkparse.network import Network
from turns import Times, in_turns, ratio

SIZE = 256  # px
NEAR = 0.01
FASTEST = "darknet53"  # of those as accurate as itself: what the others are compared with


class Paper(NamedTuple):
    """A row of the table.  Source: YOLOv3: An Incremental Improvement, arXiv 1804.02767, table 2 (a Titan X)."""

    title: str
    bn_ops: float
    bflops: int  # a second
    fps: int


TABLE = {
    "darknet19": Paper("Darknet-19", 7.29, 1246, 171),
    "resnet101": Paper("ResNet-101", 19.7, 1039, 53),
    "resnet152": Paper("ResNet-152", 29.4, 1090, 37),
    "darknet53": Paper("Darknet-53", 18.7, 1457, 78),
}
HEADINGS = ("backbone", "Bn Ops", "paper", "BFLOP/s", "paper", "FPS", "paper", "Darknet-53 faster by", "paper")


def graph_of(name: str) -> Graph:
    """A backbone as the paper measures it."""
    return read_graph(find_cfg(name), width=SIZE, height=SIZE)


def bn_ops(graph: Graph) -> float:
    """Operations for an image, 1e9."""
    return sum(node.operations for node in graph.nodes) / 1e9


def measure(device: str, precision: str, batch: int, rounds: int) -> Times:
    """Milliseconds of a batch, of each backbone and round."""
    networks = {name: deploy(random_network(graph_of(name)), device, precision, batch=batch) for name in TABLE}
    images = torch.rand(batch, 3, SIZE, SIZE).to(device, PRECISIONS[precision])
    images = images.contiguous(memory_format=torch.channels_last)
    return in_turns({name: partial(run, network, images) for name, network in networks.items()}, rounds)


@torch.inference_mode()
def run(network: Network, images: torch.Tensor) -> None:
    """A batch, to its end."""
    network(images)
    if images.is_cuda:
        torch.cuda.synchronize(images.device)


def table(times: Times, batch: int) -> Iterator[str]:
    """A row for each backbone."""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|---" * len(HEADINGS) + "|"
    for name, paper in TABLE.items():
        ops, each = bn_ops(graph_of(name)), sorted(times[name])[len(times[name]) // 2] / batch
        cells = [
            *(paper.title, f"{ops:.2f}", f"{paper.bn_ops:g}"),
            *(f"{ops * 1e3 / each:.0f}", f"{paper.bflops}", f"{1e3 / each:.1f}", f"{paper.fps}"),
            *(f"{ratio(times, name, FASTEST):.2f}", f"{TABLE[FASTEST].fps / paper.fps:.2f}"),
        ]
        yield f"| {' | '.join(cells)} |"


def places(device: str | None, precision: str | None) -> Iterator[tuple[str, str]]:
    """Devices and precisions to measure."""
    gpu = ["cuda"] if torch.cuda.is_available() else []
    for where in [device] if device else ["cpu", *gpu]:
        for kind in [precision] if precision else ["fp32", "fp16"] if where in gpu else ["fp32"]:
            yield where, kind


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", help="cpu, cuda, cuda:1")
    parser.add_argument("--precision", choices=sorted(PRECISIONS))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    for device, precision in places(options.device, options.precision):
        times = measure(device, precision, options.batch, options.rounds)
        where = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
        print(f"\n{where}, {precision}, batch {options.batch}, torch {torch.__version__}:\n")
        print("\n".join(table(times, options.batch)), flush=True)
    far = [name for name, paper in TABLE.items() if abs(bn_ops(graph_of(name)) / paper.bn_ops - 1) > NEAR]
    return 1 if far else 0


if __name__ == "__main__":
    sys.exit(main())
