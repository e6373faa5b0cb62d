"""What [detection] outputs mean.

Shapes: B images, S = side x side cells, A boxes a cell.  The values are the classes of all cells, then the objectness
of all boxes, then all boxes.
Source: src/detection_layer.c, functions named below (AlexeyAB 59596d7)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..registry import Predictions

if TYPE_CHECKING:
    from ..layers.detection import Detection


def split(head: Detection, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Classes `(B, S, C)`, objectness `(B, S, A)` and boxes `(B, S, A, 4)` of the values `(B, ...)`."""
    cells, boxes = head.side**2, head.side**2 * head.num
    parts = torch.split(raw.flatten(1), [cells * head.classes, boxes, boxes * 4], dim=1)
    classes, objectness, box = (part.reshape(len(raw), cells, -1) for part in parts)
    return classes, objectness, box.reshape(len(raw), cells, head.num, 4)


def activate_detection(head: Detection, raw: Tensor) -> Tensor:
    """Raw values `(B, ...)` to Darknet's output `(B, values)`.  Source: forward_detection_layer."""
    if not head.softmax:
        return raw.flatten(1)
    classes, objectness, box = split(head, raw)
    return torch.cat([part.flatten(1) for part in (classes.softmax(2), objectness, box)], dim=1)


def decode_detection(head: Detection, raw: Tensor) -> Predictions:
    """Source: get_detection_detections."""
    classes, objectness, box = split(head, activate_detection(head, raw))
    cell = torch.arange(head.side**2, device=raw.device)
    corner = torch.stack([cell % head.side, cell // head.side], -1).to(raw.dtype)[:, None]  # (S, 1, 2)
    size = box[..., 2:] ** 2 if head.sqrt else box[..., 2:]
    boxes = torch.cat([(box[..., :2] + corner) / head.side, size], -1)
    scores = objectness[..., None] * classes[:, :, None]
    return Predictions(boxes.flatten(1, 2), objectness.flatten(1), scores.flatten(1, 2), needs_objectness=False)
