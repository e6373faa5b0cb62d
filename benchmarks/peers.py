"""Times darkparse beside OpenCV, ONNX Runtime, Darknet and plain PyTorch: on the same networks, in one run, in turns.

Usage: python benchmarks/peers.py [--nets NAME,...] [--engines NAME,...] [--rounds N] [--threads N] [--out FILE]

Every engine is a process of its own, which loads the same files and then runs a round when it is its turn: all of them
see the same hours of the machine.  OpenCV 4.14 and ONNX Runtime are installed into environments of their own in the
user's cache (300 MB).  Darknet's binary takes part if the variable DARKNET names one, with batch 1; it tells its own
time.  Times are those of the network alone, from a batch in memory, float32 (B, C, H, W), to its raw outputs; OpenCV's
is the better of these and of what its own heads decode.

A run of everything, which takes ten to twenty minutes, writes benchmarks/RESULTS.md; a part of it only with --out.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engines import DARKNET, Broken, Darknet, Engine, Peer
from environments import ONNX_RUNTIME, OPENCV, environment
from nets import CASES, Case, write_job
from opencv4 import CannotInstall
from results import Run, Timed, markdown, told

RESULTS = Path(__file__).parent / "RESULTS.md"
ENGINES = ("fp32", "bf16", "compiled", "eager", "opencv", "opencv-raw", "onnxruntime", DARKNET)
EXACT = {"fp32": 1e-4, "compiled": 1e-4, "opencv-raw": 1e-2, "onnxruntime": 1e-3}  # OpenCV has another epsilon


def python_for(name: str) -> str:
    """The Python that runs an engine.  Raises CannotInstall."""
    needs = {"opencv": OPENCV, "opencv-raw": OPENCV, "onnxruntime": ONNX_RUNTIME}
    return str(environment(needs[name])) if name in needs else sys.executable


def start(name: str, job: dict[str, Any], folder: Path) -> Engine:
    """An engine that has the network of `job` and waits.

    Raises:
        CannotInstall, Broken: it cannot run here, or not this
    """
    if name != DARKNET:
        return Peer(python_for(name), name, job, folder)
    if not (binary := os.environ.get("DARKNET")):
        raise Broken("the variable DARKNET names no binary")
    return Darknet(Path(binary), job, folder)


def measure(case: Case, names: Iterable[str], rounds: int, threads: int) -> Timed:
    """All engines on one network, in turns; every other round the other way round."""
    timed = Timed(case)
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        job = write_job(case, folder, threads)
        engines: dict[str, Engine] = {}
        for name in names:
            try:
                engines[name] = start(name, job, folder)
                stack.callback(engines[name].close)
                timed.runs[name] = Run(engines[name].version, engines[name].libraries)
            except (CannotInstall, Broken) as why:
                timed.failed[name] = str(why)
        for number in range(rounds):
            for name in list(engines)[:: -1 if number % 2 else 1]:
                try:
                    timed.runs[name].milliseconds.append(engines[name].round())
                except (Broken, OSError) as why:
                    del timed.runs[name], engines[name]
                    timed.failed[name] = f"broke down in round {number + 1}: {why}"
        for name, engine in engines.items():
            timed.runs[name].memory = engine.peak_memory()
        compare(timed, folder)
    return timed


def compare(timed: Timed, folder: Path) -> None:
    """Take down how far the raw outputs are from the plain network's; what is wrong has no time worth showing."""
    outputs = {name: folder / f"{name}.npz" for name in ("eager", "bf16", *EXACT) if name in timed.runs}
    if "eager" not in outputs:
        return
    for name in outputs.keys() - {"eager"}:
        found = distance(outputs[name], outputs["eager"])
        timed.runs[name].distance = found
        if found > EXACT.get(name, np.inf) or not np.isfinite(found):
            del timed.runs[name]
            timed.failed[name] = f"its outputs differ from the plain network's by {found:.1e} of the largest value"


def distance(one: Path, other: Path) -> float:
    """The largest difference of two files of outputs, as part of the largest value of an output."""
    with np.load(one) as a, np.load(other) as b:
        if [a[name].shape for name in a] != [b[name].shape for name in b]:
            return float("inf")
        return max(float(np.abs(a[name] - b[name]).max() / np.abs(b[name]).max()) for name in a)


def names_of(known: Iterable[str]) -> Any:
    """An argument's type: some of `known`, with commas between."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}; expected some of {','.join(known)}")
        return names

    return parse


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=names_of(CASES), default=list(CASES), help=",".join(CASES))
    parser.add_argument("--engines", type=names_of(ENGINES), default=list(ENGINES), help=",".join(ENGINES))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="file for the tables")
    options = parser.parse_args(arguments)
    timed = []
    for name in options.nets:
        timed.append(measure(CASES[name], options.engines, options.rounds, options.threads))
        print(told(timed[-1]), flush=True)
    text = markdown(timed, options.rounds, options.threads)
    print(text)
    whole = options.nets == list(CASES) and options.engines == list(ENGINES)
    if out := options.out or (RESULTS if whole else None):
        out.write_text(text, encoding="utf-8")
    return 0 if all(one.runs for one in timed) else 1


if __name__ == "__main__":
    sys.exit(main())
