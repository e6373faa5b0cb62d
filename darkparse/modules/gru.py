"""The module of [gru]."""

from torch import Tensor, nn

from .rnn import Recurrent


class Gru(Recurrent):
    """h = z h + (1 - z) candidate, with the reset gate before the state's matrix.

    Source: src/gru_layer.c forward_gru_layer (AlexeyAB 59596d7)
    """

    def __init__(self, layers: dict[str, nn.Module], names: tuple[str, str], tanh: bool) -> None:
        super().__init__(layers)
        self.of_state, self.of_input = names
        self.tanh = tanh

    def gate(self, name: str, x: Tensor, state: Tensor) -> Tensor:
        """The sum of what the input and the state say of a gate."""
        return self.run(self.of_input.format(name), x) + self.run(self.of_state.format(name), state)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, 1, 1)`."""
        like = self.run(self.of_input.format("z"), x)
        (old,) = self.remembered(like)
        update = (like + self.run(self.of_state.format("z"), old)).sigmoid()
        reset = self.gate("r", x, old).sigmoid()
        candidate = self.gate("h", x, reset * old)
        candidate = candidate.tanh() if self.tanh else candidate.sigmoid()
        state = update * old + (1 - update) * candidate
        self.state = (state,)
        return state
