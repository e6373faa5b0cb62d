"""A tiny data set and network, and runs of `darkparse train` on them, for the tests of training."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

CFG = """[net]
batch=8
subdivisions=2
width=32
height=32
channels=3
momentum=.9
decay=.0005
hue=.1
saturation=1.5
exposure=1.5
learning_rate=.002
burn_in=5
max_batches={max_batches}
policy=steps
steps=20,30
scales=.5,.5
{net}
[convolutional]
batch_normalize=1
filters=6
size=3
stride=2
pad=1
activation=leaky

[dropout]
probability=.1

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=mish

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=0,1
anchors=8,8, 16,16
num=2
classes=2
jitter=.2
ignore_thresh=.7
max=5
{yolo}
"""


def write(folder: Path, *, max_batches: int = 40, net: str = "", yolo: str = "", data: str = "") -> list[str]:
    """A set of 12 images with a bright square each, and a network; the arguments DATA and CFG of a run."""
    import cv2

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    names = []
    for number in range(12):
        image = rng.integers(0, 90, (48, 64, 3), np.uint8)
        x, y, side = int(rng.integers(0, 40)), int(rng.integers(0, 24)), int(rng.integers(12, 24))
        label = number % 2
        image[y : y + side, x : x + side] = (40, 220, 255) if label else (255, 120, 60)
        names.append(str(folder / f"{number}.png"))
        cv2.imwrite(names[-1], image)
        box = ((x + side / 2) / 64, (y + side / 2) / 48, side / 64, side / 48)
        (folder / f"{number}.txt").write_text(f"{label} " + " ".join(f"{v:.6f}" for v in box) + "\n")
    (folder / "train.txt").write_text("\n".join(names) + "\n")
    (folder / "tiny.names").write_text("orange\nblue\n")
    lines = ["classes=2", f"train={folder}/train.txt", f"valid={folder}/train.txt", f"names={folder}/tiny.names", data]
    (folder / "tiny.data").write_text("\n".join(lines) + "\n")
    (folder / "tiny.cfg").write_text(CFG.format(max_batches=max_batches, net=net, yolo=yolo))
    return [str(folder / "tiny.data"), str(folder / "tiny.cfg")]


def command(arguments: list[str], backup: Path, *options: str) -> list[str]:
    """The command line of a run on the CPU with seed 3."""
    always = ["--seed", "3", "--device", "cpu", "--workers", "0", "--backup", str(backup)]
    return [sys.executable, "-m", "darkparse", "train", *arguments, *always, *options]


def run(arguments: list[str], backup: Path, *options: str, **kwargs) -> subprocess.CompletedProcess:
    """Run it to its end, on one thread."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", **kwargs.pop("env", {})}
    return subprocess.run(
        command(arguments, backup, *options), capture_output=True, text=True, env=env, check=False, **kwargs
    )
