"""Trains on BCCD beside what Darknet did: the same cfgs, images and iterations; mAP, time and memory of both.

Usage: python benchmarks/bccd.py [--shared ../shared] [--seeds 3] [--runs tiny,mobilenet] [--out DIR]

The folder `shared` has `datasets/bccd`, `training/bccd` and `real/models`.  `tiny` learns from nothing, once for each
seed; `mobilenet` from a partial file of ImageNet's weights, once.  Where the variable DARKNET names AlexeyAB's binary
(its CPU build), that trains for a while before each run of ours on the same files, so that both meet the same machine.

Seconds are those of the wall, decoding and augmentation with them, from the end of the first iteration to that of the
last; "with start" is the whole of the process, divided by its iterations.  Memory is the most that a process and its
workers held at once (the sum of their proportional set sizes: what they share counts once).  Both are looked at from
outside, five times a second.

Exit status 0 only if, for `tiny`, the mean of our mAP is at least the mean of Darknet's, and an iteration takes at most
half of Darknet's time: that of this machine, or without DARKNET the least of those on record.
"""

from __future__ import annotations

import argparse
import glob
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

NAMES = ("RBC", "WBC", "Platelets")
RUNS = {"tiny": "bccd-tiny.cfg", "mobilenet": "bccd-mobilenet.cfg"}
BACKBONE = "real/models/MobileNetV2-YOLO-Fastest.conv.57"
DARKNET_ITERATIONS = 60  # that Darknet runs before each run of ours
DARKNET_LINE = re.compile(r"^ (\d+): [-\w.]+, [-\w.]+ avg loss,")


def convert(dataset: Path, folder: Path) -> Path:
    """Write a VOC data set's lists, links to its images and labels for Darknet into a folder.

    Returns:
        the .data file: trains on trainval.txt, is evaluated on test.txt
    """
    from darkparse.annotations import darknet, voc

    return darknet.write(voc.read([dataset], names=NAMES), folder, name="bccd").data


def samples(folder: Path) -> Iterator[tuple[Path, np.ndarray]]:
    """The converted images to test on, and their objects, (M, 5): x, y, w, h, class."""
    from darkparse.annotations.darknet import read
    from darkparse.data import read_data

    for picture in read(read_data(folder / "bccd.data"), ["valid"]).pictures["valid"]:
        yield Path(picture.path), picture.boxes.astype(np.float32)


@dataclass
class Usage:
    """What a process and its children used."""

    seconds: float = 0.0
    memory: int = 0  # bytes
    stamps: list[float] = field(default_factory=list)  # seconds at which its iterations ended

    @property
    def pace(self) -> float:
        """Seconds of an iteration, what comes before the end of the first left out."""
        return (self.stamps[-1] - self.stamps[0]) / max(1, len(self.stamps) - 1) if self.stamps else 0.0


def measure(command: Sequence[Any], log: Path, done: Callable[[], int], enough: float = math.inf) -> Usage:
    """Run a command to its end, or until it has done enough.

    Args:
        log: of what it prints
        done: how many iterations it has done; asked five times a second
    Raises:
        SystemExit: it failed
    """
    usage, start = Usage(), time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
        stopped = False
        while process.poll() is None:
            usage.memory = max(usage.memory, sum(map(proportional, tree(process.pid))))
            usage.seconds = time.perf_counter() - start
            usage.stamps += [usage.seconds] * (done() - len(usage.stamps))
            if len(usage.stamps) >= enough and not stopped:
                process.terminate()
                stopped = True
            time.sleep(0.2)
    usage.seconds = time.perf_counter() - start
    if process.returncode and not stopped:
        tail = log.read_text(errors="replace").splitlines()[-8:]
        sys.exit("\n".join([f"{' '.join(map(str, command))}: exit status {process.returncode}", *tail]))
    return usage


