"""The loss of [region], the head of YOLOv2 and YOLO9000."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..layers.region import Region
from ..modules.region import cumulative, offsets, region_boxes
from .base import Moment, Scored
from .iou import iou
from .truth import Truth, best, read_truth

WARM_UP = 12800  # images in which boxes without an object learn their anchor
WARM_UP_SCALE = 0.01
PLACELESS = 100000  # x and y above it: the image is known to show the class, not where
MOST_ROWS = 30  # of truth that pjreddie's fork reads
FOCAL_ALPHA = 0.5


class Said(NamedTuple):
    """What the head says.  B images, N = h w A boxes, E entries a box, C classes."""

    boxes: Tensor  # (B, N, 4) cxcywh, relative to the input
    coords: Tensor  # (B, N, 4): x and y in the cell, logarithms of width and height over the anchor's
    objectness: Tensor  # (B, N)
    classes: Tensor  # (B, N, C)


class Assigned(NamedTuple):
    """Objects, each with the box that is to learn it.  T objects of all images."""

    at: Tensor  # (T,) among all B x N boxes
    box: Tensor  # (T, 4) cxcywh, relative to the input
    coords: Tensor  # (T, 4), as of `Said`
    label: Tensor  # (T,)


class RegionLoss:
    """Source: src/region_layer.c forward_region_layer (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    def __init__(self, layer: Region, true_gradient: bool = False) -> None:
        """Raises ValueError where the options cannot be trained with."""
        self.layer = layer
        self.planar = layer.dialect.planar_region
        self.focal = layer.focal_loss and not self.planar and layer.tree is None
        if self.focal and not layer.softmax:
            raise ValueError("focal_loss=1 takes the logarithm of raw values where softmax=0; expected softmax=1")
        if layer.map and not 0 <= min(layer.map) <= max(layer.map) < layer.classes:
            raise ValueError(f"map has {min(layer.map)} to {max(layer.map)}; expected 0 to {layer.classes - 1}")

    @torch.no_grad()
    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """See `Loss`."""
        y = self.layer.activate(output).permute(0, 3, 4, 1, 2)  # (B, h, w, A, E)
        coords = torch.cat([offsets(self.layer, y), y[..., 2:4]], -1)
        parts = (region_boxes(self.layer, y), coords, y[..., 4], y[..., 5:])
        said = Said(*(part.flatten(1, 3) for part in parts))
        known = read_truth(replace(self.layer, map=()), truth[:, :MOST_ROWS] if self.planar else truth)
        known = Truth(*(part.to(output.device) for part in known))
        placeless = known.known & (known.boxes[..., :2] > PLACELESS).all(-1) & (self.layer.tree is not None)
        shown = placeless.any(1)
        known = known._replace(known=known.known & ~shown[:, None])
        delta = self.everywhere(said, known, moment)
        self.show(delta, said, shown, known.labels, placeless & (placeless.cumsum(1) == 1))
        assigned = self.assign(said, known, (y.shape[2], y.shape[1]))
        terms = self.learn(delta.flatten(0, 1), said, assigned)
        delta = delta.view(y.shape).permute(0, 3, 4, 1, 2).reshape(output.shape)
        return Scored(delta, delta.square().sum(), terms)

    def slope(self, p: Tensor) -> Tensor:
        """Derivative of the logistic where it is `p`; pjreddie's fork leaves it out."""
        return torch.ones_like(p) if self.planar else p * (1 - p)

    def pull(self, said: Tensor, wanted: Tensor) -> Tensor:
        """Delta `(..., 4)` from one set of coordinates towards another, unscaled.  Source: delta_region_box."""
        return (wanted - said) * torch.cat([self.slope(said[..., :2]), torch.ones_like(said[..., 2:])], -1)

    def everywhere(self, said: Said, truth: Truth, moment: Moment) -> Tensor:
        """Deltas `(B, N, E)` as if no box were assigned."""
        layer, fix = self.layer, 0 if self.planar else self.layer.classfix
        overlap, row = best(said.boxes, truth)
        wanted = overlap if fix == -1 else 0.0
        near = (overlap > layer.thresh) & (fix != -1)
        objectness = layer.noobject_scale * (wanted - said.objectness) * self.slope(said.objectness)
        box, classes = torch.zeros_like(said.coords), torch.zeros_like(said.classes)
        if moment.seen < WARM_UP:
            box = WARM_UP_SCALE * self.pull(said.coords, said.coords.new_tensor([0.5, 0.5, 0.0, 0.0]))
        if fix > 0:
            image, index = (near & (overlap > 0)).nonzero(as_tuple=True)
            p = said.classes[image, index]
            value, touched = self.class_rule(p, truth.labels[image, row[image, index]])
            scale = said.objectness[image, index, None] if fix == 2 else 1.0
            classes[image, index] = torch.where(touched, value * scale, 0.0)
        return torch.cat([box, objectness.masked_fill(near, 0.0)[..., None], classes], -1)

    def class_rule(self, p: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Deltas `(T, C)` of `p` `(T, C)` for the classes `(T,)`, and which of them are set: with a tree, the siblings
        of the class and of each of its ancestors.

        Source: delta_region_class
        """
        tree, path = self.layer.tree, label[:, None]
        touched = torch.ones_like(p, dtype=torch.bool)
        if tree:
            path = torch.from_numpy(tree.paths).to(p.device)[label]
            groups = torch.tensor(tree.groups, device=p.device)
            touched = touched.new_zeros(len(p), len(tree.sizes)).scatter(1, groups[path], True)[:, groups]
        value = self.layer.class_scale * (torch.zeros_like(p).scatter(1, path, 1.0) - p)
        if self.focal:
            pt = p.gather(1, path) + 1e-15
            value = value * FOCAL_ALPHA * (pt - 1) * (2 * pt * pt.log() + pt - 1)
        return value, touched

    def show(self, delta: Tensor, said: Said, shown: Tensor, labels: Tensor, first: Tensor) -> None:
        """In the images `shown` `(B,)`, of which only a class is known, let the box that is surest of it learn it.

        Args:
            first: `(B, M)`, the row that says so
        """
        if self.layer.tree is None:
            return
        image, row = first.nonzero(as_tuple=True)
        label = labels[image, row]
        likely = cumulative(self.layer.tree, said.classes[image])
        likely = likely.gather(2, label[:, None, None].expand(-1, likely.shape[1], 1))[..., 0]
        at = (said.objectness[image] * likely).argmax(1)
        value, touched = self.class_rule(said.classes[image, at], label)
        only_objectness = torch.arange(delta.shape[2], device=delta.device) == 4
        delta.masked_fill_(shown[:, None, None] & ~(only_objectness & self.planar), 0.0)
        delta[image, at, 4:] = pad(torch.where(touched, value, 0.0), (1, 0))

    def assign(self, said: Said, truth: Truth, grid: tuple[int, int]) -> Assigned:
        """The box in the cell of each object's centre whose size, or whose anchor's, suits it best."""
        mapped = truth.labels < (len(self.layer.map) or self.layer.classes)
        image, row = (truth.known & mapped).nonzero(as_tuple=True)
        box, label = truth.boxes[image, row], truth.labels[image, row]
        sizes, extent = box.new_tensor(self.layer.sizes), box.new_tensor(grid)
        cell = (box[:, :2] * extent).long().clamp(min=0).minimum(extent.long() - 1)
        first = ((image * grid[1] + cell[:, 1]) * grid[0] + cell[:, 0]) * len(sizes)
        theirs = said.boxes.flatten(0, 1)[first[:, None] + torch.arange(len(sizes), device=box.device), 2:]
        if self.layer.bias_match:
            theirs = (sizes / extent).expand_as(theirs)
        anchor = iou(pad(theirs, (2, 0)), pad(box[:, None, 2:], (2, 0))).argmax(1)
        coords = torch.cat([box[:, :2] * extent - cell, (box[:, 2:] * extent / sizes[anchor]).log()], 1)
        if self.layer.map:
            label = torch.tensor(self.layer.map, device=label.device)[label]
        return Assigned(first + anchor, box, coords, label)

    def learn(self, delta: Tensor, said: Said, assigned: Assigned) -> dict[str, Tensor]:
        """Write the deltas of assigned boxes into `delta` `(B N, E)`; gives what Darknet prints of them."""
        layer, index = self.layer, assigned.at
        boxes, coords, objectness, classes = (part.flatten(0, 1)[index] for part in said)
        overlap = iou(boxes, assigned.box)
        area = assigned.box[:, 2:3] * assigned.box[:, 3:]
        box = layer.coord_scale * (2 - area if self.planar else 1.0) * self.pull(coords, assigned.coords)
        right = overlap if layer.rescore else 1.0
        object_delta = layer.object_scale * (right - objectness) * self.slope(objectness)
        value, touched = self.class_rule(classes, assigned.label)
        if self.planar and not layer.softmax and layer.tree is None:  # a second kind in a box is added to the first
            again = (index[:, None] == index).tril(-1).any(1, keepdim=True)
            touched = ~again | (torch.arange(layer.classes, device=index.device) == assigned.label[:, None])
        put(delta, index, torch.cat([box, object_delta[:, None], value], 1), pad(touched, (5, 0), value=True))
        count = torch.tensor(float(len(index)), device=delta.device)
        return {"iou": overlap.sum() / count.clamp(min=1), "count": count}


def put(delta: Tensor, index: Tensor, values: Tensor, touched: Tensor) -> None:
    """Write the entries of `values` `(T, E)` that are `touched` into the rows `index` `(T,)` of `delta`, in order:
    where two meet, the later stays.
    """
    later = (index[:, None] == index).triu(1)
    rows, columns = (touched & ~((later.float() @ touched.float()) > 0)).nonzero(as_tuple=True)
    delta[index[rows], columns] = values[rows, columns]
