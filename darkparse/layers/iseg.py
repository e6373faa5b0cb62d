"""[iseg]: the head of pjreddie's instance segmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("iseg")
@dataclass(frozen=True, kw_only=True)
class Iseg(LayerDef):
    """Source: src/parser.c parse_iseg, src/iseg_layer.c (pjreddie f6afaab)."""

    classes: int = option(20, least=1)
    ids: int = option(32, least=0)

    def untrainable(self) -> Iterator[str]:
        """Itself."""
        yield "instance segmentation is not supported in training"

    def output(self, *inputs: Shape) -> Shape:
        """The same; it must have the right number of channels."""
        (x,) = inputs
        if x.c != (wanted := self.classes + self.ids):
            raise ValueError(f"reads {wanted} channels (classes + ids), but the layer before gives {x.c}")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """A logistic of the classes."""
        from ..modules.iseg import ClassLogistic

        return ClassLogistic(self.classes)
