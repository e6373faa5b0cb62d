"""Which box of a head learns which truth: what [yolo] and [Gaussian_yolo] have in common.

Shapes: B images, M truths an image, A boxes a cell, h x w cells, N = h w A boxes, S matches of a box and a truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .base import Moment
from .iou import iou, overlap

if TYPE_CHECKING:
    from ..layers.region import Region
    from ..layers.yolo import AnchorHead

PAIRS = 2**20  # of a predicted and a true box, compared at a time: tens of MB


class Truth(NamedTuple):
    """The truths of a mini-batch.

    boxes: `(B, M, 4)` cxcywh, relative to the input; labels: `(B, M)`; given: `(B, M)`, whether there is one;
    known: the same, and the head has its class
    """

    boxes: Tensor
    labels: Tensor
    given: Tensor
    known: Tensor


class Match(NamedTuple):
    """Boxes of a head, each with the truth that it learns.

    where: image, row, column and box of the cell, `(S,)` each: an index into `(B, h, w, A, ...)`;
    truth: `(S, 4)` cxcywh, relative to the input; label: `(S,)`, its class
    """

    where: tuple[Tensor, ...]
    truth: Tensor
    label: Tensor

    @classmethod
    def of(cls, where: tuple[Tensor, ...], which: Tensor, truth: Truth) -> Match:
        """The boxes at `where`, each with that truth of its image that `which`, `(B, h, w, A)`, says."""
        image, row = where[0], which[where]
        return cls(where, truth.boxes[image, row], truth.labels[image, row])

    @classmethod
    def none(cls, device: torch.device) -> Match:
        """No box."""
        label = torch.empty(0, dtype=torch.long, device=device)
        return cls((label,) * 4, torch.empty(0, 4, device=device), label)

    @classmethod
    def cat(cls, a: Match, b: Match) -> Match:
        """Those of both."""
        where = tuple(torch.cat(places) for places in zip(a.where, b.where, strict=True))
        return cls(where, torch.cat([a.truth, b.truth]), torch.cat([a.label, b.label]))

    def pick(self, rows: Tensor) -> Match:
        """Those at `rows`."""
        return Match(tuple(places[rows] for places in self.where), self.truth[rows], self.label[rows])

    def to(self, device: torch.device) -> Match:
        """The same on `device`."""
        return Match(tuple(places.to(device) for places in self.where), self.truth.to(device), self.label.to(device))


def read_truth(head: AnchorHead | Region, rows: Tensor) -> Truth:
    """The truths in `rows`, `(B, M, 5)`: at most `max`, and none behind the first with x = 0.

    The result is as short as the image with the most truths allows.
    """
    given = (rows[:, : head.max, 0] != 0).cumprod(1).bool()
    rows = rows[:, : int(given.sum(1).max())].float() if given.numel() else rows[:, :0].float()
    given = given[:, : rows.shape[1]]
    labels = rows[..., 4].long()
    known = given & (labels >= 0) & (labels < head.classes)
    if head.map:
        labels = torch.tensor(head.map, device=rows.device)[labels.clamp(0, head.classes - 1)]
    return Truth(rows[..., :4], labels, given, known)


def best(boxes: Tensor, truth: Truth) -> tuple[Tensor, Tensor]:
    """Of each of `boxes`, `(B, N, 4)`, the largest overlap with a truth of a known class, and that truth's index.

    Returns:
        `(B, N)`, 0..1, 0 where there is no truth; `(B, N)`, the first of equals
    """
    images, count = truth.known.shape
    if not count:
        return boxes.new_zeros(boxes.shape[:2]), boxes.new_zeros(boxes.shape[:2], dtype=torch.long)
    skip = ~truth.known[:, None]
    parts = []
    for some in torch.split(boxes, max(1, PAIRS // (images * count)), 1):
        parts.append(iou(some[:, :, None], truth.boxes[:, None]).masked_fill(skip, 0).max(2))
    return torch.cat([part.values for part in parts], 1), torch.cat([part.indices for part in parts], 1)


def assign(
    head: AnchorHead, truth: Truth, counts: Tensor, point: Tensor, *, grid: tuple[int, int], moment: Moment
) -> tuple[Match, list[Tensor]]:
    """Every truth with the box of its cell whose anchor fits best, and with those that fit beyond `iou_thresh`.

    Args:
        counts: `(B, M)`, whether a truth takes part
        point: `(B, M, 2)`, relative to the input: it lies in the cell that learns the truth
        grid: columns and rows of the head
    Returns:
        the matches; and their indices in groups, in none of which a box is named twice: the first truth of each box,
        the second of each, and so on.  On the device of `truth`: elsewhere than on the CPU each call waits for it.
    Source: src/yolo_layer.c process_batch (AlexeyAB 59596d7), the loop over truths
    """
    image, row, anchor = (counts[..., None] & _fits(head, truth, moment)).nonzero(as_tuple=True)
    size = torch.tensor(grid, device=point.device)
    column, line = torch.minimum((point[image, row] * size).long().clamp(min=0), size - 1).unbind(1)
    box = torch.tensor([_box(head, n) for n in range(head.num)], device=point.device)[anchor]
    match = Match((image, line, column, box), truth.boxes[image, row], truth.labels[image, row])
    return match, _turns(((image * grid[1] + line) * grid[0] + column) * head.boxes_per_cell + box)


def _fits(head: AnchorHead, truth: Truth, moment: Moment) -> Tensor:
    """Which of all anchors, also of other heads, learn a truth, if it is by this head: `(B, M, num)`."""
    sizes = truth.boxes.new_tensor(head.sizes_of(range(head.num))) / truth.boxes.new_tensor(moment[:2])
    anchors = torch.cat([torch.zeros_like(sizes), sizes], 1)
    shapes = torch.cat([torch.zeros_like(truth.boxes[..., :2]), truth.boxes[..., 2:]], -1)[:, :, None]
    fits = torch.zeros(*shapes.shape[:2], head.num, dtype=torch.bool, device=sizes.device)
    fits.scatter_(2, iou(anchors, shapes).argmax(2, keepdim=True), True)
    if head.iou_thresh < 1:
        fits |= overlap(head.iou_thresh_kind, anchors, shapes) > head.iou_thresh
    return fits & torch.tensor([_box(head, n) >= 0 for n in range(head.num)], device=fits.device)


def _box(head: AnchorHead, anchor: int) -> int:
    """Which box of a cell has `anchor`; -1 where none has."""
    return list(head.boxes).index(anchor) if anchor in head.boxes else -1


def _turns(boxes: Tensor) -> list[Tensor]:
    """Indices of `(S,)` in groups: of each value the first, of each the second, ..."""
    order = boxes.argsort(stable=True)
    ordered = boxes[order]
    turn = torch.empty_like(order)
    turn[order] = torch.arange(len(order), device=order.device) - torch.searchsorted(ordered, ordered)
    return [(turn == n).nonzero()[:, 0] for n in range(int(turn.max()) + 1 if len(turn) else 0)]
