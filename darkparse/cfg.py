"""cfg text -> sections.  Knows lines and `key=value`; knows nothing of layers."""

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import CfgError, Complain, DarkparseError, Location, OddValue, RepeatedOption, brief, warn
from .guard import note_read


@dataclass(frozen=True)
class Entry:
    """The text of one option, without blanks, and its line."""

    value: str
    line: int


@dataclass(frozen=True)
class Companions:
    """The files that options of a cfg name: class trees and maps.

    folder: the cfg's; None: there are no files, but only `texts`
    holder: what holds those
    texts: what the files say, by the names that the options have for them; of a folder those that were read
    """

    folder: Path | None = Path()
    holder: str = ""
    texts: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> tuple[str, str]:
        """The place, for messages, and the text of a file.

        Raises:
            ValueError: it is missing, or cannot be read
        """
        if self.folder is not None:
            path = find_file(name, self.folder)
            try:
                self.texts[name] = read_text(path)
            except DarkparseError as why:
                raise ValueError(str(why)) from None
            return str(path), self.texts[name]
        if name not in self.texts:
            raise ValueError(f"no text of {brief(name)} in {self.holder}; expected it there, with the cfg")
        return f"{self.holder}: {name}", self.texts[name]


@dataclass(frozen=True)
class Section:
    """One `[name]` block: its options in file order, each with its line number; the files that they name."""

    name: str
    file: str
    line: int
    entries: dict[str, Entry] = field(default_factory=dict)
    companions: Companions = field(default_factory=Companions, compare=False, repr=False)

    def where(self, option: str = "") -> Location:
        """The place of `option`, or of the section's own line."""
        entry = self.entries.get(option)
        return Location(self.file, entry.line if entry else self.line, self.name, option)


LONGEST = 1 << 20  # bytes of a cfg; the longest official one has 70 KB
MOST_SECTIONS = 10_000
MARK = "\ufeff"  # byte order mark
COMMENT = ("#", ";", "\0")  # a line that begins so says nothing


def read_bytes(path: str | Path, error: type[DarkparseError] = DarkparseError, limit: int = 1 << 30) -> bytes:
    """What a text file holds.

    Raises:
        error: the file is missing, unreadable, or larger than `limit` bytes
    """
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as why:
        raise error(f"{path}: {getattr(why, 'strerror', None) or why}") from None
    if len(data) > limit:
        raise error(f"{path}: more than {limit:,} bytes; expected a shorter text file")
    note_read(path)
    return data


def encoding_of(data: bytes) -> str:
    """UTF-16 where a mark says so, UTF-8 where it can be that, or else Latin-1."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if data.startswith(mark):
            return encoding
    try:
        data.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def read_text(path: str | Path, error: type[DarkparseError] = DarkparseError, limit: int = 1 << 30) -> str:
    """The text of a file, whatever its encoding, without a byte order mark; see `read_bytes`."""
    data = read_bytes(path, error, limit)
    return data.decode(encoding_of(data), errors="replace").removeprefix(MARK)


def read_lines(path: str | Path, error: type[DarkparseError] = DarkparseError) -> list[str]:
    """The lines of a file, without the blanks around them; see `read_text`."""
    return [line.strip() for line in read_text(path, error).split("\n")]


def read_cfg(path: str | Path, complain: Complain = warn) -> list[Section]:
    """The sections of a cfg file.

    Raises:
        CfgError: the file holds no section, or a line cannot be understood
        DarkparseError: it cannot be read
    """
    return sections_of(read_text(path, limit=LONGEST), str(path), complain)


def find_file(name: str, folder: Path) -> Path:
    """The file `name`, seen from the working folder, from `folder`, or from the one above it.

    Raises:
        ValueError: it is in none of them
    """
    for place in (Path(name), folder / name, folder.parent / name):
        if os.path.isfile(place):  # False, too, where no file can have such a name
            return place
    raise ValueError(f"no file {name!r} here, in {folder} or above it")


def sections_of(text: str, file: str, complain: Complain = warn, companions: Companions | None = None) -> list[Section]:
    """The sections of the text of a cfg, at least one; see `read_cfg` and `parse`."""
    if "\0" in text[:4096]:
        raise CfgError("binary data; expected the text of a cfg", Location(file, 1))
    sections = list(parse(text, file, complain, companions))
    if len(sections) > MOST_SECTIONS:
        raise CfgError(f"expected at most {MOST_SECTIONS:,} sections", sections[MOST_SECTIONS].where())
    if not sections:
        raise CfgError("no [section] in it; expected a cfg that begins with [net]", Location(file, 1))
    return sections


def bare(line: str) -> str:
    """A line as Darknet takes it: without any blanks."""
    return "".join(line.split()).lstrip(MARK)


def parse(
    text: str, file: str = "<string>", complain: Complain = warn, companions: Companions | None = None
) -> Iterator[Section]:
    """Yield the sections of `text`, whose options name `companions`, else files seen from the folder of `file`.

    As Darknet does, all blanks inside a line are dropped, `#` and `;` begin comment lines, a line without a
    value is passed over, and of a repeated option the first counts.

    Raises:
        CfgError: an option before the first section, or a section without its `]`
    Source: src/parser.c read_cfg, src/option_list.c read_option and option_find (AlexeyAB 59596d7)
    """
    section: Section | None = None
    companions = companions or Companions(Path(file).parent)
    for number, raw in enumerate(text.split("\n"), 1):
        line = bare(raw)
        if not line or line.startswith(COMMENT):
            continue
        if line[0] == "[":
            if section:
                yield section
            section = Section(_name(line, Location(file, number)), file, number, companions=companions)
        elif section is None:
            raise CfgError(f"{brief(raw.strip())} stands before the first [section]", Location(file, number))
        else:
            _add(section, line, number, complain)
    if section:
        yield section


def _name(line: str, where: Location) -> str:
    name, bracket, rest = line[1:].partition("]")
    if not bracket or (rest and rest[0] not in "#;"):
        raise CfgError(f"expected '[section]', got {brief(line)}", where)
    return name[:60]


def _add(section: Section, line: str, number: int, complain: Complain) -> None:
    key, _, value = line.partition("=")
    here = Location(section.file, number, section.name, key[:40])
    if not value or not key:
        complain(OddValue, "no value; expected 'option=value' (the line is passed over, as Darknet does)", here)
    elif key in section.entries:
        complain(RepeatedOption, f"given again; line {section.entries[key].line} counts", here)
    else:
        section.entries[key] = Entry(value, number)
