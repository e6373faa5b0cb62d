"""The loss of [yolo]."""

from __future__ import annotations

import torch
from torch import Tensor

from ..layers.yolo import Yolo
from .anchors import AnchorLoss, Scene, Tally
from .iou import darknet_gradient, iou, overlap
from .truth import Match, Truth


class YoloLoss(AnchorLoss[Yolo]):
    """Source: src/yolo_layer.c process_batch, forward_yolo_layer (AlexeyAB 59596d7)."""

    def pull(self, scene: Scene, match: Match) -> Tensor:
        """Source: delta_yolo_box."""
        strength = (self.layer.iou_normalizer * self.weight(match))[:, None]
        if self.layer.iou_loss == "mse":
            area = match.truth[:, 2:].prod(1, keepdim=True)
            return (2 - area) * (self.target(scene, match) - scene.output[match.where][:, :4]) * strength
        if self.true_gradient:
            gradient = self.true_pull(scene, match)[:, :4]
        else:
            gradient = darknet_gradient(self.layer.iou_loss, scene.boxes[match.where], match.truth)
            if not self.layer.new_coords:
                gradient[:, 2:] *= scene.output[match.where][:, 2:4].exp()
        most = self.layer.max_delta
        return (gradient * strength).nan_to_num(0, 0, 0).clamp(-most, most)

    def size(self, ratio: Tensor) -> Tensor:
        """See `AnchorLoss.size`."""
        return (ratio / 4).sqrt() if self.layer.new_coords else ratio.log()

    def spare(self, scene: Scene, truth: Truth, overlaps: Tensor, which: Tensor) -> None:
        """See `AnchorLoss.spare`."""
        objectness = scene.delta[..., self.entry]
        spared = torch.zeros_like(objectness)
        if self.layer.objectness_smooth:
            spared = torch.maximum(objectness, objectness + self.layer.obj_normalizer * overlaps)
        objectness.copy_(torch.where(overlaps > self.layer.ignore_thresh, spared, objectness))

    @property
    def keeps_objectness(self) -> bool:
        """With `objectness_smooth`."""
        return self.layer.objectness_smooth

    def taken(self, classes: Tensor, label: Tensor) -> Tensor:
        """See `AnchorLoss.taken`; where that of `label` is set.  Source: delta_yolo_class."""
        return classes.gather(1, label[:, None])[:, 0] != 0

    def alone(self, own: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        """See `AnchorLoss.alone`.  Source: delta_yolo_class."""
        if not self.layer.focal_loss:
            return super().alone(own, output, weight)
        p = torch.where(own, output, 0).sum(1, keepdim=True) + 1e-15
        return (own.float() - output) * -0.5 * (1 - p) * (2 * p * p.log() + p - 1)

    def averages(self, objectness: Tensor) -> Tensor:
        """See `AnchorLoss.averages`."""
        return (objectness != 0) & (self.layer.iou_thresh < 1)

    def report(self, scene: Scene, tally: Tally) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AnchorLoss.report`; Darknet shows the plain overlap also for diou and ciou."""
        head, match, boxes = self.layer, tally.match, scene.boxes[tally.match.where]
        plain, n = iou(boxes, match.truth), max(len(match.label), 1)
        rest = scene.delta[..., self.entry :].square().sum()
        total = scene.delta[..., : self.entry].square().sum() + rest
        cost, classes = total, head.obj_normalizer * rest
        if head.iou_loss != "mse" and head.show_details:
            shown = overlap("giou", boxes, match.truth) if head.iou_loss == "giou" else plain
            cost = head.iou_normalizer * (1 - shown).sum() / n + classes
        images = len(scene.raw)
        terms = {
            "iou": plain.sum() / n,
            "count": total.new_full((), n),
            "class_loss": classes / images,
            "iou_loss": (total - classes) / images,
            "total_loss": total / images,
            "total_bbox": tally.total,
            "rewritten_bbox": tally.rewritten,
        }
        return cost, terms
