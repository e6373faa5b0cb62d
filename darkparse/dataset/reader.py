"""Images as a network reads them: from files or arrays, fitted to its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import ImageError
from ..images import Floats, Pixels, as_network_order, read_image

if TYPE_CHECKING:
    from torch import Tensor

Fitting = Callable[[Pixels, int, int], Floats]  # pixels, width, height -> (C, height, width)


class Ready(NamedTuple):
    """An image as the network reads it."""

    pixels: Floats  # (C, H, W), 0..1
    image: Pixels  # (rows, columns, C) as read, in the network's order

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the image, px."""
        rows, columns = self.image.shape[:2]
        return columns, rows

    def without_picture(self) -> Ready:
        """The same, with a picture of no memory: its size is all that is left."""
        return self._replace(image=np.broadcast_to(np.uint8(0), self.image.shape))


class Read(NamedTuple):
    """What became of one file: its image as the network reads it, and its size, or why it cannot be read."""

    path: str
    pixels: Tensor | None  # (C, H, W), 0..1
    size: tuple[int, int] = (0, 0)  # width and height, px
    error: str = ""


@dataclass(frozen=True)
class Reader:
    """Reads images for a network; it can be sent to other processes.

    shape: channels, height and width of the network's input; fitting: how images become that large
    """

    shape: tuple[int, int, int]
    fitting: Fitting

    def ready(self, image: str | Path | Pixels) -> Ready:
        """Read, put in order and resize an image.

        Raises:
            ImageError: it cannot be read, or has the wrong number of channels
        """
        channels, height, width = self.shape
        pixels = as_network_order(image, channels) if isinstance(image, np.ndarray) else read_image(image, channels)
        try:
            return Ready(self.fitting(pixels, width, height), pixels)
        except ImageError as why:
            raise ImageError(f"{image}: {why}" if isinstance(image, str | Path) else str(why)) from None

    def read(self, path: str) -> Read:
        """A file, without the image at its own size."""
        import torch

        try:
            ready = self.ready(path)
        except ImageError as why:
            return Read(path, None, error=str(why))
        return Read(path, torch.from_numpy(ready.pixels), ready.size)
