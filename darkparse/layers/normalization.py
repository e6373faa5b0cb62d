"""[normalization], [lrn]: local response normalization over channels, as Darknet sums it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("normalization", "lrn")
@dataclass(frozen=True, kw_only=True)
class Normalization(LayerDef):
    """Source: src/parser.c parse_normalization, src/normalization_layer.c (AlexeyAB 59596d7)."""

    overwrites: ClassVar[bool] = True

    alpha: float = 0.0001
    beta: float = 0.75
    kappa: float = 1.0
    size: int = option(5, least=1)

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        (x,) = inputs
        if self.size // 2 > x.c:
            raise ValueError(f"size={self.size}: half of it is more than the {x.c} channels")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """Darknet's running sum."""
        from ..modules.normalization import ResponseNorm

        return ResponseNorm(self)
