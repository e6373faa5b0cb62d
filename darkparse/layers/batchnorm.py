"""[batchnorm]: batch norm by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..registry import LayerDef, Shape, Stored, norm_tensors, section

if TYPE_CHECKING:
    from torch import nn


@section("batchnorm")
@dataclass(frozen=True, kw_only=True)
class Batchnorm(LayerDef):
    """Source: src/parser.c parse_batchnorm, load_batchnorm_weights (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    overwrites: ClassVar[bool] = True

    @property
    def skips_scales(self) -> bool:
        """Never: load_batchnorm_weights knows no `dontloadscales`."""
        return False

    def output(self, *inputs: Shape) -> Shape:
        """The same."""
        return inputs[0]

    def build(self, *inputs: Shape) -> nn.Module:
        """PyTorch's own; pjreddie's has no bias."""
        from torch import nn

        from ..modules.norm import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM

        norm = nn.BatchNorm2d(inputs[0].c, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
        if self.dialect.normed_without_bias:
            norm.register_parameter("bias", None)
        return norm

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Biases, scales, mean and variance."""
        if not self.dialect.normed_without_bias:
            yield Stored("biases", (inputs[0].c,), "bias")
        yield from norm_tensors(inputs[0].c, "")
