"""Writes weights/shapes.weights and tests/data/shapes.png, for cfg/shapes.cfg: python tests/make_shapes.py.

The weights are set by hand, not trained; cfg/shapes.cfg tells what each layer does. The picture shows discs of 64 px in
three colours, which are to be found, and things which are not: discs of other sizes and colours, rings, bars, a square.
"""

from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
WEIGHTS, PICTURE = ROOT / "weights/shapes.weights", ROOT / "tests/data/shapes.png"
RADIUS = 32  # of a disc, px
BLOCK = 8  # pixels of a block, each way (layer 1)
CELL, WINDOW = 4, 12  # blocks of a cell and of its window, each way (layer 2)

NAMES = ["red", "green", "blue"]
DISCS = [  # what is to be found: colour, and the middle's x, y in px
    ("red", 570.8, 244.6),
    ("green", 589.6, 69.8),
    ("blue", 380.8, 189.9),
    ("red", 490.9, 107.9),
    ("green", 280.7, 357.3),
    ("blue", 585.4, 414.2),
    ("red", 137.6, 284.2),
    ("green", 436.0, 419.8),
    ("blue", 413.8, 91.2),
    ("red", 318.8, 237.4),
    ("green", 235.1, 127.9),
    ("blue", 188.6, 414.5),
    ("red", 306.4, 125.1),
    ("green", 97.8, 196.2),
    ("blue", 169.1, 69.0),
    ("red", 72.9, 128.4),
    ("green", 464.5, 244.3),
    ("blue", 202.2, 205.6),
]
OTHERS = [  # what is not: shape, colour, radius, x, y
    ("bar", "green", 44, 70.2, 421.0),
    ("disc", "red", 50, 400.8, 332.4),
    ("bar", "blue", 40, 565.6, 159.0),
    ("ring", "blue", 40, 53.8, 268.2),
    ("bar", "red", 36, 509.8, 346.4),
    ("square", "green", 32, 49.2, 50.8),
    ("ring", "red", 32, 349.8, 412.0),
    ("disc", "yellow", 32, 271.8, 37.8),
    ("disc", "white", 32, 220.0, 301.6),
    ("disc", "pink", 32, 163.4, 145.3),
    ("disc", "purple", 30, 366.5, 40.3),
    ("disc", "black", 26, 499.2, 443.6),
    ("disc", "cyan", 24, 451.7, 170.7),
    ("disc", "blue", 20, 280.5, 450.2),
    ("disc", "yellow", 16, 518.4, 54.3),
    ("disc", "green", 14, 608.4, 304.7),
    ("disc", "red", 14, 386.4, 460.0),
    ("disc", "blue", 12, 315.8, 288.5),
    ("disc", "white", 12, 461.9, 43.5),
]
COLOURS = {  # RGB, 0..1
    "red": (0.86, 0.15, 0.14),
    "green": (0.12, 0.68, 0.2),
    "blue": (0.13, 0.3, 0.9),
    "yellow": (0.95, 0.8, 0.2),
    "white": (0.95, 0.95, 0.93),
    "pink": (0.98, 0.6, 0.75),
    "purple": (0.58, 0.25, 0.7),
    "black": (0.12, 0.12, 0.13),
    "cyan": (0.15, 0.75, 0.8),
}


