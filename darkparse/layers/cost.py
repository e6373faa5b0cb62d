"""[cost]: a training loss; passes its input on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Reader, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("cost")
@dataclass(frozen=True, kw_only=True)
class Cost(LayerDef):
    """Source: src/parser.c parse_cost, src/cost_layer.c get_cost_type (AlexeyAB 59596d7, pjreddie f6afaab).

    L1, seg, wgan, noobj and thresh are pjreddie's alone.
    """

    passes_on: ClassVar[bool] = True
    has_cost: ClassVar[bool] = True

    type: str = option("sse", choices=("sse", "masked", "smooth", "L1", "seg", "wgan"))
    scale: float = 1.0
    ratio: float = 0.0
    noobj: float = 1.0
    thresh: float = 0.0

    def placed(self, readers: Sequence[Reader]) -> LayerDef:
        """Nothing to read at inference."""
        if readers:
            raise ValueError("has no output at inference, but a layer reads it; expected it to be the last")
        return self

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on."""
        from torch import nn

        return nn.Identity()
