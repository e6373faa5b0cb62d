"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import DarkparseError


class Output:
    """A file being written; what the disk has to say is told of the file that it will become."""

    def __init__(self, path: Path, error: type[DarkparseError]) -> None:
        self.path, self.error = path, error
        with self.blamed():
            handle, self.temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
            self.file: BinaryIO = open(handle, "wb")  # noqa: SIM115  (closed by `finish` or `abandon`)

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        with self.blamed():
            self.file.write(data)

    def finish(self) -> None:
        """Move it into place."""
        with self.blamed():
            self.file.close()
            os.chmod(self.temporary, 0o666 & ~_umask())
            os.replace(self.temporary, self.path)

    def abandon(self) -> None:
        """Leave no trace of it, if it is not finished."""
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.temporary)

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Turn an OSError into one that names the file."""
        try:
            yield
        except OSError as why:
            raise self.error(f"{self.path}: {why.strerror or why}") from None


@contextlib.contextmanager
def writing(path: str | Path, error: type[DarkparseError] = DarkparseError) -> Iterator[Output]:
    """A file to write to, under a temporary name in the same folder; moved to `path` when all went well.

    Raises:
        error: the folder is missing or not ours to write to, the disk is full, ...
    """
    output = Output(Path(path), error)
    try:
        yield output
        output.finish()
    finally:
        output.abandon()


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8.

    Raises:
        DarkparseError: it cannot be written
    """
    with writing(path) as output:
        output.write(text.encode())


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
