"""What a checkpoint holds, whatever its form: described for writing, checked on reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..cfg import LONGEST
from ..errors import DarkparseError, NotWeights, WeightsError, brief
from ..files import blamed
from ..layout import Header

if TYPE_CHECKING:
    from torch import Tensor

    from ..sources import Source

FORMAT = 1  # of the description
MARK = "darkparse"  # the description's key for it
EXPECTED = "expected what darkparse convert writes"


class Checkpoint(NamedTuple):
    """What a file holds.

    cfg: the text of the cfg; files: the texts of class trees and maps, by the names that the cfg has for them;
    names: one a class, none where they are not known; header: of the .weights; tensors: the state dict
    """

    cfg: str
    files: dict[str, str]
    names: tuple[str, ...]
    header: Header
    tensors: dict[str, Tensor]


def describe(source: Source) -> dict[str, Any]:
    """All but the tensors, as plain values."""
    return {
        MARK: FORMAT,
        "cfg": source.cfg,
        "files": dict(source.files),
        "names": list(source.names),
        "header": source.header._asdict(),
    }


def understand(path: Path, found: Mapping[Any, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    """The checkpoint that a description and tensors make.

    Raises:
        WeightsError: something is missing, or not what it should be
    """
    check(path, MARK, found.get(MARK), f"format {FORMAT}", lambda value: value == FORMAT)
    for key, (expected, is_right) in PARTS.items():
        check(path, key, found.get(key), expected, is_right)
    for key, (expected, is_right) in NUMBERS.items():
        check(path, f"header: {key}", found["header"].get(key), expected, is_right)
    header = Header(*(found["header"][key] for key in Header._fields))
    if not header.long_seen and header.seen >= 2**32:
        raise WeightsError(f"{path}: header: seen: expected at most {2**32 - 1:,}, got {header.seen:,}")
    return Checkpoint(found["cfg"], dict(found["files"]), tuple(found["names"]), header, tensors)


def check(path: Path, key: str, value: object, expected: str, is_right: Callable[[Any], bool]) -> None:
    """Raises WeightsError where a part of a checkpoint is missing, or not what is expected."""
    if not is_right(value):
        raise WeightsError(f"{path}: {key}: expected {expected}, got {told(value)}")


def told(value: object) -> str:
    """A value that should not be there, for a message: however large it is, in a few words."""
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return brief(value) if is_text(value) else "a text that cannot be encoded"
    if isinstance(value, int | float) and abs(value) < 2**70:
        return repr(value)
    return f"a value of type {type(value).__name__}"


def is_text(value: object) -> bool:
    """Whether it is a text that can be written to a file."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_cfg(value: object) -> bool:
    return is_text(value) and 0 < len(str(value)) <= LONGEST


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(is_text(key) and is_text(text) for key, text in value.items())


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(is_text(name) and "\n" not in name for name in value)


def _is_number(most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 0 <= value <= most


PARTS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "cfg": (f"the text of a cfg, at most {LONGEST:,} characters", _is_cfg),
    "files": ("a dict of texts", _is_texts),
    "names": ("a list of lines", _is_names),
    "header": (f"a dict of {', '.join(Header._fields)}", lambda value: isinstance(value, dict)),
}
NUMBERS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "major": (f"a number from 0 to {2**31 - 1}", _is_number(2**31 - 1)),
    "minor": (f"a number from 0 to {2**31 - 1}", _is_number(2**31 - 1)),
    "revision": (f"a number from 0 to {2**31 - 1}", _is_number(2**31 - 1)),
    "seen": (f"a number from 0 to {2**64 - 1}", _is_number(2**64 - 1)),
    "long_seen": ("True or False", lambda value: isinstance(value, bool)),
}


def beginning(path: Path) -> bytes:
    """The first bytes of a file.  Raises WeightsError where it is missing, or cannot be read."""
    with blamed(path, WeightsError), open(path, "rb") as file:
        return file.read(512)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Turn what a library raises at a damaged file, which is any of Python's errors, into one line."""
    try:
        yield
    except DarkparseError:
        raise
    except Exception as why:
        raise WeightsError(f"{path}: damaged, or cut short: {reason(why)}") from None


def reason(why: Exception) -> str:
    """What an error says, in a line."""
    text = str(why).rpartition("WeightsUnpickler error: ")[2].strip() or type(why).__name__
    return "".join(letter if letter.isprintable() else "?" for letter in text.splitlines()[0][:200])


def foreign(path: Path, what: str) -> NotWeights:
    """The error for a file that holds tensors, but not ours."""
    return NotWeights(
        f"{path}: {what}, without a cfg; {EXPECTED}; where it fits a cfg, darkparse convert CFG {path} OUT.weights "
        "makes weights of it"
    )
