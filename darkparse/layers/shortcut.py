"""[shortcut]: a sum with earlier layers, weighted or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import CONVOLUTIONAL, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, Stored, absolute, section

if TYPE_CHECKING:
    from torch import nn


@section("shortcut")
@dataclass(frozen=True, kw_only=True)
class Shortcut(LayerDef):
    """Source: src/parser.c parse_shortcut (AlexeyAB 59596d7; `alpha`, `beta` and unequal sizes pjreddie f6afaab)."""

    from_: tuple[int, ...] = option(name="from")
    activation: str = option("linear", choices=NAMES)
    weights_type: str = option("none", choices=("none", "per_feature", "per_layer", "per_channel"))
    weights_normalization: str = option("none", choices=("none", "relu", "avg_relu", "softmax"))
    alpha: float = 1.0
    beta: float = 1.0

    def sources(self, index: int) -> Sequence[int]:
        """The layer before, then those named."""
        return [index - 1, *(absolute(index, i) for i in self.from_)]

    def needs_values(self, position: int) -> bool:
        """Of the layer before and the first that it names."""
        return position < 2

    def names(self, position: int) -> bool:
        """All but the layer before."""
        return position > 0

    def oddities(self) -> Iterator[str]:
        """Activations that Darknet lacks here."""
        return lacking(self.activation, CONVOLUTIONAL)

    def output(self, *inputs: Shape) -> Shape:
        """The shape of the layer before: extra channels of the others are left out."""
        x, *others = inputs
        if not others:
            raise ValueError("from: names no layer")
        if self.weights_type != "none" and self.weights_normalization == "none":
            raise ValueError(f"weights_type={self.weights_type} needs weights_normalization=relu or softmax")
        plain = len(others) == 1 and self.weights_type == "none"
        for other in others:
            same = (other.h, other.w) == (x.h, x.w)
            if not same and not (plain and _divides(x.w, other.w) == _divides(x.h, other.h) != 0):
                why = "neither divides the other" if plain else "several or weighted ones must be of one size"
                raise ValueError(f"adds {other.w}x{other.h} to {x.w}x{x.h}: {why}")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """A sum."""
        from ..modules.shortcut import Add

        return Add(self, len(inputs), inputs[0].c)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """One weight an input, or one a channel of it."""
        if self.weights_type == "per_channel":
            yield Stored("weights", (len(inputs), inputs[0].c), "weight")
        elif self.weights_type != "none":
            yield Stored("weights", (len(inputs), 1), "weight")

    def initial(self, stored: Stored) -> tuple[float, float]:
        """All alike."""
        return 1.0, 1.0

    def operations(self, *inputs: Shape) -> float:
        """One for each value added, two where it is weighted."""
        return float(inputs[0].size * (len(inputs) - 1) * (1 if self.weights_type == "none" else 2))


def _divides(a: int, b: int) -> int:
    """`a // b` where that is exact, minus `b // a` where that is, else 0."""
    return a // b if a % b == 0 else -(b // a) if b % a == 0 else 0
