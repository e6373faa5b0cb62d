"""Detections as Darknet wrote them: the JSON of `detector test ... -out`, and of `darkparse detect --json`."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import Any

import numpy as np

from ..cfg import read_text
from ..detections import Detections
from ..errors import DarkparseError
from .sides import Note, Outcome, Picture, Side, Wanted

MOST = 1 << 16  # classes
BOX = ("center_x", "center_y", "width", "height")


class Frames(Side):
    """A JSON file with the detections in some images."""

    def __init__(self, path: str) -> None:
        """Read it.

        Raises:
            DarkparseError: it cannot be read, or is something else
        """
        super().__init__(path)
        frames = [frame_of(path, number, frame) for number, frame in enumerate(frames_of(path), 1)]
        self.pictures = [Picture(name, number) for number, (name, _) in enumerate(frames)]
        self.found: dict[str, list[Detections]] = defaultdict(list)  # by the image's path, and by its name
        for name, found in frames:
            for key in {name, short(name)}:
                self.found[key].append(found)

    def run(self, picture: Picture, wanted: Wanted, note: Note) -> Outcome:
        """See `Side.run`: the detections above the threshold; non-maximum suppression was done when they were made."""
        matching = self.found.get(picture.name) or self.found.get(short(picture.name), [])
        if len(matching) != 1:
            raise DarkparseError(
                f"{self.name}: {len(matching) or 'no'} frames are of {picture.name}; expected one among "
                f"{len(self.pictures)}"
            )
        (found,) = matching
        return Outcome({}, found[found.scores > wanted.faint])


def short(path: str) -> str:
    """A file's name without its folder, in whichever system's style."""
    return re.split(r"[/\\]", path)[-1]


def frames_of(path: str) -> list[Any]:
    """The list that the file holds.  Raises DarkparseError where it holds something else."""
    try:
        frames = json.loads(read_text(path), strict=False)
    except json.JSONDecodeError as why:
        raise DarkparseError(f"{path}:{why.lineno}: {why.msg}; expected the JSON of Darknet's -out") from None
    except RecursionError:
        frames = None
    if not isinstance(frames, list) or not frames:
        raise DarkparseError(f"{path}: expected a list of frames, as Darknet's -out writes it")
    return frames


def frame_of(path: str, number: int, frame: Any) -> tuple[str, Detections]:
    """The image of a frame, and the detections in it; sizes are not known.

    Raises:
        DarkparseError: a part is missing, or of another kind
    """
    names: dict[int, str] = {}
    rows = []
    try:
        for one in frame["objects"]:
            label = int(one["class_id"])
            if not 0 <= label < MOST:
                raise ValueError(f"class_id {label}")
            names[label] = str(one["name"])
            box = [float(one["relative_coordinates"][key]) for key in BOX]
            rows.append([label, float(one["confidence"]), *box])
        image = str(frame["filename"])
    except (LookupError, TypeError, ValueError, OverflowError) as why:
        what = f"{type(why).__name__}: {why}"
        raise DarkparseError(f"{path}: frame {number}: not as Darknet's -out writes it ({what})") from None
    table = np.array(rows, np.float32).reshape(-1, 2 + len(BOX))
    every = tuple(names.get(label, f"class_{label}") for label in range(max(names, default=-1) + 1))
    return image, Detections(table[:, 2:], table[:, 1], table[:, 0].astype(np.int64), every, 0, 0)
