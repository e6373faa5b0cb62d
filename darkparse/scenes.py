"""Scenes of digits, drawn with OpenCV: something to train on that belongs to nobody, and whose every box is known.

Images are (height, width, 3) uint8, BGR.  All lengths are in px, and all sizes are relative to the image's shorter
side, so that a scene of any size is as difficult as another.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .glyphs import DIGITS, LETTERS, Hand, Mask, glyph

Image = NDArray[np.uint8]
Array = NDArray[Any]

SMALLEST, LARGEST = 0.056, 0.42  # height of a digit; of 256 px, 14 and 108
MOST = 10  # digits in a scene
TILT, SLANT, SQUEEZE, BEND = math.radians(25), 0.15, 0.15, 0.06  # far enough from turning a 6 into a 9
OVERLAP = 0.3  # share of the smaller of two boxes that they may have in common
HIDDEN = 0.25  # share of the strokes of a digit that those above it may hide
CONTRAST = 75  # least difference of a digit's brightness to what is under it, of 255


class Stamp(NamedTuple):
    """A character in its place: how much of its colour each pixel of a part of the scene takes, 0..255."""

    left: int
    top: int
    mask: Mask

    @property
    def place(self) -> tuple[slice, slice]:
        """The rows and columns of that part."""
        return slice(self.top, self.top + self.mask.shape[0]), slice(self.left, self.left + self.mask.shape[1])

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of its strokes."""
        x, y, width, height = cv2.boundingRect((self.mask > 127).astype(np.uint8))
        return self.left + x, self.top + y, self.left + x + width, self.top + y + height


class Scene(NamedTuple):
    """A picture, and what is in it: boxes: `(N, 4)` cxcywh, relative to the image; labels: `(N,)` the digits."""

    image: Image
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]


def draw_scene(random: np.random.Generator, width: int, height: int) -> Scene:
    """A scene of 1 to MOST digits; the same for the same state of `random`."""
    image = background(random, width, height)
    clutter(random, image)
    for _ in range(random.integers(0, 6)):
        character = list(LETTERS)[random.integers(len(LETTERS))]
        if (letter := stamp(random, character, width, height)) is not None:
            ink(random, image, letter)
    top = np.full((height, width), -1, np.int16)  # whose stroke is uppermost
    strokes: list[int] = []
    boxes: list[tuple[int, int, int, int]] = []
    labels: list[int] = []
    for _ in range(random.integers(1, MOST + 1)):
        label = int(random.integers(10))
        found = room(random, list(DIGITS)[label], top, strokes, boxes)
        if found is None:
            continue
        ink(random, image, found)
        covered = found.mask > 127
        top[found.place][covered] = len(boxes)
        strokes.append(int(covered.sum()))
        boxes.append(found.box)
        labels.append(label)
    return Scene(finish(random, image), relative(boxes, width, height), np.array(labels, np.int64))


def relative(boxes: list[tuple[int, int, int, int]], width: int, height: int) -> NDArray[np.float64]:
    """Corners in px to centres and sizes, relative to the image."""
    corners = np.array(boxes, np.float64).reshape(-1, 4) / [width, height, width, height]
    return np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], axis=1)


def room(
    random: np.random.Generator, character: str, top: Array, strokes: list[int], boxes: list[tuple[int, int, int, int]]
) -> Stamp | None:
    """A digit where it neither overlaps nor hides another too much; None where there is hardly room for one."""
    height, width = top.shape
    for _ in range(8):
        found = stamp(random, character, width, height)
        if found is None or any(shared(found.box, box) > OVERLAP for box in boxes):
            continue
        under = top[found.place][found.mask > 127]
        hidden = np.bincount(under[under >= 0], minlength=len(boxes))
        left = np.bincount(top[top >= 0], minlength=len(boxes)) - hidden if hidden.any() else np.array(strokes)
        if (left >= (1 - HIDDEN) * np.array(strokes)).all():
            return found
    return None


