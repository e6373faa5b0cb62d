"""What a network's outputs are worth, against the truth: a loss for each layer that has one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import GraphError
from ..graph import Graph
from ..layers.cost import Cost
from ..layers.detection import Detection
from ..layers.region import Region
from ..layers.softmax import Softmax
from ..layers.yolo import GaussianYolo, Yolo
from ..registry import LayerDef
from .base import Loss, Moment, Scored
from .classification import CostLoss, SoftmaxLoss
from .detection import DetectionLoss
from .gaussian import GaussianYoloLoss
from .region import RegionLoss
from .yolo import YoloLoss

LOSSES: dict[type[LayerDef], Callable[[Any, bool], Loss]] = {
    Yolo: YoloLoss,
    GaussianYolo: GaussianYoloLoss,
    Region: RegionLoss,
    Detection: DetectionLoss,
    Softmax: SoftmaxLoss,
    Cost: CostLoss,
}

__all__ = ["LOSSES", "Loss", "Moment", "Scored", "criterion"]


def criterion(graph: Graph, *, true_gradient: bool = False) -> dict[int, Loss]:
    """The loss of every layer of `graph` that has a cost, by its index.

    Args:
        true_gradient: follow the true gradient of an IoU loss, where Darknet follows something near it
    Raises:
        GraphError: the options of a layer contradict each other
    """
    losses = {}
    for node in graph.nodes:
        if type(node.layer) in LOSSES:
            try:
                losses[node.index] = LOSSES[type(node.layer)](node.layer, true_gradient)
            except ValueError as why:
                raise GraphError(str(why), node.where) from None
    return losses
