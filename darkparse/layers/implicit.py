"""[implicit]: learnt values that no input changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Shape, Stored, section

if TYPE_CHECKING:
    from torch import nn


@section("implicit", "implicit_add", "implicit_mul")
@dataclass(frozen=True, kw_only=True)
class Implicit(LayerDef):
    """Source: src/parser.c parse_implicit, src/representation_layer.c (AlexeyAB 59596d7)."""

    is_trained: ClassVar[bool] = False

    filters: int = option(128, least=1)
    atoms: int = option(1, least=1)
    mean: float = 0.0
    std: float = 0.2

    def output(self, *inputs: Shape) -> Shape:
        """`filters` channels of `atoms` rows."""
        return Shape(self.filters, self.atoms, 1)

    def build(self, *inputs: Shape) -> nn.Module:
        """The values."""
        from ..modules.implicit import Constant

        return Constant(self)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """The values."""
        yield Stored("weights", (self.filters, self.atoms), "weight")

    def initial(self, stored: Stored) -> tuple[float, float]:
        """`std` around `mean`."""
        return self.mean - self.std, self.mean + self.std
