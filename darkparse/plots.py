"""Pictures of numbers, by matplotlib, which is an extra: curves, scatter plots, histograms."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DarkparseError
from .files import writing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def figure(width: float = 8, height: float = 5) -> Figure:
    """An empty figure, of so many inches at 120 dots each; it needs no display.

    Raises:
        DarkparseError: matplotlib is not installed
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DarkparseError(
            "pictures of numbers need matplotlib, which is not installed: pip install 'darkparse[plots]'"
        ) from None
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def save(drawn: Figure, path: str | Path) -> None:
    """Write a figure, as its suffix says.

    Raises:
        DarkparseError: another suffix than .png, .svg or .pdf, or it cannot be written
    """
    check_kind(path)
    buffer = BytesIO()
    drawn.savefig(buffer, format=Path(path).suffix[1:].lower())
    with writing(path) as file:
        file.write(buffer.getvalue())


def check_kind(path: str | Path) -> None:
    """Raises DarkparseError where a picture's suffix is none that can be written; to be asked before long work."""
    if Path(path).suffix.lower() not in KINDS:
        raise DarkparseError(f"{path}: expected the name of a picture to end in {', '.join(KINDS)}")
