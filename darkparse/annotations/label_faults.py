"""What can be wrong with the labels of one image."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..boxes import iou
from ..dataset.labels import LARGEST
from ..errors import brief
from ..findings import ERROR, WARNING
from .survey import Line, Row

NO_SIZE = 1e-6  # of an image; less than a file of labels with six decimals can say
ALIKE = 0.95  # overlap above which two boxes of a class are taken for one
_ROUNDING = 0.5  # px; what the decimals of a label may be off by
_UNKNOWN = 1000  # px; taken for the side of an image that cannot be read
_FIVE = "expected 'class x y width height', five numbers"
_RELATIVE = "expected parts of the image's width and height, 0..1"


class Fault(NamedTuple):
    """What is wrong with a line; fields as of `findings.Finding`."""

    line: Line
    rule: str
    severity: str
    message: str
    remedy: str = ""


class Sizes(NamedTuple):
    """Width and height, px: of the image, None where it cannot be read; of the network, None where there is none."""

    image: tuple[int, int] | None
    net: tuple[int, int] | None = None


def label_faults(lines: Sequence[Line], classes: int | None, sizes: Sizes) -> Iterator[Fault]:
    """What is wrong with the lines of a file of labels.

    Args:
        classes: how many there are, if that is known
    """
    sound = []
    for line in lines:
        fault = _fault(line, classes, sizes)
        if fault:
            yield fault
        if line.row and (fault is None or fault.severity != ERROR):
            sound.append((line, line.row))
    yield from _repeated(sound)


def overreach(row: Row) -> dict[str, float]:
    """How far a box reaches over each edge of the image, in parts of its width or height; below 0: not at all."""
    x, y, w, h, _ = row
    return {"left": w / 2 - x, "top": h / 2 - y, "right": x + w / 2 - 1, "bottom": y + h / 2 - 1}


def clipped(row: Row) -> Row:
    """A box cut at the edges of the image; less than nothing is left of one that is outside."""
    x, y, w, h, index = row
    left, right = max(x - w / 2, 0.0), min(x + w / 2, 1.0)
    top, bottom = max(y - h / 2, 0.0), min(y + h / 2, 1.0)
    return (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, index


def _fault(line: Line, classes: int | None, sizes: Sizes) -> Fault | None:
    """The gravest thing that is wrong with a line by itself.

    Source: src/data.c read_boxes, correct_boxes, fill_truth_detection (AlexeyAB 59596d7)
    """
    if line.row is None:
        message = f"{_FIVE}, got {brief(line.text)}; training does not read the rest of the file"
        return Fault(line, "label-line", ERROR, message)
    if wrong := _unusable(line.row, classes):
        rule, message, remedy = wrong
        return Fault(line, rule, ERROR, f"{message}; left out of training", remedy)
    return _over_the_edge(line, line.row, sizes) or _too_small(line, clipped(line.row), sizes)


def _unusable(row: Row, classes: int | None) -> tuple[str, str, str] | None:
    """Rule, message and remedy of a box that must not be used."""
    x, y, w, h, index = row
    box = f"x={x:g} y={y:g} width={w:g} height={h:g}"
    if not all(abs(value) <= LARGEST for value in (x, y, w, h)):
        return "label-line", f"{box}: expected finite numbers", ""
    if index < 0 or (classes is not None and index >= classes):
        return "class-range", f"class {index}: expected {f'0 to {classes - 1}' if classes else '0 or more'}", ""
    if w < NO_SIZE or h < NO_SIZE:
        return "zero-size", f"width={w:g} height={h:g}: the box has no size", ""
    if x == y == 0:
        return "outside", f"{box}: Darknet takes a centre at 0, 0 for no box", _RELATIVE
    if min(clipped(row)[2:4]) <= 0:
        hint = "; these look like pixels" if max(x, y, w, h) > 2 else ""
        return "outside", f"{box}: the box is outside the image", f"{_RELATIVE}{hint}"
    return None


def _over_the_edge(line: Line, row: Row, sizes: Sizes) -> Fault | None:
    width, height = sizes.image or (_UNKNOWN, _UNKNOWN)
    parts = overreach(row)
    pixels = {edge: part * (width if edge in {"left", "right"} else height) for edge, part in parts.items()}
    over = {edge: far for edge, far in pixels.items() if far > _ROUNDING}
    if not over:
        return None
    far = ", ".join(
        f"{f'{far:.1f} px' if sizes.image else f'{parts[edge]:.3f} of the image'} over the {edge} edge"
        for edge, far in over.items()
    )
    return Fault(line, "partly-outside", WARNING, f"the box reaches {far}; it is cut there")


def _too_small(line: Line, row: Row, sizes: Sizes) -> Fault | None:
    if not sizes.net:
        return None
    w, h = row[2] * sizes.net[0], row[3] * sizes.net[1]
    if min(w, h) >= 1:
        return None
    message = f"{w:.2f} x {h:.2f} px at the network's {sizes.net[0]} x {sizes.net[1]}: below 1 px, left out of training"
    return Fault(line, "too-small", WARNING, message)


def _repeated(lines: Sequence[tuple[Line, Row]]) -> Iterator[Fault]:
    """Boxes that are there already, or nearly so, as far as they are in the image; each is told of once."""
    by_class: dict[int, list[tuple[Line, Row]]] = defaultdict(list)
    for line, row in lines:
        by_class[row[4]].append((line, row))
    for some in by_class.values():
        boxes = np.array([clipped(row)[:4] for _, row in some], np.float32)
        for at, (line, row) in enumerate(some):
            overlaps = iou(boxes[at], boxes[:at])
            alike = np.flatnonzero(overlaps > ALIKE).tolist()
            if same := next((some[i][0].number for i in alike if some[i][1] == row), None):
                message = f"the same box as in line {same}; an evaluation counts two objects, and misses one"
                yield Fault(line, "duplicate", ERROR, message)
            elif alike:
                first = some[alike[0]][0].number
                message = f"nearly the same box as in line {first}, of the same class: IoU {overlaps[alike[0]]:.3f}"
                yield Fault(line, "near-duplicate", WARNING, message)
