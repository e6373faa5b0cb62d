"""A contact sheet: images with their labels drawn, those with faults first, so that one sees whether labels fit."""

from __future__ import annotations

import math
import os
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..draw import Font, blend, class_colour, draw, fitted
from ..errors import DarkparseError, ImageError
from ..files import writing
from ..findings import ERROR, NOTE, SEVERITIES, WARNING, Finding, summary
from ..images import read_image
from . import SPLITS
from .data_faults import names_of
from .faults import OF_MANY
from .survey import Seen, Survey

TILES, COLUMNS = 24, 6
SUFFIXES = (".jpg", ".jpeg", ".png")
_WIDTH, _HEIGHT = 400, 300  # px, of an image at most
_GAP, _CAPTION, _HEADER = 16, 46, 96
_LARGEST = 4  # times that a small image is magnified
_SOUND = 8  # tiles at least that are left to images without faults, where there are so many
_QUALITY = 92
_FAR = 1e6  # images away, and classes: such boxes are not drawn
_PAPER, _TILE, _INK, _FAINT = (28, 25, 23), (44, 40, 37), (240, 240, 240), (160, 155, 150)  # BGR
_TITLE, _NAME, _SAID, _REMARK = (30, _INK), (17, _INK), (17, _FAINT), (15, _FAINT)  # size, px, and colour of text
_MARKS = {ERROR: (17, (92, 92, 248)), WARNING: (17, (60, 180, 250)), NOTE: _SAID}

Picture = NDArray[np.uint8]
Style = tuple[int, tuple[int, int, int]]


class Tile(NamedTuple):
    """An image of a sheet, and what is wrong with it."""

    image: Seen
    findings: Sequence[Finding]


