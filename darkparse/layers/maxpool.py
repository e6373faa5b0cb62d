"""[maxpool] and [local_avgpool]: windows with Darknet's one-sided padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option, unsupported
from ..registry import LayerDef, Reader, Shape, section
from .antialiasing import blurred, check_readers

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Pool(LayerDef):
    """What both kinds of windows have in common."""

    stride: int = option(1, least=1)
    stride_x: int = option(0, least=0)
    stride_y: int = option(0, least=0)
    size: int = option(0, least=0)
    padding: int = option(-1, least=-1)

    @property
    def window(self) -> int:
        """Rows and columns of a window; by default the stride."""
        return self.size or self.stride

    @property
    def strides(self) -> tuple[int, int]:
        """Step down and across."""
        return (self.stride_y or self.stride, self.stride_x or self.stride)

    @property
    def margin(self) -> int:
        """Cells added to each axis in total, the odd one at the far side."""
        return self.window - 1 if self.padding < 0 else self.padding

    def windows(self, x: Shape, strides: tuple[int, int]) -> Shape:
        """One value a window."""
        h, w = ((n + self.margin - self.window) // s + 1 for n, s in zip((x.h, x.w), strides, strict=True))
        return Shape(x.c, h, w)

    def output(self, *inputs: Shape) -> Shape:
        """As many channels as before."""
        return self.windows(inputs[0], self.strides)

    def workspace(self, *inputs: Shape) -> int:
        """The image with its border, and once more for what is made of it."""
        (x,) = inputs
        return 2 * x.c * (x.h + self.margin) * (x.w + self.margin)

    def operations(self, *inputs: Shape) -> float:
        """One for each value of each window."""
        return float(self.window**2 * self.windows(inputs[0], self.strides).size)

    def describe(self) -> tuple[str, str]:
        """As Darknet's table has it."""
        down, across = self.strides
        step = f"{across:2d}x{down:2d}" if across != down else f"{across:2d}"
        return "", f"{self.window:2d} x{self.window:2d}/{step}"


@section("maxpool", "max")
@dataclass(frozen=True, kw_only=True)
class Maxpool(Pool):
    """Source: src/parser.c parse_maxpool, src/maxpool_layer.c (AlexeyAB 59596d7)."""

    maxpool_depth: bool = False
    out_channels: int = option(1, least=1)
    antialiasing: int = option(0, choices=(0, 1, 2))
    maxpool_zero_nonmax: bool = unsupported(False)

    def placed(self, readers: Sequence[Reader]) -> LayerDef:
        """Refuses to blur what Darknet then misreads."""
        check_readers(self.antialiasing, self.strides, readers)
        return self

    def output(self, *inputs: Shape) -> Shape:
        """As many channels as before, or `out_channels` of the same size with `maxpool_depth`."""
        (x,) = inputs
        if not self.maxpool_depth:
            plain = self.windows(x, (1, 1) if self.antialiasing else self.strides)
            return blurred(plain, self.antialiasing, self.strides)
        if self.antialiasing:
            raise ValueError(
                "maxpool_depth=1 and antialiasing: Darknet leaves out the blur, but not its change of size"
            )
        if self.out_channels > x.c:
            raise ValueError(f"out_channels={self.out_channels} of only {x.c} channels")
        return x._replace(c=self.out_channels)

    def operations(self, *inputs: Shape) -> float:
        """One for each value of each window, before the blur; over channels, as many as a window would have."""
        (x,) = inputs
        out = x if self.maxpool_depth else self.windows(x, (1, 1) if self.antialiasing else self.strides)
        return float(self.window**2 * out.size)

    def build(self, *inputs: Shape) -> nn.Module:
        """A window maximum, or one over channels."""
        from ..modules.antialiasing import with_blur
        from ..modules.maxpool import DepthMaxPool, WindowMaxPool

        if self.maxpool_depth:
            return DepthMaxPool(self.out_channels)
        pool = WindowMaxPool(self.window, (1, 1) if self.antialiasing else self.strides, self.margin)
        return with_blur(pool, self.antialiasing, self.strides)


@section("local_avgpool", "local_avg")
@dataclass(frozen=True, kw_only=True)
class LocalAvgpool(Pool):
    """Source: src/parser.c parse_local_avgpool, src/maxpool_layer.c (AlexeyAB 59596d7)."""

    def build(self, *inputs: Shape) -> nn.Module:
        """A window mean."""
        from ..modules.maxpool import WindowAvgPool

        return WindowAvgPool(self.window, self.strides, self.margin)
