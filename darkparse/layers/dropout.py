"""[dropout]: nothing at inference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("dropout")
@dataclass(frozen=True, kw_only=True)
class Dropout(LayerDef):
    """Source: src/parser.c parse_dropout (AlexeyAB 59596d7)."""

    passes_on: ClassVar[bool] = True
    in_place: ClassVar[bool] = True

    probability: float = option(0.2, least=0, most=1)
    dropblock: bool = False
    dropblock_size_rel: float = 0.0
    dropblock_size_abs: int = 0

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """PyTorch's own, or one that drops squares."""
        from torch import nn

        from ..modules.dropout import DropBlock

        return DropBlock(self) if self.dropblock else nn.Dropout(self.probability)

    def describe(self) -> tuple[str, str]:
        """The probability."""
        return "", f"p = {self.probability:.2f}"
