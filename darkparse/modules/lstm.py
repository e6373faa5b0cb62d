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

    def gate(self, name: str, x: Tensor, state: Tensor) -> Tensor:
        """The sum of what the input and the state say of a gate."""
        return self.run(f"u{name}", x) + self.run(f"w{name}", state)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        fed = self.run("uf", x)
        state, cell = self.remembered(fed, 2)
        forget = (fed + self.run("wf", state)).sigmoid()
        cell = forget * cell + self.gate("i", x, state).sigmoid() * self.gate("g", x, state).tanh()
        state = self.gate("o", x, state).sigmoid() * cell.tanh()
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

    def gate(self, name: str, x: Tensor, state: Tensor, cell: Tensor | None = None) -> Tensor:
        """The sum of what the input, the state and the cell say of a gate."""
        total = self.run(f"w{name}", state) + self.run(f"u{name}", x)
        return total if cell is None or not self.peephole else total + self.run(f"v{name}", cell)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        state, cell = self.remembered(self.run("uf", x), 2)
        forget, take = self.gate("f", x, state, cell).sigmoid(), self.gate("i", x, state, cell).sigmoid()
        cell = forget * cell + take * self.activation(self.gate("g", x, state))
        state = torch.mul(self.gate("o", x, state, cell).sigmoid(), self.activation(cell))
        if self.limit:
            cell = cell.clamp(-self.limit, self.limit)
        self.state = (torch.nan_to_num(state, 0.0, 0.0, 0.0), torch.nan_to_num(cell, 0.0, 0.0, 0.0))
        return self.state[0]
