"""The picture of an evaluation: precision against recall, and both against the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import plots
from ..metrics import Evaluation, envelope
from .curves import RECALLS, Curve, curve_of_all, curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NAMED = 10  # classes that fit into a legend
_LONGEST = 22  # characters of a name in it


def draw(evaluation: Evaluation, names: Sequence[str]) -> Figure:
    """Left precision against recall of each class that has objects, right precision, recall and F1 by threshold.

    Of many classes the best and the worst are named.

    Raises:
        DarkparseError: matplotlib is not installed
    """
    figure = plots.figure(13, 5.5)
    left, right = figure.subplots(1, 2)
    draw_classes(left, evaluation, names)
    draw_thresholds(right, curve_of_all(evaluation))
    for axes in (left, right):
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_classes(axes: Axes, evaluation: Evaluation, names: Sequence[str]) -> None:
    """Precision against recall."""
    every = curves(evaluation)
    there = [label for label, one in enumerate(evaluation.classes) if one.truths]
    there.sort(key=lambda label: -evaluation.classes[label].ap)
    half = _NAMED // 2
    named = there if len(there) <= _NAMED else [*there[:half], *there[-half:]]
    for label in there:
        if label not in named:
            line(axes, every[label], color="0.75", linewidth=0.6)
    for number, label in enumerate(named):
        if len(named) < len(there) and number == half:
            between = len(there) - _NAMED
            axes.plot([], [], color="0.75", label=f"{between} class{'es' if between > 1 else ''} between")
        name = names[label] if len(names[label]) <= _LONGEST else f"{names[label][: _LONGEST - 3]}..."
        line(axes, every[label], color=f"C{number % 10}", label=f"{name}  {evaluation.classes[label].ap:.1%}")
    if there:
        mean = np.mean([every[label].precision_at() for label in there], axis=0)
        axes.plot(RECALLS, mean, color="black", linewidth=2.5, label=f"mean of {len(there)} with objects")
        axes.legend(title="average precision", fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    axes.set(xlabel="recall", ylabel="precision")
    title = f"mAP@{evaluation.iou_thresh:.2f} = {evaluation.map:.2%}"
    without = len(evaluation.classes) - len(there)
    axes.set_title(title + (f" ({without} classes without objects count 0)" if without else ""))


def line(axes: Axes, curve: Curve, **style: object) -> None:
    """One class, as its average precision takes it: the best precision at this recall or a higher one."""
    best = envelope(curve.precision)
    recall = np.concatenate([curve.recall[:1] * 0, curve.recall, curve.recall[-1:]])
    axes.plot(recall, np.concatenate([best[:1], best, best[-1:] * 0]), drawstyle="steps-pre", **style)  # type: ignore[arg-type]


def draw_thresholds(axes: Axes, curve: Curve) -> None:
    """Precision, recall and F1 of all classes together; where F1 is highest is marked."""
    for name, values in (("precision", curve.precision), ("recall", curve.recall), ("F1", curve.f1)):
        axes.plot(curve.thresh, values, label=name, linewidth=2.5 if name == "F1" else 1.5)
    title = "all classes together"
    if best := curve.best:
        axes.axvline(best.thresh, color="0.4", linestyle=":")
        axes.plot([best.thresh], [best.f1], "o", color="C2")
        title += f": F1 is highest, {best.f1:.2f}, at threshold {best.thresh:.3f}"
    axes.legend(loc="lower center")
    axes.set(xlabel="threshold", title=title)
