"""A data set to train on, rendered: scenes of digits with their labels, lists, .data and .names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from .errors import DarkparseError
from .files import write_text, writing
from .scenes import Scene, draw_scene

MARK = "# rendered by darkparse example"  # begins the .data file: such a folder may be written anew
SPLITS = ("train", "valid")
SMALLEST, LARGEST = 64, 4096  # px
QUALITIES = (60, 96)  # of the JPEGs


@dataclass(frozen=True)
class Example:
    """A data set, by all that it depends on: the same has the same images and labels, whoever renders it.

    seed: any number; train, valid: how many images; width, height: of each, px
    """

    seed: int
    train: int
    valid: int
    width: int
    height: int

    def __post_init__(self) -> None:
        """Raises DarkparseError for numbers that cannot be."""
        if self.seed < 0 or min(self.train, self.valid) < 1:
            raise DarkparseError(f"expected a seed from 0 on and an image or more of each kind, got {self}")
        if not SMALLEST <= min(self.width, self.height) <= max(self.width, self.height) <= LARGEST:
            raise DarkparseError(
                f"expected images of {SMALLEST} to {LARGEST} px a side, got {self.width} x {self.height}"
            )

    def draw(self, split: int, number: int) -> tuple[Scene, bytes]:
        """One of its scenes, and the bytes of its JPEG."""
        random = np.random.default_rng([self.seed, split, number])
        scene = draw_scene(random, self.width, self.height)
        quality = int(random.integers(*QUALITIES))
        return scene, cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()

    def __str__(self) -> str:
        return f"--seed {self.seed} --train {self.train} --valid {self.valid} --size {self.width}x{self.height}"


def render(example: Example, folder: str | Path) -> Iterator[Path]:
    """Write the data set; gives each image once it is there.

    `FOLDER/train` and `FOLDER/valid` hold images, each with its labels beside it, where both Darknets look for them;
    `digits.data`, `digits.names`, `train.txt` and `valid.txt` name files as `folder` does, as Darknet wants them:
    seen from the working folder.

    Raises:
        DarkparseError: the folder holds something else, or cannot be written
    """
    place = Path(folder)
    claim(place, example)
    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        for split, name in enumerate(SPLITS):
            paths = [place / name / f"{number:05}.jpg" for number in range(getattr(example, name))]
            for start in range(0, len(paths), chunk := 16 * workers):  # so that an error stops it soon
                numbers = range(start, min(start + chunk, len(paths)))
                yield from pool.map(partial(write_scene, example, split), numbers, paths[start : start + chunk])
            write_text(place / f"{name}.txt", "".join(f"{path.as_posix()}\n" for path in paths))


def claim(place: Path, example: Example) -> None:
    """Make the folders, and write what tells them to be ours.

    Raises:
        DarkparseError: there is something else, or they cannot be written
    """
    data = place / "digits.data"
    try:
        if (
            place.exists()
            and any(place.iterdir())
            and not (data.is_file() and data.read_bytes().startswith(MARK.encode()))
        ):
            raise DarkparseError(f"{place}: not empty, and not rendered by darkparse example; expected a new folder")
        for name in (*SPLITS, "backup"):
            (place / name).mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise DarkparseError(f"{why.filename}: {why.strerror}") from None
    values = {"classes": 10, **{name: f"{name}.txt" for name in SPLITS}, "names": "digits.names", "backup": "backup"}
    lines = [
        f"{key} = {value if key == 'classes' else (place / str(value)).as_posix()}" for key, value in values.items()
    ]
    write_text(data, "\n".join([f"{MARK} {example}", *lines, ""]))
    write_text(place / "digits.names", "".join(f"{digit}\n" for digit in range(10)))


def write_scene(example: Example, split: int, number: int, path: Path) -> Path:
    """Write one image and its labels."""
    scene, encoded = example.draw(split, number)
    rows = zip(scene.labels, scene.boxes, strict=True)
    write_text(
        path.with_suffix(".txt"), "".join(f"{label} {' '.join(f'{v:.6f}' for v in box)}\n" for label, box in rows)
    )
    with writing(path) as output:
        output.write(encoded)
    return path
