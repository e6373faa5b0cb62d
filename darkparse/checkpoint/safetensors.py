"""A checkpoint as .safetensors.

The format has no checksums, so its metadata has: of each tensor, and of the metadata themselves.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NotWeights, WeightsError, brief
from ..files import writing
from ..kinds import recognise
from .contents import EXPECTED, MARK, Checkpoint, beginning, blaming, foreign, understand

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SUMS, SEAL = "crc32", "crc32 of all this"


def write(path: Path, description: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write a description and tensors.

    All that is no tensor is in one entry of the metadata: of several their order in the file would be random.

    Raises:
        WeightsError: it cannot be written
    """
    from safetensors.torch import save

    tensors = once(tensors)
    sealed = sealing(description | {SUMS: {name: checksum(tensor) for name, tensor in tensors.items()}})
    data = save(tensors, {MARK: as_json(sealed)})  # not save_file, which puts a file in the place of a device
    with writing(path, WeightsError) as output:
        output.write(data)


def once(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without those that several layers share, but for the first of these; contiguous."""
    unique: dict[tuple[int, torch.Size], str] = {}
    for name, tensor in tensors.items():
        unique.setdefault((tensor.data_ptr(), tensor.shape), name)
    return {name: tensors[name].contiguous() for name in unique.values()}


def read(path: Path) -> Checkpoint:
    """See `checkpoint.read`."""
    from safetensors import safe_open

    first = beginning(path)
    if first[8:9] != b"{":
        raise NotWeights(f"{path}: {recognise(first) or 'no safetensors file'}; {EXPECTED} as .safetensors")
    with blaming(path), safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
    if MARK not in metadata:
        raise foreign(path, f"a safetensors file of {len(tensors)} tensors")
    description = opened(path, metadata[MARK])
    for name, tensor in tensors.items():
        if checksum(tensor) != description[SUMS].get(name):
            raise WeightsError(f"{path}: damaged, in {brief(name)}: its checksum is not the one that was written")
    return understand(path, description, tensors)


def checksum(tensor: Tensor) -> int:
    """CRC-32 of the values of a contiguous tensor."""
    return zlib.crc32(tensor.detach().reshape(-1).numpy().data)


def as_json(values: dict[str, Any]) -> str:
    """The same text for the same values."""
    return json.dumps(values, ensure_ascii=False, sort_keys=True)


def sealing(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with a checksum of them all."""
    return values | {SEAL: zlib.crc32(as_json(values).encode())}


def opened(path: Path, text: str) -> dict[str, Any]:
    """The values that were sealed.

    Raises:
        WeightsError: they have changed since
    """
    try:
        values = json.loads(text)
        seal = values.pop(SEAL)
        if sealing(values)[SEAL] == seal and isinstance(values[SUMS], dict):
            return dict(values)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise WeightsError(f"{path}: damaged, in its metadata: their checksum is not the one that was written")