def layers():
    """(biases, weights) of each [convolutional]: (filters,) and (filters, channels / groups, size, size)."""
    yield np.full(3, -9.0), (60 * (2 * np.eye(3) - 1))[..., None, None]

    disc = np.pi * (RADIUS / BLOCK) ** 2  # blocks
    place = (np.arange(WINDOW) + 0.5 - WINDOW / 2) / CELL  # of the window's blocks from the cell's middle, in cells
    x, y = np.meshgrid(place, place)
    corner = np.hypot(np.maximum(abs(x) - 0.5, 0), np.maximum(abs(y) - 0.5, 0)) > 1.05
    core = np.maximum(abs(x), abs(y)) < 0.25
    sums = np.stack([(1 + 4 * corner) / disc, x / disc, y / disc, core / core.sum()])
    yield np.tile([0, 1.5, 1.5, 0], 3), np.tile(sums[:, None], (3, 1, 1, 1))

    #                 mass  x  y  core  bias
    faults = np.array(
        [
            [-1, 0, 0, 0, 1],  # too little
            [1, 0, 0, 0, -1],  # too much
            [0, 0, 0, -1, 0.95],  # the core is not filled
            [0, 1, 0, 0, 0],  # x
            [0, 0, 1, 0, 0],  # y
            [0, -1, 0, 0, 0.95],  # left of the cell (x begins at 1)
            [0, 1, 0, 0, -2.05],  # right
            [0, 0, -1, 0, 0.95],  # above
            [0, 0, 1, 0, -2.05],  # below
        ]
    )
    yield np.tile(faults[:, 4], 3), np.tile(faults[:, :4, None, None], (3, 1, 1, 1))

    box = np.zeros((8, 9))  # x, y, w, h, objectness, classes
    box[0, 3] = box[1, 4] = 1
    box[4, [0, 1, 2, 5, 6, 7, 8]] = -5
    biases = np.hstack([np.tile([-1, -1, 0.5, 0.5, 1], (3, 1)), np.eye(3)])
    yield biases.ravel(), np.tile(box[..., None, None], (3, 1, 1, 1))


def weights():
    """The bytes of the .weights file: version 0.2.5, 0 images seen, and the layers."""
    floats = [part.astype("<f4").ravel() for layer in layers() for part in layer]
    return np.array([0, 2, 5, 0, 0], "<i4").tobytes() + np.concatenate(floats).tobytes()


def distance(shape, radius, x, y):
    """How far each pixel of the picture lies outside a shape around x, y, px; (480, 640), negative inside."""
    x, y = np.meshgrid(np.arange(640) + 0.5 - x, np.arange(480) + 0.5 - y)
    if shape == "disc":
        return np.hypot(x, y) - radius
    if shape == "ring":
        return np.abs(np.hypot(x, y) - radius + 5) - 5
    if shape == "bar":  # slanting, with round ends
        x, y = 0.8 * x + 0.6 * y, 0.8 * y - 0.6 * x
        return np.hypot(np.maximum(np.abs(x) - radius + 9, 0), y) - 9
    return np.hypot(np.maximum(np.abs(x) - radius + 4, 0), np.maximum(np.abs(y) - radius + 4, 0)) - 4


def paint(image, colour, away, x, y):
    """Paints a shape, lit from the top left, and its shadow into the image, (480, 640, 3) 0..1."""
    shadow = np.roll(0.45 / (1 + np.exp(away / 3)), (4, 3), (0, 1))
    image *= 1 - shadow[..., None]
    slope = (np.arange(640) - x) + (np.arange(480) - y)[:, None]
    light = np.clip(1 - slope / 250, 0.7, 1.15)[..., None] * COLOURS[colour]
    cover = np.clip(0.5 - away, 0, 1)[..., None]
    image += cover * (np.minimum(light, 1) - image)


def picture():
    """The picture, (480, 640, 3) BGR uint8."""
    random = np.random.default_rng(1)
    stone = sum(
        0.03
        * size**0.4
        * cv2.resize(random.uniform(-1, 1, (480 // size, 640 // size)), (640, 480), interpolation=cv2.INTER_CUBIC)
        for size in (4, 8, 16, 40, 80)
    )
    image = (0.55 + 0.5 * stone)[..., None] * [1.0, 0.98, 0.95]
    for shape, colour, radius, x, y in OTHERS + [("disc", colour, RADIUS, x, y) for colour, x, y in DISCS]:
        paint(image, colour, distance(shape, radius, x, y), x, y)
    noisy = image + random.normal(0, 0.012, (480, 640, 1))
    return np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8)[..., ::-1]


def main():
    """Writes both files."""
    WEIGHTS.parent.mkdir(exist_ok=True)
    WEIGHTS.write_bytes(weights())
    PICTURE.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(PICTURE), picture(), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
