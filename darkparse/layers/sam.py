"""[sam]: the layer before and an earlier one, multiplied value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..activations import NAMES
from ..options import option
from ..registry import LayerDef, Shape, absolute, section

if TYPE_CHECKING:
    from torch import nn


@section("sam")
@dataclass(frozen=True, kw_only=True)
class Sam(LayerDef):
    """Source: src/parser.c parse_sam, src/sam_layer.c (AlexeyAB 59596d7)."""

    sums_inputs: ClassVar[bool] = True

    from_: int = option(name="from")
    activation: str = option("linear", choices=NAMES)

    def sources(self, index: int) -> Sequence[int]:
        """The layer before, and `from`."""
        return index - 1, absolute(index, self.from_)

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
