"""What was detected in a batch, chosen from what the heads say where that is, on a GPU with one copy back.

Candidates of several images are one tensor of rows, `(M, 8)` float32: number of the image, label, score, objectness,
and cxcywh; image by image, in each as the heads and their boxes come.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .boxes import nms, survivors
from .detections import Candidates
from .images import Placement
from .registry import Likely

IMAGE, LABEL, SCORE, OBJECTNESS, BOX = 0, 1, 2, 3, slice(4, 8)
LABELS = 1 << 24  # more than any float32 counts to
FEW = 1000  # rows that the processor is done with before a GPU has begun
BLOCK, REST = 4096, 16384  # boxes that a GPU compares at once


def rows_of(likely: Sequence[Likely], thresh: float) -> Tensor:
    """Every class of boxes that is above `thresh`, as rows: on the GPU, or else on the processor.

    Args:
        likely: of each head; of none for no images
    Source: src/yolo_layer.c get_yolo_detections (AlexeyAB 59596d7)
    """
    parts = []
    for head in likely:
        box, label = head.classes(thresh)
        columns = head.images[box], label, head.scores[box, label], head.objectness[box], head.boxes[box]
        parts.append(torch.column_stack(columns))
    if not parts:
        return torch.zeros(0, BOX.stop)
    rows = torch.cat(parts)
    rows = rows if rows.is_cuda else rows.cpu()
    return rows[torch.sort(rows[:, IMAGE], stable=True).indices]


def undo(rows: Tensor, places: Sequence[Placement]) -> Tensor:
    """Rows relative to the images, from ones relative to the network's input; see `Placement.undo`."""
    net = np.array([(place.net_width, place.net_height) for place in places], np.float64)
    inner = np.array([(place.width, place.height) for place in places], np.float64)
    if (net == inner).all():
        return rows
    image, box = rows[:, IMAGE].long(), rows[:, BOX]
    ratio = torch.from_numpy((inner / net).astype(np.float32)).to(rows.device)[image]
    before = torch.from_numpy((net - inner) / 2 / net).to(rows.device)[image]
    centres = (box[:, :2].double() - before) / ratio
    return torch.column_stack([rows[:, : BOX.start], centres.float(), box[:, 2:] * ratio.reciprocal()])


def suppress(rows: Tensor, thresh: float, suppression: tuple[str, float]) -> Tensor:
    """The rows that are left after non-maximum suppression, without boxes that are not finite; on the processor.

    Args:
        thresh, suppression: as of `detections.select`
    """
    there = rows.is_cuda and len(rows) > FEW
    rows = rows if there else rows.cpu()
    rows = rows[rows[:, BOX].isfinite().all(1)]
    kept = (kept_there if there else kept_here)(rows, thresh, *suppression)
    return rows[kept].cpu()


def kept_here(rows: Tensor, thresh: float, kind: str, beta: float) -> Tensor:
    """Indices of the rows that stay, by the processor."""
    boxes, scores = rows[:, BOX].numpy(), rows[:, SCORE].numpy()
    return torch.from_numpy(nms(boxes, scores, classes_of(rows).numpy(), thresh, kind=kind, beta=beta))


def kept_there(rows: Tensor, thresh: float, kind: str, beta: float) -> Tensor:
    """Indices of the rows that stay, by the device that has them; see `boxes.nms`."""
    order = torch.sort(rows[:, SCORE], descending=True, stable=True).indices
    if thresh <= 0 or len(rows) < 2:
        return order.sort().values
    classes = classes_of(rows)
    order = order[torch.sort(classes[order], stable=True).indices]
    sizes = {"block": BLOCK, "rest": REST}
    stays = survivors(rows[order, BOX], classes[order], thresh, kind=kind, beta=beta, xp=torch, **sizes)
    return order[stays].sort().values


def classes_of(rows: Tensor) -> Tensor:
    """`(M,)` the same number for rows of the same class in the same image."""
    return rows[:, IMAGE].long() * LABELS + rows[:, LABEL].long()


def by_image(rows: Tensor, images: int) -> list[Candidates]:
    """The candidates of each image."""
    here = rows.cpu().numpy()
    parts = np.split(here, np.searchsorted(here[:, IMAGE], np.arange(1, images)))
    return [
        Candidates(part[:, BOX], part[:, SCORE], part[:, LABEL].astype(np.int64), part[:, OBJECTNESS])
        for part in parts[:images]
    ]
