"""Sections made of several layers: [rnn], [gru], [lstm], [crnn], [conv_lstm]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..registry import LayerDef, Shape, Stored

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Composite(LayerDef):
    """A layer with layers inside; it keeps a state from one call to the next."""

    def parts(self, x: Shape) -> Mapping[str, tuple[LayerDef, Shape]]:
        """The layers inside by Darknet's names, each with its input, in file order."""
        raise NotImplementedError

    def untrainable(self) -> Iterator[str]:
        """Sequences."""
        yield "recurrent layers are not supported in training"

    def check_size(self, x: Shape) -> None:
        """Raises ValueError where a convolution inside changes the size."""
        for layer, given in self.parts(x).values():
            if (out := layer.output(given))[1:] != x[1:]:
                raise ValueError(f"its convolutions turn {x.w}x{x.h} into {out.w}x{out.h}; expected pad=1 and stride=1")

    def modules(self, x: Shape) -> dict[str, nn.Module]:
        """Their modules."""
        return {name: layer.build(given) for name, (layer, given) in self.parts(x).items()}

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """Those of the layers inside."""
        for name, (layer, given) in self.parts(inputs[0]).items():
            for stored in layer.tensors(given):
                yield stored._replace(name=f"{name}.{stored.name}", path=f"{name}.{stored.path}")

    def operations(self, *inputs: Shape) -> float:
        """Those of the layers inside."""
        return sum(layer.operations(given) for layer, given in self.parts(inputs[0]).values())
