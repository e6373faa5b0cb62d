"""Overlap of boxes, and its derivatives: Darknet's own and the true ones.  Boxes are cxcywh, any unit, `(..., 4)`."""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Overlap of `a` and `b`, `(..., 4)`, broadcast against each other: `(...)`, 0..1; 0 where a box is not a number.

    Source: src/box.c box_iou (AlexeyAB 59596d7)
    """
    return _shared(a, b)[0]


def overlap(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """`iou` less the penalty of `kind`, as in the papers.

    Of boxes with one centre it is Darknet's, too; of others Darknet raises the penalty of diou to the power .6.

    Args:
        kind: "iou", "giou" (empty part of the hull), "diou" (distance of the centres), "ciou" (also the aspects)
        a, b: `(..., 4)` cxcywh, same unit, broadcast against each other
    Returns:
        `(...)`, at most 1
    Source: src/box.c box_iou_kind (AlexeyAB 59596d7)
    """
    plain, union = _shared(a, b)
    if kind == "iou":
        return plain
    hull = torch.maximum(_high(a), _high(b)) - torch.minimum(_low(a), _low(b))
    if kind == "giou":
        area = _area(hull)
        return plain - _share(area - union, area)
    distance = _share((a[..., :2] - b[..., :2]).square().sum(-1), hull.square().sum(-1))
    if kind == "diou":
        return plain - distance
    aspect = 4 / pi**2 * (_angle(b) - _angle(a)) ** 2
    return plain - distance - aspect**2 / (1 - plain + aspect + 1e-6)


def darknet_gradient(kind: str, pred: Tensor, truth: Tensor) -> Tensor:
    """What Darknet takes for the derivative of the overlap of `kind` by x, y, w and h of `pred`.

    Where it is not the derivative: width and height count double in the overlap, the hull has the wrong sign in x
    and y, the aspect lacks 1 / (w^2 + h^2), and two negative sides make a positive intersection.

    Args:
        kind: "iou", "giou", "diou" or "ciou"
        pred, truth: `(S, 4)` cxcywh, relative to the input
    Returns:
        `(S, 4)`
    Source: src/box.c dx_box_iou, src/yolo_layer.c delta_yolo_box (AlexeyAB 59596d7)
    """
    size = torch.where(pred[:, 2:] == 0, 1, pred[:, 2:])
    pred = torch.cat([pred[:, :2], size], 1)
    p, t = (torch.stack([_low(box), _high(box)], 1) for box in (pred, truth))  # (S, 2, 2): low, high of x, y
    out = p.new_tensor([-1.0, 1.0])[:, None]
    inner = torch.minimum(p[:, 1], t[:, 1]) - torch.maximum(p[:, 0], t[:, 0])
    hull = torch.maximum(p[:, 1], t[:, 1]) - torch.minimum(p[:, 0], t[:, 0])
    apart = (inner <= 0).any(1)[:, None]
    inter, area = _area(inner)[:, None, None], _area(hull)[:, None, None]
    union = (_area(p[:, 1] - p[:, 0]) + _area(t[:, 1] - t[:, 0]))[:, None, None] - inter
    beyond = p * out > t * out

    d_inter = out * (p * out < t * out) * inner.flip(1)[:, None]
    d_union = out * (p[:, 1] - p[:, 0]).flip(1)[:, None] - d_inter
    edges = torch.where(union > 0, (union * d_inter - inter * d_union) / union**2, 0)
    edges = torch.where(p[:, :1] < p[:, 1:], edges, edges[:, 1:])  # too small for two edges: the upper one twice
    if kind == "giou":
        d_area = out * beyond * hull.flip(1)[:, None]
        penalty = (area * d_union - union * d_area) / area**2
        edges = torch.where(apart[:, None], penalty, edges + penalty)
    gradient = torch.cat([edges[:, 0] + edges[:, 1], edges[:, 1] - edges[:, 0]], 1)
    if kind in ("iou", "giou"):
        return gradient

    diagonal = hull.square().sum(1, keepdim=True)
    offset = truth[:, :2] - pred[:, :2]
    distance = offset.square().sum(1, keepdim=True)
    d_hull = beyond * out
    by_centre = 2 * (offset * diagonal - hull * d_hull.sum(1) * distance)
    by_size = hull * beyond.sum(1) * distance
    penalty = torch.cat([by_centre, by_size], 1) / diagonal**2
    gradient = torch.where(apart, penalty, gradient + penalty)
    if kind == "diou":
        return gradient

    turn = _angle(truth) - _angle(pred)
    aspect = 4 / pi**2 * turn**2
    weight = aspect / (1 - (inter / union)[:, 0, 0] + aspect + 1e-6)
    lean = (8 / pi**2 * weight * turn)[:, None] * torch.stack([pred[:, 3], -pred[:, 2]], 1)
    return gradient + torch.cat([torch.zeros_like(lean), lean], 1)


def _shared(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Intersection over union, and the union."""
    inter = _area((torch.minimum(_high(a), _high(b)) - torch.maximum(_low(a), _low(b))).clamp(min=0))
    union = _area(a[..., 2:]) + _area(b[..., 2:]) - inter
    return _share(inter, union), union


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole, 0)


def _area(size: Tensor) -> Tensor:
    return size[..., 0] * size[..., 1]


def _low(box: Tensor) -> Tensor:
    return box[..., :2] - box[..., 2:] / 2


def _high(box: Tensor) -> Tensor:
    return box[..., :2] + box[..., 2:] / 2


def _angle(box: Tensor) -> Tensor:
    return torch.atan(box[..., 2] / box[..., 3])
