"""Draws detections into an image: outlines, and plates with the class names and scores.

Everything is blended from coverage masks, so that it looks alike in OpenCV 4 and 5. The text is set in OpenCV 5's
TrueType font where cv2 has one (then names in most scripts work), else in a Hershey font, drawn large and scaled down;
that font is ASCII only, so names are transliterated for it.
"""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .detections import HIDDEN
from .errors import ImageError

_HALO = 0.5  # opacity of the dark rim around outlines
_PADDING = 0.35  # left and right of the text, in font sizes
_SMALLEST = 8  # font size, px
_ASCII = str.maketrans("øØłŁđĐðı‘’“”–—", "oOlLdDdi''\"\"--", "") | {
    ord(c): ascii_ for c, ascii_ in {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th"}.items()
}

# OKLab, https://bottosson.github.io/posts/oklab/
_TO_LMS = np.array([1, 0.39633778, 0.21580376, 1, -0.10556135, -0.06385417, 1, -0.08948418, -1.29148555]).reshape(3, 3)
_TO_BGR = [
    [-0.00419609, -0.70341861, 1.7076147],
    [-1.268438, 2.6097574, -0.3413194],
    [4.07674166, -3.30771159, 0.23096993],
]

_Box = tuple[float, float, float, float]
Region = tuple[int, int, int, int]  # x0, y0, x1, y1 in whole pixels


def draw(
    image: np.ndarray, boxes: np.ndarray, scores: np.ndarray | None, labels: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """A copy of the image with the boxes drawn, the best on top.

    Rows with the very same box share one label plate; classes whose name begins with `dont_show` are left out, and so
    is what lies outside the image. A label without a name prints as `#label`.

    Args:
        image: (H, W, 3) BGR, or (H, W), (H, W, 1) grey, or (H, W, 4) BGRA; uint8 or uint16. It is not changed.
        boxes: (N, 4) x0, y0, x1, y1 in pixels.
        scores: (N,) 0..1; None: they are labels, which have none, and the first is on top.
        labels: (N,) class indices.
        names: the classes' names.

    Returns:
        (H, W, 3) BGR, uint8.

    Raises:
        ImageError: the image has another shape or dtype.
        ValueError: boxes, scores and labels are not (N, 4), (N,) and (N,).
    """
    canvas = _bgr8(image)
    height, width = canvas.shape[:2]
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    given = labels if scores is None else scores
    if np.size(boxes) % 4 or not len(corners) == np.size(given) == np.size(labels):
        raise ValueError(f"{np.shape(boxes)} boxes, {np.shape(given)} scores and {np.shape(labels)} labels do not fit")
    extent = (height + width) / 2
    font, line = Font(), max(1, round(0.003 * extent))
    targets = _targets(_inside(corners, width, height, line), scores, np.ravel(labels), names, font)
    plates = _plates(targets, font, canvas, line, max(_SMALLEST, round(4 + 0.018 * extent)))
    for target in reversed(targets):
        _draw_outline(canvas, target, line)
    for plate in reversed(plates):
        _draw_plate(canvas, plate, line)
    return canvas


def class_colour(label: int) -> np.ndarray:
    """The colour of a class, always the same: (3,) BGR, float32 0..255. The hue walks by the golden ratio."""
    lightness, hue = (0.6, 0.85, 0.72)[label % 3], 2 * math.pi * ((0.86 + label * 0.6180339887) % 1)
    lab = lightness, 0.2 * math.cos(hue), 0.2 * math.sin(hue)
    linear = np.clip(_TO_BGR @ (_TO_LMS @ lab) ** 3, 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * srgb), np.float32)


def text_colour(background: np.ndarray) -> np.ndarray:
    """Black or white, whichever stands out more (by WCAG 2's contrast ratio) on a colour; both (3,) BGR, 0..255."""
    unit = np.asarray(background, np.float64) / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.0722, 0.7152, 0.2126])
    white = 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05
    return np.full(3, 255 if white else 0, np.float32)


@dataclass(frozen=True)
class _Target:
    """A box, its label's text, and its colour."""

    box: _Box
    text: str
    colour: np.ndarray


@dataclass(frozen=True)
class _Plate:
    """A label's place (whole pixels), its text's coverage, (h, w) 0..1, and its colour."""

    box: Region
    mask: np.ndarray
    colour: np.ndarray


def _bgr8(image: np.ndarray) -> np.ndarray:
    """A new (H, W, 3) uint8 image."""
    shape = image.shape
    if image.dtype not in (np.uint8, np.uint16) or len(shape) not in (2, 3) or (shape[2:] or (1,))[0] not in (1, 3, 4):
        raise ImageError(f"cannot draw into an image of {shape} {image.dtype}, only (H, W[, 1|3|4]) uint8 or uint16")
    pixels = image[..., None] if image.ndim == 2 else image[..., :3]
    if pixels.dtype == np.uint16:
        pixels = np.rint(pixels / 257)
    return np.array(np.broadcast_to(pixels, (*shape[:2], 3)), np.uint8)


