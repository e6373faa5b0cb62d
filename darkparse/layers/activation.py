"""[activation] and [logistic]: an activation by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..activations import ELSEWHERE, NAMES, lacking
from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("activation")
@dataclass(frozen=True, kw_only=True)
class Activation(LayerDef):
    """Source: src/parser.c parse_activation, src/activation_layer.c (AlexeyAB 59596d7)."""

    overwrites: ClassVar[bool] = True

    activation: str = option("linear", choices=NAMES)

    def oddities(self) -> Iterator[str]:
        """Activations that Darknet lacks here."""
        return lacking(self.activation, ELSEWHERE)

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """The activation's module."""
        from ..modules.activation import activation

        return activation(self.activation)


@section("logistic")
@dataclass(frozen=True, kw_only=True)
class Logistic(LayerDef):
    """Source: src/parser.c parse_logistic, src/logistic_layer.c (pjreddie f6afaab)."""

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """PyTorch's own."""
        from torch import nn

        return nn.Sigmoid()
