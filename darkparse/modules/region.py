"""What [region] outputs mean.

Shapes: B images, A boxes a cell, E = 5 + C entries a box, h x w cells.
Source: src/region_layer.c, src/tree.c (AlexeyAB 59596d7, pjreddie f6afaab), functions named below
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..registry import Predictions
from .yolo import by_box, cells, flat

if TYPE_CHECKING:
    from ..layers.region import Region
    from ..tree import Tree


def activate_region(head: Region, raw: Tensor) -> Tensor:
    """Raw `(B, A E, h, w)` to Darknet's output `(B, A, E, h, w)`.

    Source: forward_region_layer of the dialect's fork, forward_region_layer_gpu where a tree is in play
    """
    x = by_box(raw, head.num)
    position, size, objectness, classes = torch.split(x, [2, 2, 1, head.classes], dim=2)
    if head.dialect.planar_region:
        position = position.sigmoid()
    if head.tree:
        classes = softmax_by_group(head.tree, classes)
    elif head.softmax:
        classes = classes.softmax(2)
    elif head.dialect.planar_region:
        classes = classes.sigmoid()
    return torch.cat([position, size, objectness.sigmoid(), classes], dim=2)


def softmax_by_group(tree: Tree, x: Tensor, dim: int = 2) -> Tensor:
    """Softmax over the siblings of each group of a tree's nodes, which lie along `dim`.

    Source: src/blas_kernels.cu softmax_tree (pjreddie f6afaab)
    """
    return torch.cat([part.softmax(dim) for part in torch.split(x, [int(n) for n in tree.sizes], dim)], dim)


def decode_region(head: Region, raw: Tensor, hier: float) -> Predictions:
    """Source: get_region_boxes, custom_get_region_detections (AlexeyAB), get_region_detections (pjreddie)."""
    y = activate_region(head, raw).permute(0, 3, 4, 1, 2)  # (B, h, w, A, E)
    boxes = region_boxes(head, y)
    objectness, classes = y[..., 4], y[..., 5:]
    if head.classfix == -1 and not head.dialect.planar_region:
        objectness = torch.where(objectness < 0.5, 0.0, objectness)
    if head.tree:
        one = top_of_tree if head.dialect.top_of_tree else deepest_likely
        scores = one(head.tree, cumulative(head.tree, classes), objectness, hier)
        found = flat(boxes, objectness, scores)._replace(needs_score=False)
    else:
        found = flat(boxes, objectness, objectness[..., None] * classes)
        found = found._replace(needs_objectness=head.dialect.planar_region)
    return found._replace(is_certain=not head.dialect.planar_region)


def region_boxes(head: Region, y: Tensor) -> Tensor:
    """Boxes `(B, h, w, A, 4)` cxcywh, relative to the input, of outputs `(B, h, w, A, E)`.  Source: get_region_box."""
    columns, rows = cells(y)
    position = offsets(head, y)
    grid = y.new_tensor([y.shape[2], y.shape[1]])
    size = y[..., 2:4].exp() * y.new_tensor(head.sizes) / grid
    centre = torch.stack([(columns + position[..., 0]) / grid[0], (rows + position[..., 1]) / grid[1]], -1)
    return torch.cat([centre, size], -1)


def offsets(head: Region, y: Tensor) -> Tensor:
    """x and y in their cells, `(B, h, w, A, 2)`, of outputs `(B, h, w, A, E)`."""
    return y[..., :2] if head.dialect.planar_region else y[..., :2].sigmoid()


def cumulative(tree: Tree, x: Tensor) -> Tensor:
    """Probability of each node, `(..., C)`, from that of each given its parent.  Source: hierarchy_predictions."""
    p = x.clone()
    parents = torch.tensor(tree.parents, device=x.device)
    for level in tree.levels:
        nodes = torch.from_numpy(level).to(x.device)
        p[..., nodes] *= p[..., parents[nodes]]
    return p


def deepest_likely(tree: Tree, p: Tensor, objectness: Tensor, hier: float) -> Tensor:
    """Scores `(..., C)`: the last node above `hier` keeps its probability, the others 0.

    Source: get_region_boxes (AlexeyAB 59596d7), where `hier` is .5
    """
    likely = p > hier
    last = likely & (likely.flip(-1).cumsum(-1).flip(-1) == 1)
    return torch.where(last, p, 0.0)


def top_of_tree(tree: Tree, p: Tensor, objectness: Tensor, hier: float) -> Tensor:
    """Scores `(..., C)`: the node where the walk from the root stops gets the objectness, the others 0.

    Source: hierarchy_top_prediction, which multiplies by `p` once more at each step (pjreddie f6afaab)
    """
    flat_p = p.reshape(-1, p.shape[-1])
    device = p.device
    offsets, sizes, children = (torch.from_numpy(a).to(device) for a in (tree.offsets, tree.sizes, tree.children))
    parents = torch.tensor(tree.parents, device=device)
    boxes = torch.arange(len(flat_p), device=device)
    group, walked = torch.zeros_like(boxes), flat_p.new_ones(len(flat_p))
    chosen = torch.zeros_like(boxes)
    window = torch.arange(int(sizes.max()), device=device)
    while len(boxes):
        index = (offsets[group][:, None] + window).clamp(max=p.shape[-1] - 1)
        values = flat_p[boxes[:, None], index].masked_fill(window >= sizes[group][:, None], -1.0)
        best, at = values.max(1)
        node = offsets[group] + at
        go = walked * best > hier
        stopped = torch.where(group == 0, node, parents[offsets[group]])
        chosen[boxes] = torch.where(go, node, stopped)
        on = go & (children[node] >= 0)
        boxes, walked, group = boxes[on], (walked * best)[on], children[node][on]
    scores = torch.zeros_like(flat_p)
    scores[torch.arange(len(flat_p), device=device), chosen] = objectness.flatten()
    return scores.view_as(p)
