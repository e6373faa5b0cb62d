"""[history]: the last steps of a sequence, side by side; one step at a time only the newest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("history")
@dataclass(frozen=True, kw_only=True)
class History(LayerDef):
    """Source: src/parser.c parse_history, src/conv_lstm_layer.c forward_history_layer (AlexeyAB 59596d7)."""

    history_size: int = option(4, least=1)

    def output(self, *inputs: Shape) -> Shape:
        """`history_size` times the channels."""
        (x,) = inputs
        return x._replace(c=x.c * self.history_size)

    def build(self, *inputs: Shape) -> nn.Module:
        """The input, and zeros in the place of older steps."""
        from torch import nn

        return nn.ZeroPad3d((0, 0, 0, 0, 0, inputs[0].c * (self.history_size - 1)))