def _inside(boxes: np.ndarray, width: int, height: int, line: int) -> list[_Box | None]:
    """The boxes cut to the image so that the whole line is seen, its edges on whole pixels; None for those outside."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    size = np.array([width, height])
    seen = ((high >= 0) & (low <= size)).all(1)
    limit = np.maximum(size - line / 2, line / 2)
    ends = [np.clip(np.rint(np.clip(end, -1, size + 1) - line / 2) + line / 2, line / 2, limit) for end in (low, high)]
    return [tuple(row) if ok else None for row, ok in zip(np.hstack(ends).tolist(), seen.tolist(), strict=True)]


class Font:
    """OpenCV 5's built-in TrueType font, which has most scripts, or else the strokes of OpenCV 4, which has ASCII."""

    def __init__(self) -> None:
        import cv2

        font_face = getattr(cv2, "FontFace", None)
        face = font_face("sans") if font_face else None
        self.face: Any = face if face and face.getName() else None

    def plain(self, text: str) -> str:
        """The text in letters that the font may have."""
        if self.face:
            return text
        letters = unicodedata.normalize("NFKD", text.translate(_ASCII))
        return "".join(c if c.isascii() else "?" for c in letters if not unicodedata.combining(c))

    def mask(self, text: str, size: int) -> np.ndarray:
        """The coverage, 0..1, of a line of text, its size in px; (1.3 size, w), the capitals in the middle."""
        mask = self._truetype(text, size) if self.face else self._strokes(text, size)
        ink = np.flatnonzero(mask.any(0))
        return np.asarray(mask[:, ink[0] : ink[-1] + 1] if ink.size else mask[:, :1], np.float32) / 255

    def _truetype(self, text: str, size: int) -> np.ndarray:
        import cv2

        cv5: Any = cv2  # the type stubs of OpenCV 4 do not know these arguments
        left, _, width, _ = cv5.getTextSize((0, 0), text, (0, 0), self.face, size, 500)
        mask = np.zeros((round(1.3 * size), width + 2), np.uint8)
        cv5.putText(mask, text, (1 - left, size), (255,), self.face, size, 500)
        return mask

    def _strokes(self, text: str, size: int) -> np.ndarray:
        import cv2

        zoom = 4 if size < 40 else 2
        scale, stroke = zoom * size / 30, max(1, round(zoom * size * 0.085))  # capitals are 21 units high
        (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, stroke)
        mask = np.zeros((round(1.3 * size) * zoom, -(-(width + 4 * stroke) // zoom) * zoom), np.uint8)
        at = (2 * stroke, size * zoom - stroke // 2)
        cv2.putText(mask, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255,), stroke, cv2.LINE_AA)
        return np.asarray(cv2.resize(mask, None, fx=1 / zoom, fy=1 / zoom, interpolation=cv2.INTER_AREA))


def _targets(
    boxes: list[_Box | None], scores: np.ndarray | None, labels: np.ndarray, names: Sequence[str], font: Font
) -> list[_Target]:
    """One target for each different box, the best first."""
    groups: dict[_Box, list[int]] = {}
    titles = [_title(int(label), names, font) for label in labels]
    texts = titles if scores is None else [f"{t} {s:.0%}" for t, s in zip(titles, np.ravel(scores), strict=True)]
    order = range(len(titles)) if scores is None else np.argsort(-np.ravel(scores), kind="stable").tolist()
    for row in order:
        box = boxes[row]
        if box is not None and not titles[row].startswith(HIDDEN):
            groups.setdefault(box, []).append(row)
    return [
        _Target(box, "  ".join(texts[i] for i in rows), class_colour(int(labels[rows[0]])))
        for box, rows in groups.items()
    ]


def _title(label: int, names: Sequence[str], font: Font) -> str:
    """A class's name as the font can print it (OpenCV 5 dies of lone surrogates), or #label where nothing is left."""
    name = names[label] if 0 <= label < len(names) else ""
    clean = "".join(c if c.isprintable() else " " for c in name.encode("utf-8", "replace").decode())
    plain = font.plain(clean).strip()
    return plain if plain.strip("? ") else f"#{label}"


def fitted(font: Font, text: str, size: int, width: int) -> np.ndarray:
    """The text's mask, at most `width` wide: set smaller if need be, then cut short with '...'."""
    text = text[:1000]
    mask = font.mask(text, size)
    if mask.shape[1] > width:
        size = max(_SMALLEST, min(size, size * width // mask.shape[1]))
        mask = font.mask(text, size)
    while mask.shape[1] > width and text:
        text = text[: min(len(text) - 1, len(text) * width // mask.shape[1])].rstrip()
        mask = font.mask(text + "...", size)
    return mask


def _plates(targets: list[_Target], font: Font, image: np.ndarray, line: int, size: int) -> list[_Plate]:
    """The labels' plates, each inside the image and, where it can be, clear of those before it and of small boxes."""
    height, width = image.shape[:2]
    taken, plates = np.empty((0, 4)), list[_Plate]()
    boxes = np.array([target.box for target in targets]).reshape(-1, 4)
    for target in targets:
        extent = (target.box[2] - target.box[0] + target.box[3] - target.box[1]) / 2
        fit = max(_SMALLEST, round(size * min(max(0.75, extent / (5 * size)), 1)))
        padding = max(2, round(_PADDING * fit))
        mask = np.pad(fitted(font, target.text, fit, width - 2 * padding), ((0, 0), (padding, padding)))
        h, w = mask.shape
        if h <= height and w <= width:
            wishes = _wishes(target.box, w, h, line)
            places = np.clip(wishes, 0, (width - w, height - h))
            cost = _cost(np.hstack([places, np.add(places, (w, h))]), taken, boxes)
            cost += 0.02 * np.arange(len(places)) + (places != wishes)[:, 1]  # not beside the box's edge any more
            x, y = (int(v) for v in places[np.argmin(cost)])
            taken = np.vstack([taken, (x, y, x + w, y + h)])
            plates.append(_Plate((x, y, x + w, y + h), mask, target.colour))
    return plates


def _wishes(box: _Box, w: int, h: int, line: int) -> np.ndarray:
    """Where a box's plate may go, the best first: above, inside or below it, or shifted up or down; (n, 2) x, y."""
    half = line / 2
    left, top, right, bottom = int(box[0] - half), int(box[1] - half), int(box[2] + half), int(box[3] + half)
    rows = (top + line - h, top, bottom - line, bottom - h)
    wishes = [(x, y) for x in (left, right - w) for y in rows]
    wishes += [(left, y + step * h // 2) for step in (1, 2, 3, 4) for y in (rows[0] - step * h, rows[2])]
    return np.array(wishes)


def _cost(places: np.ndarray, taken: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How bad it is to cover the plates already placed, and how much of the boxes; (n,). All are (_, 4) xyxy, px."""
    low = np.maximum(places[:, None, :2], np.vstack([taken, boxes])[None, :, :2])
    high = np.minimum(places[:, None, 2:], np.vstack([taken, boxes])[None, :, 2:])
    covered = np.clip(high - low, 0, None).prod(2)
    plate, box = (places[0, 2:] - places[0, :2]).prod(), np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1)
    return np.asarray(covered @ np.hstack([np.full(len(taken), 3 / plate), 0.3 / box]))


def _distance(box: Sequence[float], radius: float, region: Region) -> np.ndarray:
    """How far the pixels of a region lie outside a round-cornered box, px; (h, w), negative inside."""
    x0, y0, x1, y1 = box
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    beside = np.abs(np.arange(region[0], region[2]) + 0.5 - (x0 + x1) / 2) - (x1 - x0) / 2 + radius
    beyond = np.abs(np.arange(region[1], region[3]) + 0.5 - (y0 + y1) / 2)[:, None] - (y1 - y0) / 2 + radius
    outer = np.hypot(np.maximum(beside, 0), np.maximum(beyond, 0))
    return np.asarray(outer + np.minimum(np.maximum(beside, beyond), 0) - radius, np.float32)


def blend(image: np.ndarray, region: Region, cover: np.ndarray, colour: np.ndarray | float) -> None:
    """Paints a colour into a region of the image, as far as it is covered (0..1)."""
    part = image[region[1] : region[3], region[0] : region[2]]
    part[:] = np.rint(part + cover[..., None] * (colour - part.astype(np.float32)))


def _around(box: _Box, reach: int, depth: int, image: np.ndarray) -> list[Region]:
    """The four strips (some perhaps empty) of the image from `reach` px outside a box's edges to `depth` px inside."""
    x0, y0 = (max(math.floor(v) - reach, 0) for v in box[:2])
    x1, y1 = (min(math.ceil(v) + reach, size) for v, size in zip(box[2:], image.shape[1::-1], strict=True))
    xa, ya = min(x0 + reach + depth, x1), min(y0 + reach + depth, y1)
    xb, yb = max(x1 - reach - depth, xa), max(y1 - reach - depth, ya)
    return [(x0, y0, x1, ya), (x0, ya, xa, yb), (xb, ya, x1, yb), (x0, yb, x1, y1)]


def _draw_outline(image: np.ndarray, target: _Target, line: int) -> None:
    """A line with round corners along the box, and a dark rim on both sides of it."""
    rim, radius = max(1, line // 3), 2 * line
    reach = math.ceil(line / 2 + rim)
    for region in _around(target.box, reach, reach + radius, image):
        off = np.abs(_distance(target.box, radius, region)) - line / 2
        blend(image, region, _HALO * np.clip(rim + 0.5 - off, 0, 1), 0.0)
        blend(image, region, np.clip(0.5 - off, 0, 1), target.colour)


def _draw_plate(image: np.ndarray, plate: _Plate, line: int) -> None:
    """A filled box with the text in black or white."""
    blend(image, plate.box, np.clip(0.5 - _distance(plate.box, line, plate.box), 0, 1), plate.colour)
    blend(image, plate.box, plate.mask, text_colour(plate.colour))
