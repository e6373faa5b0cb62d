"""Edits of a cfg's text: what is not changed stays as it is, byte by byte.  Knows nothing of layers."""

import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from pathlib import Path

from .cfg import COMMENT, LONGEST, MARK, Section, bare, encoding_of, read_bytes, sections_of
from .errors import Complain, DarkparseError, brief, ignore, warn
from .files import writing

Value = str | float | Sequence[float]

_NAME = re.compile(r"[^\s\]\0]{0,60}")
_KEY = re.compile(r"(?![#;\[\ufeff])[^\s=\0]+")
_TEXT = re.compile(r"[^\n\0]+")


class CfgText:
    """The text of a cfg, open to edits.

    Sections are counted from 0, which is [net], so that layer i is section i + 1; an edit moves the numbers of
    those behind it.  A comment belongs to the section that it stands directly above, without a blank line
    between, or else to the one that it stands behind.
    """

    def __init__(self, text: str, file: str = "<string>", encoding: str = "utf-8") -> None:
        """Take `text` apart.

        Args:
            file: its name, for messages
            encoding: how `write` writes it
        Raises:
            CfgError: it holds no section, or a line cannot be understood
        """
        sections_of(text, file, ignore)
        self.file, self.encoding = file, encoding
        self._mark = MARK if text.startswith(MARK) else ""
        self._newline = "\r\n" if 2 * text.count("\r\n") > text.count("\n") else "\n"
        self._added = "" if text.endswith("\n") else self._newline  # so that each line has its end
        self._blocks = _split(text.removeprefix(MARK) + self._added)  # what precedes the sections, then each section

    @classmethod
    def read(cls, path: str | Path) -> "CfgText":
        """The text of a cfg file.

        Raises:
            CfgError: the file holds no section, or a line cannot be understood
            DarkparseError: it cannot be read, or not be written again without a loss
        """
        data = read_bytes(path, limit=LONGEST)
        encoding = encoding_of(data)
        text = data.decode(encoding, errors="replace")
        if text.encode(encoding, errors="replace") != data:
            raise DarkparseError(f"{path}: broken {encoding.upper()}; expected whole characters")
        return cls(text, str(path), encoding)

    @classmethod
    def from_sections(cls, sections: Iterable[Section]) -> "CfgText":
        """A plain text of `sections`: one line for each option, in order, a blank line between.

        Raises:
            CfgError: there is none
            ValueError: a name, a key or a value that no cfg can hold
        """
        parts = list(sections)
        blocks = ["".join(_lines(part.name, {key: e.value for key, e in part.entries.items()})) for part in parts]
        return cls("\n".join(blocks), parts[0].file if parts else "<string>")

    @property
    def text(self) -> str:
        """The text as it is now, with its byte order mark if it has one."""
        lines = "".join(line for block in self._blocks for line in block)
        return self._mark + lines.removesuffix(self._added)

    def sections(self, complain: Complain = warn) -> list[Section]:
        """What the text says now, with the lines where it says so; see `cfg.read_cfg`."""
        return sections_of(self.text, self.file, complain)

    def write(self, path: str | Path) -> None:
        """Write the text, in the encoding that it was read in.

        Raises:
            DarkparseError: the file cannot be written, or the encoding lacks a character
        """
        try:
            data = self.text.encode(self.encoding)
        except UnicodeEncodeError as why:
            lacking = brief(self.text[why.start : why.end])
            raise DarkparseError(f"{path}: {lacking} cannot be written in {self.encoding.upper()}") from None
        with writing(path) as output:
            output.write(data)

    def set_option(self, section: int, key: str, value: Value) -> None:
        """Make `value` the value of an option.

        The line that counts, the first, is changed in place, and keeps its blanks and the comment behind it; where
        there is none, one is added behind the section's last option and spaced like that.

        Raises:
            IndexError: no such section
            ValueError: a key or a value that no cfg can hold, or a `#`, that would begin a comment, in the value
        """
        block, text = self._section(section), _text(key, value)
        if "#" in text:
            raise ValueError(f"{key}: expected a value without '#', which begins a comment, got {brief(text)}")
        for at, line in enumerate(block):
            name, _, old = _said(line)
            if name == key and old:
                block[at] = _with_value(line, text)
                return
        last = _last(block)
        block.insert(last + 1, _like(block[last], key, text) + self._newline)

    def remove_option(self, section: int, key: str) -> None:
        """Remove each line of an option, if there is any, but no comment above it.

        Raises:
            IndexError: no such section
        """
        block = self._section(section)
        block[:] = [line for line in block if not (key and _said(line)[0] == key)]

    def rename_option(self, section: int, key: str, name: str) -> None:
        """Give an option another name, on each of its lines, which stay as they are otherwise.

        Raises:
            IndexError: no such section
            ValueError: a name that no cfg can hold
        """
        block = self._section(section)
        _text(name, "1")
        for at, line in enumerate(block):
            if _said(line)[0] == key:
                before, equals, rest = line.partition("=")
                block[at] = before.replace(before.strip(), name) + equals + rest

    def remove_repeats(self, section: int) -> None:
        """Remove the lines of options that are given again, and so do not count.

        Raises:
            IndexError: no such section
        """
        block = self._section(section)
        kept: list[str] = []
        seen: set[str] = set()
        for line in block:
            key, _, value = _said(line)
            if not (value and key in seen):
                kept.append(line)
            if key and value:
                seen.add(key)
        block[:] = kept

    def rename_section(self, section: int, name: str) -> None:
        """Make a section one of another kind.

        Raises:
            IndexError: no such section
            ValueError: a name that no cfg can hold
        """
        block, (heading,) = self._section(section), _lines(name, {})
        at = next(at for at, line in enumerate(block) if bare(line).startswith("["))
        block[at] = heading.rstrip("\n") + block[at].partition("]")[2]

    def insert_section(self, after: int, name: str, options: Mapping[str, Value]) -> None:
        """Insert `[name]` behind section `after`, its options spaced like the last one there.

        It comes before the blank lines that follow there, and the comments that follow these: such comments most
        often speak of the next section.  A value may be text with a `#` and a comment behind it.

        Raises:
            IndexError: no such section
            ValueError: a name, a key or a value that no cfg can hold
        """
        block = self._section(after)
        new = [line.replace("\n", self._newline) for line in _lines(name, options, block[_last(block)])]
        end = _end(block)
        new += block[end:]
        if block[end:] or after + 2 == len(self._blocks):
            block[end:] = [self._newline]
        self._blocks.insert(after + 2, new)

    def remove_section(self, section: int) -> None:
        """Remove a section, with the comment directly above it, and one of the gaps around it.

        Comments that have a blank line on either side stay.

        Raises:
            IndexError: no such section
        """
        block, before = self._section(section), self._blocks[section]
        gap = block[_end(block) :]
        if gap or section + 2 == len(self._blocks):
            while before and not bare(before[-1]):
                del before[-1]
        before += gap
        del self._blocks[section + 1]

    def _section(self, section: int) -> list[str]:
        if not 0 <= section < len(self._blocks) - 1:
            raise IndexError(f"{self.file}: expected a section from 0 to {len(self._blocks) - 2}, got {section}")
        return self._blocks[section + 1]


