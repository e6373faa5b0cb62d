"""A picture of a study of anchors: the sizes of the boxes, and the anchors among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..guard import check_not_read
from ..plots import figure, save
from .kmeans import Sizes, best_overlaps
from .study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 20_000  # of boxes drawn at most
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)  # px
OTHERS = "#222222"  # colour of the cfg's anchors


def draw(study: Study, path: str | Path) -> None:
    """Draw the boxes of a study by their anchors, and beside them the anchors at scale.

    Raises:
        DarkparseError: matplotlib is not installed, the suffix is none of a picture's, or it cannot be written
    """
    check_not_read(path)
    drawn = figure(13, 6.2)
    left, right = drawn.subplots(1, 2, width_ratios=[1.15, 1])
    colours = _colours(len(study.found.sizes))
    _scatter(left, study, colours)
    _outlines(right, study, colours)
    save(drawn, path)


def _colours(k: int) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps["turbo"](0.06 + 0.88 * i / max(1, k - 1)) for i in range(k)]


def _scatter(axes: Axes, study: Study, colours: list[Any]) -> None:
    """The boxes as points, each in the colour of its anchor, and the anchors as crosses."""
    sizes = study.sizes
    if len(sizes) > POINTS:
        sizes = sizes[np.random.default_rng(0).choice(len(sizes), POINTS, replace=False)]
    which = best_overlaps(sizes, study.found.sizes)[1]
    dot = float(np.clip(POINTS / len(sizes), 7, 40))
    colour_of_each = np.array(colours)[which]
    axes.scatter(sizes[:, 0], sizes[:, 1], s=dot, c=colour_of_each, alpha=0.35, linewidths=0, rasterized=True)
    name = Path(study.graph.file).name
    rows = (("k-means", study.found.sizes, "P", "white", 150), (name, study.old, "X", OTHERS, 80))
    for title, anchors, marker, colour, size in rows:
        best, _ = best_overlaps(study.sizes, anchors)
        label = f"{title}: {len(anchors)} anchors, avg IoU {100 * best.mean():.2f} %"
        edge = "black" if colour == "white" else "white"
        axes.scatter(
            anchors[:, 0], anchors[:, 1], s=size, marker=marker, c=colour, edgecolors=edge, linewidths=1.2, label=label
        )
    net = study.graph.net
    _log(axes, sizes, study)
    axes.set_xlabel("width, px")
    axes.set_ylabel("height, px")
    axes.set_title(f"{len(study.sizes):,} boxes at {net.width}x{net.height}, coloured by anchor")
    axes.grid(alpha=0.25)
    axes.legend(loc="upper left", framealpha=0.9)


def _log(axes: Axes, sizes: Sizes, study: Study) -> None:
    """Logarithmic axes with plain numbers: what overlaps alike lies alike far apart."""
    seen = np.concatenate([sizes, study.found.sizes, study.old])
    ends = zip(seen.min(0) / 1.25, seen.max(0) * 1.25, strict=True)
    for axis, (low, high) in zip("xy", ends, strict=True):
        ticks = [tick for tick in TICKS if low <= tick <= high]
        getattr(axes, f"set_{axis}scale")("log")
        getattr(axes, f"set_{axis}lim")(low, high)
        getattr(axes, f"set_{axis}ticks")(ticks, [str(tick) for tick in ticks])
        getattr(axes, f"set_{axis}ticks")([], minor=True)


def _outlines(axes: Axes, study: Study, colours: list[Any]) -> None:
    """The anchors about one centre, at scale, in the network's input."""
    from matplotlib.patches import Rectangle

    net = study.graph.net

    def outline(size: tuple[float, float], **style: Any) -> None:
        corner = (net.width - size[0]) / 2, (net.height - size[1]) / 2
        axes.add_patch(Rectangle(corner, *size, fill=False, **style))

    for size in study.old:
        outline(tuple(size), edgecolor=OTHERS, linestyle=(0, (4, 3)), linewidth=1.0)
    strides = np.repeat([one.cell[0] for one in study.heads], study.shares.counts)
    for size, stride, colour in zip(study.found.sizes, strides, colours, strict=True):
        label = f"{size[0]:.0f} x {size[1]:.0f}, stride {stride:g}"
        outline(tuple(size), edgecolor=colour, linewidth=2.0, label=label)
    axes.plot([], [], color=OTHERS, linestyle=(0, (4, 3)), linewidth=1.0, label=Path(study.graph.file).name)
    outline((net.width, net.height), edgecolor="#999999", linewidth=1.0)
    axes.set_xlim(-0.02 * net.width, 1.02 * net.width)
    axes.set_ylim(1.02 * net.height, -0.02 * net.height)
    axes.set_aspect("equal")
    axes.set_title("the anchors in the network's input, px")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), framealpha=0.9)
