"""[route]: earlier layers side by side, or one group of the channels of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import ignored, option
from ..registry import LayerDef, Shape, absolute, section

if TYPE_CHECKING:
    from torch import nn


@section("route")
@dataclass(frozen=True, kw_only=True)
class Route(LayerDef):
    """Source: src/parser.c parse_route, src/route_layer.c (AlexeyAB 59596d7)."""

    layers: tuple[int, ...] = option()
    groups: int = option(1, least=1)
    group_id: int = option(0, least=0)
    stream: int = ignored(-1)
    wait_stream: int = ignored(-1)

    def sources(self, index: int) -> Sequence[int]:
        """The layers named."""
        return [absolute(index, i) for i in self.layers]

    def needs_values(self, position: int) -> bool:
        """Of all."""
        return True

    def names(self, position: int) -> bool:
        """All."""
        return True

    def output(self, *inputs: Shape) -> Shape:
        """All channels, or a `groups`-th of them."""
        if not inputs:
            raise ValueError("layers: names no layer")
        if len({(x.h, x.w) for x in inputs}) > 1:
            raise ValueError(f"joins layers of different sizes: {', '.join(f'{x.w}x{x.h}' for x in inputs)}")
        if any(x.c % self.groups for x in inputs):
            raise ValueError(f"groups={self.groups} does not divide {', '.join(str(x.c) for x in inputs)} channels")
        if self.group_id >= self.groups:
            raise ValueError(f"group_id={self.group_id} of groups={self.groups}: expected 0 to {self.groups - 1}")
        return inputs[0]._replace(c=sum(x.c for x in inputs) // self.groups)

    def build(self, *inputs: Shape) -> nn.Module:
        """A concatenation."""
        from ..modules.route import Join

        return Join(self.groups, self.group_id)

    def describe(self) -> tuple[str, str]:
        """The group."""
        return "", f"{self.group_id}/{self.groups}" if self.groups > 1 else ""
