"""What the images look like: measured, not judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ImageError
from ..guard import note_read
from ..images import Floats, Pixels, Placement, read_image, resize

SAMPLE = 64  # px: contrast is measured on an image of that size


@dataclass(frozen=True)
class Picture:
    """One image.

    pixels: (rows, columns, channels) in the network's order; None where `error` says why it cannot be read
    contrast: the standard deviation of its values, 0..1, of the channel where that is largest
    turned: the file has it turned or mirrored, with an EXIF orientation that says so
    alpha, deep: the file has transparency, more than 8 bits a value
    """

    path: str
    pixels: Pixels | None = None
    error: str = ""
    contrast: float = 0.0
    turned: bool = False
    alpha: bool = False
    deep: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        assert self.pixels is not None
        return self.pixels.shape[1], self.pixels.shape[0]

    def fits(self, width: int, height: int) -> bool:
        """Whether there is anything to see of it at a network's size; a line of a pixel, letterboxed, vanishes."""
        try:
            return self.pixels is not None and bool(Placement.of(*self.size, width, height, letterbox=True))
        except ImageError:
            return False


def read(path: str, channels: int) -> Picture:
    """One image, as a network of `channels` channels reads it."""
    try:
        pixels = read_image(path, channels)
        note_read(path)
        contrast = float(resize(pixels, SAMPLE, SAMPLE).std(axis=(1, 2)).max())
    except ImageError as why:
        return Picture(path, error=str(why))
    stored = as_stored(path)
    if stored is None or stored.ndim != 3:
        return Picture(path, pixels, contrast=contrast, deep=pixels.dtype != np.uint8)
    turned = stored.shape[:2] != pixels.shape[:2]
    if stored.shape[2] == pixels.shape[2] == 3 and stored.dtype == pixels.dtype and not turned:
        turned = not np.array_equal(stored[..., ::-1], pixels)
    return Picture(path, pixels, "", contrast, turned, stored.shape[2] == 4, stored.dtype != np.uint8)


def as_stored(path: str) -> Pixels | None:
    """What is in the file, as OpenCV decodes it when it changes nothing; None where it cannot."""
    import cv2

    try:
        image: Pixels | None = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (OSError, cv2.error):
        return None
    return image


def probe(channels: int, height: int, width: int) -> Floats:
    """An image like no photograph, (channels, height, width), 0..1: squares of random colours."""
    block = 16  # px: coarse enough for deep layers to see, fine enough for every cell to have some
    rows, columns = -(-height // block), -(-width // block)
    colours = np.random.default_rng(0).random((channels, rows, columns), np.float32)
    squares: Floats = colours.repeat(block, 1).repeat(block, 2)[:, :height, :width]
    return squares
