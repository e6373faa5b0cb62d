"""All that a run needs to go on as if it had never stopped, beside `_last.weights`.

The one before is kept: a file that a crash of the machine cut short is not the end of a run.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from ..errors import CheckpointError
from ..files import writing

FORMAT = 1  # of the state's keys

State = dict[str, Any]


def previous(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def write(path: Path, state: State) -> None:
    """Write a checkpoint; the one that was there becomes the previous one.

    Raises:
        CheckpointError: the disk is full, ...; what was there stays
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    new = path.with_name(f"{path.stem}.new{path.suffix}")
    with writing(new, CheckpointError) as file:
        file.write(buffer.getbuffer())
    try:
        if path.exists():
            os.replace(path, previous(path))
        os.replace(new, path)
    except OSError as why:
        raise CheckpointError(f"{path}: {why.strerror or why}") from None


def read(path: Path) -> tuple[State | None, list[str]]:
    """The newest checkpoint at `path` that is whole, and what is wrong with those that are not; None without any.

    Raises:
        CheckpointError: there are some, and none is whole
    """
    notes: list[str] = []
    there = [one for one in (path, previous(path)) if one.exists()]
    for one in there:
        try:
            return load(one), notes
        except CheckpointError as why:
            notes.append(str(why))
    if there:
        raise CheckpointError(f"{'; '.join(notes)}; --clear starts anew")
    return None, notes


def load(path: Path) -> State:
    """The state in one file; nothing in it is executed.

    Raises:
        CheckpointError: it is cut short, damaged or something else
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise CheckpointError(f"{path}: damaged, in {damaged}")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, zipfile.BadZipFile, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as why:
        reason = (str(why) or type(why).__name__).splitlines()[0]
        raise CheckpointError(f"{path}: no whole checkpoint: {reason}") from None
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path}: a checkpoint of another version; expected format {FORMAT}")
    return state
