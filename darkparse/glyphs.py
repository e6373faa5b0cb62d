"""Digits and a few letters as strokes, in several hands.

OpenCV's own fonts changed with its version 5, and so would every scene drawn with them; lines stay what they are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]

# Strokes on a grid 4 wide and 6 high: "02 20" goes from x 0, y 2 (from the top) to x 2, y 0.  A hand may round the
# corners of a stroke, but not those between two.
DIGITS: dict[str, tuple[str, ...]] = {
    "0": ("20 30 41 45 36 16 05 01 10 20",),
    "1": ("02 20|20 26", "11 20|20 26|06 46"),
    "2": ("02 01 10 30 41 42 33 06|06 46", "01 10 30 41 42 14 06|06 46|46 45"),
    "3": ("01 10 30 41 42 33 23|23 33 44 45 36 16 05", "00 40|40 22|22 32 43 45 36 16 05"),
    "4": ("30 36|30 04|04 44", "10 04|04 44|32 36"),
    "5": ("40 00|00 03|03 12 32 43 45 36 16 05", "40 10|10 03|03 22 43 45 36 06"),
    "6": ("41 30 10 01 05 16 36 45 43 32 12 03", "30 02 04 05 16 36 45 43 32 12 04"),
    "7": ("00 40|40 16", "01 00|00 40|40 16|13 43"),
    "8": ("20 30 41 42 33 13 02 01 10 20|23 33 44 45 36 16 05 04 13 23",),
    "9": ("05 16 36 45 41 30 10 01 03 14 34 43", "16 44 42 41 30 10 01 03 14 34 42"),
}
LETTERS: dict[str, tuple[str, ...]] = {  # none that a digit can be mistaken for, such as B, I, O, S, Z and G
    "A": ("06 20|20 46|14 34",),
    "E": ("40 00|00 06|06 46|03 33",),
    "F": ("40 00|00 06|03 33",),
    "H": ("00 06|40 46|03 43",),
    "K": ("00 06|40 03|03 46",),
    "M": ("06 00|00 23|23 40|40 46",),
    "N": ("06 00|00 46|46 40",),
    "P": ("06 00|00 30 41 42 33 03",),
    "R": ("06 00|00 30 41 42 33 03|23 46",),
    "T": ("00 40|20 26",),
    "U": ("00 05 16 36 45 40",),
    "V": ("00 26|26 40",),
    "W": ("00 16|16 22|22 36|36 40",),
    "X": ("00 46|40 06",),
    "Y": ("00 23|40 23|23 26",),
    "+": ("03 43|21 25",),
    "#": ("10 06|40 36|02 42|04 44",),
}
ROUND, FLAT, BROAD = "round", "flat", "broad"
NIBS = (ROUND, FLAT, BROAD)


class Hand(NamedTuple):
    """How a character is written.

    form: which of its forms, modulo how many it has; rounding: 0 for angular, 3 for round; nib: one of NIBS;
    weight: its width, of the character's height
    """

    form: int
    rounding: int
    nib: str
    weight: float

    @classmethod
    def any(cls, random: np.random.Generator) -> Hand:
        """One by chance."""
        weight = (0.09, 0.12, 0.15, 0.18)[random.integers(4)]
        return cls(int(random.integers(2)), (0, 1, 3, 3)[random.integers(4)], NIBS[random.integers(3)], weight)


@lru_cache(maxsize=2048)
def glyph(character: str, hand: Hand, tall: int) -> Mask:
    """A character, 255 on 0, `tall` px high, and cut to what is drawn."""
    forms = (DIGITS | LETTERS)[character]
    thick = max(2, round(hand.weight * tall))
    unit = np.array([0.14, 1 / 6]) * (tall - thick)
    canvas = np.zeros((2 * tall, 2 * tall), np.uint8)
    for stroke in forms[hand.form % len(forms)].split("|"):
        points = np.array([[int(digit) for digit in point] for point in stroke.split()], np.float64)
        placed = rounded(points, hand.rounding) * unit + tall / 2
        cv2.polylines(canvas, [np.rint(placed).astype(np.int32)], False, 255)
    canvas = np.asarray(cv2.GaussianBlur(cv2.dilate(canvas, nib(hand.nib, thick)), (3, 3), 0), np.uint8)
    x, y, width, height = cv2.boundingRect(canvas)
    return canvas[y : y + height, x : x + width]


def rounded(points: NDArray[np.float64], times: int) -> NDArray[np.float64]:
    """`(N, 2)` points of a line with its corners cut off that many times, ends as they are (Chaikin 1974)."""
    for _ in range(times):
        near, far = 0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]
        points = np.concatenate([points[:1], np.stack([near, far], axis=1).reshape(-1, 2)[1:-1], points[-1:]])
    return points


def nib(kind: str, thick: int) -> Mask:
    """The end of a pen that draws lines `thick` px wide, across its broad side."""
    if kind == ROUND:
        return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thick, thick)), np.uint8)
    if kind == FLAT:
        return np.ones((thick, max(1, thick // 2)), np.uint8)
    broad = np.zeros((thick, thick), np.uint8)
    cv2.line(broad, (0, thick - 1), (thick - 1, 0), 1, max(1, thick // 3))
    return broad
