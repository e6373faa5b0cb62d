"""[reorg] (Darknet's old order of channels) and [reorg3d]: blocks of cells moved into channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option, unsupported
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Blocks(LayerDef):
    """What both have in common."""

    overwrites: ClassVar[bool] = True

    stride: int = option(1, least=1)

    def output(self, *inputs: Shape) -> Shape:
        """A `stride`-th of the rows and columns, and as many values as before."""
        (x,), s = inputs, self.stride
        if x.h % s or x.w % s:
            raise ValueError(f"stride={s} must divide {x.w}x{x.h}")
        return Shape(x.c * s * s, x.h // s, x.w // s)

    def describe(self) -> tuple[str, str]:
        """The stride."""
        return "", f"/{self.stride:2d}"


@section("reorg", "reorg_old")
@dataclass(frozen=True, kw_only=True)
class Reorg(Blocks):
    """Source: src/parser.c parse_reorg_old (AlexeyAB 59596d7), and parse_reorg (pjreddie f6afaab)."""

    reverse: bool = False
    flatten: bool = False  # the values of a cell side by side, the shape as if moved
    extra: int = option(0, least=0)  # zeros behind the values

    @property
    def flat(self) -> bool:
        """`flatten`, where the fork knows it."""
        return self.flatten and not self.dialect.plain_reorg

    @property
    def appended(self) -> int:
        """`extra`, where the fork knows it."""
        return 0 if self.dialect.plain_reorg else self.extra

    def output(self, *inputs: Shape) -> Shape:
        """As many values as before; with `reverse` in `stride` times the rows and columns."""
        (x,), s = inputs, self.stride
        if self.flat and self.appended:
            raise ValueError("flatten=1 and extra: Darknet reads beyond its input; expected one of them")
        if self.appended:
            return Shape(x.size + self.appended, 1, 1)
        if x.c % (s * s) and (self.reverse or not self.flat):
            raise ValueError(f"stride={s}: its square must divide {x.c} channels")
        return Shape(x.c // (s * s), x.h * s, x.w * s) if self.reverse else super().output(x)

    def build(self, *inputs: Shape) -> nn.Module:
        """The old order, the values of cells side by side, or zeros behind."""
        from ..modules.reorg import AppendZeros, Interleave, OldReorg

        if self.flat:
            return Interleave(self.reverse, self.output(*inputs))
        return AppendZeros(self.appended) if self.appended else OldReorg(self.stride, self.reverse)


@section("reorg3d")
@dataclass(frozen=True, kw_only=True)
class Reorg3d(Blocks):
    """Space to depth.  Source: src/parser.c parse_reorg, src/reorg_layer.c (AlexeyAB 59596d7)."""

    reverse: bool = unsupported(False)  # crashes in Darknet

    def build(self, *inputs: Shape) -> nn.Module:
        """Space to depth."""
        from ..modules.reorg import SpaceToDepth

        return SpaceToDepth(self.stride)
