"""Which images, or cfgs, a command line means."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .cfg import read_lines
from .errors import DarkparseError, DataError

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jp2", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".avif", ".exr", ".hdr", ".npy",
})  # fmt: skip


def images(arguments: Iterable[str], stdin: Iterable[str]) -> Iterator[str]:
    """The image files that `arguments` name.

    An argument is an image, a folder (its images, by name), a pattern with * or ?, a .txt list, or "-" (names from
    `stdin`, a line each).

    Raises:
        DarkparseError: a folder or a pattern names no image, a list cannot be read
    """
    for argument in arguments:
        if argument == "-":
            yield from (line.strip() for line in stdin if line.strip())
        elif os.path.isdir(argument):
            yield from in_folder(Path(argument))
        elif argument.lower().endswith(".txt"):
            yield from in_list(Path(argument))
        else:
            yield from matching(argument)


def in_folder(folder: Path) -> list[str]:
    """The images in a folder, by name."""
    try:
        found = sorted(str(path) for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    except OSError as why:
        raise DarkparseError(f"{folder}: {why.strerror}") from None
    if not found:
        raise DarkparseError(f"{folder}: no image in this folder")
    return found


def in_list(path: Path) -> Iterator[str]:
    """The images that a list names, a line each, seen from the working folder or from the list's."""
    for line in read_lines(path, DataError):
        if name := line.strip('"'):
            near = path.parent / name
            yield name if os.path.exists(name) or not os.path.exists(near) else str(near)


def matching(pattern: str) -> list[str]:
    """The file itself, or those that match where it is a pattern."""
    if os.path.exists(pattern) or not glob.has_magic(pattern):
        return [pattern]
    found = sorted(glob.glob(pattern, recursive=True))
    if not found:
        raise DarkparseError(f"{pattern}: no file matches")
    return found


def cfgs_in(folder: str | Path) -> list[Path]:
    """The cfgs of a folder, by name.

    Raises:
        DarkparseError: it is no folder, or there is none
    """
    if not os.path.isdir(folder):
        raise DarkparseError(f"{folder}: no such folder")
    found = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() == ".cfg")
    if not found:
        raise DarkparseError(f"{folder}: no .cfg in it")
    return found
