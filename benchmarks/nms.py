"""What comes behind the network, on the processor: decoding and non-maximum suppression beside OpenCV's.

Usage: python benchmarks/nms.py [--rounds 9]

Boxes are those of yolov3's cells and anchors at 608x608 px, jittered, with random classes and scores: 3,000 with 4,474
classes among them, and all 22,743 with 110,892, as in evaluation at a threshold of .005; and, as a trained network
gives them, as many in heaps about 60 objects.  `darkparse.boxes.nms` takes turns with cv2.dnn.NMSBoxes, class by class
(which takes scores of a class at a time, too); the figures are medians.  OpenCV computes in doubles, so a box in a
hundred thousand may stay that Darknet suppresses.

Then random outputs of yolov3's heads of which 60 boxes are likely, from there to detections, beside the decoding of
all boxes.

Exit status 0 only if 4,474 candidates take at most 1.3 times, and 110,892 at most .35 times OpenCV's time, and memory
stays below 60 MB.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from darkparse.boxes import nms
from darkparse.data import find_cfg
from darkparse.graph import read_graph
from darkparse.images import Placement
from darkparse.selection import by_image, rows_of, suppress, undo

SIDE, CLASSES, THRESH, LIKELY = 608, 80, 0.45, 60
ANCHORS = {
    32: ((116, 90), (156, 198), (373, 326)),
    16: ((30, 61), (62, 45), (59, 119)),
    8: ((10, 13), (16, 30), (33, 23)),
}
MOST = 60e6  # bytes


class Case(NamedTuple):
    """Candidates, and how long they may take beside OpenCV.

    boxes: `(N, 4)` cxcywh; scores, labels: `(N,)`; limit: None if it is not judged
    """

    name: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    limit: float | None


def cells(random: np.random.Generator) -> np.ndarray:
    """Boxes of all cells and anchors, `(22743, 4)` cxcywh relative to the image."""
    parts = []
    for stride, anchors in ANCHORS.items():
        grid = SIDE // stride
        rows, columns, anchor = np.indices((grid, grid, len(anchors))).reshape(3, -1)
        centre = (np.stack([columns, rows], 1) + random.random((len(rows), 2))) / grid
        size = np.array(anchors)[anchor] / SIDE * np.exp(random.normal(size=(len(rows), 2)) / 2)
        parts.append(np.concatenate([centre, size], 1))
    return np.concatenate(parts).astype(np.float32)


def heaps(random: np.random.Generator, count: int, objects: int = 60) -> np.ndarray:
    """Boxes about objects, `(count, 4)`."""
    centre, size = random.random((objects, 2)), np.exp(random.uniform(-3.5, -0.7, (objects, 2)))
    one = random.integers(0, objects, count)
    centre = centre[one] + size[one] * random.normal(size=(count, 2)) / 10
    return np.concatenate([centre, size[one] * np.exp(random.normal(size=(count, 2)) / 10)], 1).astype(np.float32)


def case(name: str, boxes: np.ndarray, candidates: int, limit: float | None) -> Case:
    """Boxes with so many random classes among them, in the order of a head."""
    random = np.random.default_rng(1)
    pairs = np.sort(random.choice(len(boxes) * CLASSES, candidates, replace=False))
    return Case(name, boxes[pairs // CLASSES], random.random(candidates, np.float32), pairs % CLASSES, limit)


def cases() -> list[Case]:
    random = np.random.default_rng(0)
    every = cells(random)
    some = every[np.sort(random.choice(len(every), 3000, replace=False))]
    return [
        case("3,000 boxes", some, 4474, 1.3),
        case("3,000 in heaps", heaps(random, 3000), 4474, None),
        case("22,743 boxes", every, 110892, 0.35),
        case("22,743 in heaps", heaps(random, 22743), 110892, None),
    ]


def opencv(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What `nms` gives, by OpenCV, class by class."""
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], 1).astype(np.float64)
    kept = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        found = cv2.dnn.NMSBoxes(corners[rows], scores[rows], 0.0, THRESH)  # type: ignore[arg-type]
        kept.append(rows[np.asarray(found, int).ravel()])
    return np.sort(np.concatenate(kept))


def took(sides: list[Callable[[], Any]], rounds: int) -> list[float]:
    """Medians of what each takes, in turns, ms."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds + 1):
        for side, so_far in zip(sides, times, strict=True):
            begin = time.perf_counter()
            side()
            so_far.append(1e3 * (time.perf_counter() - begin))
    return [median(one[1:]) for one in times]  # the first round allocates


def peak(do: Callable[[], Any]) -> int:
    """The most memory that it takes, bytes."""
    tracemalloc.start()
    do()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def judge(one: Case, rounds: int) -> bool:
    """Measure a case, print it, and say whether it is good enough."""
    found = one.boxes, one.scores, one.labels

    def here() -> np.ndarray:
        return nms(*found, THRESH)

    ours, theirs = took([here, lambda: opencv(*found)], rounds)
    kept, most = here(), peak(here)
    alone = len(np.setxor1d(kept, opencv(*found)))
    print(
        f"{one.name:16} {len(one.scores):7,} candidates, {len(kept):7,} stay ({alone} otherwise in OpenCV): "
        f"{ours:7.2f} ms, OpenCV {theirs:7.2f} ms, ratio {ours / theirs:.2f}, {most / 1e6:.0f} MB"
    )
    return (one.limit is None or ours <= one.limit * theirs) and most <= MOST


@torch.inference_mode()
def decoding(rounds: int) -> str:
    """From the heads' outputs for an image to its detections, and decoding all boxes."""
    graph = read_graph(find_cfg("yolov3"), width=SIDE, height=SIDE)
    heads = [head for _, head in graph.heads]
    random = torch.Generator().manual_seed(0)
    raws = [
        torch.randn(1, head.reads, SIDE // s, SIDE // s, generator=random)
        for head, s in zip(heads, ANCHORS, strict=True)
    ]
    places = [Placement.of(640, 480, SIDE, SIDE, letterbox=True)]
    for raw in raws:
        raw.view(1, 3, 85, -1)[:, :, 5:] -= 3  # few classes of a box
        likely = torch.zeros(raw[:, 4::85].numel(), dtype=torch.bool)
        likely[torch.randperm(len(likely), generator=random)[: LIKELY // len(raws)]] = True
        raw[:, 4::85] += torch.where(likely, 6.0, -12.0).view_as(raw[:, 4::85])
    raws = [raw.contiguous(memory_format=torch.channels_last) for raw in raws]

    def chosen() -> Any:
        rows = rows_of([head.likely(raw, SIDE, SIDE, 0.25) for head, raw in zip(heads, raws, strict=True)], 0.25)
        return by_image(suppress(undo(rows, places), THRESH, ("default", 0.6)), 1)

    def whole() -> Any:
        return [head.decode(raw, SIDE, SIDE) for head, raw in zip(heads, raws, strict=True)]

    ours, all_of_it = took([chosen, whole], 3 * rounds)
    return (
        f"yolov3 {SIDE}x{SIDE}, {LIKELY} likely boxes: from outputs to {len(chosen()[0].scores)} detections "
        f"{ours:.2f} ms; decoding all boxes {all_of_it:.2f} ms"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    good = [judge(one, given.rounds) for one in cases()]
    print(decoding(given.rounds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
