"""The modules of [lstm] and [conv_lstm]."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .activation import activation
from .rnn import Recurrent

if TYPE_CHECKING:
    from ..layers.conv_lstm import ConvLstm as Layer


class Lstm(Recurrent):
    """c = f c + i g, h = o tanh(c).

    Source: src/lstm_layer.c forward_lstm_layer (AlexeyAB 59596d7)
    """

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        fed = {name: self.run(f"u{name}", x) for name in "figo"}
        state, cell = self.remembered(fed["f"], 2)
        forget, take, new, give = (fed[name] + self.run(f"w{name}", state) for name in "figo")
        cell = forget.sigmoid() * cell + take.sigmoid() * new.tanh()
        state = give.sigmoid() * cell.tanh()
        self.state = (state, cell)
        return state


class ConvLstm(Recurrent):
    """The same with convolutions; with `peephole` the gates see the cell, too.

    Source: src/conv_lstm_layer.c forward_conv_lstm_layer (AlexeyAB 59596d7); `lstm_activation` its GPU code
    """

    def __init__(self, layers: dict[str, nn.Module], layer: Layer) -> None:
        super().__init__(layers)
        self.peephole, self.limit = layer.peephole, layer.state_constrain
        self.activation = activation(layer.lstm_activation)

    def peep(self, gate: Tensor, name: str, cell: Tensor) -> Tensor:
        """A gate that sees the cell, too, where `peephole` is set: 0..1."""
        return (gate + self.run(f"v{name}", cell) if self.peephole else gate).sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        fed = {name: self.run(f"u{name}", x) for name in "figo"}
        state, cell = self.remembered(fed["f"], 2)
        forget, take, new, give = (fed[name] + self.run(f"w{name}", state) for name in "figo")
        cell = self.peep(forget, "f", cell) * cell + self.peep(take, "i", cell) * self.activation(new)
        state = torch.mul(self.peep(give, "o", cell), self.activation(cell))
        if self.limit:
            cell = cell.clamp(-self.limit, self.limit)
        self.state = (torch.nan_to_num(state, 0.0, 0.0, 0.0), torch.nan_to_num(cell, 0.0, 0.0, 0.0))
        return self.state[0]
