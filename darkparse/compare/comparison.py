"""What a comparison found: as text, as JSON, and whether it is the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .definitions import Change, TensorChanges
from .differences import Difference, Layers, difference, size, worse
from .findings import Boxes, Classes

MOST = 10  # options that are told of


@dataclass
class Output:
    """An output of both networks: its names, and the largest difference; shapes where those differ.

    broken: NaN came from both, for one image at least
    """

    names: tuple[str, str]
    worst: Difference | None = None
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    broken: bool = False

    def add(self, one: np.ndarray, other: np.ndarray, image: str) -> None:
        """Take what it is for an image."""
        self.broken |= bool(np.isnan(one).any() and np.isnan(other).any())
        if one.shape == other.shape:
            self.worst = worse(self.worst, difference(one, other, image))
        else:
            self.shapes = one.shape, other.shape

    def __str__(self) -> str:
        name = self.names[0] if self.names[0] == self.names[1] else " / ".join(self.names)
        if self.shapes:
            return f"output {name}: {size(self.shapes[0])} in A, {size(self.shapes[1])} in B"
        return f"output {name}: {self.worst}{', but both give NaN' if self.broken else ''}"

    def within(self, tolerance: float) -> bool:
        """Whether it is the same."""
        return not self.shapes and (self.worst is None or self.worst.relative <= tolerance)

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {"names": self.names, "shapes": self.shapes, "difference": self.worst and self.worst.as_json()}


@dataclass
class Comparison:
    """Two sides, compared on some images.

    names: of A and of B; notes: what was decided, and why; changes: options that differ; weights: how these differ;
    unlike: what cannot be compared, and why, or ""; found: detections or classes, one an image
    """

    names: tuple[str, str]
    layers: Layers
    tolerance: float
    notes: list[str] = field(default_factory=list)
    changes: Sequence[Change] = ()
    weights: TensorChanges | None = None
    outputs: list[Output] = field(default_factory=list)
    unlike: str = ""
    found: list[Boxes | Classes] = field(default_factory=list)
    images: int = 0

    @property
    def same(self) -> bool:
        """Whether nothing that came out differs beyond the tolerance, no detection is gained or lost."""
        outputs = all(output.within(self.tolerance) for output in self.outputs)
        layers = not self.layers.differing and not self.layers.parting
        return layers and outputs and not self.unlike and all(one.same for one in self.found)

    @property
    def first(self) -> int | None:
        """Index of the first layer that differs."""
        return next(iter(self.layers.differing), None)

    def lines(self, table: bool = False) -> Iterator[str]:
        """The report, for people.

        Args:
            table: with a line for each layer
        """
        yield from self._definitions()
        if table:
            yield from self._table()
        yield from self._layers()
        yield from map(str, self.outputs)
        if self.unlike:
            yield self.unlike
        for one in self.found:
            yield from one.lines()
        yield from self._total()
        images = f"{self.images} image{'s' if self.images != 1 else ''}"
        yield f"{'the same within' if self.same else 'they differ by more than'} {self.tolerance:g}, on {images}"

    def _definitions(self) -> Iterator[str]:
        if self.changes:
            yield f"options differ, {len(self.changes)}, first in layer {self.changes[0].index}:"
            yield from (f"  {change}" for change in self.changes[:MOST])
            if (more := len(self.changes) - MOST) > 0:
                yield f"  and {more} more"
        if self.weights:
            yield f"weights differ, {self.weights.differing} of {self.weights.total} tensors:"
            yield f"  first: {self.weights.first}"
            yield f"  most: {self.weights.largest}"

    def _table(self) -> Iterator[str]:
        for index, worst in sorted(self.layers.worst.items()):
            mark = "DIFFERS" if worst.relative > self.tolerance else "same"
            shape = size(self.layers.shapes[index])
            name = f"{index:4d} {self.layers.a[index].section:16s} {shape:>14s}"
            yield f"{name} {worst.largest:10.3g} {worst.relative:10.3g} {mark}"

    def _layers(self) -> Iterator[str]:
        layers, total = self.layers, max(len(self.layers.a), len(self.layers.b))
        if not layers.a or not layers.b:
            return
        if layers.parting:
            yield f"the networks part: {layers.parting}"
        differing = layers.differing
        yield f"layers: {len(layers.worst)} of {total} compared, {len(differing)} of them differ"
        for word, index in (("first", self.first), ("not finite first", self._broken), ("most", layers.largest)):
            if index is not None:
                yield f"  {word}: {layers.title(index)} {size(layers.shapes[index])}: {layers.worst[index]}"

    @property
    def _broken(self) -> int | None:
        """The first layer where only one side has NaN or infinity, if that is not the first that differs."""
        worst = self.layers.worst
        index = next((index for index in self.layers.differing if not worst[index].finite), None)
        return index if index != self.first else None

    def _total(self) -> Iterator[str]:
        boxes = [one for one in self.found if isinstance(one, Boxes)]
        both = [pair for one in boxes for pair in one.both]
        if boxes:
            gained, lost, moved = (sum(len(getattr(one, key)) for one in boxes) for key in ("gained", "lost", "moved"))
            score, box = (max((getattr(pair, key) for pair in both), default=0.0) for key in ("score", "box"))
            yield f"detections: {len(both)} in both, {gained} gained, {lost} lost, {moved} moved"
            if both:
                yield f"  of those in both, scores differ by {score:.2g} at most, boxes by {box:.2g} of the image"

    def as_json(self) -> str:
        """All of it."""
        layers = [
            {
                "index": index,
                "section": self.layers.a[index].section,
                "place": self.layers.a[index].place,
                "shape": self.layers.shapes[index],
                **worst.as_json(),
            }
            for index, worst in sorted(self.layers.worst.items())
        ]
        boxes, classes = ([one.as_json() for one in self.found if isinstance(one, kind)] for kind in (Boxes, Classes))
        said = {
            "a": self.names[0],
            "b": self.names[1],
            "same": self.same,
            "tolerance": self.tolerance,
            "images": self.images,
            "options": [change.as_json() for change in self.changes],
            "weights": self.weights and self.weights.as_json(),
            "parting": self.layers.parting,
            "first": self.first,
            "largest": self.layers.largest,
            "layers": layers,
            "outputs": [output.as_json() for output in self.outputs],
            "unlike": self.unlike,
            "detections": boxes,
            "classes": classes,
        }
        return json.dumps(said, indent=1, ensure_ascii=False)
