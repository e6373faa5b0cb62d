"""What training can do with a network, and what it leaves out.  Needs no torch."""

from collections.abc import Iterator

from ..errors import Complain, DarkparseError, OddValue, warn
from ..graph import Graph
from ..net import Net
from .freezing import updated

REFUSED = ("track", "contrastive", "unsupervised")  # options of [net]
IGNORED = (
    "dynamic_minibatch",
    "try_fix_nan",
    "weights_reject_freq",
    "equidistant_point",
    "badlabels_rejection_percentage",
    "num_sigmas_reject_badlabels",
)


def check_trainable(graph: Graph, complain: Complain = warn) -> None:
    """Refuse what training cannot do as Darknet does it, and complain of options that it leaves out.

    Raises:
        DarkparseError: no layer has a cost, or a layer or an option of [net] is not supported in training
    """
    if not any(node.layer.has_cost for node in graph.nodes):
        raise DarkparseError(f"{graph.file}: no layer has a loss; expected a head, [softmax] or [cost]")
    if not any(node.tensors for node in updated(graph)):
        raise DarkparseError(f"{graph.file}: no layer has weights to train; expected one that is not frozen")
    for node in graph.nodes:
        for why in node.layer.untrainable():
            raise DarkparseError(f"{node.where}: {why}")
    for name in REFUSED:
        if getattr(graph.net, name):
            raise DarkparseError(f"{graph.file}: [net] {name}: not supported in training; expected 0")
    for name in ignored(graph.net):
        complain(OddValue, f"[net] {name}: has no effect on training here", graph.nodes[0].where)


def ignored(net: Net) -> Iterator[str]:
    """The options that are set, and that training leaves out."""
    return (name for name in IGNORED if getattr(net, name))
