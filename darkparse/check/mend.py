"""A cfg mended as far as it is plain how, its comments kept."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from ..cfg_edit import CfgText
from ..data import shipped
from ..errors import CfgError, DarkparseError
from ..files import keep_original
from .names import open_data
from .project import Project, examine

ROUNDS = 10  # what is mended may let something else be seen


class Mended(NamedTuple):
    """What was changed in the file, a line each, and where the original is now; none where nothing was."""

    changes: list[str]
    original: Path | None


def mend(project: Project) -> Mended:
    """Mend the cfg of a project in place; the original is kept beside it, as `NAME.cfg.orig`.

    Raises:
        DarkparseError: the cfg cannot be read or written, or comes with darkparse
    """
    path = project.cfg
    if path.parent.resolve() == shipped().resolve():
        raise DarkparseError(f"{path}: comes with darkparse, and is not changed; copy it first")
    try:
        text = CfgText.read(path)
    except CfgError:
        return Mended([], None)  # a line that cannot be understood: the check says which
    before = text.text
    improve(project, text)
    if text.text == before:
        return Mended([], None)
    original = keep_original(path)
    text.write(path)
    return Mended(list(changes(str(path), before, text.text)), original)


def improve(project: Project, text: CfgText) -> None:
    """Make all edits that a check would make, until it makes none."""
    data = open_data(project.data)[0] if project.data else None
    for _ in range(ROUNDS):
        before = text.text
        for edit in examine(project, data, before).edits:
            edit(text)
        if text.text == before:
            return


def changes(file: str, before: str, after: str) -> Iterator[str]:
    """The lines that differ, numbered as in the text before."""
    old, new = before.splitlines(), after.splitlines()
    for kind, start, stop, first, last in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        had, has = ([line.strip() for line in lines] for lines in (old[start:stop], new[first:last]))
        if len(had) == len(has):
            yield from (f"{file}:{start + n}: {a} -> {b}" for n, (a, b) in enumerate(zip(had, has, strict=True), 1))
        else:
            yield from (f"{file}:{start + n}: {line} removed" for n, line in enumerate(had, 1))
            yield from (f"{file}:{stop}: {line} added" for line in has)