def tree(pid: int) -> Iterator[int]:
    """A process and what descends from it."""
    yield pid
    for path in glob.iglob(f"/proc/{pid}/task/*/children"):
        try:
            children = Path(path).read_text().split()
        except OSError:  # it ended just now
            continue
        for child in children:
            yield from tree(int(child))


def proportional(pid: int) -> int:
    """The proportional set size of a process, bytes; 0 if it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss: +(\d+) kB", rollup, re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


@dataclass(frozen=True)
class Outcome:
    """One training: mAP and each class's average precision are 0..1; seconds are those of an iteration."""

    who: str
    aps: tuple[float, ...] = ()
    seconds: float = 0.0
    with_start: float = 0.0
    memory: float = 0.0  # bytes

    @property
    def map(self) -> float:
        return fmean(self.aps)

    def __str__(self) -> str:
        cells = [f"{100 * v:.1f}" for v in (self.map, *self.aps)] if self.aps else ["-"] * 4
        cells += [f"{v:.3f}" if v else "-" for v in (self.seconds, self.with_start)]
        cells += [f"{self.memory / 1e6:.0f}" if self.memory else "-"]
        return f"{self.who:36s}" + "".join(f"{cell:>11s}" for cell in cells)


HEADER = f"{'':36s}" + "".join(f"{name:>11s}" for name in ("mAP@.5", *NAMES, "s/iter.", "with start", "peak MB"))


class Benchmark:
    """The data, converted; what Darknet did; and what we do."""

    def __init__(self, shared: Path, out: Path) -> None:
        self.shared, self.out = shared, out
        self.data = convert(shared / "datasets" / "bccd", out)
        self.recorded = json.loads((shared / "training" / "bccd" / "darknet.json").read_text())["runs"]
        self.darknet = os.environ.get("DARKNET")

    def cfg(self, run: str) -> Path:
        return self.shared / "training" / "bccd" / RUNS[run]

    def start(self, run: str, clear: str) -> list[Any]:
        """The cfg, and what to start from."""
        return [self.cfg(run), *([self.shared / BACKBONE, clear] if run == "mobilenet" else [])]

    def record(self, name: str) -> Outcome:
        """A training of Darknet's that is on record."""
        run = self.recorded[name]
        aps = tuple(run["map50_test"][str(run["iterations"])]["ap"][label] / 100 for label in NAMES)
        seconds = run.get("seconds_per_iteration", {}).get("wall_with_loading", 0.0)
        return Outcome(f"Darknet, recorded: {name}", aps, seconds, 0.0, 1e6 * run.get("peak_rss_mb", 0))

    def train(self, run: str, seed: int) -> Outcome:
        """Train with darkparse, as anybody would, and evaluate the final weights."""
        backup = self.out / f"{run}-{seed}"
        backup.mkdir()
        command = [sys.executable, "-m", "darkparse", "train", self.data, *self.start(run, "--clear")]
        options = ["--seed", seed, "--device", "cpu", "--backup", backup]
        results = backup / "results.csv"

        def done() -> int:
            return results.read_bytes().count(b"\n") - 1 if results.exists() else 0

        usage = measure([*command, *options], backup / "train.log", done)
        aps = self.evaluate(run, seed)
        return Outcome(f"{run}, seed {seed}", aps, usage.pace, usage.seconds / max(1, done()), usage.memory)

    def evaluate(self, run: str, seed: int) -> tuple[float, ...]:
        """Average precisions of a run's final weights on the images to test on; one of them is drawn."""
        from darkparse.detect import load
        from darkparse.evaluation.evaluate import evaluate

        weights = self.out / f"{run}-{seed}" / f"{self.cfg(run).stem}_final.weights"
        model = load(self.cfg(run), weights, names=self.out / "bccd.names", device="cpu", resize="stretch")
        self.draw(model, self.out / f"{run}-{seed}.png")
        return tuple(one.ap for one in evaluate(model.network, samples(self.out)).classes)

    def draw(self, model: Any, path: Path) -> None:
        """The detections in the image of the test split that has most classes, and of those most objects."""
        import cv2

        from darkparse.draw import draw

        name, _ = max(samples(self.out), key=lambda sample: (len(set(sample[1][:, 4])), len(sample[1])))
        image = cv2.imread(str(name))
        assert image is not None
        found = model.detect(image)
        cv2.imwrite(str(path), draw(image, found.boxes, found.scores, found.labels, NAMES))

    def beside(self, run: str, number: int) -> Outcome:
        """Darknet itself, for a while, on the same files."""
        folder = self.out / f"darknet-{run}-{number}"
        folder.mkdir()
        line_by_line = [stdbuf, "-oL"] if (stdbuf := shutil.which("stdbuf")) else []
        command = [
            *line_by_line,
            self.darknet,
            "detector",
            "train",
            self.data,
            *self.start(run, "-clear"),
            "-dont_show",
        ]
        log = folder / "train.log"

        usage = measure(command, log, lambda: iterations(log.read_text(errors="replace")), DARKNET_ITERATIONS)
        return Outcome(f"Darknet here, {len(usage.stamps)} iterations", (), usage.pace, 0.0, usage.memory)


