"""[sam]: the layer before and an earlier one, multiplied value by value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import ELSEWHERE, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, absolute, section

if TYPE_CHECKING:
    from torch import nn


@section("sam")
@dataclass(frozen=True, kw_only=True)
class Sam(LayerDef):
    """Source: src/parser.c parse_sam, src/sam_layer.c (AlexeyAB 59596d7)."""

    from_: int = option(name="from")
    activation: str = option("linear", choices=NAMES)

    def sources(self, index: int) -> Sequence[int]:
        """The layer before, and `from`."""
        return index - 1, absolute(index, self.from_)

    def needs_values(self, position: int) -> bool:
        """Of both."""
        return True

    def names(self, position: int) -> bool:
        """All but the layer before."""
        return position > 0

    def oddities(self) -> Iterator[str]:
        """Activations that Darknet lacks here."""
        return lacking(self.activation, ELSEWHERE)

    def output(self, *inputs: Shape) -> Shape:
        """The shape of both."""
        scale, x = inputs
        if scale != x:
            raise ValueError(f"multiplies {x} by {scale}; expected the same shape")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """A product."""
        from ..modules.product import Product

        return Product(self.activation)
