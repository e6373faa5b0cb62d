"""The share of the loss in a training step, on the CPU: of each head of a cfg together.

Usage: python benchmarks/loss.py [CFG] [--batch 4] [--objects 10] [--steps 9]

The network runs forward and backward on random images and random boxes; the medians of both are compared.  Exit status
0 only if the losses take at most a tenth of the step.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import median

import torch

from darkparse.data import find_cfg
from darkparse.graph import read_graph
from darkparse.losses import Moment, Scored, criterion
from darkparse.network import Network
from darkparse.training.initial import initialise
from darkparse.training.model import Trainable

LIMIT = 0.1


def boxes(images: int, objects: int, classes: int) -> torch.Tensor:
    """Random truth, `(images, objects, 5)`."""
    size = torch.rand(images, objects, 2) * 0.4 + 0.05
    centre = size / 2 + torch.rand(images, objects, 2) * (1 - size)
    return torch.cat([centre, size, torch.randint(classes, (images, objects, 1)).float()], 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cfg", nargs="?", default="yolov3-tiny")
    for name, default in (("--batch", 4), ("--objects", 10), ("--steps", 9)):
        parser.add_argument(name, type=int, default=default)
    given = parser.parse_args()
    torch.manual_seed(0)
    graph = read_graph(find_cfg(given.cfg))
    network = Network(graph)
    initialise(network, torch.Generator().manual_seed(0))
    model, losses = Trainable(network.to(memory_format=torch.channels_last)), criterion(graph)  # type: ignore[call-overload]
    _, height, width = graph.net.shape
    images = torch.rand(given.batch, *graph.net.shape).contiguous(memory_format=torch.channels_last)
    truth = boxes(given.batch, given.objects, graph.classes)
    steps, shares = [], []
    for step in range(given.steps + 1):
        begin = time.perf_counter()
        outputs = model(images)
        before = time.perf_counter()
        scored: dict[int, Scored] = {
            i: losses[i](output.detach(), truth, Moment(width, height, 0)) for i, output in outputs.items()
        }
        after = time.perf_counter()
        torch.autograd.backward(list(outputs.values()), [-one.delta for one in scored.values()])
        if step:  # the first one allocates
            steps.append(time.perf_counter() - begin)
            shares.append(after - before)
    share = median(shares) / median(steps)
    print(f"{given.cfg}, {width}x{height}, batch {given.batch}, {given.objects} objects an image:", end=" ")
    print(f"step {1e3 * median(steps):.0f} ms, loss {1e3 * median(shares):.1f} ms, {share:.1%} of it")
    return 0 if share <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
