"""[l2norm]: the channels of each cell, to length 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("l2norm")
@dataclass(frozen=True, kw_only=True)
class L2norm(LayerDef):
    """Source: src/parser.c parse_l2norm, src/l2norm_layer.c (pjreddie f6afaab)."""

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """A division."""
        from ..modules.normalization import L2Norm as Module

        return Module()
