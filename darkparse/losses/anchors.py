"""The losses of [yolo] and [Gaussian_yolo] as far as they are one: a pass over the boxes, then one over the truths.

Shapes: B images, A boxes a cell, E entries a box, C classes, h x w cells, S matches of a box and a truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from ..modules.yolo import boxes_everywhere, by_box
from .base import Moment, Scored
from .iou import overlap
from .truth import Match, Truth, assign, best, read_truth

if TYPE_CHECKING:
    from ..layers.yolo import AnchorHead

GATE = 0.25  # src/yolo_layer.c process_batch: some class must exceed it for a good box to be spared
Head = TypeVar("Head", bound="AnchorHead")


class Scene(NamedTuple):
    """What a head gave of a mini-batch, and what it is to learn.

    raw: `(B, A E, h, w)`; output: `(B, h, w, A, E)`, Darknet's own; boxes: `(B, h, w, A, 4)` cxcywh, relative to the
    input; delta: `(B, h, w, A, E)`, a view of memory in the order of `raw`
    """

    raw: Tensor
    output: Tensor
    boxes: Tensor
    delta: Tensor
    moment: Moment


class Tally(NamedTuple):
    """What was assigned: in the second pass; `()` how many boxes in both; `()` how many that had a truth already."""

    match: Match
    total: Tensor
    rewritten: Tensor


class AnchorLoss(Generic[Head]):
    """First every box against the truth that it overlaps most, then every truth against the boxes of its cell.

    A subclass says how a box is pulled to its truth, what is reported, and where it differs in between.  Truths on
    the CPU are assigned there, without waiting for the device of the output.
    """

    def __init__(self, layer: Head, true_gradient: bool = False) -> None:
        """Raises ValueError where `counters_per_class` or `map` do not fit the classes."""
        counters = [max(n, 1) for n in layer.counters_per_class]
        if counters and len(counters) != layer.classes:
            raise ValueError(f"counters_per_class: expected {layer.classes} values, one a class, got {len(counters)}")
        if layer.map and not (len(layer.map) >= layer.classes > max(layer.map) and min(layer.map) >= 0):
            raise ValueError(f"map: expected {layer.classes} or more lines, each from 0 to {layer.classes - 1}")
        self.layer, self.true_gradient = layer, true_gradient
        self.entry = layer.entries - 1  # of the objectness: those of the box are before it, the classes behind
        self.multipliers = [min(max(counters) / n, layer.max_delta) for n in counters]

    def pull(self, scene: Scene, match: Match) -> Tensor:
        """What each match adds to the deltas of its box: `(S, entry)`."""
        raise NotImplementedError

    def report(self, scene: Scene, tally: Tally) -> tuple[Tensor, dict[str, Tensor]]:
        """`cost` and `terms` of `Scored`."""
        raise NotImplementedError

    def spare(self, scene: Scene, truth: Truth, overlaps: Tensor, which: Tensor) -> None:
        """Write the deltas of boxes that the first pass finds beyond `ignore_thresh`, instead of "no object".

        Args:
            overlaps: `(B, h, w, A)`, of each box with the truth that it overlaps most, 0 where no class is likely
            which: `(B, h, w, A)`, the index of that truth
        """
        raise NotImplementedError

    def takes_part(self, truth: Truth) -> Tensor:
        """Which truths the second pass assigns: `(B, M)`."""
        return truth.known

    def point(self, boxes: Tensor) -> Tensor:
        """The point of each truth that chooses its cell, relative to the input: `(..., 2)` of `(..., 4)`."""
        return boxes[..., :2]

    def target(self, scene: Scene, match: Match) -> Tensor:
        """The outputs x, y, w and h that would give the truth: `(S, 4)`."""
        _, row, column, box = match.where
        grid = match.truth.new_tensor([scene.output.shape[2], scene.output.shape[1]])
        image = match.truth.new_tensor(scene.moment[:2])
        offset = self.point(match.truth) * grid - torch.stack([column, row], 1)
        ratio = match.truth[:, 2:] * image / match.truth.new_tensor(self.layer.sizes)[box]
        return torch.cat([offset, self.size(ratio)], 1)

    def size(self, ratio: Tensor) -> Tensor:
        """The output that would make an anchor so many times as large."""
        return ratio.log()

    @property
    def keeps_objectness(self) -> bool:
        """Whether the second pass leaves an objectness delta that is not 0."""
        return False

    def taken(self, classes: Tensor, label: Tensor) -> Tensor:
        """Of class deltas `(S, C)`, whether they stay when `label` is learnt too: `(S,)`."""
        raise NotImplementedError

    def averages(self, objectness: Tensor) -> Tensor:
        """Of objectness deltas `(S,)`, whether their boxes' deltas are divided by the number of classes learnt."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """See `base.Loss`."""
        known = read_truth(self.layer, truth)
        grid = (output.shape[3], output.shape[2])
        part, point = self.takes_part(known), self.point(known.boxes)
        match, turns = assign(self.layer, known, part, point, grid=grid, moment=moment)
        match, turns = match.to(output.device), [turn.to(output.device) for turn in turns]

        scene = self.look(output.detach().float(), moment)
        found = self.first_pass(scene, Truth(*(part.to(output.device) for part in known)))
        rewritten = self.second_pass(scene, match, turns)
        self.average(scene, Match.cat(found, match).where)
        total = scene.delta.new_full((), len(found.label) + len(match.label))
        cost, terms = self.report(scene, Tally(match, total, rewritten))
        return Scored(scene.delta.permute(0, 3, 4, 1, 2).reshape(output.shape), cost, terms)

    def look(self, raw: Tensor, moment: Moment) -> Scene:
        """The scene of `raw`, `(B, A E, h, w)`, without deltas."""
        output = self.layer.activate(raw)
        delta = torch.zeros(output.shape, device=raw.device)
        output, delta = (part.permute(0, 3, 4, 1, 2) for part in (output, delta))
        return Scene(raw, output, boxes_everywhere(self.layer, output, moment.width, moment.height), delta, moment)

    def first_pass(self, scene: Scene, truth: Truth) -> Match:
        """Write what each box learns by its overlaps; gives the boxes that learn a truth by `truth_thresh`."""
        n, head = self.entry, self.layer
        overlaps, which = (part.view(scene.boxes.shape[:-1]) for part in best(scene.boxes.flatten(1, 3), truth))
        scene.delta[..., n] = -head.obj_normalizer * scene.output[..., n]
        likely = (scene.output[..., n + 1 :] > GATE).any(-1)
        self.spare(scene, truth, torch.where(likely, overlaps, 0), which)
        if head.truth_thresh >= 1:
            return Match.none(scene.delta.device)
        match = Match.of((overlaps > max(head.truth_thresh, 0)).nonzero(as_tuple=True), which, truth)
        wanted = overlaps[match.where] ** 2 if head.objectness_smooth else torch.ones_like(match.truth[:, 0])
        objectness = head.obj_normalizer * (wanted - scene.output[..., n][match.where])
        self.learn(scene, match, self.pull(scene, match), objectness)
        if head.objectness_smooth:
            place = (*match.where, n + 1 + match.label)
            scene.delta[place] = self.weight(match) * (wanted - scene.output[place])
        return match

    def second_pass(self, scene: Scene, match: Match, turns: list[Tensor]) -> Tensor:
        """Write what boxes learn by `match`; gives how many of them had a truth already."""
        n = self.entry
        pull = self.pull(scene, match)
        wanted = self.weight(match) * self.layer.obj_normalizer * (1 - scene.output[..., n][match.where])
        rewritten = scene.delta.new_zeros(())
        for turn in turns:  # what a box learns depends on what it learnt before
            some, objectness = match.pick(turn), wanted[turn]
            if self.keeps_objectness:
                before = scene.delta[..., n][some.where]
                objectness = torch.where(before == 0, objectness, before)
            rewritten += self.learn(scene, some, pull[turn], objectness)
        return rewritten

    def learn(self, scene: Scene, match: Match, pull: Tensor, objectness: Tensor) -> Tensor:
        """Add a truth to boxes, each named once in `match`; gives how many of them had one already."""
        n = self.entry
        before, output = scene.delta[match.where], scene.output[match.where]
        classes = self.classes(before[:, n + 1 :], output[:, n + 1 :], match)
        scene.delta[match.where] = torch.cat([before[:, :n] + pull, objectness[:, None], classes], 1)
        return (before[:, :n] != 0).any(1).sum()

    def classes(self, before: Tensor, output: Tensor, match: Match) -> Tensor:
        """Class deltas, `(S, C)`, when `match` is learnt, of those before and the outputs of the classes."""
        own = torch.arange(self.layer.classes, device=before.device) == match.label[:, None]
        weight = self.weight(match)[:, None]
        also = torch.where(own, weight * (1 - self.layer.label_smooth_eps / 2 - output), before)
        return torch.where(self.taken(before, match.label)[:, None], also, self.alone(own, output, weight))

    def alone(self, own: Tensor, output: Tensor, weight: Tensor) -> Tensor:
        """Class deltas, `(S, C)`, of boxes that learn nothing else, of which class is theirs and the outputs."""
        low = self.layer.label_smooth_eps / 2
        delta = torch.where(own, 1 - low, low) - output
        return torch.where(own, delta * weight * self.layer.cls_normalizer, delta) if self.multipliers else delta

    def weight(self, match: Match) -> Tensor:
        """What the class of each match counts: `(S,)`."""
        if not self.multipliers:
            return torch.ones_like(match.truth[:, 0])
        return match.truth.new_tensor(self.multipliers)[match.label.clamp(0, self.layer.classes - 1)]

    def average(self, scene: Scene, where: tuple[Tensor, ...]) -> None:
        """Divide the deltas of boxes `where` by the number of classes that each is to be more of."""
        n = self.entry
        delta = scene.delta[where]
        more = (delta[:, n + 1 :] > 0).sum(1).clamp(min=1)
        delta[:, :n] /= torch.where(self.averages(delta[:, n]), more, 1)[:, None]
        scene.delta[where] = delta  # a box that is named twice is written twice the same

    def true_pull(self, scene: Scene, match: Match) -> Tensor:
        """The derivative of the overlap of kind `iou_loss` of each match by all raw entries of its box: `(S, E)`."""
        image, row, column, box = match.where
        each = torch.arange(len(box), device=box.device)
        grid = scene.raw.new_tensor([scene.raw.shape[3], scene.raw.shape[2]])
        with torch.enable_grad():
            raw = scene.raw[image, :, row, column][..., None, None].requires_grad_()
            output = self.layer.activate(raw)[..., 0, 0]
            cell = torch.stack([column, row], 1)[:, None]
            boxes = self.layer.locate(output, cell, grid, grid.new_tensor(scene.moment[:2]))[each, box]
            gain = overlap(self.layer.iou_loss, boxes, match.truth).sum()
        (gradient,) = torch.autograd.grad(gain, raw)
        return by_box(gradient, self.layer.boxes_per_cell)[each, box, :, 0, 0]
