"""A checkpoint as .pt: what torch.save makes of a dict, and torch.load reads with weights_only=True."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotWeights, WeightsError, brief
from ..files import writing
from ..kinds import recognise
from .contents import EXPECTED, MARK, Checkpoint, beginning, blaming, foreign, reason, told, understand

if TYPE_CHECKING:
    import torch
    from torch import Tensor

STATE = "state_dict"
RUN = {"format", "layout", "optimiser", "stepper"}  # keys of training/checkpoint.py


def write(path: Path, description: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a description and tensors.

    Raises:
        WeightsError: it cannot be written
    """
    import torch

    try:
        with writing(path, WeightsError) as output:
            torch.save(description | {STATE: apart(tensors)}, output.file)
    except (OSError, RuntimeError) as why:  # of torch, after that of the disk
        cause = why.__context__ if isinstance(why.__context__, OSError) else why
        raise WeightsError(f"{path}: {getattr(cause, 'strerror', None) or reason(cause)}") from None


def apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, each with memory of its own, unless layers share it: torch.save writes the whole of it for each."""
    known: dict[tuple[int, torch.Size], Tensor] = {}
    for tensor in tensors.values():
        whole = tensor.untyped_storage().nbytes() == tensor.nbytes
        known.setdefault((tensor.data_ptr(), tensor.shape), tensor if whole else tensor.clone())
    return {name: known[tensor.data_ptr(), tensor.shape] for name, tensor in tensors.items()}


def read(path: Path) -> Checkpoint:
    """See `checkpoint.read`."""
    check_archive(path)
    found = load(path)
    if not isinstance(found, dict) or MARK not in found:
        raise of_another(path, found)
    tensors = found.get(STATE)
    if not isinstance(tensors, dict):
        raise WeightsError(f"{path}: {STATE}: missing; expected a dict of tensors")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not is_plain(tensor):
            raise WeightsError(
                f"{path}: {STATE}: {told(name)} is {told(tensor)}; expected the name of a tensor, and a plain tensor"
            )
    return understand(path, found, {name: tensor.detach() for name, tensor in tensors.items()})


def is_plain(value: object) -> bool:
    """Whether it is a dense tensor in memory."""
    import torch

    if not isinstance(value, torch.Tensor) or value.layout != torch.strided:
        return False
    return value.device.type == "cpu" and not value.is_neg()


def check_archive(path: Path) -> None:
    """Raises WeightsError where the file is missing, damaged, or no archive as torch.save writes it."""
    first = beginning(path)
    if not first.startswith(b"PK"):
        raise NotWeights(f"{path}: {recognise(first) or 'no zip archive'}; {EXPECTED} as .pt")
    with blaming(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if other := mistaken(members):
            raise NotWeights(f"{path}: {other}; {EXPECTED} as .pt")
        if damaged := archive.testzip():
            raise WeightsError(f"{path}: damaged, in {brief(damaged)}: its checksum is not the one that was written")


def mistaken(members: list[zipfile.ZipInfo]) -> str:
    """What an archive is, if torch.save did not write it; else ""."""
    files = {one.filename.rpartition("/")[2] for one in members}
    if "constants.pkl" in files:
        return "a TorchScript program"
    if "data.pkl" not in files:
        return "a zip archive, but none of torch.save"
    packed = any(one.compress_type != zipfile.ZIP_STORED for one in members)  # and may be huge
    return "a compressed zip archive" if packed else ""


def load(path: Path) -> object:
    """What torch.save was given.

    Raises:
        WeightsError: it is damaged, or holds objects, which are not made
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as why:  # what a damaged pickle does to torch's unpickler is any of Python's errors
        if named := re.search(r"GLOBAL ([\w.]+)", str(why)):
            what = f"holds a Python object ({named[1]}), which is not made, as that may execute anything"
            raise NotWeights(f"{path}: {what}; {EXPECTED}, or a state dict") from None
        raise WeightsError(f"{path}: damaged: {reason(why)}") from None


def of_another(path: Path, found: object) -> WeightsError:
    """The error for a file that is whole, but not ours."""
    if isinstance(found, Mapping) and set(found) >= RUN:
        return NotWeights(f"{path}: the state of a training run; its weights are in the .weights beside it")
    return foreign(path, "a PyTorch checkpoint")