def shared(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Share of the smaller of two boxes that they have in common."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return max(0, wide) * max(0, high) / min(areas)


def stamp(random: np.random.Generator, character: str, width: int, height: int) -> Stamp | None:
    """A character of random size and form, somewhere in a scene of `width` x `height`; None where it does not fit."""
    side = min(width, height)
    tall = side * math.exp(random.uniform(math.log(SMALLEST), math.log(LARGEST)))
    drawn = glyph(character, Hand.any(random), finer(tall))
    rows, columns = drawn.shape
    scale = tall / rows
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [columns * scale / 2, tall / 2]
    turn, slant = random.uniform(-TILT, TILT), random.uniform(-SLANT, SLANT)
    shape = np.array([[1 + random.uniform(-SQUEEZE, SQUEEZE), slant], [0, 1]])
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    corners = corners @ (rotation @ shape).T + random.uniform(-BEND, BEND, (4, 2)) * tall
    corners -= corners.min(axis=0)
    wide, high = (int(size) + 2 for size in corners.max(axis=0))
    if wide >= width or high >= height:
        return None
    source = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    mask = cv2.warpPerspective(drawn, matrix, (wide, high), flags=cv2.INTER_AREA)
    return Stamp(int(random.integers(width - wide)), int(random.integers(height - high)), np.asarray(mask, np.uint8))


def finer(tall: float) -> int:
    """The power of two from 32 to 256 at which a character of that height is drawn: not much finer than it is shown."""
    return int(2 ** np.clip(math.ceil(math.log2(tall)), 5, 8))


def ink(random: np.random.Generator, image: Image, drawn: Stamp) -> None:
    """Draw a character, in a colour that stands out against what is under it; some have an outline."""
    part = image[drawn.place]
    under = part[drawn.mask > 127]
    brightness = brightness_of(under.mean(axis=0)) if len(under) else 128.0
    colour = contrasting(random, brightness)
    if random.random() < 0.25 or (len(under) and under.std() > 60):  # much of it would be lost without
        rim = cv2.dilate(drawn.mask, np.ones((3, 3), np.uint8))
        blend(part, rim, contrasting(random, brightness_of(colour)))
    blend(part, drawn.mask, colour)


def contrasting(random: np.random.Generator, brightness: float) -> Array:
    """A random colour, BGR, that is brighter or darker by CONTRAST at least."""
    for _ in range(20):
        colour = random.uniform(0, 255, 3)
        if abs(brightness_of(colour) - brightness) >= CONTRAST:
            return colour
    return np.full(3, 0.0 if brightness > 128 else 255.0)


def brightness_of(colour: Array) -> float:
    """Of a BGR colour, 0..255."""
    return float(colour @ np.array([0.114, 0.587, 0.299]))


def blend(part: Image, mask: Array, colour: Array) -> None:
    """Mix a colour into `part` as far as `mask` says."""
    share = mask[:, :, None].astype(np.float32) / 255
    part[:] = part + (colour.astype(np.float32) - part) * share


def background(random: np.random.Generator, width: int, height: int) -> Image:
    """Clouds of colour; in half of the scenes two of them, in stripes or squares."""
    image = clouds(random, width, height)
    if random.random() < 0.5:
        share = waves(random, width, height)
        if random.random() < 0.4:
            share = np.abs(share - waves(random, width, height))
        share *= np.float32(random.uniform(0.2, 0.8))
        image += (clouds(random, width, height) - image) * share[:, :, None]
    grain = random.choice([0, 0, 6, 20])
    if grain:
        image += cv2.resize(
            random.standard_normal((height // 2 + 1, width // 2 + 1, 3), np.float32) * np.float32(grain),
            (width, height),
        )
    return np.asarray(np.clip(image, 0, 255), np.uint8)


def clouds(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Colours that flow into each other: `(height, width, 3)`, about 0..255."""
    cells = random.integers(1, 9)
    few = random.uniform(0, 255, 3) + random.normal(0, random.uniform(5, 60), (cells, cells, 3))
    return np.asarray(cv2.resize(few.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def waves(random: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Stripes, sharp or soft, in any direction: `(height, width)`, 0..1."""
    turn, length = random.uniform(0, math.pi), min(width, height) * random.uniform(0.02, 0.3)
    x = np.arange(width, dtype=np.float32) * np.float32(math.cos(turn) * 2 * math.pi / length)
    y = np.arange(height, dtype=np.float32) * np.float32(math.sin(turn) * 2 * math.pi / length)
    wave = np.sin(x + y[:, None] + np.float32(random.uniform(0, 6)))
    return np.asarray(np.clip(wave * np.float32(random.choice([0.5, 20])) + np.float32(0.5), 0, 1), np.float32)


def clutter(random: np.random.Generator, image: Image) -> None:
    """Draw polygons, filled ellipses and long curves, some of them half transparent."""
    height, width = image.shape[:2]
    side = min(width, height)
    for _ in range(random.integers(0, 9)):
        drawn = image.copy()
        colour = random.uniform(0, 255, 3).tolist()
        centre = random.uniform(0, [width, height])
        kind, size = random.integers(3), side * random.uniform(0.04, 0.3)
        if kind == 0:
            points = centre + random.uniform(-size, size, (random.integers(3, 7), 2))
            cv2.fillPoly(drawn, [points.astype(np.int32)], colour, cv2.LINE_AA)
        elif kind == 1:
            axes = (int(size) + 1, int(size * random.uniform(0.3, 1)) + 1)
            cv2.ellipse(
                drawn, centre.astype(int).tolist(), axes, random.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA
            )
        else:
            steps = random.normal(0, side * 0.06, (40, 2)) + random.normal(0, side * 0.04, 2)
            points = centre + steps.cumsum(axis=0)
            cv2.polylines(drawn, [points.astype(np.int32)], False, colour, int(random.integers(1, 4)), cv2.LINE_AA)
        cv2.addWeighted(drawn, share := random.uniform(0.4, 1), image, 1 - share, 0, dst=image)


def finish(random: np.random.Generator, image: Image) -> Image:
    """As a camera might see it: brighter or darker, a little blurred, noisy."""
    gain, offset = random.uniform(0.75, 1.15), random.uniform(-15, 15)
    if (blur := random.uniform(-0.6, 0.9)) > 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), blur), np.uint8)
    seen = image * np.float32(gain) + np.float32(offset)
    if (noise := random.uniform(-8, 8)) > 0:
        seen += random.standard_normal(image.shape, np.float32) * np.float32(noise)
    return np.asarray(np.clip(seen, 0, 255), np.uint8)
