"""[scale_channels]: an earlier layer, each channel (or each cell) multiplied by a value of the layer before."""

from __future__ import annotations

from dataclasses import dataclass

from ..registry import Shape, section
from .sam import Sam


@section("scale_channels")
@dataclass(frozen=True, kw_only=True)
class ScaleChannels(Sam):
    """Source: src/parser.c parse_scale_channels, src/scale_channels_layer.c (AlexeyAB 59596d7)."""

    scale_wh: bool = False

    def output(self, *inputs: Shape) -> Shape:
        """The features' shape."""
        scale, x = inputs
        wanted = Shape(1, x.h, x.w) if self.scale_wh else Shape(x.c, 1, 1)
        if scale != wanted:
            raise ValueError(f"scales {x} by {scale}; expected {wanted}")
        return x