def _split(text: str) -> list[list[str]]:
    blocks: list[list[str]] = [[]]
    for line in io.StringIO(text, newline="\n"):
        if bare(line).startswith("["):
            before = blocks[-1]
            start = len(before)
            while start and bare(before[start - 1]).startswith(COMMENT):
                start -= 1
            blocks.append(before[start:])
            del before[start:]
        blocks[-1].append(line)
    return blocks


def _said(line: str) -> tuple[str, str, str]:
    """The option of a line, the sign and the value, without blanks; no option where it is none."""
    plain = bare(line)
    return ("", "", "") if plain.startswith((*COMMENT, "[")) else plain.partition("=")


def _last(block: Sequence[str]) -> int:
    """Index of a section's last line that is neither blank nor a comment."""
    plain = [bare(line) for line in block]
    return max(at for at, line in enumerate(plain) if line and not line.startswith(COMMENT))


def _end(block: Sequence[str]) -> int:
    """Index of the first blank line behind a section's last option, or of its end."""
    return next((at for at in range(_last(block), len(block)) if not bare(block[at])), len(block))


def _value_at(line: str) -> tuple[int, int]:
    """Where in a line the value of its option begins and ends."""
    start = line.index("=") + 1
    rest = line[start:]
    start += len(rest) - len(rest.lstrip())
    return start, start + len(rest.partition("#")[0].strip())


def _with_value(line: str, text: str) -> str:
    start, end = _value_at(line)
    changed = line[:start] + text + line[end:]
    return changed if bare(changed) != bare(line) else line


def _like(line: str, key: str, text: str) -> str:
    """The line of an option, without its end, spaced as the option in `line`, if there is one."""
    if not _said(line)[2]:
        return f"{key}={text}"
    before = line[: _value_at(line)[0]]
    return before.replace(before.partition("=")[0].strip(), key, 1) + text


def _lines(name: str, options: Mapping[str, Value], like: str = "") -> list[str]:
    if not _NAME.fullmatch(name):
        raise ValueError(f"expected the name of a section, without blanks and ']', got {brief(name)}")
    return [f"[{name}]\n", *(_like(like, key, _text(key, value)) + "\n" for key, value in options.items())]


def _text(key: str, value: Value) -> str:
    text = _spelled(value)
    if not _KEY.fullmatch(key):
        raise ValueError(f"expected the name of an option, got {brief(key)}")
    if not _TEXT.fullmatch(text):
        raise ValueError(f"{key}: expected a value on one line, got {brief(text)}")
    return text


def _spelled(value: Value) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence):
        return ",".join(_spelled(one) for one in value)
    if isinstance(value, Integral):
        return str(int(value))
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}")
    return repr(float(value)).removesuffix(".0")
