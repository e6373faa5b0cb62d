"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import DarkparseError


@contextlib.contextmanager
def writing(path: str | Path, error: type[DarkparseError] = DarkparseError) -> Iterator[BinaryIO]:
    """A file to write to, under a temporary name in the same folder; moved to `path` when all went well.

    Raises:
        error: the folder is missing or not ours to write to, the disk is full, ...
    """
    path = Path(path)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with open(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as why:
        raise error(f"{path}: {why.strerror or why}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8.

    Raises:
        DarkparseError: it cannot be written
    """
    with writing(path) as file:
        file.write(text.encode())


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
