"""Detections as text, JSON and label files.  Formats after AlexeyAB's Darknet, functions named below."""

import json
import math
from collections.abc import Iterator

import numpy as np

from .detections import Detections


def predicted(path: str, milliseconds: float) -> str:
    """The line above an image's detections.  Source: src/detector.c test_detector."""
    return f"{printable(path)}: Predicted in {milliseconds:f} milli-seconds."


def printable(text: str) -> str:
    """Names of files that are no UTF-8, with U+FFFD where they are not."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def lines(detections: Detections, coordinates: bool = False) -> Iterator[str]:
    """A line a detection, from left to right.

    Args:
        coordinates: add the box, px, as -ext_output does
    Source: src/image.c draw_detections_v3
    """
    ordered = detections.shown().left_to_right()
    for row, (cx, cy, w, h) in zip(ordered, ordered.relative.tolist(), strict=True):
        left, width = whole((cx - w / 2) * detections.width), whole(w * detections.width)
        top, height = whole((cy - h / 2) * detections.height), whole(h * detections.height)
        box = f"\t(left_x: {left:4d}   top_y: {top:4d}   width: {width:4d}   height: {height:4d})"
        yield f"{row.name}: {np.float32(row.score) * np.float32(100):.0f}%{box if coordinates else ''}"


def whole(value: float) -> int:
    """The nearest integer; halves away from 0, as C's round."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def json_frame(path: str, number: int, detections: Detections) -> str:
    """The JSON object of one image, `number` from 1.  Source: src/network.c detection_to_json."""
    name = json.dumps(printable(path), ensure_ascii=False)
    objects = ", \n".join(f"  {one}" for one in json_objects(detections))
    return f'{{\n "frame_id":{number}, \n "filename":{name}, \n "objects": [ \n{objects}\n ] \n}}'


def json_objects(detections: Detections) -> Iterator[str]:
    """A JSON object a detection, box relative to the image."""
    shown = detections.shown()
    for row, (cx, cy, w, h) in zip(shown, shown.relative.tolist(), strict=True):
        box = f'{{"center_x":{cx:f}, "center_y":{cy:f}, "width":{w:f}, "height":{h:f}}}'
        name = json.dumps(row.name, ensure_ascii=False)
        yield f'{{"class_id":{row.label}, "name":{name}, "relative_coordinates":{box}, "confidence":{row.score:f}}}'


def json_line(path: str, detections: Detections | None, error: str = "") -> str:
    """One image as one line of JSON, with boxes in px beside the relative ones, or with the error."""
    if detections is None:
        return printable(json.dumps({"filename": path, "error": error}, ensure_ascii=False))
    shown = detections.shown()
    boxes = [[round(v, 2) for v in box] for box in shown.boxes.tolist()]
    objects = [json.loads(one) | {"box": box} for one, box in zip(json_objects(shown), boxes, strict=True)]
    size = {"width": detections.width, "height": detections.height}
    return printable(json.dumps({"filename": path, **size, "objects": objects}, ensure_ascii=False))


def label_lines(detections: Detections) -> str:
    """The label file of an image: best class and box, relative, of each box.  Source: src/detector.c test_detector."""
    best = detections.best_of_each_box()
    rows = zip(best.labels.tolist(), best.relative.tolist(), strict=True)
    return "".join(f"{label} {x:2.4f} {y:2.4f} {w:2.4f} {h:2.4f}\n" for label, (x, y, w, h) in rows)
