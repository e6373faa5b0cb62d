"""The numbers of a data set as text."""

from collections.abc import Iterator, Sequence

import numpy as np

from .stats import QUANTILES, Split, Stats

_SIZES = 3  # of images that are told, the most frequent ones


def lines(stats: Stats) -> Iterator[str]:
    """A table of the splits, one of the classes, the sizes of boxes, and hints."""
    view = stats.view
    resized = "letterboxed" if view.letterbox else "stretched"
    yield f"network: {view.width} x {view.height} px, images {resized} ({view.source})"
    yield ""
    yield from _table(["", *stats.splits], [[label, *cells] for label, cells in _splits(stats)])
    yield ""
    heads = [f"{split} {what}" for split in stats.splits for what in ("boxes", "images")]
    yield from _table(["class", *heads], _classes(stats))
    yield ""
    yield from _small(stats)
    yield ""
    yield from stats.hints
    yield stats.counters


def _splits(stats: Stats) -> Iterator[tuple[str, list[str]]]:
    splits = list(stats.splits.values())
    yield "images", [f"{len(split.sizes)}" for split in splits]
    yield "without objects", [f"{(split.per_image == 0).sum()}" for split in splits]
    if any(sum(split.unusable) for split in splits):
        yield "not usable", ["{} images, {} labels".format(*split.unusable) for split in splits]
    yield "boxes", [f"{len(split.labels)}" for split in splits]
    yield "boxes an image", [_spread(split.per_image, (0, 50, 100)) for split in splits]
    yield "images, px", [_image_sizes(split) for split in splits]
    for name, title in (("width", "box width, px"), ("height", "box height, px"), ("side", "box side, px")):
        yield title, [_spread(split.sides[name], QUANTILES) for split in splits]


def _spread(values: np.ndarray, quantiles: Sequence[int]) -> str:
    return " / ".join(f"{value:.4g}" for value in np.percentile(values, quantiles)) if len(values) else "-"


def _image_sizes(split: Split) -> str:
    told = ", ".join(
        f"{w}x{h}" + (f" ({n})" if n < len(split.sizes) else "") for (w, h), n in split.image_sizes[:_SIZES]
    )
    more = len(split.image_sizes) - _SIZES
    return f"{told}, {more} more" if more > 0 else told


def _classes(stats: Stats) -> Iterator[list[str]]:
    for index, name in enumerate(stats.names):
        counts = [
            count for split in stats.splits.values() for count in (split.per_class[index], split.images_with[index])
        ]
        yield [name, *map(str, counts)]


def _small(stats: Stats) -> Iterator[str]:
    """How many boxes are too small to see, and what that means."""
    view, splits = stats.view, stats.splits.values()
    heads = f"cells of {', '.join(map(str, view.strides))} px" if view.strides else "8 px, as in YOLOv3 and YOLOv4"
    lost, hard = [split.lost for split in splits], [split.hard(view.cell) for split in splits]
    yield f"below 1 px wide or high, left out of training: {_shares(stats, lost)}"
    yield f"of less area than a cell of the finest head, {view.cell} x {view.cell} px: {_shares(stats, hard)}"
    yield f"({heads}; a smaller object fills a part of one cell, is hard to learn, and shares it with its neighbours)"


def _shares(stats: Stats, which: Sequence[np.ndarray]) -> str:
    parts = [(name, int(some.sum()), max(1, len(some))) for name, some in zip(stats.splits, which, strict=True)]
    return ", ".join(f"{count} ({100 * count / total:.1f} %) in {name}" for name, count, total in parts)


def _table(head: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> Iterator[str]:
    """Columns as wide as they need to be, the first to the left, the others to the right."""
    cells = [list(head), *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for row in cells:
        padded = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        yield "  ".join(padded).rstrip()