def iterations(log: str) -> int:
    """How many iterations Darknet's output tells of."""
    return max((int(found[1]) for found in map(DARKNET_LINE.match, log.splitlines()) if found), default=0)


def mean(who: str, outcomes: Sequence[Outcome]) -> Outcome:
    """The mean of several, of what they have."""
    aps = [one.aps for one in outcomes if one.aps]
    rest = [fmean(values) for values in zip(*((o.seconds, o.with_start, o.memory) for o in outcomes), strict=True)]
    return Outcome(who, tuple(map(fmean, zip(*aps, strict=True))), *rest)


def compare(benchmark: Benchmark, run: str, seeds: int) -> tuple[Outcome, Outcome, float]:
    """Train and print as it goes; our mean, Darknet's, and the seconds of Darknet's iteration to compare ours with."""
    names = [name for name in (run, f"{run}_second_seed") if name in benchmark.recorded]
    theirs = [benchmark.record(name) for name in names]
    print(*theirs, sep="\n", flush=True)
    ours, here = [], []
    for seed in range(1, seeds + 1):
        if benchmark.darknet:
            here.append(benchmark.beside(run, seed))
            print(here[-1], flush=True)
        ours.append(benchmark.train(run, seed))
        print(ours[-1], flush=True)
    summary = mean(f"{run}, mean", ours), mean("Darknet, mean", theirs)
    print(*summary, sep="\n", flush=True)
    against = mean("", here).seconds if here else min(one.seconds for one in theirs)
    return *summary, against


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DARKPARSE_SHARED", "../shared")))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", default="tiny,mobilenet", help="separated by commas")
    parser.add_argument("--out", type=Path, help="a folder that is empty or not there yet; else a temporary one")
    given = parser.parse_args()
    runs = given.runs.split(",")
    if unknown := [run for run in runs if run not in RUNS]:
        parser.error(f"--runs: {unknown[0]!r} is none of {', '.join(RUNS)}")
    out = (given.out or Path(tempfile.mkdtemp(prefix="bccd-"))).resolve()
    if out.exists() and any(out.iterdir()):
        parser.error(f"--out: {out} is not empty")
    benchmark = Benchmark(given.shared.resolve(), out)
    print(HEADER, flush=True)
    good = True
    for run in runs:
        ours, theirs, against = compare(benchmark, run, given.seeds if run == "tiny" else 1)
        if run == "tiny":
            good = ours.map >= theirs.map and ours.seconds <= against / 2
            print(f"mAP {100 * ours.map:.1f} against {100 * theirs.map:.1f}, time of an iteration", end=" ")
            print(f"{ours.seconds:.3f} s against {against:.3f} s: {'as good' if good else 'NOT as good'}")
    print(f"pictures of detections: {out}/*.png")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
