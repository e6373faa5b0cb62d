"""The module of [rnn] and [crnn]."""

from torch import Tensor, nn


class Recurrent(nn.Module):
    """Layers inside by name, and a state that lasts from one call to the next."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.state: tuple[Tensor, ...] = ()

    def run(self, name: str, x: Tensor) -> Tensor:
        """The output of a layer inside."""
        y: Tensor = self.get_submodule(name)(x)
        return y

    def remembered(self, like: Tensor, count: int = 1) -> tuple[Tensor, ...]:
        """The state, `count` tensors; zeros at the beginning, and where the batch is another."""
        if self.state and (old := self.state[0]).shape == like.shape and old.dtype == like.dtype:
            return tuple(one.clone() if one.is_inference() else one for one in self.state)
        return (like.new_zeros(like.shape),) * count

    def reset(self) -> None:
        """Begin new sequences."""
        self.state = ()


class Rnn(Recurrent):
    """state = (state +) input(x) + self(state); the result is output(state).

    Source: src/rnn_layer.c forward_rnn_layer, src/crnn_layer.c forward_crnn_layer (AlexeyAB 59596d7)
    """

    def __init__(self, layers: dict[str, nn.Module], shortcut: bool) -> None:
        super().__init__(layers)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        fed = self.run("input_layer", x)
        (old,) = self.remembered(fed)
        state = fed + self.run("self_layer", old)
        self.state = (state + old if self.shortcut else state,)
        return self.run("output_layer", self.state[0])
