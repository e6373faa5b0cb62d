"""What the numbers of a .weights file look like: measured, not judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..graph import Graph
from ..layout import Fit, Slot, layout
from ..weights import read_values


class TensorLook(NamedTuple):
    """Of the numbers of one tensor.

    odd: how many are NaN or infinite; zeros, negatives: how many are 0, below 0; largest: of the finite ones, whatever
    the sign; peak, kurtosis: the largest and the mean fourth power, where the mean square is 1 (0 where all are 0)
    """

    slot: Slot
    odd: int
    zeros: int
    negatives: int
    largest: float
    peak: float
    kurtosis: float


def look(graph: Graph, weights: str | Path, held: Fit) -> Iterator[TensorLook]:
    """Of each tensor that the file holds.

    Args:
        held: the header, and how many layers the file holds
    """
    values = read_values(weights, held.header)
    for slot in layout(graph, loading=True):
        if slot.node.index < held.layers:
            yield look_at(slot, values[slot.start : slot.stop].astype(np.float64))


def look_at(slot: Slot, values: np.ndarray) -> TensorLook:
    """Of one tensor, `(N,)` float64."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=0))
    peak = kurtosis = 0.0
    if largest > 0:
        scaled = (finite / largest) ** 2  # so that no power overflows
        square = float(scaled.mean())
        peak, kurtosis = square**-0.5, float((scaled**2).mean()) / square**2
    zeros, negatives = int((values == 0).sum()), int((values < 0).sum())
    return TensorLook(slot, values.size - finite.size, zeros, negatives, largest, peak, kurtosis)
