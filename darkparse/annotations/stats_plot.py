"""The numbers of a data set as a picture: boxes of each class, their sizes and their places."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..plots import figure, save
from .stats import Floats, Stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

MOST_CLASSES = 100  # that have a bar; of more, those with the most boxes
_FEW = 12  # classes, whose bars lie above the other two plots; of more, beside them
_COLOURS = {"train": "#185cba", "valid": "#d95410"}
_INK, _FAINT, _GRID = "#1b2333", "#626c78", "#e4e8ee"
_SIDE = 5.6  # inches of each of the other two plots
_LOPSIDED = 50  # times more boxes of one class than of another, from which bars are logarithmic
_BINS, _CELLS = 48, 32  # along an axis: of sizes, of places
_MAP, _LINE = "Blues", "#c0362c"
_COUNTS = "{x:,g}"  # of boxes, on axes
_LEAST = 0.25  # px; what is smaller is shown there


def write(path: str | Path, stats: Stats) -> None:
    """Write the picture as .png, .svg or .pdf.

    Raises:
        DarkparseError: matplotlib is not installed, another suffix, or it cannot be written
    """
    save(draw(stats), path)


def draw(stats: Stats) -> Figure:
    """The picture: bars of the classes, and of all splits together the sizes of boxes and where their centres are."""
    shown, splits = min(len(stats.names), MOST_CLASSES), len(stats.splits)
    if shown <= _FEW:
        bars = 0.9 + shown * (0.16 + 0.14 * splits)
        drawn = figure(12, bars + _SIDE)
        grid = drawn.add_gridspec(2, 2, height_ratios=(bars, _SIDE))
        places = grid[0, :], grid[1, 0], grid[1, 1]
    else:
        height = max(2 * _SIDE, 1.2 + shown * (0.08 + 0.06 * splits))
        drawn = figure(13, height)
        grid = drawn.add_gridspec(3, 2, height_ratios=(_SIDE, _SIDE, max(0.01, height - 2 * _SIDE)))
        places = grid[:, 0], grid[0, 1], grid[1, 1]
    for place, plot in zip(places, (_bars, _sizes, _places), strict=True):
        plot(drawn.add_subplot(place), stats)
    return drawn


def _dress(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=_INK, fontweight="bold")
    axes.tick_params(colors=_FAINT, labelsize=8, length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _bars(axes: Axes, stats: Stats) -> None:
    """Boxes of each class and split."""
    counts = np.array([split.per_class for split in stats.splits.values()])
    shown = np.sort(np.argsort(-counts.sum(0), kind="stable")[:MOST_CLASSES])
    thick = 0.8 / len(counts)
    for row, (name, split) in enumerate(stats.splits.items()):
        at = np.arange(len(shown)) + (row - (len(counts) - 1) / 2) * thick
        label = f"{name} ({len(split.labels):,})"
        drawn = axes.barh(at, counts[row, shown], thick * 0.92, color=_COLOURS[name], label=label)
        axes.bar_label(drawn, [f"{count:,}" for count in counts[row, shown]], padding=3, fontsize=7, color=_FAINT)
    some = counts[counts > 0]
    if len(some) and some.max() > _LOPSIDED * some.min():
        axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(_COUNTS)
    more = f", the {len(shown)} most frequent of {len(stats.names)} classes" if len(shown) < len(stats.names) else ""
    _dress(axes, f"Boxes of each class{more}")
    axes.set_yticks(range(len(shown)), [stats.names[index] for index in shown], color=_INK)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.grid(axis="x", color=_GRID)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, frameon=False, ncols=len(counts), loc="lower right", bbox_to_anchor=(1, 1))


def _together(stats: Stats, what: str) -> Floats:
    """Pixels or centres of all splits."""
    return np.concatenate([getattr(split, what) for split in stats.splits.values()])


def _sizes(axes: Axes, stats: Stats) -> None:
    """How wide and high boxes are, and what is too small."""
    from matplotlib.colors import LogNorm

    view, pixels = stats.view, np.maximum(_together(stats, "pixels"), _LEAST)
    low, high = min(1.0, pixels.min(initial=1)), 1.06 * max(*view[:2], pixels.max(initial=1))
    edges = np.geomspace(low, high, _BINS)
    counts, *_ = np.histogram2d(pixels[:, 0], pixels[:, 1], bins=[edges, edges])
    norm = LogNorm(0.4, max(2, counts.max()))
    drawn = axes.pcolormesh(edges, edges, np.ma.masked_equal(counts.T, 0), cmap=_MAP, norm=norm)
    _dress(axes, f"Sizes of boxes at {view.width} x {view.height} px")
    _log_axes(axes, low, high)
    for stride in view.strides or (view.cell,):
        finest = stride == view.cell
        across = np.geomspace(max(low, stride**2 / high), high, 50)
        label = f"{'one cell of the finest head' if finest else 'of another'}, {stride} x {stride} px"
        axes.plot(
            across, stride**2 / across, color=_LINE, lw=1.4 if finest else 0.8, ls="-" if finest else ":", label=label
        )
    if low < 1:
        axes.axhspan(low, 1, color=_LINE, alpha=0.12, lw=0, label="below 1 px: left out of training")
        axes.axvspan(low, 1, color=_LINE, alpha=0.12, lw=0)
    axes.legend(fontsize=8, framealpha=0.85, edgecolor="none", loc="lower left")
    _scale(axes, drawn)


def _log_axes(axes: Axes, low: float, high: float) -> None:
    """Both logarithmic, with powers of 2 written out."""
    ticks = [2**power for power in range(int(np.floor(np.log2(low))), int(np.log2(high)) + 1)]
    for axis, name in ((axes.xaxis, "width"), (axes.yaxis, "height")):
        axis.set_label_text(f"{name}, px", fontsize=9, color=_FAINT)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for set_ticks in (axes.set_xticks, axes.set_yticks):
        set_ticks([], minor=True)
        set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.grid(color=_GRID, lw=0.6)
    axes.set_axisbelow(True)


def _places(axes: Axes, stats: Stats) -> None:
    """Where in an image the centres of boxes are."""
    view, centres = stats.view, _together(stats, "centres")
    counts, *_ = np.histogram2d(centres[:, 1], centres[:, 0], bins=_CELLS, range=[(0, 1), (0, 1)])
    drawn = axes.imshow(counts, cmap=_MAP, extent=(0, 1, 1, 0), aspect=view.height / view.width, vmin=0)
    _dress(axes, "Centres of boxes in the image")
    for side in axes.spines.values():
        side.set(visible=True, color=_GRID)
    quarters = np.arange(5) / 4
    axes.set_xticks(quarters, [f"{quarter:g}" for quarter in quarters])
    axes.set_yticks(quarters, [f"{quarter:g}" for quarter in quarters])
    _scale(axes, drawn)


def _scale(axes: Axes, drawn: ScalarMappable) -> None:
    """What the colours mean."""
    assert axes.figure is not None
    bar = axes.figure.colorbar(
        drawn, ax=axes, shrink=0.7, aspect=24, pad=0.02, anchor=(0, 1), panchor=(0.5, 1), format=_COUNTS
    )
    bar.set_label("boxes", fontsize=8, color=_FAINT)
    bar.ax.tick_params(labelsize=7, colors=_FAINT, length=0)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
