"""Labelled images: the formats that they come in, and what can be wrong with them.

Whatever the format, they are read into `Annotations` and written from it.  The images themselves stay where they are.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid")  # what images are for; the keys of a .data file

Boxes = NDArray[np.float64]  # (M, 5): centre x and y, width, height, relative to the image; class
NO_BOXES: Boxes = np.zeros((0, 5))


@dataclass(frozen=True, eq=False)
class Picture:
    """An image file, its size, px, and the objects in it.

    boxes: `(M, 5)` float64, centre x and y, width and height relative to the image, class
    """

    path: str
    width: int
    height: int
    boxes: Boxes = field(default_factory=lambda: NO_BOXES)


@dataclass(frozen=True, eq=False)
class Annotations:
    """A set of labelled images.

    names: of the classes, by number; pictures: by what they are for ("train", "valid", ...), each in its order;
    notes: what the user should know of how they were read, a line each
    bad: what was left out or changed, a line `file:line: reason` each
    """

    names: tuple[str, ...]
    pictures: dict[str, list[Picture]]
    notes: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
