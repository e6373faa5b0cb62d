"""The loss of [Gaussian_yolo]."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor

from ..layers.yolo import GaussianYolo
from .anchors import AnchorLoss, Scene, Tally
from .iou import darknet_gradient, overlap
from .truth import Match, Truth

MEANS, DEVIATIONS = [0, 2, 4, 6], [1, 3, 5, 7]  # of x, y, w and h, among the entries of a box
BLUR = 0.3  # src/gaussian_yolo_layer.c delta_gaussian_yolo_box: added to deviations
CORNER = {"center": 0.0, "left_top": -0.5, "right_bottom": 0.5}  # of a box's size, from its centre


class GaussianYoloLoss(AnchorLoss[GaussianYolo]):
    """Source: src/gaussian_yolo_layer.c forward_gaussian_yolo_layer (AlexeyAB 59596d7)."""

    def pull(self, scene: Scene, match: Match) -> Tensor:
        """Source: delta_gaussian_yolo_box."""
        output = scene.output[match.where]
        deviation = output[:, DEVIATIONS]
        distance = (self.target(scene, match) - output[:, MEANS]) / deviation
        density = torch.exp(-(distance**2) / 2) / ((2 * pi) ** 0.5 * (deviation + BLUR))
        factor = (2 - match.truth[:, 2:].prod(1, keepdim=True)) / 2 * density / (density + 1e-9)
        means = factor * distance / deviation if self.layer.iou_loss == "mse" else self.gradient(scene, match)
        means = self.layer.iou_normalizer * self.weight(match)[:, None] * means
        deviations = self.layer.uc_normalizer * factor * (distance**2 / deviation - 1 / (deviation + BLUR))
        most = self.layer.max_delta
        return torch.stack([means, deviations], 2).flatten(1).nan_to_num(0, 0, 0).clamp(-most, most)

    def gradient(self, scene: Scene, match: Match) -> Tensor:
        """The derivative of the overlap by the means: `(S, 4)`."""
        if self.true_gradient:
            return self.true_pull(scene, match)[:, MEANS]
        gradient = darknet_gradient(self.layer.iou_loss, scene.boxes[match.where], match.truth)
        centre, size = gradient[:, :2], gradient[:, 2:]
        centre = centre + CORNER[self.layer.yolo_point] * size
        return torch.cat([centre, size * scene.output[match.where][:, [4, 6]].exp()], 1)

    def point(self, boxes: Tensor) -> Tensor:
        """See `AnchorLoss.point`; what `yolo_point` names."""
        return boxes[..., :2] + CORNER[self.layer.yolo_point] * boxes[..., 2:]

    def spare(self, scene: Scene, truth: Truth, overlaps: Tensor, which: Tensor) -> None:
        """See `AnchorLoss.spare`; with `objectness_smooth` they learn the class, too."""
        n, good = self.entry, overlaps > self.layer.ignore_thresh
        scene.delta[..., n].masked_fill_(good, 0.0)
        if self.layer.objectness_smooth:
            match = Match.of(good.nonzero(as_tuple=True), which, truth)
            objectness = self.layer.obj_normalizer * (overlaps**2 - scene.output[..., n])[match.where]
            self.learn(scene, match, torch.zeros_like(scene.delta[match.where][:, :n]), objectness)

    def takes_part(self, truth: Truth) -> Tensor:
        """See `AnchorLoss.takes_part`; also those of a class that the head lacks: they are of no class."""
        return truth.given

    def taken(self, classes: Tensor, label: Tensor) -> Tensor:
        """See `AnchorLoss.taken`; where that of class 0 is set.  Source: delta_gaussian_yolo_class."""
        return classes[:, 0] != 0

    def averages(self, objectness: Tensor) -> Tensor:
        """See `AnchorLoss.averages`; all.  Source: averages_gaussian_yolo_deltas."""
        return torch.ones_like(objectness, dtype=torch.bool)

    def report(self, scene: Scene, tally: Tally) -> tuple[Tensor, dict[str, Tensor]]:
        """See `AnchorLoss.report`; what Darknet calls uc_loss is that of width and height, with their deviations."""
        match, images = tally.match, len(scene.raw)
        kind = "iou" if self.layer.iou_loss == "mse" else "giou"
        shown = overlap(kind, scene.boxes[match.where], match.truth)
        place, size, rest = (scene.delta[..., a:b].square().sum() for a, b in ((0, 4), (4, 8), (8, None)))
        cost = place + size + rest
        terms = {
            "iou": shown.sum() / max(len(shown), 1),
            "count": cost.new_full((), len(shown)),
            "class_loss": rest / images,
            "iou_loss": place / images,
            "uc_loss": size / images,
            "total_loss": cost / images,
        }
        return cost, terms
