"""K-means on the sizes of boxes, as Darknet makes anchors, and how well anchors cover boxes.

Shapes: N boxes, k anchors.  Sizes are pairs of width and height, in whatever unit both have.  An overlap is the
intersection of two boxes about one centre over their union.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import DarkparseError

Sizes = NDArray[np.float64]

TRIES = 100  # from other boxes each: on BCCD the best of so many hardly depends on the seed
LIMIT = 1000  # iterations; src/matrix.c do_kmeans
SAMPLE = 20_000  # sizes that a try looks at; the best try goes on with all
CHUNK = 1 << 13  # boxes at a time, which the processor's cache holds


@dataclass(frozen=True, eq=False)
class Anchors:
    """What k-means found.

    sizes: `(k, 2)`, by area, not rounded; average_iou: 0..1; iterations: of the run that found them
    """

    sizes: Sizes
    average_iou: float
    iterations: int


def average_iou(sizes: ArrayLike, anchors: ArrayLike) -> float:
    """The mean, over boxes, of the overlap with the anchor that overlaps most, 0..1.

    Args:
        sizes: `(N, 2)`, of boxes
        anchors: `(k, 2)`
    Raises:
        DarkparseError: not such arrays, or a size that is not above 0
    """
    return float(best_overlaps(_checked(sizes, "boxes"), _checked(anchors, "anchors"))[0].mean())


def best_overlaps(sizes: Sizes, anchors: Sizes) -> tuple[Sizes, NDArray[np.intp]]:
    """Of each box `(N,)`, the overlap with the anchor that overlaps most, and which that is: the first, of several."""
    best, which = np.empty(len(sizes)), np.empty(len(sizes), np.intp)
    for start in range(0, len(sizes), CHUNK):
        part = slice(start, start + CHUNK)
        ious = overlaps(sizes[part], anchors)
        best[part], which[part] = ious.max(0), ious.argmax(0)
    return best, which


def overlaps(sizes: Sizes, anchors: Sizes) -> Sizes:
    """The overlap of each anchor with each box, `(k, N)`.  Source: src/matrix.c dist (AlexeyAB 59596d7)."""
    width, height = anchors.T[:, :, None]
    common = np.minimum(sizes[:, 0], width) * np.minimum(sizes[:, 1], height)
    return np.asarray(common / (sizes[:, 0] * sizes[:, 1] + width * height - common))


def kmeans(sizes: ArrayLike, k: int, *, tries: int = TRIES, seed: int = 0, start: ArrayLike | None = None) -> Anchors:
    """The k sizes that k-means with the distance 1 - overlap finds for boxes: the best of several tries.

    A try begins with k of the boxes, of different sizes, and is done when no box moves to another centre.  With more
    than 20,000 sizes tries look at so many of them, and the best one goes on with all.

    Args:
        sizes: `(N, 2)`, of boxes
        k: how many
        seed: of the choice of boxes to begin with
        start: `(k, 2)`, centres to begin with; then there is one try
    Raises:
        DarkparseError: not such arrays, a size that is not above 0, or fewer than k different sizes
    Source: src/detector.c calc_anchors, src/matrix.c do_kmeans, which tries once (AlexeyAB 59596d7)
    """
    boxes = _Boxes.of(_checked(sizes, "boxes"))
    if start is not None:
        return _converge(boxes, _checked(start, "centres"))
    if not 1 <= k <= len(boxes.sizes):
        raise DarkparseError(
            f"{k} anchors: expected from 1 to {len(boxes.sizes)}, as the boxes have that many different sizes"
        )
    random = np.random.default_rng(seed)
    few = boxes.sample(random)
    found = (_converge(few, few.choose(k, random)) for _ in range(max(1, tries)))
    best = max(found, key=lambda one: one.average_iou)
    return best if few is boxes else _converge(boxes, best.sizes)


@dataclass(frozen=True, eq=False)
class _Boxes:
    """Sizes `(M, 2)` that all differ, and how many boxes have each, `(M,)`."""

    sizes: Sizes
    counts: Sizes

    @classmethod
    def of(cls, sizes: Sizes) -> _Boxes:
        """The same boxes, each size once."""
        pairs, counts = np.unique(sizes.view(np.complex128)[:, 0], return_counts=True)
        return cls(pairs[:, None].view(np.float64), counts.astype(np.float64))

    def sample(self, random: np.random.Generator) -> _Boxes:
        """So many of them that a try takes little time."""
        if len(self.sizes) <= SAMPLE:
            return self
        chosen = random.choice(len(self.sizes), SAMPLE, replace=False)
        return _Boxes(self.sizes[chosen], self.counts[chosen])

    def choose(self, k: int, random: np.random.Generator) -> Sizes:
        """The sizes `(k, 2)` of k boxes, all different."""
        share = self.counts / self.counts.sum()
        return self.sizes[random.choice(len(self.sizes), k, replace=False, p=share)]


def _converge(boxes: _Boxes, centres: Sizes) -> Anchors:
    """Run k-means from some centres."""
    before = np.full(len(boxes.sizes), -1)
    iterations = 0
    best, which = best_overlaps(boxes.sizes, centres)
    while iterations < LIMIT and not np.array_equal(which, before):
        centres, before = _means(boxes, which, centres), which
        best, which = best_overlaps(boxes.sizes, centres)
        iterations += 1
    centres = centres[np.argsort(centres.prod(1), kind="stable")]
    return Anchors(centres, float(np.average(best, weights=boxes.counts)), iterations)


def _means(boxes: _Boxes, which: NDArray[np.intp], centres: Sizes) -> Sizes:
    """The mean size of the boxes of each centre; a centre without boxes stays."""
    count = np.bincount(which, boxes.counts, len(centres))[:, None]
    total = np.stack([np.bincount(which, boxes.counts * side, len(centres)) for side in boxes.sizes.T], 1)
    return np.where(count > 0, total / np.maximum(count, 1), centres)


def _checked(values: ArrayLike, what: str) -> Sizes:
    sizes = np.ascontiguousarray(values, np.float64)
    if sizes.ndim != 2 or sizes.shape[1] != 2 or not len(sizes):
        raise DarkparseError(f"{what}: expected (N, 2), widths and heights, at least one, got {sizes.shape}")
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise DarkparseError(f"{what}: expected widths and heights above 0, got {sizes.min():g}")
    return sizes
