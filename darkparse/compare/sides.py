"""What can be compared: a network, and whatever else tells what one gives for an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..boxes import Floats
from ..classification import Classification
from ..dataset.reader import Reader
from ..detections import Detections

if TYPE_CHECKING:
    from ..sources import Source

Note = Callable[[int, np.ndarray], None]  # is told of each layer's output: its index, and `(C, H, W)`
Found = Detections | Classification


@dataclass(frozen=True)
class Layer:
    """A layer in its place."""

    index: int
    section: str
    place: str = ""  # cfg file and line, where they are known

    def __str__(self) -> str:
        return f"layer {self.index} [{self.section}]"


class Picture(NamedTuple):
    """An image that both sides are given.

    name: its file; number: from 0; pixels: `(C, H, W)`, 0..1, as a network reads them, where that was done;
    size: width and height of the image, px, where they are known
    """

    name: str
    number: int
    pixels: Floats | None = None
    size: tuple[int, int] = (0, 0)


class Wanted(NamedTuple):
    """Which detections count: the least score, and the overlap above which the weaker box goes, 0..1."""

    thresh: float = 0.25
    nms: float = 0.45

    @property
    def faint(self) -> float:
        """From which score on a detection is worth knowing of, where the other side has it above the threshold."""
        return self.thresh / 2


class Outcome(NamedTuple):
    """What came out for one image: raw outputs, `(C, H, W)`, by layer or by name, and what they mean, if known.

    Detections are there from `Wanted.faint` on.
    """

    outputs: dict[int | str, np.ndarray]
    found: Found | None


class Side:
    """One of the two that are compared.

    name: its files; notes: what was decided, and why; layers: by index, those that it tells of; complete: whether
    those are all; pictures: the images that it was recorded with; holds_pixels: and their pixels with them;
    rule: how it resizes images by itself; reader: what reads them for it; source: the network, until `prepare`
    """

    source: Source | None = None
    reader: Reader | None = None
    rule: str = ""
    complete: bool = False
    holds_pixels: bool = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.notes: list[str] = []
        self.layers: dict[int, Layer] = {}
        self.pictures: Sequence[Picture] = ()

    def prepare(self, rule: str) -> None:
        """Get ready to run; images are resized by `rule`."""

    def fill(self, picture: Picture) -> Picture:
        """The image with its pixels, where it has none and this side can read it.

        Raises:
            ImageError: it cannot be read
        """
        if picture.pixels is not None or self.reader is None:
            return picture
        ready = self.reader.ready(picture.name)
        return picture._replace(pixels=ready.pixels, size=ready.size)

    def run(self, picture: Picture, wanted: Wanted, note: Note) -> Outcome:
        """What it gives for an image.

        Raises:
            DarkparseError: the image does not suit it, or it knows nothing of it
        """
        raise NotImplementedError

    def interpret(self, picture: Picture, outputs: Sequence[np.ndarray], wanted: Wanted) -> Found | None:
        """What such raw outputs mean; None where it cannot say."""
        return None


def one_of(batch: np.ndarray) -> np.ndarray:
    """The only image of a batch, with three dimensions or more: `(1, C)` to `(C, 1, 1)`."""
    alone: np.ndarray = batch[0]
    return alone.reshape(alone.shape + (1,) * (3 - alone.ndim))
