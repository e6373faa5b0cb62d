"""How far two outputs of a layer are apart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .sides import Layer


class Difference(NamedTuple):
    """The largest difference of two arrays, and where it is.

    largest: infinite where only one of the two is finite there, or another infinity; scale: the largest value of the
    first that is finite; where: channel, row, column; one, other: the values there; image: the one they are of
    """

    largest: float
    scale: float
    where: tuple[int, ...]
    one: float
    other: float
    image: str

    @property
    def relative(self) -> float:
        """As part of the scale."""
        if not self.largest:
            return 0.0
        return self.largest / self.scale if self.scale else math.inf

    @property
    def finite(self) -> bool:
        """Whether it is one of numbers, not one between a number and NaN or infinity."""
        return math.isfinite(self.largest)

    def __str__(self) -> str:
        at = ", ".join(f"{name} {n}" for name, n in zip(("channel", "row", "column"), self.where, strict=False))
        values = f"A {self.one:.6g}, B {self.other:.6g}"
        if not self.largest:
            return "no difference"
        if not self.finite:
            return f"{values} at {at} of {self.image}"
        return f"{self.largest:.3g}, {self.relative:.2g} of its largest value: {values} at {at} of {self.image}"

    def as_json(self) -> dict[str, Any]:
        """For JSON, which knows no NaN: those are text."""
        numbers = {key: number(getattr(self, key)) for key in ("largest", "relative", "scale", "one", "other")}
        return {**numbers, "where": list(self.where), "image": self.image}


def number(value: float) -> float | str:
    """A number for JSON; NaN and infinities as text."""
    return value if math.isfinite(value) else str(value)


def difference(one: np.ndarray, other: np.ndarray, image: str) -> Difference:
    """Of two arrays of one shape."""
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.abs(one - other)
    if not np.isfinite(gap).all():
        alike = (one == other) | (np.isnan(one) & np.isnan(other))
        gap = np.where(alike, 0, np.where(np.isfinite(gap), gap, np.inf))
    flat = int(gap.argmax()) if gap.size else 0
    where = tuple(int(n) for n in np.unravel_index(flat, gap.shape))
    magnitude = np.abs(one)
    if not math.isfinite(scale := float(magnitude.max(initial=0))):
        scale = float(magnitude[np.isfinite(magnitude)].max(initial=0))
    return Difference(float(gap[where]), scale, where, float(one[where]), float(other[where]), image)


def worse(one: Difference | None, other: Difference) -> Difference:
    """The one with the larger difference, relative to its scale; of equal ones the first."""
    return other if one is None or other.relative > one.relative else one


@dataclass
class Layers:
    """The layers of both sides, compared as they come.

    a, b: what each side tells of; worst: of each layer, over all images; parting: where the networks are different
    ones, and how, or ""; from there on nothing is compared
    """

    a: dict[int, Layer]
    b: dict[int, Layer]
    tolerance: float
    worst: dict[int, Difference] = field(default_factory=dict)
    shapes: dict[int, tuple[int, ...]] = field(default_factory=dict)
    parting: str = ""
    _kept: dict[int, np.ndarray] = field(default_factory=dict)
    _end: float = math.inf  # index of the layer at which they part

    def keep(self, index: int, output: np.ndarray) -> None:
        """Take the output of a layer of A."""
        if index in self.b:
            self._kept[index] = output

    def match(self, image: str, index: int, output: np.ndarray) -> None:
        """Take the output of the same layer of B, and forget that of A."""
        if (one := self._kept.pop(index, None)) is None or index >= self._end:
            return
        if self.a[index].section != self.b[index].section:
            self._part(index, f"A has {placed(self.a[index])}, B has {placed(self.b[index])}")
        elif one.shape != output.shape:
            self._part(index, f"{self.title(index)} gives {size(one.shape)} in A, {size(output.shape)} in B")
        else:
            self.shapes[index] = one.shape
            self.worst[index] = worse(self.worst.get(index), difference(one, output, image))

    def finish(self) -> None:
        """All images are through: where the layers are not as many on both sides, that is where they part."""
        self._kept.clear()
        more, fewer, name = (self.a, self.b, "A") if len(self.a) > len(self.b) else (self.b, self.a, "B")
        if self.parting or not fewer or not (beyond := [index for index in more if index > max(fewer)]):
            return
        self._part(min(beyond), f"only {name} has {placed(more[min(beyond)])}")

    def _part(self, index: int, how: str) -> None:
        """From layer `index` on the networks are different ones."""
        self._end, self.parting = index, how
        for later in [other for other in self.worst if other >= index]:
            del self.worst[later]

    def title(self, index: int) -> str:
        """A layer with its places in both cfgs, where they are known."""
        places = dict.fromkeys(place for side in (self.a, self.b) if (place := side[index].place))
        return " ".join([str(self.a[index]), " | ".join(places)]).strip()

    @property
    def differing(self) -> list[int]:
        """The indices of those that differ by more than the tolerance, in order."""
        return [index for index in sorted(self.worst) if self.worst[index].relative > self.tolerance]

    @property
    def largest(self) -> int | None:
        """The index of the one that differs most; None where none does at all."""
        index = max(self.worst, key=lambda one: self.worst[one].relative, default=None)
        return index if index is not None and self.worst[index].largest else None


def placed(layer: Layer) -> str:
    """A layer with its place in the cfg, where that is known."""
    return f"{layer} {layer.place}".strip()


def size(shape: tuple[int, ...]) -> str:
    """`(C, H, W)` as the cfg's reader knows it: 52x52x128."""
    return "x".join(str(n) for n in (*reversed(shape[1:]), shape[0]))
