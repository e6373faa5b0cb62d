"""Writes weights/shapes.weights and tests/data/shapes.png, for cfg/shapes.cfg: python tests/make_shapes.py.

The weights are set by hand, not trained; cfg/shapes.cfg tells what each layer does. The picture shows discs of the three
colours, 64 px across, and things that are none: discs of other sizes and colours, rings, bars. Always the same bytes.
"""

from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
WEIGHTS, PICTURE = ROOT / "weights/shapes.weights", ROOT / "tests/data/shapes.png"
RADIUS = 32  # of a disc, px
BLOCK = 8  # pixels of a block, each way (layer 1)
CELL, WINDOW = 4, 12  # blocks of a cell and of its window, each way (layer 2)


def layers():
    """(biases, weights) of each [convolutional]: (filters,) and (filters, channels / groups, size, size), float32."""
    colours = 3 * np.eye(3) - 1  # layer 0: 2 red - green - blue ...
    yield np.full(3, -8.0), (40 * (2 * np.eye(3) - 1))[..., None, None]

    disc = np.pi * (RADIUS / BLOCK) ** 2  # blocks
    place = (np.arange(WINDOW) + 0.5 - WINDOW / 2) / CELL  # of the window's blocks from the cell's middle, in cells
    x, y = np.meshgrid(place, place)
    yield np.tile([0, 1.5, 1.5], 3), np.tile(np.stack([np.ones_like(x), x, y])[:, None] / disc, (3, 1, 1, 1))

    #                 mass  x  y   bias
    faults = np.array(
        [
            [-1, 0, 0, 0.95],  # too little
            [1, 0, 0, -1.05],  # too much
            [0, 1, 0, 0],  # x
            [0, 0, 1, 0],  # y
            [0, -1, 0, 0.95],  # left of the cell (x begins at 1)
            [0, 1, 0, -2.05],  # right
            [0, 0, -1, 0.95],  # above
            [0, 0, 1, -2.05],  # below
        ]
    )
    yield np.tile(faults[:, 3], 3), np.tile(faults[:, :3, None, None], (3, 1, 1, 1))

    box = np.zeros((8, 8))  # x, y, w, h, objectness, classes
    box[0, 2] = box[1, 3] = 1
    box[4, [0, 1, 4, 5, 6, 7]] = -5
    biases = np.hstack([np.tile([-1, -1, 0.5, 0.5, 1], (3, 1)), np.eye(3)])
    yield biases.ravel(), np.tile(box[..., None, None], (3, 1, 1, 1))


def weights():
    """The bytes of the .weights file: version 0.2.5, 0 images seen, and the layers."""
    floats = [part.astype("<f4").ravel() for layer in layers() for part in layer]
    return np.array([0, 2, 5, 0, 0], "<i4").tobytes() + np.concatenate(floats).tobytes()
