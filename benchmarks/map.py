"""Evaluation: what comes behind the network against the network itself, and memory as the images grow in number.

Usage: python benchmarks/map.py [--shared ../shared] [--cfg CFG --weights WEIGHTS] [--images 1000] [--out DIR]

Each image is a collage of four cut-outs of the photographs in `shared`/real/images, 416 x 416 px, JPEG; without them,
of drawings.  It has 20 labels.  The network is yolo-fastest-1.1 of `shared`/real/models, on the processor.

First, in one process: batch by batch the time of the network's forward pass, and that of all behind it: decoding,
non-maximum suppression, listing, matching; at the end, the ranking of all.  The figures are of an image: the median
over the batches, and the sum.  Then `darkparse map` itself runs on all images and on four times as many (the others are
links): seconds, and memory, looked at from outside ten times a second (the proportional set sizes of the process and
its workers, added up): its median, over the last quarter of the run, and its peak.

Exit status 0 only if what comes behind takes less time than the forward pass, by the medians, and if with four times
the images the median of the memory is less than a tenth higher.  (The peak depends on what the processes happen to hold
at the same moment.)
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

from bccd import proportional, tree
from darkparse.cli.evaluation import share_cores

SIDE, LABELS, CLASSES, BATCH, TIMES = 416, 20, 80, 8, 4


def photographs(folder: Path) -> list[np.ndarray]:
    """What images are cut out of."""
    found = [cv2.imread(str(path)) for path in sorted(folder.glob("*.jpg"))]
    if found := [image for image in found if image is not None]:
        return found
    random, drawings = np.random.default_rng(0), []
    for _ in range(8):
        image = cv2.resize(random.integers(0, 255, (9, 12, 3), np.uint8), (960, 720), interpolation=cv2.INTER_CUBIC)
        for _ in range(60):
            x, y, w, h, *colour = (int(v) for v in random.integers(0, [960, 720, 200, 200, 255, 255, 255]))
            cv2.rectangle(image, (x, y), (x + w, y + h), colour, -1)
        drawings.append(image)
    return drawings


def collage(random: np.random.Generator, sources: Sequence[np.ndarray]) -> np.ndarray:
    """Four cut-outs, each of a random part of a random photograph."""
    half, result = SIDE // 2, np.empty((SIDE, SIDE, 3), np.uint8)
    for row in (0, half):
        for column in (0, half):
            source = sources[int(random.integers(len(sources)))]
            side = int(random.uniform(0.4, 1) * min(source.shape[:2]))
            top, left = (int(random.integers(0, length - side + 1)) for length in source.shape[:2])
            part = cv2.resize(source[top : top + side, left : left + side], (half, half), interpolation=cv2.INTER_AREA)
            result[row : row + half, column : column + half] = part
    return result


def make(folder: Path, sources: Sequence[np.ndarray], count: int) -> tuple[Path, Path]:
    """Write images and labels; the .data files of so many images, and of more."""
    random = np.random.default_rng(1)
    images = folder / "images"
    images.mkdir()
    names = []
    for number in range(count):
        path = images / f"{number}.jpg"
        cv2.imwrite(str(path), collage(random, sources))
        rows = np.column_stack([random.uniform(0.1, 0.9, (LABELS, 2)), random.uniform(0.05, 0.4, (LABELS, 2))])
        lines = [f"{random.integers(CLASSES)} {' '.join(f'{v:.6f}' for v in row)}\n" for row in rows]
        path.with_suffix(".txt").write_text("".join(lines))
        names.append(path)
    for again in range(1, TIMES):
        for path in names[:count]:
            link = images / f"{again}-{path.name}"
            link.symlink_to(path)
            link.with_suffix(".txt").symlink_to(path.with_suffix(".txt"))
            names.append(link)
    written = []
    for name, some in (("few", names[:count]), ("many", names)):
        (folder / f"{name}.txt").write_text("".join(f"{path}\n" for path in some))
        written.append(folder / f"{name}.data")
        written[-1].write_text(f"classes={CLASSES}\nvalid={folder / name}.txt\n")
    return written[0], written[1]


@dataclass
class Times:
    """Seconds of each batch."""

    forward: list[float] = field(default_factory=list)
    behind: list[float] = field(default_factory=list)
    detections: int = 0

    def __str__(self) -> str:
        rows = [f"{'ms an image':24s}{'median':>10s}{'mean':>10s}"]
        for name, values in (("forward pass", self.forward), ("all behind it", self.behind)):
            rows.append(
                f"{name:24s}{1e3 * median(values) / BATCH:10.2f}{1e3 * sum(values) / len(values) / BATCH:10.2f}"
            )
        return "\n".join(rows)


def time_parts(data: Path, cfg: Path, weights: Path) -> Times:
    """One evaluation, part by part."""
    share_cores()
    from darkparse.data import read_data
    from darkparse.evaluation.evaluate import LEAST, NMS
    from darkparse.evaluation.listing import as_found, as_truths, found_in
    from darkparse.evaluation.opening import as_map, open_detector
    from darkparse.evaluation.running import evaluating
    from darkparse.evaluation.samples import labelled
    from darkparse.metrics import Tally

    given = read_data(data)
    model = open_detector(given, cfg, weights, as_map, device="cpu")
    classes, times = model.graph.classes, Times()
    tally, samples = Tally(classes), iter(labelled(given, classes))
    with evaluating(model.network):
        while batch := list(islice(samples, BATCH)):
            ready = [model.reader.read(str(sample.path)) for sample in batch]
            start = time.perf_counter()
            raw = model.run([one.pixels for one in ready if one.pixels is not None])
            run = time.perf_counter()
            found = found_in(model, [one.size for one in ready], raw, least=LEAST, nms=NMS, hier=0)
            for sample, one in zip(batch, found, strict=True):
                tally.add(as_found(one), as_truths(sample.boxes, classes))
            times.forward.append(run - start)
            times.behind.append(time.perf_counter() - run)
        start = time.perf_counter()
        times.detections = tally.evaluation().detections
        times.behind[-1] += time.perf_counter() - start
    return times


class Whole(NamedTuple):
    """What `darkparse map` takes: seconds, and bytes at each look."""

    seconds: float
    memory: list[int]

    @property
    def late(self) -> float:
        """The median of the last quarter, MB."""
        return median(self.memory[-(len(self.memory) // 4) :]) / 1e6

    @property
    def peak(self) -> float:
        """MB."""
        return max(self.memory) / 1e6


def whole(data: Path, cfg: Path, weights: Path, folder: Path) -> Whole:
    """Run `darkparse map`."""
    command = [sys.executable, "-m", "darkparse", "map", data, cfg, weights, "--device", "cpu"]
    start, memory = time.perf_counter(), []
    with (folder / f"{data.stem}.log").open("wb") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            memory.append(sum(map(proportional, tree(process.pid))))
            time.sleep(0.1)
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}, see {log.name}")
    return Whole(time.perf_counter() - start, memory)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DARKPARSE_SHARED", "../shared")))
    parser.add_argument("--cfg", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="a folder that is empty or not there yet; else a temporary one")
    given = parser.parse_args()
    models = given.shared / "real" / "models"
    given.cfg, given.weights = (
        given.cfg or models / "yolo-fastest-1.1.cfg",
        given.weights or models / "yolo-fastest-1.1.weights",
    )
    if given.out and given.out.exists() and any(given.out.iterdir()):
        parser.error(f"--out: {given.out} is not empty")
    return given


def main() -> int:
    given = options()
    with tempfile.TemporaryDirectory(prefix="map-") as temporary:
        folder = (given.out or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        few, many = make(folder, photographs(given.shared / "real" / "images"), given.images)
        cfg, weights = given.cfg.resolve(), given.weights.resolve()
        times = time_parts(few, cfg, weights)
        print(f"{given.images:,} images, {LABELS * given.images:,} labels, {times.detections:,} detections")
        print(times, flush=True)
        rows = [whole(data, cfg, weights, folder) for data in (few, many)]
    for count, run in zip((given.images, TIMES * given.images), rows, strict=True):
        memory = f"{run.late:.0f} MB, at most {run.peak:.0f} MB"
        print(f"darkparse map, {count:,} images: {run.seconds:.1f} s, {count / run.seconds:.0f} images/s, {memory}")
    fast, flat = median(times.behind) < median(times.forward), rows[1].late < 1.1 * rows[0].late
    print(
        f"behind the network {'less' if fast else 'NOT less'} time than in it; memory {'flat' if flat else 'NOT flat'}"
    )
    return 0 if fast and flat else 1


if __name__ == "__main__":
    sys.exit(main())
