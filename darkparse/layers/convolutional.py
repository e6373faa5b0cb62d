"""[convolutional]: convolution, optional batch norm, activation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ..activations import NAMES
from ..options import ignored, option, unsupported
from ..registry import LayerDef, Reader, Shape, Stored, absolute, norm_tensors, section
from .antialiasing import blurred, check_readers

if TYPE_CHECKING:
    from torch import nn

NO_LAYER = -1000000000  # src/parser.c parse_convolutional: share_index of a layer that shares nothing
XNOR_SAVING = 32  # src/convolutional_layer.c make_convolutional_layer: signs packed in a word


@section("convolutional", "conv")
@dataclass(frozen=True, kw_only=True)
class Convolutional(LayerDef):
    """Source: src/parser.c parse_convolutional, src/convolutional_layer.c (AlexeyAB 59596d7)."""

    width_option: ClassVar[str] = "filters"

    filters: int = option(1, least=1)
    size: int = option(1, least=1)
    stride: int = option(1, least=1)
    stride_x: int = -1
    stride_y: int = -1
    pad: bool = False  # padding = size // 2, whatever `padding` says
    padding: int = option(0, least=0)
    dilation: int = option(1, least=1)
    groups: int = option(1, least=1)
    batch_normalize: int = option(0, choices=(0, 1, 2))
    cbn: bool = False
    activation: str = option("logistic", choices=NAMES)
    share_index: int = NO_LAYER
    antialiasing: int = option(0, choices=(0, 1, 2))
    xnor: bool = False
    bin_output: bool = False
    flipped: bool = False
    binary: bool = unsupported(False)
    coordconv: bool = unsupported(False)
    # training alone
    assisted_excitation: float = 0.0
    sway: bool = False
    rotate: bool = False
    stretch: bool = False
    stretch_sway: bool = False
    angle: float = 15.0
    grad_centr: bool = False
    reverse: float = 0.0
    dot: float = 0.0
    stream: int = ignored(-1)
    wait_stream: int = ignored(-1)

    @property
    def margin(self) -> int:
        """Zeros on each side, in px before dilation."""
        return self.size // 2 if self.pad else self.padding

    @property
    def strides(self) -> tuple[int, int]:
        """Step down and across."""
        return (
            self.stride_y if self.stride_y > 0 else self.stride,
            self.stride_x if self.stride_x > 0 else self.stride,
        )

    @property
    def spread(self) -> int:
        """The dilation that counts: a 1x1 kernel has none."""
        return 1 if self.size == 1 else self.dilation

    @property
    def parts(self) -> int:
        """The groups that count: XNOR layers have none."""
        return 1 if self.xnor and self.dialect.xnor_folds_norm else self.groups

    @property
    def crosses_iterations(self) -> bool:
        """Whether batch norm's statistics are of all mini-batches of a batch."""
        return self.batch_normalize == 2 or self.cbn

    @property
    def centres_gradients(self) -> bool:
        """`grad_centr`, beside batch norm."""
        return self.grad_centr and bool(self.batch_normalize or self.cbn)

    def untrainable(self) -> Iterator[str]:
        """What changes weights or values in training in ways of its own."""
        for name in ("assisted_excitation", "sway", "rotate", "stretch", "stretch_sway", "reverse"):
            if getattr(self, name):
                yield f"{name}: not supported in training; expected 0"

    def shares(self, index: int) -> int | None:
        """The layer named by `share_index`."""
        return None if self.share_index == NO_LAYER else absolute(index, self.share_index)

    def placed(self, readers: Sequence[Reader]) -> LayerDef:
        """Drops `bin_output` where the values themselves are read; refuses to blur what Darknet then misreads."""
        check_readers(self.antialiasing, self.strides, readers)
        plain = any(reader.layer.needs_values(reader.position) for reader in readers)
        return replace(self, bin_output=False) if plain and self.bin_output else self

    def output(self, *inputs: Shape) -> Shape:
        """`filters` channels; Darknet leaves the dilation out of the sum."""
        (x,) = inputs
        down, across = self.strides
        if self.xnor and (self.spread > 1 or self.antialiasing or down != across):
            raise ValueError("xnor=1: Darknet's code for it knows no dilation, antialiasing or unequal strides")
        if x.c % self.parts or self.filters % self.parts:
            raise ValueError(f"groups={self.groups} does not divide {x.c} channels and filters={self.filters}")
        down, across = (1, 1) if self.antialiasing else self.strides
        h, w = ((n + 2 * self.margin - self.size) // s + 1 for n, s in ((x.h, down), (x.w, across)))
        reach = 2 * self.margin * self.spread - self.spread * (self.size - 1)
        if ((x.h + reach - 1) // down + 1, (x.w + reach - 1) // across + 1) != (h, w):
            raise ValueError(f"dilation={self.dilation} needs pad=1 and an odd size; Darknet's own sizes disagree")
        return blurred(Shape(self.filters, h, w), self.antialiasing, self.strides)

    def workspace(self, *inputs: Shape) -> int:
        """The image with a border of -1 where there is one, or what is to be blurred."""
        (x,) = inputs
        border = 2 * self.margin * self.spread
        if self.antialiasing:
            return replace(self, antialiasing=0, stride=1, stride_x=1, stride_y=1).output(x).size
        return x.c * (x.h + border) * (x.w + border) if self.xnor else 0

    def build(self, *inputs: Shape) -> nn.Module:
        """A ConvNormAct, binary where `xnor` is set, blurred where `antialiasing` is."""
        from ..modules.antialiasing import with_blur
        from ..modules.convolutional import ConvNormAct, XnorConvNormAct

        kind = XnorConvNormAct if self.xnor else ConvNormAct
        return with_blur(kind(self, inputs[0].c), self.antialiasing, self.strides)

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Biases, batch norm, weights."""
        n, where = (self.filters,), "layer." if self.antialiasing else ""
        if self.batch_normalize or self.cbn:
            yield Stored("biases", n, where + "norm.bias")
            yield from norm_tensors(self.filters, where + "norm.")
        else:
            yield Stored("biases", n, where + "conv.bias")
        kernel = (self.filters, inputs[0].c // self.parts, self.size, self.size)
        yield Stored("weights", kernel, where + "conv.weight", self.flipped)

    def operations(self, *inputs: Shape) -> float:
        """Two for each multiplication; a 32nd of that with `xnor`."""
        x = inputs[0]
        plain = replace(self, antialiasing=0, stride=1, stride_x=1, stride_y=1) if self.antialiasing else self
        out = plain.output(x)
        total = 2.0 * (x.c // self.parts) * self.size**2 * out.size
        return total / XNOR_SAVING if self.xnor else total

    def describe(self) -> tuple[str, str]:
        """As Darknet's table has it."""
        down, across = (1, 1) if self.antialiasing else self.strides
        step = f"{across:2d}x{down:2d}" if across != down else f"{across:2d}"
        spread = f"({self.spread})" if self.spread > 1 else ""
        parts = f"/{self.parts:4d}" if self.parts > 1 else ""
        return f"{self.filters:5d}{parts}", f"{self.size:2d} x{self.size:2d}/{step}{spread}"
