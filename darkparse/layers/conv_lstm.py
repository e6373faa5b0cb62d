"""[conv_lstm]: long short-term memory made of convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import NAMES
from ..options import option, unsupported
from ..registry import LayerDef, Shape, section
from .composite import Composite
from .convolutional import Convolutional

if TYPE_CHECKING:
    from torch import nn


@section("conv_lstm")
@dataclass(frozen=True, kw_only=True)
class ConvLstm(Composite):
    """Source: src/parser.c parse_conv_lstm, src/conv_lstm_layer.c (AlexeyAB 59596d7)."""

    outputs: int = option(1, name="output", least=1)
    size: int = option(3, least=1)
    stride: int = option(1, least=1)
    dilation: int = option(1, least=1)
    pad: bool = False
    padding: int = option(0, least=0)
    groups: int = option(1, least=1)
    activation: str = option("linear", choices=NAMES)
    lstm_activation: str = option("tanh", choices=NAMES)
    batch_normalize: bool = False
    peephole: bool = False
    bottleneck: bool = unsupported(False)  # Darknet's CPU code crashes
    xnor: bool = unsupported(False)  # reads beyond its buffers in Darknet
    shortcut: bool = unsupported(False)  # Darknet's CPU code ignores it
    state_constrain: int = option(32, least=0)
    time_normalizer: float = 1.0  # training alone

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """Convolutions of the cell (v), of the state (w) and of the input (u) for each gate."""
        layer = Convolutional(
            filters=self.outputs, size=self.size, stride=self.stride, dilation=self.dilation, pad=self.pad,
            padding=self.padding, groups=self.groups, activation=self.activation,
            batch_normalize=int(self.batch_normalize), dialect=self.dialect,
        )  # fmt: skip
        state = x._replace(c=self.outputs)
        peeps = {f"v{g}": (layer, state) for g in "fio"} if self.peephole else {}
        return {**peeps, **{f"w{g}": (layer, state) for g in "figo"}, **{f"u{g}": (layer, x) for g in "figo"}}

    def output(self, *inputs: Shape) -> Shape:
        """`output` channels; no convolution may change the size."""
        (x,) = inputs
        self.check_size(x)
        return x._replace(c=self.outputs)

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.lstm import ConvLstm as Module

        return Module(self.modules(inputs[0]), self)

    def operations(self, *inputs: Shape) -> float:
        """Those of the convolutions, and nine (twelve with `peephole`) for each value."""
        return super().operations(*inputs) + (12 if self.peephole else 9) * self.output(*inputs).size

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.outputs:5d}", f"{self.size:2d} x{self.size:2d}/{self.stride:2d}"
