"""Graph -> nn.Module, executed by plan."""

import os

import torch
from torch import Tensor, nn

from .errors import DarkparseError
from .graph import IMAGE, Graph

FLOAT = 4  # bytes


class Network(nn.Module):
    """The layers of a graph with their parameters.

    `layers[i]` is layer i of the cfg, so that `state_dict` keys begin with its index: `layers.7.conv.weight`.
    """

    def __init__(self, graph: Graph, memory: int | None = None) -> None:
        """Build the modules; under `torch.device("meta")` they take no memory.

        Args:
            memory: bytes that parameters and activations may take; by default what the machine has
        Raises:
            DarkparseError: they would take more
        """
        super().__init__()
        check_memory(graph, memory)
        self.graph = graph
        self.layers = nn.ModuleList(node.layer.build(*node.inputs) for node in graph.nodes)
        self.tie()

    def tie(self) -> None:
        """Let layers with `share_index` use the tensors of the layer that it names."""
        for node in self.graph.nodes:
            if node.shares is not None:
                self.layers[node.index].share(self.layers[node.shares])  # type: ignore[operator]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The raw output of each head, in cfg order, or else the last layer's.

        Args:
            images: `(B, C, H, W)`, 0..1
        Returns:
            `(B, C_i, h_i, w_i)` each
        """
        alive = {IMAGE: images}
        results: dict[int, Tensor] = {}
        for index, (step, layer) in enumerate(zip(self.graph.steps, self.layers, strict=True)):
            alive[index] = layer(*(alive[source] for source in step.sources))
            if index in self.graph.outputs:
                results[index] = alive[index]
            head = self.graph.nodes[index].head
            if head is not None and index not in step.dead:  # a later layer reads what Darknet keeps of it
                alive[index] = head.stored(alive[index])
            for source in step.dead:
                del alive[source]
        return list(results.values())

    @property
    def device(self) -> torch.device:
        """Where its images must be."""
        return next(self.parameters(), torch.empty(0)).device

    @property
    def dtype(self) -> torch.dtype:
        """Of which type they must be."""
        return next(self.parameters(), torch.empty(0)).dtype

    def reset(self) -> None:
        """Forget the state of recurrent layers: what comes next begins new sequences."""
        for module in self.modules():
            if module is not self and (reset := getattr(module, "reset", None)):
                reset()

    @property
    def is_recurrent(self) -> bool:
        """Whether the result depends on what came before."""
        return any(hasattr(module, "reset") for module in self.modules() if module is not self)

    @property
    def in_turn(self) -> bool:
        """Whether batches must come one after the other, each with all threads of the processor."""
        return self.is_recurrent


def check_memory(graph: Graph, limit: int | None = None, images: int = 1) -> None:
    """Raises DarkparseError where a batch needs more than `limit` bytes, by default what the machine has."""
    limit = machine_memory() if limit is None else limit
    if (needed := FLOAT * (graph.parameters + images * graph.activations)) > limit:
        what = "an image" if images == 1 else f"each of {images} images"
        raise DarkparseError(
            f"{graph.file}: needs {needed / 1e9:,.1f} GB ({graph.parameters:,} parameters, and "
            f"{graph.activations:,} values for {what} of {graph.net.shape}); expected at most {limit / 1e9:,.1f} GB"
        )


def machine_memory() -> int:
    """Bytes of memory that this machine has; 16 GiB where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 16 << 30


def empty_network(graph: Graph, memory: int | None = None) -> Network:
    """A network whose tensors have shapes but no memory, to be filled from a file."""
    with torch.device("meta"):
        return Network(graph, memory)
