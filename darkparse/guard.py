"""Files that are read must not be written over: which those are, and the checks."""

import os
from collections.abc import Iterable
from pathlib import Path

from .errors import DarkparseError

_READ: set[str] = set()


def note_read(path: str | Path) -> None:
    """Remember a cfg, a weights file, a list of names, ... that was read."""
    _READ.add(os.path.realpath(path))


def check_not_input(path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raises DarkparseError where `path`, about to be written, is one of `inputs`."""
    for one in inputs:
        if os.path.isfile(path) and os.path.exists(one) and os.path.samefile(path, one):
            raise DarkparseError(f"{path}: is one of the inputs; not overwritten")


def check_not_read(path: str | Path) -> None:
    """Raises DarkparseError where `path`, about to be written, was read by this process."""
    check_not_input(path, [os.path.realpath(path)] if os.path.realpath(path) in _READ else [])
