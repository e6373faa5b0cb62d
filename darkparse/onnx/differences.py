"""How far outputs are from those expected."""

from __future__ import annotations

import numpy as np

TOLERANCE = 1e-4
Outputs = dict[str, np.ndarray]


def largest(expected: Outputs, found: Outputs) -> float:
    """The largest difference; infinite where shapes, or what is not finite, differ."""
    return max(difference(found.get(name, np.zeros(0)), array) for name, array in expected.items())


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """|a - b| / max(1, largest |b|)."""
    if a.shape != b.shape:
        return float("inf")
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0, np.abs(a.astype(np.float64) - b))
    scale = np.abs(b[np.isfinite(b)]).max(initial=1)
    return float(np.nan_to_num(apart, nan=np.inf, posinf=np.inf).max(initial=0) / scale)


def rows_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of rows `(M, 7)` in any order: image, class, score, x1 y1 x2 y2.

    Each is compared with that of its image and class that is most alike; infinite where their numbers differ.
    """
    found = found.reshape(-1, expected.shape[1])
    groups, others = by_image_and_class(found), by_image_and_class(expected)
    if {key: len(one) for key, one in groups.items()} != {key: len(one) for key, one in others.items()}:
        return float("inf")
    scale = np.abs(expected).max(axis=0, initial=1)
    return max((apart(one / scale, others[key] / scale) for key, one in groups.items()), default=0.0)


def by_image_and_class(rows: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """The rows of each image and class."""
    kinds = np.unique(rows[:, :2], axis=0)
    return {(int(image), int(label)): rows[(rows[:, :2] == (image, label)).all(1)] for image, label in kinds}


def apart(some: np.ndarray, others: np.ndarray) -> float:
    """How far the row that is least like any of the others is from the one most like it, from both sides."""
    distance = np.zeros((len(some), len(others)))
    for a, b in zip(some.T.astype(np.float64), others.T.astype(np.float64), strict=True):
        np.maximum(distance, np.abs(a[:, None] - b), out=distance)
    return float(max(distance.min(0).max(), distance.min(1).max()))
