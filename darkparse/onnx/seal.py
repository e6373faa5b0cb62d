"""Whether an .onnx file still has the bytes that darkparse wrote: neither ONNX nor its readers would notice.

The last two entries of its metadata are the file's length and the CRC-32 of all before its last 8 characters, which
are that number.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DarkparseError
from ..files import blamed

if TYPE_CHECKING:
    import onnx

LENGTH, CHECK = "bytes", "crc32"
DIGITS = 8  # of the number, hexadecimal


def sealed(model: onnx.ModelProto) -> bytes:
    """The bytes of a file of `model`, which is given the two entries."""
    kept = [(one.key, one.value) for one in model.metadata_props if one.key not in (LENGTH, CHECK)]
    del model.metadata_props[:]
    for key, value in [*kept, (LENGTH, "0" * 16), (CHECK, "0" * DIGITS)]:
        model.metadata_props.add(key=key, value=value)
    model.metadata_props[-2].value = f"{model.ByteSize():016}"
    data = model.SerializeToString()[:-DIGITS]
    number = f"{zlib.crc32(data):0{DIGITS}x}"
    model.metadata_props[-1].value = number
    return bytes(data) + number.encode()


def check(path: str | Path, entries: Mapping[str, str]) -> None:
    """Raises DarkparseError where a file of that length was damaged; another program has written one of another.

    Args:
        entries: its metadata
    """
    if LENGTH not in entries or CHECK not in entries:
        return
    with blamed(path):
        data = Path(path).read_bytes()
    if entries[LENGTH] == f"{len(data):016}" and data[-DIGITS:] != f"{zlib.crc32(data[:-DIGITS]):0{DIGITS}x}".encode():
        raise DarkparseError(
            f"{path}: damaged: its bytes are not those that were written; if a program changed it on purpose, remove "
            f"{CHECK} from its metadata"
        )
