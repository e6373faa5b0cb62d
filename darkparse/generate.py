"""Generating: text from a character RNN, one byte after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from .deployment import Use
from .errors import DarkparseError, GraphError
from .graph import Graph, Node
from .layers.softmax import COLDEST, Softmax
from .loading import check_numbers, load_network
from .network import Network
from .registry import Shape
from .sources import open_files

BYTES = 256
LEAST = 1e-4  # src/rnn.c test_char_rnn: what is less likely never comes
TEMPERATURE = 0.7  # src/rnn.c run_char_rnn: its default


class Writer:
    """A network that reads a byte and says which comes next; it remembers those before.

    notes: what was decided, and why
    """

    def __init__(self, network: Network, notes: list[str]) -> None:
        self.network, self.notes = network, notes
        self.device = next(network.parameters(), torch.empty(0)).device

    @torch.inference_mode()
    def next(self, byte: int) -> np.ndarray:
        """How likely each byte is to come after this one: `(256,)` float64, 0..1.

        Raises:
            DarkparseError: the network gives NaN
        """
        one_hot = torch.zeros(1, BYTES, 1, 1, device=self.device)
        one_hot[0, byte] = 1
        (output,) = self.network(one_hot)
        check_numbers(self.network.graph, [output])
        likely: np.ndarray = output.flatten().cpu().numpy().astype(np.float64)
        return likely

    def generate(self, seed: bytes, length: int, rng: np.random.Generator) -> Iterator[int]:
        """The bytes of `seed`, then `length` more, each as soon as it is known.

        The state begins anew.  An empty seed counts as one zero byte, as in Darknet.  The draws are those of `rng`;
        Darknet's are those of its C library's rand(), which cannot be had, so the same seed writes another text there.

        Raises:
            DarkparseError: the network gives NaN
        Source: src/rnn.c test_char_rnn (AlexeyAB 59596d7; pjreddie f6afaab the same, with the cfg's batch and steps)
        """
        self.network.reset()
        *before, byte = seed or b"\0"
        for one in before:
            self.next(one)
            yield one
        yield byte
        for _ in range(length):
            byte = draw(self.next(byte), rng)
            yield byte


def draw(likely: np.ndarray, rng: np.random.Generator) -> int:
    """One of the bytes that are not too unlikely.

    Args:
        likely: `(256,)`, 0..1
    Source: src/rnn.c test_char_rnn, src/utils.c sample_array (AlexeyAB 59596d7)
    """
    reached = np.cumsum(np.where(likely < LEAST, 0, likely))
    return int(np.searchsorted(reached, rng.random() * reached[-1], side="right"))


def load_writer(
    cfg: str | Path,
    weights: str | Path = "",
    *,
    temperature: float = TEMPERATURE,
    device: str = "auto",
    strict: bool = False,
) -> Writer:
    """A writer from the cfg of a character RNN and its weights, or from one file that holds both.

    Args:
        cfg, weights: as for `darkparse.load`; batch and time_steps of the cfg have no effect
        temperature: above 0; below 1 the likely gets likelier, above 1 the unlikely.  In place of the cfg's own
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps"
        strict: take oddities of the cfg for errors
    Raises:
        CfgError: the cfg is wrong, or its network no character RNN
        WeightsError: the weights do not fit
        DarkparseError: the temperature cannot be, there is no such device, or not enough memory
    """
    if not (temperature >= COLDEST and math.isfinite(temperature)):
        raise DarkparseError(f"temperature: expected a number of at least {COLDEST}, got {temperature}")
    files = open_files(cfg, weights, strict=strict)
    check_characters(files.graph)
    warm = files._replace(graph=with_temperature(files.graph, temperature))
    network, _, notes = load_network(warm, device, "fp32", Use(images=1))
    return Writer(network, notes)


def check_characters(graph: Graph) -> None:
    """Raises DarkparseError where the network does not turn a byte into probabilities of the next."""
    if graph.net.shape != Shape(BYTES, 1, 1):
        found = f"[net] reads {graph.net.shape}"
        raise DarkparseError(f"{graph.file}: {found}; expected a character RNN, with inputs={BYTES} (one a byte)")
    last = graph.last
    if graph.heads or not isinstance(last.layer, Softmax) or last.shape.size != BYTES:
        found = f"ends the network with {last.shape.size} values"
        raise GraphError(f"{found}; expected a character RNN, with a [softmax] of {BYTES} (one a byte)", last.where)


def with_temperature(graph: Graph, temperature: float) -> Graph:
    """The graph with that temperature in each [softmax], as Darknet sets it after reading the cfg."""

    def changed(node: Node) -> Node:
        layer = node.layer
        return replace(node, layer=replace(layer, temperature=temperature)) if isinstance(layer, Softmax) else node

    return replace(graph, nodes=tuple(changed(node) for node in graph.nodes))
