"""Files that appear whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from threading import Thread
from typing import BinaryIO

from .errors import DarkparseError

PREFIX, SUFFIX = ".darkparse.", ".part"  # of temporary names
BLOCK = 1 << 22  # bytes
UMASK = os.umask(0o022)  # there is no way to ask but to set it
os.umask(UMASK)


@contextlib.contextmanager
def blamed(path: str | Path, error: type[DarkparseError] = DarkparseError) -> Iterator[None]:
    """Turn an OSError into one that names the file."""
    try:
        yield
    except OSError as why:
        raise error(f"{path}: {why.strerror or why}") from None


class Output:
    """A file being written; what the disk has to say is told of the file that it will become.

    Pipes and devices are written to directly, and a link stays one.
    """

    def __init__(self, path: Path, error: type[DarkparseError]) -> None:
        self.path, self.error, self.temporary, self.given_up = path, error, "", False
        self.file: BinaryIO
        with blamed(self.path, self.error):
            self.target = Path(os.path.realpath(path))
            if path.exists() and not path.is_file():
                self.file = open(path, "wb")  # noqa: SIM115  (closed by `finish` or `abandon`)
                return
            handle, self.temporary = tempfile.mkstemp(SUFFIX, PREFIX, self.target.parent)
            self.file = open(handle, "wb")  # noqa: SIM115

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes, unless it was given up."""
        with blamed(self.path, self.error):
            if not self.given_up:
                self.file.write(data)

    def finish(self) -> None:
        """Move it into place."""
        with blamed(self.path, self.error):
            self.file.close()
            if self.temporary and not self.given_up:
                os.chmod(self.temporary, 0o666 & ~UMASK)
                os.replace(self.temporary, self.target)

    def abandon(self) -> None:
        """Leave no trace of it, if it is not finished."""
        self.given_up = True
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            if self.temporary:
                os.unlink(self.temporary)


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


def read_ahead(paths: Iterable[str | Path]) -> None:
    """Let a thread bring files that will be read soon from the disk into the system's memory, as far as it can."""

    def bring() -> None:
        block = bytearray(BLOCK)
        for path in paths:
            with contextlib.suppress(OSError), open(path, "rb", buffering=0) as file:
                while file.readinto(block):
                    pass

    paths = [path for path in paths if os.path.isfile(path)]  # what comes through a pipe comes but once
    Thread(target=bring, daemon=True).start()


def keep_original(path: Path) -> Path:
    """Copy a file that is about to be changed beside itself, as NAME.orig (.orig2, ... where that is there); which.

    Raises:
        DarkparseError: it cannot be read or written
    """
    names = (path.with_name(f"{path.name}.orig{number if number > 1 else ''}") for number in count(1))
    free = next(name for name in names if not os.path.lexists(name))
    with blamed(path):
        data = path.read_bytes()
    with writing(free) as copy:
        copy.write(data)
    return free


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, UTF-8.

    Raises:
        DarkparseError: it cannot be written
    """
    with writing(path) as output:
        output.write(text.encode())
