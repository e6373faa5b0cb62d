"""A trained detector for evaluation, which has ways of its own to resize images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..data import Data
from ..detect import Model, choose_resize, load
from ..graph import Graph
from ..layout import Header

Fit = Callable[[Graph, Header], tuple[bool, str]]  # whether to letterbox, and why


def open_detector(data: Data, cfg: str | Path, weights: str | Path, fit: Fit, **options: Any) -> Model:
    """A model with the names of a .data file, or else those that `load` finds.

    Args:
        fit: one of the below
        options: `width`, `height`, `device`, `precision` and `strict` of `load`
    Raises:
        DarkparseError: as `load`
    """
    named = data.file if "names" in data.values else None
    loaded = load(cfg, weights, data=named, resize="stretch", **options)
    keeps_proportions, why = fit(loaded.graph, loaded.header)
    model = Model(loaded.network, loaded.header, loaded.names, keeps_proportions)
    model.notes = [f"resize: {why}", *loaded.notes[1:], f"device: {model.device}"]
    return model


def as_map(graph: Graph, _: Header) -> tuple[bool, str]:
    """As `detector map` does.  Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)."""
    if graph.net.letter_box > 0:
        return True, "letterbox, by letter_box=1 of the cfg"
    return False, "stretch, as detector map does without letter_box=1 in the cfg"


def as_valid(graph: Graph, header: Header) -> tuple[bool, str]:
    """As `detector valid` of the writer of the weights does."""
    return choose_resize("auto", graph, header)


def as_recall(_: Graph, __: Header) -> tuple[bool, str]:
    """As `detector recall` does.  Source: src/detector.c validate_detector_recall (AlexeyAB 59596d7)."""
    return False, "stretch, as detector recall does"
