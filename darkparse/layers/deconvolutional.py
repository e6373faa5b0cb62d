"""[deconvolutional]: a transposed convolution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..activations import NAMES
from ..options import option
from ..registry import LayerDef, Shape, Stored, norm_tensors, section

if TYPE_CHECKING:
    from torch import nn


@section("deconvolutional", "deconv")
@dataclass(frozen=True, kw_only=True)
class Deconvolutional(LayerDef):
    """Source: src/parser.c parse_deconvolutional, src/deconvolutional_layer.c (pjreddie f6afaab)."""

    width_option: ClassVar[str] = "filters"

    filters: int = option(1, least=1)
    size: int = option(1, least=1)
    stride: int = option(1, least=1)
    pad: bool = False  # padding = size // 2, whatever `padding` says
    padding: int = option(0, least=0)
    batch_normalize: bool = False
    activation: str = option("logistic", choices=NAMES)

    @property
    def margin(self) -> int:
        """What is cut off on each side, px."""
        return self.size // 2 if self.pad else self.padding

    def output(self, *inputs: Shape) -> Shape:
        """`stride` times the size, about."""
        (x,) = inputs
        h, w = ((n - 1) * self.stride + self.size - 2 * self.margin for n in (x.h, x.w))
        return Shape(self.filters, h, w)

    def build(self, *inputs: Shape) -> nn.Module:
        """A transposed convolution, batch norm if asked for, activation."""
        from ..modules.deconvolutional import DeconvNormAct

        return DeconvNormAct(self, inputs[0].c)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Biases, batch norm, weights."""
        n = (self.filters,)
        yield Stored("biases", n, "norm.bias" if self.batch_normalize else "conv.bias")
        if self.batch_normalize:
            yield from norm_tensors(self.filters)
        yield Stored("weights", (inputs[0].c, self.filters, self.size, self.size), "conv.weight")

    def initial(self, stored: Stored) -> tuple[float, float]:
        """With a deviation of .02; pjreddie's are normally distributed."""
        return -0.02 * 3**0.5, 0.02 * 3**0.5

    def describe(self) -> tuple[str, str]:
        """As a convolution's."""
        return f"{self.filters:5d}", f"{self.size:2d} x{self.size:2d}/{self.stride:2d}"
