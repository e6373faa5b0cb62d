"""Thresholds to try suppression with, and what darkparse detects at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..boxes import cxcywh_to_xyxy, iou
from ..detections import Candidates, candidates, select
from ..registry import Predictions
from .tails import NMS, THRESH

SOME, MANY = 50, 300  # boxes that suppression is tried on


def clear_thresholds(said: Sequence[Predictions], count: int) -> dict[str, float]:
    """`thresh` and `nms` in the widest gaps, so that rounding does not decide, and such that boxes are suppressed.

    Args:
        said: what the heads say of `count` images
    """
    least = [one.scores.minimum(one.objectness[..., None]) if one.needs_objectness else one.scores for one in said]
    likely = torch.cat([one[one > 0] for one in least]).sort(descending=True).values[: MANY * count]
    values = torch.cat([part[part > 0] for one in said for part in (one.scores, one.objectness)])
    if len(likely) > SOME:
        values = values[(values >= likely[-1]) & (values <= likely[SOME])]
    thresh = middle_of_gap(values.numpy())
    found = [select(candidates(said, image, thresh), 0, ("default", 0)) for image in range(count)]
    some = [image.boxes[: 2 * MANY] for image in found]
    overlaps = np.concatenate([iou(one, boxes) for boxes in some for one in boxes] or [np.zeros(0, np.float32)])
    return {"thresh": thresh, "nms": middle_of_gap(overlaps[(overlaps > 0.3) & (overlaps < 0.6)], NMS)}


def middle_of_gap(values: np.ndarray, otherwise: float = THRESH) -> float:
    """The middle of the widest gap between sorted values; something else where there are too few."""
    ordered = np.unique(values.astype(np.float64))
    if len(ordered) < 2:
        return otherwise
    widest = int(np.diff(ordered).argmax())
    return float(ordered[widest : widest + 2].mean())


def rows(said: Sequence[Predictions], count: int, thresh: float, nms: float) -> np.ndarray:
    """What darkparse detects, by overlap alone, as the file's rows: `(M, 7)`."""
    kept: list[Candidates] = [select(candidates(said, image, thresh), nms, ("default", 0)) for image in range(count)]
    parts = [
        np.column_stack([np.full(len(one.labels), image), one.labels, one.scores, cxcywh_to_xyxy(one.boxes)])
        for image, one in enumerate(kept)
    ]
    return np.concatenate(parts)
