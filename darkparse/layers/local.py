"""[local]: a convolution with kernels of its own at every place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..activations import ELSEWHERE, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, Stored, section

if TYPE_CHECKING:
    from torch import nn


@section("local")
@dataclass(frozen=True, kw_only=True)
class Local(LayerDef):
    """Source: src/parser.c parse_local, src/local_layer.c (AlexeyAB 59596d7)."""

    width_option: ClassVar[str] = "filters"

    filters: int = option(1, least=1)
    size: int = option(1, least=1)
    stride: int = option(1, least=1)
    pad: int = option(0, least=0)  # px on each side
    activation: str = option("logistic", choices=NAMES)

    def oddities(self) -> Iterator[str]:
        """Activations that Darknet lacks here."""
        return lacking(self.activation, ELSEWHERE)

    def output(self, *inputs: Shape) -> Shape:
        """`filters` channels."""
        (x,) = inputs
        h, w = ((n - (1 if self.pad else self.size)) // self.stride + 1 for n in (x.h, x.w))
        if (h, w) != tuple((n + 2 * self.pad - self.size) // self.stride + 1 for n in (x.h, x.w)):
            raise ValueError(f"size={self.size} with pad={self.pad}: Darknet's own sizes disagree")
        return Shape(self.filters, h, w)

    def build(self, *inputs: Shape) -> nn.Module:
        """A convolution without sharing."""
        from ..modules.local import LocallyConnected

        return LocallyConnected(self, inputs[0].c, self.output(*inputs))

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Biases and weights of each place."""
        out = self.output(*inputs)
        yield Stored("biases", (out.size,), "bias")
        yield Stored("weights", (out.h * out.w, self.filters, inputs[0].c * self.size**2), "weight")

    def initial(self, stored: Stored) -> tuple[float, float]:
        """The same, of each place."""
        bound = (2 / stored.shape[-1]) ** 0.5
        return -bound, bound

    def describe(self) -> tuple[str, str]:
        """As a convolution's."""
        return f"{self.filters:5d}", f"{self.size:2d} x{self.size:2d}/{self.stride:2d}"
