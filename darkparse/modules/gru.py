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

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, 1, 1)`."""
        fed = {name: self.run(self.of_input.format(name), x) for name in "zrh"}
        (old,) = self.remembered(fed["z"])
        update, reset = ((fed[name] + self.run(self.of_state.format(name), old)).sigmoid() for name in "zr")
        candidate = fed["h"] + self.run(self.of_state.format("h"), reset * old)
        candidate = candidate.tanh() if self.tanh else candidate.sigmoid()
        state = update * old + (1 - update) * candidate
        self.state = (state,)
        return state
