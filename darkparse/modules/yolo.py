"""What [yolo] and [Gaussian_yolo] outputs mean.

Shapes: B images, A boxes a cell, E entries a box, h x w cells, N = h w A boxes in all.
Source: src/yolo_layer.c, src/gaussian_yolo_layer.c (AlexeyAB 59596d7), functions named below
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor

from ..registry import Likely, Predictions

if TYPE_CHECKING:
    from ..layers.yolo import AnchorHead, GaussianYolo, Yolo

Said: TypeAlias = Callable[[Tensor, Tensor], Predictions]
ROUNDING = 1e-6  # by which the same logistic may differ with the layout of what it is taken of


def activate_yolo(head: Yolo, raw: Tensor) -> Tensor:
    """Raw `(B, A E, h, w)` to Darknet's output `(B, A, E, h, w)`.  Source: forward_yolo_layer."""
    x = by_box(raw, head.boxes_per_cell)
    if head.new_coords:
        return torch.cat([stretched(x[:, :, :2], head.scale_x_y), x[:, :, 2:]], dim=2)
    return torch.cat([stretched(x[:, :, :2].sigmoid(), head.scale_x_y), x[:, :, 2:4], x[:, :, 4:].sigmoid()], dim=2)


def activate_gaussian(head: GaussianYolo, raw: Tensor) -> Tensor:
    """Raw `(B, A E, h, w)` to Darknet's output `(B, A, E, h, w)`.  Source: forward_gaussian_yolo_layer."""
    x = by_box(raw, head.boxes_per_cell)
    y = [*torch.split(x.sigmoid(), [1] * 8 + [1 + head.classes], dim=2)]
    y[4], y[6] = x[:, :, 4:5], x[:, :, 6:7]
    y[0], y[2] = stretched(y[0], head.scale_x_y), stretched(y[2], head.scale_x_y)
    return torch.cat(y, dim=2)


def by_box(raw: Tensor, boxes: int) -> Tensor:
    """`(B, A E, h, w)` to `(B, A, E, h, w)`."""
    return raw.reshape(len(raw), boxes, raw.shape[1] // boxes, *raw.shape[2:])  # of none, -1 would be any number


def stretched(xy: Tensor, scale: float) -> Tensor:
    """Offsets in a cell, any shape, stretched about its middle."""
    return xy if scale == 1 else torch.sub(xy * scale, 0.5 * (scale - 1))


def decode_yolo(head: Yolo, raw: Tensor, width: int, height: int) -> Predictions:
    """Source: get_yolo_detections."""
    y = activate_yolo(head, raw).permute(0, 3, 4, 1, 2)  # (B, h, w, A, E)
    return said_by_yolo(y, boxes_everywhere(head, y, width, height))


def said_by_yolo(y: Tensor, boxes: Tensor) -> Predictions:
    """Of outputs `(B, h, w, A, E)` and their boxes."""
    objectness = y[..., 4]
    return flat(boxes, objectness, objectness[..., None] * y[..., 5:])


def likely_yolo(head: Yolo, raw: Tensor, width: int, height: int, thresh: float) -> Likely:
    """What `decode_yolo` says of the boxes whose objectness is above `thresh`."""
    given = by_box(raw, head.boxes_per_cell)[:, :, 4]
    objectness = given if head.new_coords else given.sigmoid()
    return likely(head, raw, objectness, said_by_yolo, width=width, height=height, thresh=thresh)


def decode_gaussian(head: GaussianYolo, raw: Tensor, width: int, height: int) -> Predictions:
    """Source: get_gaussian_yolo_detections."""
    y = activate_gaussian(head, raw).permute(0, 3, 4, 1, 2)
    return said_by_gaussian(y, boxes_everywhere(head, y, width, height))


def said_by_gaussian(y: Tensor, boxes: Tensor) -> Predictions:
    """Of outputs `(B, h, w, A, E)` and their boxes."""
    certainty = 1 - y[..., [1, 3, 5, 7]].mean(-1, keepdim=True)
    objectness = y[..., 8]
    return flat(boxes, objectness, objectness[..., None] * y[..., 9:] * certainty)


def likely_gaussian(head: GaussianYolo, raw: Tensor, width: int, height: int, thresh: float) -> Likely:
    """What `decode_gaussian` says of the boxes whose objectness is above `thresh`."""
    objectness = by_box(raw, head.boxes_per_cell)[:, :, 8].sigmoid()
    return likely(head, raw, objectness, said_by_gaussian, width=width, height=height, thresh=thresh)


def likely(
    head: AnchorHead, raw: Tensor, objectness: Tensor, said: Said, *, width: int, height: int, thresh: float
) -> Likely:
    """The boxes whose objectness is above `thresh`: cells that have one are decoded, as a batch of single cells.

    Args:
        objectness: `(B, A, h, w)`
        said: what outputs `(M, 1, 1, A, E)` and their boxes mean
    """
    image, row, column = torch.nonzero((objectness > thresh - ROUNDING).any(1), as_tuple=True)
    y = head.activate(raw[image, :, row, column][..., None, None]).permute(0, 3, 4, 1, 2)
    cell = torch.stack([column, row], -1)[:, None, None, None].to(y.dtype)
    boxes = head.locate(y, cell, y.new_tensor([raw.shape[3], raw.shape[2]]), y.new_tensor([width, height]))
    found = said(y, boxes).likely(thresh)
    return found._replace(images=image[found.images])


def boxes_everywhere(head: AnchorHead, y: Tensor, width: int, height: int) -> Tensor:
    """Boxes `(B, h, w, A, 4)` cxcywh, relative to the input, of outputs `(B, h, w, A, E)`."""
    columns, rows = cells(y)
    cell = torch.stack([columns.expand(len(rows), -1, 1), rows.expand(-1, len(columns), 1)], -1)
    return head.locate(y, cell, y.new_tensor([y.shape[2], y.shape[1]]), y.new_tensor([width, height]))


def locate_yolo(head: Yolo, y: Tensor, cell: Tensor, grid: Tensor, image: Tensor) -> Tensor:
    """See `AnchorHead.locate`.  Source: get_yolo_box."""
    size = (y[..., 2:4] ** 2 * 4 if head.new_coords else y[..., 2:4].exp()) * (y.new_tensor(head.sizes) / image)
    return torch.cat([(cell + y[..., :2]) / grid, size], -1)


def locate_gaussian(head: GaussianYolo, y: Tensor, cell: Tensor, grid: Tensor, image: Tensor) -> Tensor:
    """See `AnchorHead.locate`.  Source: get_gaussian_yolo_box."""
    size = y[..., [4, 6]].exp() * (y.new_tensor(head.sizes) / image)
    shift = {"center": 0.0, "left_top": 0.5, "right_bottom": -0.5}[head.yolo_point]
    return torch.cat([(cell + y[..., [0, 2]]) / grid + shift * size, size], -1)


def cells(y: Tensor) -> tuple[Tensor, Tensor]:
    """Column `(w, 1)` and row `(h, 1, 1)` of each cell of `(B, h, w, ...)`."""
    columns = torch.arange(y.shape[2], device=y.device, dtype=y.dtype)[:, None]
    rows = torch.arange(y.shape[1], device=y.device, dtype=y.dtype)[:, None, None]
    return columns, rows


def flat(boxes: Tensor, objectness: Tensor, scores: Tensor) -> Predictions:
    """`(B, h, w, A, ...)` each, to `(B, N, ...)`."""
    return Predictions(boxes.flatten(1, 3), objectness.flatten(1, 3), scores.flatten(1, 3))
