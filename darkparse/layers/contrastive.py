"""[contrastive]: a loss on embeddings; nothing at inference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option
from ..registry import LayerDef, Shape, section

if TYPE_CHECKING:
    from torch import nn


@section("contrastive")
@dataclass(frozen=True, kw_only=True)
class Contrastive(LayerDef):
    """Source: src/parser.c parse_contrastive (AlexeyAB 59596d7)."""

    passes_on: ClassVar[bool] = True

    classes: int = option(1000, least=1)
    yolo_layer: int = 0
    temperature: float = 1.0
    cls_normalizer: float = 1.0
    max_delta: float = 3.4e38
    contrastive_neg_max: int = 3

    def untrainable(self) -> Iterator[str]:
        """Itself."""
        yield "contrastive losses are not supported in training"

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        if self.yolo_layer == 0:
            raise ValueError("yolo_layer: missing, and Darknet crashes without it; expected the index of a [yolo]")
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on."""
        from torch import nn

        return nn.Identity()
