"""How long it takes to load weights, and until a new process has found the first box.

Usage: python benchmarks/startup.py [--rounds 7]

Networks have random weights.  Loading: yolov3.weights, 248 MB, by each way of reading the bytes and as a network, in
turns in one process.  The first box: `darkparse detect` of a photograph, an OpenCV 4.14 script that does the same, and
`python -c "import torch"`, each a new process, in turns; the threshold is such that a few boxes are found.  All files
are in the system's memory.  Medians.  Exit status 0 only if loading takes at most 1.3 times as long as reading.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from darkparse import load
from darkparse.benchmark.network import random_network
from darkparse.convert import convert
from darkparse.garbage import uncollected
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.sources import open_files
from darkparse.weights import save
from environments import OPENCV, CannotInstall, environment
from nets import CASES, cfg_text

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "tests" / "data" / "digits.jpg"
NETS = ("fastest320", "tiny416", "yolov3-416")
MOST = 1.3  # times as long as reading the bytes
FEW = 10  # boxes
TORCH = 'python -c "import torch"'
SCRIPT = """
import sys
import cv2
import numpy as np

cfg, weights, picture, out, size, thresh = sys.argv[1:]
net = cv2.dnn.readNetFromDarknet(cfg, weights)
image = cv2.imread(picture)
net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (int(size), int(size)), swapRB=True))
outputs = net.forward(net.getUnconnectedOutLayersNames())
rows = np.vstack([output for output in outputs if output.ndim == 2])
height, width = image.shape[:2]
for label in np.flatnonzero((rows[:, 5:] > float(thresh)).any(0)):
    scores = rows[:, 5 + label]
    own = scores > float(thresh)
    boxes = np.concatenate([rows[own, :2] - rows[own, 2:4] / 2, rows[own, 2:4]], 1) * [width, height, width, height]
    for kept in cv2.dnn.NMSBoxes(boxes.tolist(), scores[own].tolist(), float(thresh), 0.45):
        left, top, wide, high = boxes[kept].astype(int)
        print(f"{label}: {scores[own][kept]:.0%}", flush=True)
        cv2.rectangle(image, (left, top), (left + wide, top + high), (0, 0, 255), 2)
cv2.imwrite(out, image)
"""


class Process(NamedTuple):
    """What became of a process: milliseconds until it wrote its first box, and until it was gone."""

    first: float
    end: float
    boxes: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in NETS:
            write(name, folder)
        times = loading(folder / "yolov3-416.cfg", rounds)
        for name in NETS:
            first_boxes(name, folder, rounds)
    return int(times["network"] > MOST * times["fromfile"])


def write(name: str, folder: Path) -> None:
    """The cfg and the weights of a network."""
    cfg = folder / f"{name}.cfg"
    cfg.write_text(cfg_text(CASES[name]), encoding="utf-8")
    save(random_network(read_graph(cfg)), cfg.with_suffix(".weights"), Header())


def loading(cfg: Path, rounds: int) -> dict[str, float]:
    """Print and give the milliseconds of reading and loading one file, in all ways."""
    weights, pt, safetensors = (cfg.with_suffix(suffix) for suffix in (".weights", ".pt", ".safetensors"))
    for other in (pt, safetensors):
        convert(cfg, weights, other)
    opened = open_files(cfg, weights)
    ways: dict[str, tuple[str, Callable[[], object]]] = {
        "fromfile": ("numpy.fromfile", lambda: np.fromfile(weights, "<f4", offset=20)),
        "read": ("open(...).read()", weights.read_bytes),
        "network": ("darkparse, a network with them", opened.build),
        "weights": ("and its .cfg", lambda: open_files(cfg, weights).build()),
        "safetensors": ("from .safetensors, checksums verified", lambda: open_files(safetensors).build()),
        "pt": ("from .pt, checksums verified", lambda: open_files(pt).build()),
    }
    with uncollected():  # a collection that comes with one of them would be none of its doing
        turns = [{key: milliseconds(call) for key, (_, call) in ways.items()} for _ in range(3 * rounds)]
    times = {key: float(np.median([turn[key] for turn in turns[1:]])) for key in ways}
    print(f"| yolov3.weights, {weights.stat().st_size / 1e6:.0f} MB | ms | of numpy.fromfile's | of read()'s |")
    print("|---|---|---|---|")
    for key, (title, _) in ways.items():
        ratios = " | ".join(f"{times[key] / times[other]:.2f}" for other in ("fromfile", "read"))
        print(f"| {title} | {times[key]:.1f} | {ratios} |")
    return times


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes, without what it takes to free its result."""
    start = time.perf_counter()
    result = call()
    end = time.perf_counter()
    del result
    return (end - start) * 1e3


def first_boxes(name: str, folder: Path, rounds: int) -> None:
    """Print how long processes take to detect with one network."""
    files = [str(folder / f"{name}.cfg"), str(folder / f"{name}.weights"), str(PICTURE)]
    thresh = f"{threshold(*files[:2]):.6f}"
    commands = {
        TORCH: [sys.executable, "-c", "import torch; print('0%')"],
        "darkparse detect": [sys.executable, "-m", "darkparse", "detect", *files, "--thresh", thresh],
    }
    try:
        opencv = [str(environment(OPENCV)), "-c", SCRIPT]
        commands["OpenCV 4.14"] = [*opencv, *files, "opencv.jpg", str(CASES[name].size), thresh]
    except CannotInstall as why:
        print(f"OpenCV 4.14 cannot be installed: {why}", file=sys.stderr)
    for command in commands.values():
        timed(command, folder)
    runs: dict[str, list[Process]] = {title: [] for title in commands}
    for _ in range(rounds):
        for title, command in commands.items():
            runs[title].append(timed(command, folder))
    torch = np.median([run.end for run in runs[TORCH]])
    print(f"\n| {CASES[name].title}, ms from the start | first box | end | of import torch's | boxes |")
    print("|---|---|---|---|---|")
    for title, each in runs.items():
        first, end = np.median([run.first for run in each]), np.median([run.end for run in each])
        print(f"| {title} | {first:.0f} | {end:.0f} | {end / torch:.2f} | {each[0].boxes} |")


def threshold(cfg: str, weights: str) -> float:
    """A threshold above which there are a few boxes."""
    scores = np.sort(load(cfg, weights, device="cpu").detect(PICTURE, thresh=0.3).scores)
    assert len(scores) > FEW
    return float(scores[-FEW - 1 : -FEW + 1].mean())


def timed(command: Sequence[str], folder: Path) -> Process:
    """Run a process.  Raises CalledProcessError where it fails."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPATH"] = str(ROOT)
    start, first, boxes = time.perf_counter(), 0.0, 0
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=-1, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if line.rstrip().endswith("%"):
                boxes += 1
                first = first or time.perf_counter() - start
    end = time.perf_counter() - start
    if process.returncode or not boxes:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Process(first * 1e3, end * 1e3, boxes)


if __name__ == "__main__":
    sys.exit(main())
