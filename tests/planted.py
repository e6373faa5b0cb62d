"""A small data set in Darknet's layout, for tests to plant faults in."""

from pathlib import Path

import cv2
import numpy as np

from darkparse.annotations.faults import find
from darkparse.data import read_data
from darkparse.findings import Finding

WIDTH, HEIGHT = 64, 48
BOX = "0 .5 .5 .25 .25"


class Planted:
    """A sound data set of four images to train on and two to evaluate on, in which a test plants a fault."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data, self.names = folder / "a.data", folder / "a.names"
        self.write("a.data", f"classes = 2\ntrain = {folder}/train.txt\nvalid = {folder}/valid.txt\nnames = a.names\n")
        self.write("a.names", "dot\ndash\n")
        for number, name in enumerate(("t0", "t1", "t2", "t3", "v0", "v1")):
            pixels = np.full((HEIGHT, WIDTH, 3), 20 * number, np.uint8)
            pixels[10:30, 20:40] = np.random.default_rng(number).integers(0, 255, (20, 20, 3))
            cv2.imwrite(str(self.image(name)), pixels)
            self.label(name, f"{number % 2} .5 .5 .25 .25\n")
        self.listing("train", "t0", "t1", "t2", "t3")
        self.listing("valid", "v0", "v1")

    def image(self, name: str) -> Path:
        return self.folder / f"{name}.jpg"

    def labels(self, name: str) -> Path:
        return self.folder / f"{name}.txt"

    def write(self, name: str, text: str) -> Path:
        (self.folder / name).write_text(text)
        return self.folder / name

    def label(self, name: str, text: str) -> Path:
        return self.write(f"{name}.txt", text)

    def listing(self, split: str, *names: str) -> Path:
        return self.write(f"{split}.txt", "".join(f"{self.image(name)}\n" for name in names))

    def find(self, *args, **options) -> list[Finding]:
        return list(find(read_data(self.data), *args, **options))

    def places(self, *args, **options) -> list[tuple[str, str, str, int]]:
        """Rule, severity, name of the file, and line of each finding."""
        return [(f.rule, f.severity, Path(f.file).name, f.line) for f in self.find(*args, **options)]
