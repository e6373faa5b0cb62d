"""[scale_channels]: an earlier layer, each channel (or each cell) multiplied by a value of the layer before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import ELSEWHERE, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, absolute, section

if TYPE_CHECKING:
    from torch import nn


@section("scale_channels")
@dataclass(frozen=True, kw_only=True)
class ScaleChannels(LayerDef):
    """Source: src/parser.c parse_scale_channels, src/scale_channels_layer.c (AlexeyAB 59596d7)."""

    from_: int = option(name="from")
    scale_wh: bool = False
    activation: str = option("linear", choices=NAMES)

    def sources(self, index: int) -> Sequence[int]:
        """The scales before, the features in `from`."""
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
        """The features' shape."""
        scale, x = inputs
        wanted = Shape(1, x.h, x.w) if self.scale_wh else Shape(x.c, 1, 1)
        if scale != wanted:
            raise ValueError(f"scales {x} by {scale}; expected {wanted}")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """A product."""
        from ..modules.product import Product

        return Product(self.activation)
