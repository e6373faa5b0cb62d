"""[crnn]: a recurrent layer made of three convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..activations import NAMES
from ..options import option, unsupported
from ..registry import LayerDef, Shape, section
from .composite import Composite
from .convolutional import Convolutional

if TYPE_CHECKING:
    from torch import nn


@section("crnn")
@dataclass(frozen=True, kw_only=True)
class Crnn(Composite):
    """Source: src/parser.c parse_crnn, src/crnn_layer.c (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    outputs: int = option(1, name="output", least=1)
    hidden: int = option(1, least=1)
    output_filters: int = option(1, least=1)  # pjreddie's words
    hidden_filters: int = option(1, least=1)
    size: int = option(3, least=1)
    stride: int = option(1, least=1)
    dilation: int = option(1, least=1)
    pad: bool = False
    padding: int = option(0, least=0)
    groups: int = option(1, least=1)
    activation: str = option("logistic", choices=NAMES)
    batch_normalize: bool = False
    xnor: bool = unsupported(False)  # reads beyond its buffers in Darknet
    shortcut: bool = False

    @property
    def filters(self) -> tuple[int, int]:
        """Of the state, and of the output."""
        if self.dialect.plain_recurrence:
            return self.hidden_filters, self.output_filters
        return self.hidden, self.outputs

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """Three convolutions; pjreddie's are 3x3."""
        hidden, outputs = self.filters
        form: dict[str, Any] = {
            "size": self.size, "stride": self.stride, "dilation": self.dilation, "pad": self.pad,
            "padding": self.padding, "groups": self.groups,
        }  # fmt: skip
        if self.dialect.plain_recurrence:
            form = {"size": 3, "pad": True}
        form |= {"activation": self.activation, "batch_normalize": int(self.batch_normalize), "dialect": self.dialect}
        inner = Convolutional(filters=hidden, **form)
        outer = Convolutional(filters=outputs, **form)
        state = x._replace(c=hidden)
        return {"input_layer": (inner, x), "self_layer": (inner, state), "output_layer": (outer, state)}

    def output(self, *inputs: Shape) -> Shape:
        """`output` channels; no step may change the size."""
        (x,) = inputs
        if self.dialect.plain_recurrence and x.h != x.w:
            raise ValueError(f"{x.w}x{x.h}: pjreddie's code takes width for height; expected a square")
        self.check_size(x)
        return x._replace(c=self.filters[1])

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.rnn import Rnn

        return Rnn(self.modules(inputs[0]), self.shortcut)

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.filters[1]:5d}", f"{self.size:2d} x{self.size:2d}/{self.stride:2d}"
