"""[empty], [silence]: passes its input on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("empty", "silence")
@dataclass(frozen=True, kw_only=True)
class Empty(LayerDef):
    """Source: src/parser.c parse_network_cfg_custom (AlexeyAB 59596d7)."""

    passes_on: ClassVar[bool] = True

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on."""
        from torch import nn

        return nn.Identity()
