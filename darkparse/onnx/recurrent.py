"""Recurrent layers: one step, with the state among the model's inputs and outputs.

"NNN_section.state_in" and "NNN_section.state_out" (of an LSTM "cell_in" and "cell_out", too), `(B, C, H, W)` each:
zeros begin a sequence; what comes out of one step goes into the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from ..graph import Node
from ..layers.composite import Composite
from ..layers.conv_lstm import ConvLstm
from ..layers.crnn import Crnn
from ..layers.gru import Gru
from ..layers.lstm import Lstm
from ..layers.rnn import Rnn
from ..modules.gru import Gru as GruModule
from ..registry import Shape
from .activations import activate, clip
from .builder import BATCH, Builder
from .express import express, fixes_size

Run = Callable[[str, str], str]  # the output of a layer inside, by its name, of a tensor


@fixes_size.register
def _(layer: Composite) -> bool:
    return True  # the state has the size of the input


def inside(layer: Composite, to: Builder, node: Node, module: nn.Module) -> Run:
    """The layers inside."""
    parts = layer.parts(node.inputs[0])

    def run(name: str, x: str) -> str:
        part, given = parts[name]
        place = replace(node, layer=part, inputs=(given,), shape=part.output(given), shares=None)
        with to.inside(f"{to.scope}.{name}"):
            return express(part, to, place, module.get_submodule(name), [x])

    return run


def state_in(to: Builder, shape: Shape, name: str = "state") -> str:
    """A state from before."""
    return to.input(f"{to.scope}.{name}_in", [BATCH, *shape])


def state_out(to: Builder, x: str, shape: Shape, name: str = "state") -> str:
    """A state for the next step; gives its new name."""
    return to.output(to.rename(x, f"{to.scope}.{name}_out"), [BATCH, *shape])


@express.register(Rnn)
@express.register(Crnn)
def _(layer: Rnn | Crnn, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    run, shape = inside(layer, to, node, module), layer.parts(node.inputs[0])["self_layer"][1]
    old = state_in(to, shape)
    state = to.add("Add", run("input_layer", inputs[0]), run("self_layer", old))
    state = to.add("Add", state, old) if layer.shortcut else state
    return run("output_layer", state_out(to, state, shape))


@express.register
def _(layer: Gru, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    assert isinstance(module, GruModule)
    run, (x,) = inside(layer, to, node, module), inputs
    old = state_in(to, node.shape)

    def gate(name: str, state: str, op: str = "Sigmoid") -> str:
        fed = run(module.of_input.format(name), x)
        return to.add(op, to.add("Add", fed, run(module.of_state.format(name), state)))

    update = gate("z", old)
    candidate = gate("h", to.add("Mul", gate("r", old), old), "Tanh" if module.tanh else "Sigmoid")
    kept = to.add("Mul", update, old)
    state = to.add("Add", kept, to.add("Mul", to.add("Sub", to.number(1), update), candidate))
    return copied_out(to, state, node.shape)


@express.register
def _(layer: Lstm, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    state, cell, gates = opened(to, node, inside(layer, to, node, module), inputs[0])
    forget, take, give = (to.add("Sigmoid", gates[name]) for name in "fio")
    new = to.add("Mul", take, to.add("Tanh", gates["g"]))
    cell = to.add("Add", to.add("Mul", forget, cell), new)
    state = to.add("Mul", give, to.add("Tanh", cell))
    state_out(to, cell, node.shape, "cell")
    return copied_out(to, state, node.shape)


@express.register
def _(layer: ConvLstm, to: Builder, node: Node, module: nn.Module, inputs: list[str]) -> str:
    run = inside(layer, to, node, module)
    _, cell, gates = opened(to, node, run, inputs[0])

    def peep(name: str, seen: str) -> str:
        x = to.add("Add", gates[name], run(f"v{name}", seen)) if layer.peephole else gates[name]
        return to.add("Sigmoid", x)

    new = to.add("Mul", peep("i", cell), activate(to, layer.lstm_activation, gates["g"]))
    cell = to.add("Add", to.add("Mul", peep("f", cell), cell), new)
    state = to.add("Mul", peep("o", cell), activate(to, layer.lstm_activation, cell))
    if limit := layer.state_constrain:
        cell = clip(to, cell, -limit, limit)
    state_out(to, finite(to, cell), node.shape, "cell")
    return copied_out(to, finite(to, state), node.shape)


def opened(to: Builder, node: Node, run: Run, x: str) -> tuple[str, str, dict[str, str]]:
    """State and cell of an LSTM, and its gates before their activations."""
    state, cell = state_in(to, node.shape), state_in(to, node.shape, "cell")
    gates = {name: to.add("Add", run(f"u{name}", x), run(f"w{name}", state)) for name in "figo"}
    return state, cell, gates


def copied_out(to: Builder, state: str, shape: Shape) -> str:
    """A state that is the layer's output, too: each has its name."""
    state_out(to, to.add("Identity", state), shape)
    return state


def finite(to: Builder, x: str) -> str:
    """`x`, and 0 where it is infinite or not a number."""
    is_finite = to.add("Less", to.add("Abs", x), to.number(float("inf")))
    return to.add("Where", is_finite, x, to.number(0))
