"""[avgpool]: mean of each channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("avgpool", "avg")
@dataclass(frozen=True, kw_only=True)
class Avgpool(LayerDef):
    """Source: src/parser.c parse_avgpool (AlexeyAB 59596d7)."""

    def output(self, *inputs: Shape) -> Shape:
        """One value a channel."""
        return Shape(inputs[0].c, 1, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """PyTorch's own."""
        from torch import nn

        return nn.AdaptiveAvgPool2d(1)
