"""What one image was classified as: rows, text and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .boxes import Floats, Ints
from .report import printable


class Guess(NamedTuple):
    """One row of `Classification`."""

    score: float  # 0..1
    label: int
    name: str


@dataclass(frozen=True, eq=False)
class Classification:
    """The likeliest classes of one image, best first.

    scores: `(K,)` float32, what the network gives: 0..1 behind a [softmax], of a node of a class tree multiplied with
    its ancestors'; labels: `(K,)` int64; names: one a class; parents: of each class, -1 at the root; empty without tree
    """

    scores: Floats
    labels: Ints
    names: tuple[str, ...]
    parents: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Guess]:
        for score, label in zip(self.scores.tolist(), self.labels.tolist(), strict=True):
            yield Guess(score, label, self.names[label])

    def parent(self, label: int) -> str:
        """The name of a class' parent in the tree; "Root" where it has none."""
        above = self.parents[label]
        return self.names[above] if above >= 0 else "Root"


def lines(found: Classification) -> Iterator[str]:
    """A line a class.  Source: src/classifier.c predict_classifier (AlexeyAB 59596d7)."""
    for score, label, name in found:
        if found.parents:
            yield f"{label}, {name}: {score:f}, parent: {found.parent(label)} "
        else:
            yield f"{name}: {score:f}"


def json_objects(found: Classification) -> Iterator[dict[str, object]]:
    """An object a class, with Darknet's names of its fields for boxes; it has none for classes."""
    for score, label, name in found:
        one: dict[str, object] = {"class_id": label, "name": name}
        if found.parents:
            one["parent"] = found.parent(label)
        yield one | {"confidence": float(f"{score:.6g}")}


def json_frame(path: str, number: int, found: Classification) -> str:
    """The JSON object of one image, `number` from 1."""
    frame = {"frame_id": number, "filename": printable(path), "classes": list(json_objects(found))}
    return json.dumps(frame, ensure_ascii=False, indent=1)


def json_line(path: str, found: Classification | None, error: str = "") -> str:
    """One image as one line of JSON, or with the error."""
    rest = {"error": error} if found is None else {"classes": list(json_objects(found))}
    return printable(json.dumps({"filename": path, **rest}, ensure_ascii=False))
