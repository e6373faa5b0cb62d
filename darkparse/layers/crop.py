"""[crop]: the middle of the image; at training a random part of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("crop")
@dataclass(frozen=True, kw_only=True)
class Crop(LayerDef):
    """Source: src/parser.c parse_crop, src/crop_layer.c (AlexeyAB 59596d7)."""

    crop_height: int = option(1, least=1)
    crop_width: int = option(1, least=1)
    noadjust: bool = False  # else 0..1 becomes -1..1
    # training alone
    flip: bool = False
    angle: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0
    shift: float = 0.0

    def untrainable(self) -> Iterator[str]:
        """Itself."""
        yield "random crops inside the network are not supported in training; [net] min_crop and max_crop make them"

    def output(self, *inputs: Shape) -> Shape:
        """`crop_width` x `crop_height`."""
        (x,) = inputs
        if self.crop_height > x.h or self.crop_width > x.w:
            raise ValueError(f"crops {self.crop_width}x{self.crop_height} from {x.w}x{x.h}")
        return Shape(x.c, self.crop_height, self.crop_width)

    def build(self, *inputs: Shape) -> nn.Module:
        """A crop."""
        from ..modules.crop import CenterCrop

        return CenterCrop(self.crop_height, self.crop_width, not self.noadjust)
