"""[crnn]: a recurrent layer made of three convolutions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..activations import NAMES
from ..options import option, unsupported
from ..registry import LayerDef, Shape, Stored, section
from .convolutional import Convolutional

if TYPE_CHECKING:
    from torch import nn


@section("crnn")
@dataclass(frozen=True, kw_only=True)
class Crnn(LayerDef):
    """Source: src/parser.c parse_crnn, src/crnn_layer.c (AlexeyAB 59596d7)."""

    outputs: int = option(1, name="output", least=1)
    hidden: int = option(1, least=1)
    size: int = option(3, least=1)
    stride: int = option(1, least=1)
    dilation: int = option(1, least=1)
    pad: bool = False
    padding: int = option(0, least=0)
    groups: int = option(1, least=1)
    activation: str = option("logistic", choices=NAMES)
    batch_normalize: bool = False
    xnor: bool = unsupported(False)  # reads beyond its buffers in Darknet
    output_filters: int = unsupported(0)  # pjreddie's name for output
    hidden_filters: int = unsupported(0)
    shortcut: bool = False

    def steps(self, x: Shape) -> dict[str, tuple[Convolutional, Shape]]:
        """The three convolutions by Darknet's names, each with its input."""
        common = {
            "dialect": self.dialect, "size": self.size, "stride": self.stride, "dilation": self.dilation,
            "pad": self.pad, "padding": self.padding, "groups": self.groups, "activation": self.activation,
            "batch_normalize": int(self.batch_normalize),
        }  # fmt: skip
        hidden = Convolutional(filters=self.hidden, **common)  # type: ignore[arg-type]
        output = Convolutional(filters=self.outputs, **common)  # type: ignore[arg-type]
        state = x._replace(c=self.hidden)
        return {"input_layer": (hidden, x), "self_layer": (hidden, state), "output_layer": (output, state)}

    def output(self, *inputs: Shape) -> Shape:
        """`output` channels; no step may change the size."""
        (x,) = inputs
        for conv, given in self.steps(x).values():
            if (out := conv.output(given))[1:] != x[1:]:
                raise ValueError(f"its convolutions turn {x.w}x{x.h} into {out.w}x{out.h}; expected pad=1 and stride=1")
        return x._replace(c=self.outputs)

    def build(self, *inputs: Shape) -> nn.Module:
        """A module that keeps its state."""
        from ..modules.crnn import ConvRnn

        return ConvRnn({name: conv.build(x) for name, (conv, x) in self.steps(inputs[0]).items()}, self.shortcut)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Those of the input, self and output convolutions."""
        for name, (conv, x) in self.steps(inputs[0]).items():
            for stored in conv.tensors(x):
                yield stored._replace(name=f"{name}.{stored.name}", path=f"{name}.{stored.path}")

    def operations(self, *inputs: Shape) -> float:
        """Those of the three convolutions."""
        return sum(conv.operations(x) for conv, x in self.steps(inputs[0]).values())

    def describe(self) -> tuple[str, str]:
        """The number of outputs."""
        return f"{self.outputs:5d}", f"{self.size:2d} x{self.size:2d}/{self.stride:2d}"
