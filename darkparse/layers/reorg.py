"""[reorg] (Darknet's old order of channels) and [reorg3d]: blocks of cells moved into channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option, unsupported
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("reorg")
@dataclass(frozen=True, kw_only=True)
class Reorg(LayerDef):
    """Source: src/parser.c parse_reorg_old, src/reorg_old_layer.c (AlexeyAB 59596d7)."""

    stride: int = option(1, least=1)
    reverse: bool = False
    flatten: bool = unsupported(False)  # pjreddie
    extra: int = unsupported(0)  # pjreddie

    def output(self, *inputs: Shape) -> Shape:
        """A `stride`-th of the rows and columns, and as many values as before; with `reverse` the other way."""
        (x,), s = inputs, self.stride
        self.check(x)
        return Shape(x.c // (s * s), x.h * s, x.w * s) if self.reverse else Shape(x.c * s * s, x.h // s, x.w // s)

    def check(self, x: Shape) -> None:
        """Raises ValueError where blocks or channels do not come out even."""
        if x.c % self.stride**2 or (not self.reverse and (x.h % self.stride or x.w % self.stride)):
            raise ValueError(f"stride={self.stride} must divide {x.w}x{x.h}, and its square {x.c} channels")

    def build(self, *inputs: Shape) -> nn.Module:
        """The old order."""
        from ..modules.reorg import OldReorg

        return OldReorg(self.stride, self.reverse)

    def describe(self) -> tuple[str, str]:
        """The stride."""
        return "", f"/{self.stride:2d}"


@section("reorg3d")
@dataclass(frozen=True, kw_only=True)
class Reorg3d(Reorg):
    """Space to depth.  Source: src/parser.c parse_reorg, src/reorg_layer.c (AlexeyAB 59596d7)."""

    reverse: bool = unsupported(False)  # crashes in Darknet

    def check(self, x: Shape) -> None:
        """Raises ValueError where blocks do not come out even."""
        if x.h % self.stride or x.w % self.stride:
            raise ValueError(f"stride={self.stride} must divide {x.w}x{x.h}")

    def build(self, *inputs: Shape) -> nn.Module:
        """Space to depth."""
        from ..modules.reorg import SpaceToDepth

        return SpaceToDepth(self.stride)
