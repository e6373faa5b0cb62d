"""[lstm]: long short-term memory made of eight dense layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option
from ..registry import LayerDef, Shape, section
from .composite import Composite
from .connected import Connected

if TYPE_CHECKING:
    from torch import nn


@section("lstm")
@dataclass(frozen=True, kw_only=True)
class Lstm(Composite):
    """Source: src/parser.c parse_lstm, src/lstm_layer.c (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    outputs: int = option(1, name="output", least=1)
    batch_normalize: bool = False

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """Forget, input, candidate and output gates, of the state (w) and of the input (u)."""
        layer = Connected(
            outputs=self.outputs, activation="linear", batch_normalize=self.batch_normalize, dialect=self.dialect
        )
        gates = "ifog" if self.dialect.plain_recurrence else "figo"
        state = Shape(self.outputs, 1, 1)
        return {f"w{g}": (layer, state) for g in gates} | {f"u{g}": (layer, x) for g in gates}

    def output(self, *inputs: Shape) -> Shape:
        """`output` single values."""
        return Shape(self.outputs, 1, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.lstm import Lstm as Module

        return Module(self.modules(inputs[0]))

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.outputs:5d}", ""
