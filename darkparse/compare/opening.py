"""From files to a side of the comparison, by their suffixes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import DarkparseError
from ..sources import read_source
from .frames import Frames
from .network import NetworkSide
from .recording import Recording
from .sides import Side

RECORDS: dict[str, Callable[[str], Side]] = {".npz": Recording, ".json": Frames}


def open_both(models: Sequence[Sequence[str]], *, device: str = "cpu", precision: str = "fp32") -> tuple[Side, Side]:
    """A, on the CPU in float32, and B, as given; of one model alone both are that; see `open_side`."""
    a = open_side(models[0])
    if len(models) == 1 and isinstance(a, NetworkSide):
        return a, a.twin(device, precision)
    return a, open_side(models[-1], device=device, precision=precision)


def open_side(files: Sequence[str], *, device: str = "cpu", precision: str = "fp32") -> Side:
    """What is to be compared.

    Args:
        files: a cfg and its weights, or one of .pt, .safetensors, .onnx, .npz (what `recording.save` wrote), .json
            (what Darknet's -out wrote)
        device, precision: where and how it runs, if it does
    Raises:
        DarkparseError: a file cannot be read or is another; or device or precision are not for this one
    """
    suffix = "." + files[0].lower().rpartition(".")[2]
    if suffix in (".onnx", *RECORDS) and precision != "fp32":
        raise DarkparseError(f"{files[0]}: has a precision of its own; expected no --precision")
    if suffix in RECORDS:
        if device != "cpu":
            raise DarkparseError(f"{files[0]}: does not run, as it was recorded; expected no --device")
        return RECORDS[suffix](files[0])
    if suffix == ".onnx":
        from .onnx import OnnxSide

        return OnnxSide(files[0], device)
    return NetworkSide(" ".join(files), read_source(*files), device, precision)
