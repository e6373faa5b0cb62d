"""A folder of images through a network, from files to detections, beside the bare network.

Usage: python benchmarks/folder.py [--images 200] [--rounds 3] [--batch 1] [--device cpu] [--shared ../shared]
                                   [--cfg NAME@SIZE ...]

The images are cut-outs, 640 x 480 px as in COCO, JPEG, of the photographs in `shared`/real/images; without them, of
drawings.  The networks, by default yolov3@416 and yolov3-tiny@416, have random weights.  In turns, images/s:

- bare: the deployed network, called on one ready batch
- loop: an image is read, run and interpreted, then the next, all by the thread that calls
- folder: `detect_files`, as `darkparse detect DIR --json FILE` uses it
- drawn: all that `darkparse detect DIR --out DIR` does once it has its model

Shares of the bare network's throughput are medians over the rounds.  On a processor, reading takes time of the very
cores that the network runs on: "at best" is what is left if that is shared out without loss, from the time that reading
and interpreting take one thread.

Then an image of 12 megapixels to 416 x 416 px, without decoding: ms of Darknet's resize here, beside OpenCV's bilinear
one of another geometry, in float32, as Darknet's is, and in 8 bits.

Exit status 0 only if each folder comes within 10 % of the bare network, and the resize takes at most 4 ms.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch

from darkparse.benchmark.network import random_network
from darkparse.cli.results import Results, Wanted
from darkparse.dataset.threads import cores
from darkparse.deployment import deploy
from darkparse.detect import Model, detect_files
from darkparse.graph import read_graph
from darkparse.images import resize
from darkparse.layout import Header
from map import photographs

WIDTH, HEIGHT, NEAR = 640, 480, 0.9
LARGE, SIDE, LONGEST = (3000, 4000), 416, 4  # px, and ms
THRESH = 0.9  # random weights give boxes below it, thousands of them
NETS = ("yolov3@416", "yolov3-tiny@416")


def make(folder: Path, sources: Sequence[np.ndarray], count: int) -> list[str]:
    """Write the images."""
    random = np.random.default_rng(1)
    paths = [str(folder / f"{number:04d}.jpg") for number in range(count)]
    for path in paths:
        source = sources[int(random.integers(len(sources)))]
        height = int(random.uniform(0.6, 1) * min(source.shape[0], source.shape[1] * HEIGHT // WIDTH))
        width = height * WIDTH // HEIGHT
        top, left = (
            int(random.integers(source.shape[0] - height + 1)),
            int(random.integers(source.shape[1] - width + 1)),
        )
        cv2.imwrite(path, cv2.resize(source[top : top + height, left : left + width], (WIDTH, HEIGHT)))
    return paths


def model_of(net: str, batch: int, device: str) -> Model:
    """A detector with random weights, NAME@SIZE."""
    name, _, size = net.partition("@")
    side = int(size) if size else None
    graph = read_graph(Path(__file__).parent.parent / "cfg" / f"{name}.cfg", width=side, height=side)
    network = deploy(random_network(graph), device, batch=batch)
    return Model(network, Header(0, 2, 5, 0), tuple(map(str, range(graph.classes))), letterbox=False)


def bare(model: Model, paths: Sequence[str], batch: int) -> None:
    """The network alone."""
    ready = torch.from_numpy(np.stack([model.prepare(paths[i % len(paths)]).pixels for i in range(batch)]))
    images = ready.to(model.device, model.dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(0, len(paths), batch):
            model.network(images)
        wait(model)


def loop(model: Model, paths: Sequence[str], batch: int) -> None:
    """One thing after the other: nobody knows how many an iterator has."""
    for result in detect_files(model, iter(paths), thresh=THRESH, batch=batch, pictures=False):
        assert not result.error


def folder(model: Model, paths: Sequence[str], batch: int) -> None:
    """Ahead of the network, images are read."""
    for result in detect_files(model, paths, thresh=THRESH, batch=batch, pictures=False):
        assert not result.error


def drawn(model: Model, paths: Sequence[str], batch: int) -> None:
    """And behind it, they are drawn and written."""
    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()):
        options: dict[str, object] = {"out": out, "json": f"{out}/results.json"}
        wanted = Wanted.of(
            dict.fromkeys(["jsonl", "names", "data", "save_labels", "ext_output", "overwrite"]) | options, []
        )
        with Results(wanted, len(paths)) as results:
            results.take(detect_files(model, paths, thresh=THRESH, batch=batch))
        assert len(os.listdir(out)) == len(paths) + 1  # and the JSON


def wait(model: Model) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)


def beside(model: Model, paths: Sequence[str]) -> float:
    """Seconds that an image takes one thread before and behind the network."""
    raw = model.forward([model.prepare(paths[0])])

    def one(path: str) -> None:
        model.interpret([model.prepare(path)], raw, THRESH, 0.45, 0.5)

    return median(seconds(partial(one, path)) for path in paths[:50])


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(net: str, paths: Sequence[str], given: argparse.Namespace) -> bool:
    """Print a row; whether the folder is near the bare network."""
    model = model_of(net, given.batch, given.device)
    ways = (bare, loop, folder, drawn)
    for way in ways:
        way(model, paths[: max(8, given.batch)], given.batch)
    rounds: list[list[float]] = []
    for number in range(given.rounds):
        taken = {way: seconds(partial(way, model, paths, given.batch)) for way in ways[:: -1 if number % 2 else 1]}
        rounds.append([taken[way] for way in ways])
    times = np.array(rounds)
    shares = np.median(times[:, :1] / times, axis=0)
    alone = float(np.median(times[:, 0])) / len(paths)
    best = alone / (alone + beside(model, paths) / cores()) if model.device.type == "cpu" else 1.0
    row = "".join(f"{share:9.0%}" for share in [*shares[1:], best])
    print(f"{net:20s}{given.batch:6d}{1 / alone:9.1f}{row}", flush=True)
    return bool(shares[ways.index(folder)] >= NEAR)


def resizing(rounds: int = 30) -> bool:
    """Print the line; whether it is quick enough."""
    image = np.random.default_rng(0).integers(0, 256, (*LARGE, 3), np.uint8)
    ways = {
        "resize": lambda: resize(image, SIDE, SIDE),
        "cv2.resize, float32": lambda: cv2.resize(image.astype(np.float32), (SIDE, SIDE)),
        "cv2.resize, 8 bits": lambda: cv2.resize(image, (SIDE, SIDE)),
    }
    times = np.array([[seconds(way) * 1e3 for way in ways.values()] for _ in range(rounds)])
    found = dict(zip(ways, np.median(times, axis=0), strict=True))
    print(f"{LARGE[1]} x {LARGE[0]} to {SIDE}: " + ", ".join(f"{name} {ms:.2f} ms" for name, ms in found.items()))
    return bool(found["resize"] <= LONGEST)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("DARKPARSE_SHARED", "../shared")))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cfg", action="append", metavar="NAME@SIZE", help="of those in cfg/; may be given again")
    return parser.parse_args()


def main() -> int:
    given = options()
    print(f"{given.images} images of {WIDTH} x {HEIGHT} px, {torch.get_num_threads()} threads; shares of bare images/s")
    print(f"{'':20s}{'batch':>6s}{'bare':>9s}{'loop':>9s}{'folder':>9s}{'drawn':>9s}{'at best':>9s}")
    with tempfile.TemporaryDirectory(prefix="folder-") as temporary:
        paths = make(Path(temporary), photographs(given.shared / "real" / "images"), given.images)
        near = [measure(net, paths, given) for net in given.cfg or NETS]
    return 0 if resizing() and all(near) else 1


if __name__ == "__main__":
    sys.exit(main())
