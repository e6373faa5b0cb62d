"""Compares ONNX models in ONNX Runtime with the networks that they are made of, on the cases of a conformance kit.

Usage: python benchmarks/onnx_zoo.py KIT [--case NAME] ...

A line a case: how far the model's outputs are from those of the network in double precision, how far the network's own
are in single precision, and how far apart these two are; or why ONNX cannot express it.  A distance is |a - b| over the
largest |b| or 1, the largest of all outputs for the kit's input and for a batch of two more, made in the same way.
The last lines are how many models are within 1e-4 of the network in double, and in single, precision.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from conformance import Comparison, Kit
from darkparse.layout import Header
from darkparse.network import Network
from darkparse.onnx.builder import Inexpressible
from darkparse.onnx.export import build
from darkparse.sources import Source

TOLERANCE = 1e-4


class Exported(Comparison):
    """One case, as a network and as a model."""

    def __init__(self, kit: Kit, case: Any, scratch: Path) -> None:
        self.kit, self.case, self.meta = kit, case, case.meta
        network = self.load(scratch / "case.weights").requires_grad_(False)
        self.source = Source(network.graph, network, Header(), (), "", {})
        steps, first = self.meta["steps"], self.meta["seed"]
        kits, *more = (
            kit.make.make_input(self.meta["input"], seed, steps).reshape(steps, 1, *network.graph.net.shape)
            for seed in range(first, first + 3)
        )
        self.inputs = [kits, np.concatenate(more, axis=1)]
        self.single = [run_network(network, images) for images in self.inputs]
        self.double = [run_network(network.double(), images.astype(np.float64)) for images in self.inputs]
        network.float()
        self.file = scratch / "case.onnx"

    def distances(self) -> tuple[float, float, float]:
        """Of the model, of the network in single precision, and from one to the other."""
        onnx.save(build(self.source), self.file)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(self.file, options)
        found = [run_model(session, images) for images in self.inputs]
        return distance(found, self.double), distance(self.single, self.double), distance(found, self.single)


def distance(found: list[list[np.ndarray]], wanted: list[list[np.ndarray]]) -> float:
    """The largest of all outputs for all inputs."""
    pairs = [pair for a, b in zip(found, wanted, strict=True) for pair in zip(a, b, strict=True)]
    if unlike := [f"{a.shape}, expected {b.shape}" for a, b in pairs if a.shape != b.shape]:
        raise ValueError(f"got {unlike[0]}")
    return max(float(np.abs(a - b).max() / max(1, np.abs(b).max())) for a, b in pairs)


@torch.inference_mode()
def run_network(network: Network, steps: np.ndarray) -> list[np.ndarray]:
    """Its outputs after the last of `(T, B, C, H, W)`."""
    network.reset()
    for images in steps:
        outputs = network(torch.from_numpy(images))
    return [output.numpy() for output in outputs]


def run_model(session: onnxruntime.InferenceSession, steps: np.ndarray) -> list[np.ndarray]:
    """The same of the model, whose states begin as zeros."""
    states = {one.name: np.zeros([steps.shape[1], *one.shape[1:]], np.float32) for one in session.get_inputs()[1:]}
    names = [one.name for one in session.get_outputs()]
    for images in steps:
        outputs = dict(zip(names, session.run(None, {"images": images, **states}), strict=True))
        states = {name: outputs.pop(f"{name.removesuffix('_in')}_out") for name in states}
    return list(outputs.values())


def line(case: Exported) -> tuple[str, bool, bool]:
    """What became of a case, and whether the model is near the network in double and in single precision."""
    try:
        model, network, apart = case.distances()
    except Inexpressible as why:
        return f"refused: {why}", False, False
    return f"model {model:.1e}  network {network:.1e}  apart {apart:.1e}", model <= TOLERANCE, apart <= TOLERANCE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--case", action="append", default=[], help="this case alone; may be given again")
    options = parser.parse_args()
    kit, results, start = Kit(options.kit), [], time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for case in kit.cases([]):
            if not options.case or case.meta["name"] in options.case:
                text, *near = line(Exported(kit, case, Path(scratch)))
                print(f"{case.meta['name']:40s} {text}", flush=True)
                results.append(near)
    double, single = (sum(near) for near in zip(*results, strict=True)) if results else (0, 0)
    print(f"{time.monotonic() - start:.0f} s")
    print(f"{double} of {len(results)} within {TOLERANCE} of the network in double precision")
    print(f"{single} of {len(results)} within {TOLERANCE} of the network in single precision")
    return 0 if results and double == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
