"""Which layers learn, and when.

Source: src/parser.c parse_network_cfg_custom, set_train_only_bn, src/network_kernels.cu (AlexeyAB 59596d7).
Iterations are counted from 1 here; Darknet's forward and backward passes count from 0.
"""

from ..graph import Graph, Node


def first_running(graph: Graph) -> int:
    """Index of the first layer that is not frozen for good: the last with `stopbackward=1`."""
    return max((node.index for node in graph.nodes if node.layer.stopbackward == 1), default=0)


def stop(graph: Graph, iteration: int) -> int:
    """Index of the layer where the backward pass ends, which gets no gradient either; -1 if it reaches the image."""
    ends = (n.index for n in graph.nodes if n.layer.stopbackward == 1 or n.layer.stopbackward >= iteration)
    return max(ends, default=-1)


def updated(graph: Graph) -> list[Node]:
    """The layers whose parameters change at all; those without a gradient still decay."""
    last = max((node.index for node in graph.nodes if node.layer.train_only_bn), default=-1)
    first = max(first_running(graph), last + 1)
    return [node for node in graph.nodes[first:] if node.layer.is_trained]
