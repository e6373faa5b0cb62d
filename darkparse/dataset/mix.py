"""Training images made of several: mixup, cutmix and mosaic, as in Darknet.  Boxes as in `augment`."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..images import Floats
from .augment import Boxes, Crop

_NEAREST, _FARTHEST = 0.2, 0.8  # of the cut, relative to width and height; src/data.c load_data_detection min_offset
_SMALLEST_PATCH, _LARGEST_PATCH = 0.3, 0.8  # of each side; src/data.c load_data_augment, cutmix


class Cut(NamedTuple):
    """Where the four images of a mosaic meet, px."""

    x: int
    y: int


def draw_cut(random: np.random.Generator, width: int, height: int) -> Cut:
    """A cut as Darknet draws it.  Source: src/data.c load_data_detection (AlexeyAB 59596d7)."""
    x, y = (random.integers(int(size * _NEAREST), int(size * _FARTHEST), endpoint=True) for size in (width, height))
    return Cut(int(x), int(y))


class Quadrant(NamedTuple):
    """A part of a mosaic, of `right - left` x `bottom - top` px, and how far from there it is in its own image."""

    left: int
    top: int
    right: int
    bottom: int
    dx: int
    dy: int

    @classmethod
    def of(cls, number: int, cut: Cut, net: tuple[int, int], crop: Crop, size: tuple[int, int]) -> "Quadrant":
        """Where an image goes.

        Args:
            number: 0 left above, 1 right above, 2 left below, 3 right below
            net: width and height of the mosaic, px
            crop: of the image, by which it was brought to the size of the mosaic
            size: width and height of the image before that, px
        Source: src/data.c load_data_detection (AlexeyAB 59596d7)
        """
        width, height = net
        before, after = (crop.right, crop.left) if crop.flip else (crop.left, crop.right)
        if number % 2:
            left, right, dx = cut.x, width, _added(before, width, size[0], cut.x) - cut.x
        else:
            left, right, dx = 0, cut.x, width - cut.x - _added(after, width, size[0], width - cut.x)
        if number < 2:
            top, bottom, dy = 0, cut.y, height - cut.y - _added(crop.bottom, height, size[1], height - cut.y)
        else:
            top, bottom, dy = cut.y, height, _added(crop.top, height, size[1], cut.y) - cut.y
        return cls(left, top, right, bottom, dx, dy)

    def paste(self, mosaic: Floats, image: Floats) -> None:
        """Copy the part from its image, (channels, height, width), into the mosaic, of the same shape."""
        part = image[:, self.top + self.dy : self.bottom + self.dy, self.left + self.dx : self.right + self.dx]
        mosaic[:, self.top : self.bottom, self.left : self.right] = part

    def move(self, boxes: Boxes, net: tuple[int, int], bound: bool) -> Boxes:
        """The boxes of an image where they are in the mosaic, without those that are less than a pixel there.

        Args:
            bound: cut off at the part's edges, not only at the mosaic's
        Source: src/data.c blend_truth_mosaic (AlexeyAB 59596d7)
        """
        whole = np.array(net, np.float32)
        centre = boxes[:, :2] - np.array([self.dx, self.dy], np.float32) / whole
        size = boxes[:, 2:4]
        lower, upper = _pixels(centre, size, whole)
        if bound:
            lower = np.maximum(lower, np.array([self.left, self.top], np.float32))
            upper = np.minimum(upper, np.array([self.right, self.bottom], np.float32))
            centre, size = (upper + lower) / 2 / whole, (upper - lower) / whole
        else:
            before, after = np.minimum(lower, 0) / whole, np.maximum(upper - whole, 0) / whole
            centre, size = centre - before / 2 - after / 2, size + before - after
            lower, upper = _pixels(centre, size, whole)
        inside = (lower >= 0) & (upper <= whole) & (size > 1 / whole) & (size < 1) & (centre > 0) & (centre < 1)
        return np.asarray(np.concatenate([centre, size, boxes[:, 4:]], axis=1)[inside.all(axis=1)], np.float32)


def _added(edge: int, length: int, original: int, most: int) -> int:
    """Of what a crop added at an edge of an image of `original` px, the px that need not be seen."""
    return min(most, max(0, -edge * length // original))


def _pixels(centre: Boxes, size: Boxes, whole: Boxes) -> tuple[Boxes, Boxes]:
    """Edges, px, truncated."""
    return np.trunc((centre - size / 2) * whole), np.trunc((centre + size / 2) * whole)


def mixup(images: Sequence[Floats]) -> Floats:
    """The mean of two images.  Source: src/data.c load_data_detection, load_data_augment (AlexeyAB 59596d7)."""
    first, second = images
    return np.asarray((first + second) / 2, np.float32)


class Patch(NamedTuple):
    """The rectangle that cutmix takes from the second image, px."""

    left: int
    top: int
    width: int
    height: int


def draw_patch(random: np.random.Generator, width: int, height: int) -> Patch:
    """A rectangle as Darknet draws it.  Source: src/data.c load_data_augment (AlexeyAB 59596d7)."""
    w, h = (
        int(random.integers(int(size * _SMALLEST_PATCH), int(size * _LARGEST_PATCH), endpoint=True))
        for size in (width, height)
    )
    left, top = (int(random.integers(0, max(room - 1, 0), endpoint=True)) for room in (width - w, height - h))
    return Patch(left, top, w, h)
