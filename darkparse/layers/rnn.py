"""[rnn]: a recurrent layer made of three dense ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import NAMES
from ..options import option
from ..registry import LayerDef, Shape, section
from .composite import Composite
from .connected import Connected

if TYPE_CHECKING:
    from torch import nn


@section("rnn")
@dataclass(frozen=True, kw_only=True)
class Rnn(Composite):
    """Source: src/parser.c parse_rnn, src/rnn_layer.c (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    outputs: int = option(1, name="output", least=1)
    hidden: int = option(1, least=1)  # pjreddie's state is as large as its output
    activation: str = option("logistic", choices=NAMES)
    batch_normalize: bool = False
    logistic: int = option(0, choices=(0, 1, 2))
    shortcut: bool = False

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """Three dense layers."""
        plain = self.dialect.plain_recurrence
        hidden = self.outputs if plain else self.hidden
        own = {0: self.activation, 1: "logistic", 2: "loggy"}[0 if plain else self.logistic]
        norm, state = self.batch_normalize, Shape(hidden, 1, 1)

        def dense(outputs: int, activation: str) -> Connected:
            return Connected(outputs=outputs, activation=activation, batch_normalize=norm, dialect=self.dialect)

        return {
            "input_layer": (dense(hidden, self.activation), x),
            "self_layer": (dense(hidden, own), state),
            "output_layer": (dense(self.outputs, self.activation), state),
        }

    def output(self, *inputs: Shape) -> Shape:
        """`output` single values."""
        return Shape(self.outputs, 1, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.rnn import Rnn as Module

        return Module(self.modules(inputs[0]), self.shortcut)

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.outputs:5d}", ""
