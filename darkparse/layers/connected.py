"""[connected]: a dense layer over all values of an image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..activations import ELSEWHERE, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, Stored, norm_tensors, section

if TYPE_CHECKING:
    from torch import nn


@section("connected", "conn")
@dataclass(frozen=True, kw_only=True)
class Connected(LayerDef):
    """Source: src/parser.c parse_connected, src/connected_layer.c (AlexeyAB 59596d7)."""

    width_option: ClassVar[str] = "output"

    outputs: int = option(1, name="output", least=1)
    activation: str = option("logistic", choices=NAMES)
    batch_normalize: bool = False

    def oddities(self) -> Iterator[str]:
        """Activations that Darknet lacks here."""
        return lacking(self.activation, ELSEWHERE)

    def output(self, *inputs: Shape) -> Shape:
        """`output` single values."""
        return Shape(self.outputs, 1, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """A linear layer."""
        from ..modules.connected import LinearNormAct

        return LinearNormAct(self, inputs[0].size)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Biases, weights, then batch norm."""
        n = (self.outputs,)
        yield Stored("biases", n, "norm.bias" if self.batch_normalize else "linear.bias")
        yield Stored("weights", (self.outputs, inputs[0].size), "linear.weight", self.dialect.transposed)
        if self.batch_normalize:
            yield from norm_tensors(self.outputs)

    def describe(self) -> tuple[str, str]:
        """How many outputs."""
        return f"{self.outputs:5d}", ""