def write(path: str | Path, survey: Survey, findings: Sequence[Finding], *, tiles: int = TILES, seed: int = 0) -> None:
    """Write the sheet, as its suffix says; arguments as for `sheet`.

    Raises:
        DarkparseError: another suffix than .jpg or .png, there is no image, or it cannot be written
    """
    import cv2

    check_kind(path)
    picture = sheet(survey, findings, tiles=tiles, seed=seed)
    suffix = Path(path).suffix.lower()
    _, data = cv2.imencode(suffix, picture, [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    with writing(path) as file:
        file.write(data.tobytes())


def check_kind(path: str | Path) -> None:
    """Raises DarkparseError where a sheet cannot be written under this name; to be asked before long work."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise DarkparseError(f"{path}: expected the name of a contact sheet to end in {', '.join(SUFFIXES)}")


def sheet(survey: Survey, findings: Sequence[Finding], *, tiles: int = TILES, seed: int = 0) -> Picture:
    """Images with their labels drawn, the name of the file, and the rules that they break.

    Args:
        findings: of `faults.judge`; one image for each rule comes first, the gravest before others
        tiles: how many images at most; some are left to those without faults, drawn by `seed`
    Returns:
        (H, W, 3) BGR, uint8
    """
    chosen = choose(survey.images, findings, tiles, seed)
    if not chosen:
        raise DarkparseError(f"{survey.data.file}: no image to show")
    rows = math.ceil(len(chosen) / COLUMNS)
    columns = math.ceil(len(chosen) / rows)
    height, width = _HEADER + rows * (_HEIGHT + _CAPTION + _GAP), _GAP + columns * (_WIDTH + _GAP)
    painter = _Painter(np.full((height, width, 3), _PAPER, np.uint8), Font(), names_of(survey.data))
    painter.header(survey, findings, chosen)
    for number, tile in enumerate(chosen):
        row, column = divmod(number, columns)
        painter.tile(tile, _GAP + column * (_WIDTH + _GAP), _HEADER + row * (_HEIGHT + _CAPTION + _GAP))
    return painter.canvas


def choose(images: Sequence[Seen], findings: Sequence[Finding], tiles: int, seed: int) -> list[Tile]:
    """The images of a sheet: of each rule the first, the gravest rules before, then of each the next; then others."""
    faults = _of_images(images, findings)
    by_rule: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, found in faults.items():
        for finding in found:
            by_rule[SEVERITIES.index(finding.severity), finding.rule].append(number)
    rounds = zip_longest(*(by_rule[rule] for rule in sorted(by_rule)))
    faulty = list(dict.fromkeys(number for some in rounds for number in some if number is not None))
    sound = [number for number in range(len(images)) if number not in faults]
    room = max(tiles - len(faulty), min(len(sound), _SOUND * tiles // TILES))
    drawn = random.Random(seed).sample(sound, min(room, len(sound)))
    return [Tile(images[number], faults.get(number, ())) for number in [*faulty[: tiles - len(drawn)], *sorted(drawn)]]


def _of_images(images: Sequence[Seen], findings: Iterable[Finding]) -> dict[int, list[Finding]]:
    """What is wrong with each image, by its number: the image itself, its labels, or where it is named."""
    places: dict[tuple[str, int], list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        for place in {(image.path, 0), (image.label_file, 0), image.place}:
            places[place].append(number)
    found: dict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.rule == OF_MANY:
            continue
        at = places.get((finding.file, finding.line)) or places.get((finding.file, 0), [])
        for number in at:
            found[number].append(finding)
    return found


@dataclass(frozen=True)
class _Painter:
    """Paints a sheet."""

    canvas: Picture
    font: Font
    names: Sequence[str]

    def header(self, survey: Survey, findings: Sequence[Finding], chosen: Sequence[Tile]) -> None:
        """What the sheet shows, and the colours of the classes that it shows."""
        width = self.canvas.shape[1] - 2 * _GAP
        counts = ", ".join(f"{len(survey.split(split))} images in {split}" for split in SPLITS if survey.split(split))
        self.text(f"{survey.data.file.name}: {counts}; {summary(findings)}", (_GAP, 12), _TITLE, width)
        x = _GAP
        for label in sorted({row[4] for tile in chosen for row in tile.image.rows}):
            name = self.names[label] if 0 <= label < len(self.names) else f"#{label}"
            if x + 60 + 10 * len(name) > width:
                self.text("...", (x, 60), _SAID, 40)
                break
            blend(self.canvas, (x, 64, x + 16, 80), np.ones((16, 16), np.float32), class_colour(label))
            x += 48 + self.text(name, (x + 24, 60), _SAID, width // 2)

    def tile(self, tile: Tile, x: int, y: int) -> None:
        """An image with its labels, and under it its name and the rules that it breaks."""
        image = tile.image
        self.canvas[y : y + _HEIGHT, x : x + _WIDTH] = _TILE
        try:
            picture = labelled(image, self.names)
        except ImageError as why:
            reason = str(why).removeprefix(f"{image.path}: ")
            self.text(reason, (x + _GAP, y + _HEIGHT // 2 - 12), _SAID, _WIDTH - 2 * _GAP)
        else:
            height, width = picture.shape[:2]
            top, left = y + (_HEIGHT - height) // 2, x + (_WIDTH - width) // 2
            self.canvas[top : top + height, left : left + width] = picture
        y += _HEIGHT
        count = f"{image.split}, {len(image.rows)} box{'' if len(image.rows) == 1 else 'es'}"
        taken = self.text(count, (x + _WIDTH, y + 1), _REMARK, _WIDTH // 2, to_the_left=True)
        self.text(os.path.basename(image.path), (x, y + 1), _NAME, _WIDTH - taken - _GAP)
        if tile.findings:
            gravest = min(tile.findings, key=lambda finding: SEVERITIES.index(finding.severity)).severity
            self.text(", ".join(_rules(tile)), (x, y + 23), _MARKS[gravest], _WIDTH)

    def text(self, text: str, at: tuple[int, int], style: Style, width: int, *, to_the_left: bool = False) -> int:
        """A line of text at most `width` px wide, from `at` on or up to there; how wide it became."""
        size, colour = style
        clean = text.encode("utf-8", "backslashreplace").decode()  # OpenCV 5 dies of lone surrogates
        mask = fitted(self.font, self.font.plain(clean), size, width)
        h, w = mask.shape[0], mask.shape[1]
        left, top = at[0] - w if to_the_left else at[0], at[1]
        blend(self.canvas, (left, top, left + w, top + h), mask, np.array(colour, np.float32))
        return int(w)


def _rules(tile: Tile) -> Iterator[str]:
    """The rules that an image breaks, the gravest first, and how often, or in which line of its labels."""
    found = sorted(tile.findings, key=lambda finding: SEVERITIES.index(finding.severity))
    for rule, count in Counter(finding.rule for finding in found).items():
        one = next(finding for finding in found if finding.rule == rule)
        line = f" (line {one.line})" if one.file == tile.image.label_file and one.line else ""
        yield f"{rule} x {count}" if count > 1 else f"{rule}{line}"


def labelled(image: Seen, names: Sequence[str]) -> Picture:
    """An image as large as a tile takes it, with its labels drawn; (H, W, 3) BGR.

    Raises:
        ImageError: it cannot be read
    """
    import cv2

    width, height = image.size or (_WIDTH, _HEIGHT)
    scale = min(_WIDTH / width, _HEIGHT / height, _LARGEST)
    pixels = read_image(image.path, 3, max((n for n in (1, 2, 4, 8) if n * scale <= 1), default=1))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels[..., ::-1], size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    rows = np.array([row for row in image.rows if all(abs(value) < _FAR for value in row)], np.float64).reshape(-1, 5)
    corners = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
    return draw(small, corners * (size * 2), None, rows[:, 4].astype(np.int64), names)
