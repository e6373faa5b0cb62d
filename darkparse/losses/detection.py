"""The loss of [detection], the head of YOLOv1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..layers.detection import Detection
from ..modules.detection import split
from .base import Moment, Scored
from .iou import iou

SMALLEST = 0.001  # of the input's side: src/data.c fill_truth_region drops smaller boxes
SMALL = 0.1  # of the input's area: forward_detection_layer with forced=1
RANDOM_UNTIL = 64000  # images: forward_detection_layer with random=1


class DetectionLoss:
    """Source: src/detection_layer.c forward_detection_layer, src/data.c fill_truth_region (AlexeyAB 59596d7).

    Shapes: B images, S = side x side cells, A boxes a cell, C classes.
    """

    def __init__(self, layer: Detection, true_gradient: bool = False) -> None:
        self.layer = layer

    @torch.no_grad()
    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """See `Loss`; of the boxes whose centres are in one cell the first counts."""
        layer = self.layer
        classes, objectness, boxes = split(layer, layer.activate(output))
        there, label, wanted = self.by_cell(truth.to(output.device))
        overlap, distance = self.compare(boxes, wanted)
        chosen = self.responsible(overlap, distance, wanted, moment)
        at = chosen[..., None]  # (B, S, 1)
        best = overlap.gather(2, at)
        right = layer.object_scale * ((best if layer.rescore else 1.0) - objectness.gather(2, at))
        objectness_delta = -layer.noobject_scale * objectness
        objectness_delta = torch.where(there, objectness_delta.scatter(2, at, right), objectness_delta)
        class_delta = torch.where(there, layer.class_scale * (label - classes), 0.0)
        target = torch.cat([wanted[..., :2], wanted[..., 2:].sqrt() if layer.sqrt else wanted[..., 2:]], -1)
        mine = there & (torch.arange(layer.num, device=at.device) == at)  # (B, S, A)
        box_delta = torch.where(mine[..., None], layer.coord_scale * (target[:, :, None] - boxes), 0.0)
        delta = torch.cat([part.flatten(1) for part in (class_delta, objectness_delta, box_delta)], 1)
        count = there.sum().float()
        terms = {"iou": torch.where(there, best, 0.0).sum() / count.clamp(min=1), "count": count}
        return Scored(delta.view_as(output), delta.square().sum(), terms)

    def by_cell(self, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What each cell should say.

        Returns:
            whether there is an object `(B, S, 1)`; 1 for its class `(B, S, C)`; its box `(B, S, 4)`: x and y in the
            cell, width and height relative to the input
        """
        side = self.layer.side
        counts = (truth[..., 2:4] >= SMALLEST).all(-1)
        cell = (truth[..., :2] * side).long().clamp(0, side - 1)  # (B, M, 2)
        index = cell[..., 1] * side + cell[..., 0]
        none = truth.shape[1]
        order = torch.where(counts, torch.arange(none, device=truth.device), none)
        first = order.new_full((len(truth), side**2), none).scatter_reduce(1, index, order, "amin")
        rows = pad(torch.cat([truth[..., :2] * side - cell, truth[..., 2:]], -1), (0, 0, 0, 1))
        picked = rows.gather(1, first[..., None].expand(-1, -1, 5))
        there = first[..., None] < none
        label = there & (picked[..., 4:].long() == torch.arange(self.layer.classes, device=truth.device))
        return there, label.to(truth.dtype), picked[..., :4]

    def compare(self, boxes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Overlap of each box `(B, S, A, 4)` with its cell's object `(B, S, 4)`, and its distance: `(B, S, A)`."""
        said = boxes.clone()
        said[..., :2] /= self.layer.side
        if self.layer.sqrt:
            said[..., 2:] **= 2
        real = torch.cat([wanted[..., :2] / self.layer.side, wanted[..., 2:]], -1)[:, :, None]
        return iou(said, real), (said - real).square().sum(-1).sqrt()

    def responsible(self, overlap: Tensor, distance: Tensor, wanted: Tensor, moment: Moment) -> Tensor:
        """Index `(B, S)` of the box in each cell that is to learn the object."""
        if self.layer.random and moment.seen < RANDOM_UNTIL:
            draw = torch.Generator().manual_seed(moment.seen)
            return torch.randint(self.layer.num, overlap.shape[:2], generator=draw).to(overlap.device)
        if self.layer.forced:
            return (wanted[..., 2] * wanted[..., 3] < SMALL).long().clamp(max=self.layer.num - 1)
        return torch.where((overlap > 0).any(-1), overlap.argmax(-1), distance.argmin(-1))
