"""What a training set is to the loader: images with their truth, drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, ImageError
from ..images import Floats, Pixels, read_image
from .draws import Place
from .index import Index

_LEFT = 2  # px, across, for each that is needed: with less, sampling would no longer be Darknet's, even nearly
_MOST_FAILURES = 100  # images in a row that cannot be read


@dataclass(frozen=True)
class Sample:
    """One training image: `(C, h, w)`, 0..1; its truth, `(M, 5)` boxes or `(K,)` classes; the files it is made of.

    notes: what went wrong on the way, a line for bad.list each
    """

    image: Floats
    truth: NDArray[np.float32]
    paths: Sequence[str]
    notes: Sequence[str]


class Samples(Protocol):
    """A training set, indexed; the same place in a run gives the same sample."""

    @property
    def index(self) -> Index:
        """Its images."""

    def sample(self, place: Place) -> Sample:
        """The training image for a place in a run.

        Raises:
            DataError: one image after the other cannot be read any more
        """


@dataclass
class Picker:
    """Draws images of an index, with replacement, and reads them; keeps account of which, and of what went wrong."""

    index: Index
    channels: int
    random: np.random.Generator
    paths: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def draw(self) -> int:
        """The number of an image, each as likely."""
        return int(self.random.integers(len(self.index)))

    def read(self, number: int, reduction: int) -> Pixels | None:
        """An image, or None where that cannot be done any more.

        Args:
            reduction: 1, 2, 4 or 8: for an image that can be decoded at this part of its size
        Raises:
            DataError: that was so for many in a row
        """
        path = self.index.images[number]
        expected = tuple(-(-int(length) // reduction) for length in self.index.sizes[number])
        try:
            image = read_image(path, self.channels, reduction)
            if (found := image.shape[1::-1]) != expected:
                raise ImageError(
                    f"{path}: {found[0]} x {found[1]} px; expected {expected[0]} x {expected[1]} as before"
                )
        except ImageError as why:
            self.notes.append(str(why))
            if len(self.notes) >= _MOST_FAILURES:
                raise DataError(f"{len(self.notes)} images in a row cannot be read any more; {why}") from None
            return None
        self.paths.append(path)
        return image

    def reduction(self, number: int, spare: float) -> int:
        """At which part of its size to decode an image that has `spare` pixels, across, for each that is needed."""
        if not self.index.reducible[number]:
            return 1
        return next((n for n in (8, 4, 2) if n * _LEFT <= spare), 1)
