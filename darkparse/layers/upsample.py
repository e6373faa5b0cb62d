"""[upsample]: each cell repeated `stride` times along both axes, or blocks of cells summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("upsample")
@dataclass(frozen=True, kw_only=True)
class Upsample(LayerDef):
    """Source: src/parser.c parse_upsample, src/upsample_layer.c (AlexeyAB 59596d7)."""

    stride: int = 2  # negative: blocks of that many cells are summed
    scale: float = option(1.0)

    def output(self, *inputs: Shape) -> Shape:
        """`stride` times as many rows and columns."""
        (x,) = inputs
        if self.stride == 0:
            raise ValueError("stride: expected another integer than 0")
        if self.stride > 0:
            return Shape(x.c, x.h * self.stride, x.w * self.stride)
        if x.h % -self.stride or x.w % -self.stride:
            raise ValueError(f"stride={self.stride} sums blocks that do not divide {x.w}x{x.h}")
        return Shape(x.c, x.h // -self.stride, x.w // -self.stride)

    def build(self, *inputs: Shape) -> nn.Module:
        """Nearest neighbour, or sums."""
        from ..modules.upsample import Repeat, SumPool

        return Repeat(self.stride, self.scale) if self.stride > 0 else SumPool(-self.stride, self.scale)

    def describe(self) -> tuple[str, str]:
        """How many times."""
        return "", f"{abs(self.stride)}x"
