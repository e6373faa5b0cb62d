"""The module of [crnn]."""

from torch import Tensor, nn


class ConvRnn(nn.Module):
    """state = (state +) input(x) + self(state); the result is output(state).

    Source: src/crnn_layer.c forward_crnn_layer (AlexeyAB 59596d7)
    """

    input_layer: nn.Module
    self_layer: nn.Module
    output_layer: nn.Module

    def __init__(self, layers: dict[str, nn.Module], shortcut: bool) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.shortcut = shortcut
        self.state: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)`, the next step of each of B sequences, to `(B, outputs, H, W)`."""
        fed: Tensor = self.input_layer(x)
        old = self.state if self.state is not None and self.state.shape == fed.shape else fed.new_zeros(fed.shape)
        state = fed + self.self_layer(old)
        self.state = state + old if self.shortcut else state
        result: Tensor = self.output_layer(self.state)
        return result

    def reset(self) -> None:
        """Begin new sequences."""
        self.state = None
