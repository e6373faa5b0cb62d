"""[softmax]: over all values of an image, or over groups of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Shape, section
from ..tree import Tree, read_tree

if TYPE_CHECKING:
    from torch import nn


COLDEST = 1e-6  # below it float32 overflows


@section("softmax", "soft")
@dataclass(frozen=True, kw_only=True)
class Softmax(LayerDef):
    """Source: src/parser.c parse_softmax, src/softmax_layer.c (AlexeyAB 59596d7)."""

    gives_probabilities: ClassVar[bool] = True
    has_cost: ClassVar[bool] = True  # with `noloss` it is 0, and counts in the mean that is printed

    groups: int = option(1, least=1)
    temperature: float = 1.0
    tree: Tree | None = option(None, read=read_tree)
    spatial: bool = False
    noloss: bool = False

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        (x,) = inputs
        if x.size % self.groups:
            raise ValueError(f"groups={self.groups} does not divide {x.size} values")
        if self.tree and len(self.tree) != x.size:
            raise ValueError(f"tree has {len(self.tree)} nodes, but the layer before gives {x.size} values")
        if self.temperature < COLDEST:
            raise ValueError(f"temperature={self.temperature}: expected at least {COLDEST}")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """A softmax."""
        from ..modules.softmax import SoftmaxBy

        return SoftmaxBy(self)
