"""[gru]: gated recurrent units made of six dense layers."""

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

GATES = "zrh"


@section("gru")
@dataclass(frozen=True, kw_only=True)
class Gru(Composite):
    """Source: src/parser.c parse_gru, src/gru_layer.c (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    outputs: int = option(1, name="output", least=1)
    batch_normalize: bool = False
    tanh: bool = False  # pjreddie: the candidate's activation; else logistic

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """Update gate z, reset gate r and candidate h, each of the input and of the state."""
        layer = Connected(
            outputs=self.outputs, activation="linear", batch_normalize=self.batch_normalize, dialect=self.dialect
        )
        state = Shape(self.outputs, 1, 1)
        if self.dialect.plain_recurrence:
            return {f"w{g}": (layer, state) for g in GATES} | {f"u{g}": (layer, x) for g in GATES}
        inputs = {f"input_{g}_layer": (layer, x) for g in GATES}
        return inputs | {f"state_{g}_layer": (layer, state) for g in GATES}

    def output(self, *inputs: Shape) -> Shape:
        """`output` single values."""
        return Shape(self.outputs, 1, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.gru import Gru as Module

        names = ("w{}", "u{}") if self.dialect.plain_recurrence else ("state_{}_layer", "input_{}_layer")
        return Module(self.modules(inputs[0]), names, self.tanh and self.dialect.plain_recurrence)

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.outputs:5d}", ""
