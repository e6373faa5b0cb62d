"""What is wrong with the lines, the sections and the options of a cfg, each by itself."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Callable
from dataclasses import Field, fields
from functools import partial
from typing import Any, TypeVar

from ..cfg import bare, sections_of
from ..cfg_edit import CfgText
from ..dialect import Dialect
from ..errors import (
    CfgError,
    Complain,
    DarkparseWarning,
    Location,
    OptionError,
    RepeatedOption,
    UnknownSection,
    UnusedOption,
)
from ..findings import ERROR, NOTE, WARNING
from ..net import Net
from ..options import read_options
from ..registry import LayerDef, define, registered
from .draft import Draft
from .typos import meant

Made = TypeVar("Made", LayerDef, Net)
Oddity = tuple[type[DarkparseWarning], str, Location]

_HEADING = re.compile(r"\[([^\]#;=]*)")
_FIRST = re.compile(r"^\s*\[\s*(net)?", re.MULTILINE)
_BLANK = re.compile(r"[0-9.]+(?:[ \t]+[+-]?[0-9.]+)+")
_SIZES = ("width", "height", "channels", "inputs")


def read(text: str, file: str, dialect: Dialect, *, trains: bool = False) -> Draft:
    """The draft of a cfg, with its sections and layers, and all that is wrong with each of them."""
    draft = Draft(file, dialect=dialect, trains=trains)
    read_lines(draft, text)
    for number in range(len(draft.sections)):
        if is_net(draft, number):
            read_section(draft, 0, lambda part, complain: read_options(Net, part, complain))
        elif layer := read_section(draft, number, lambda part, complain: define(part, dialect, complain)):
            draft.layers[number] = layer
    return draft


def is_net(draft: Draft, number: int) -> bool:
    """Whether a section is the [net]."""
    return number == 0 and draft.sections[0].name in ("net", "network")


def read_lines(draft: Draft, text: str) -> None:
    """Fill in the sections; a line that cannot be understood is passed over."""
    lines = text.split("\n")
    while True:
        oddities: list[Oddity] = []
        try:
            draft.sections = sections_of("\n".join(lines), draft.file, collect(oddities))
            break
        except CfgError as why:
            draft.tell("syntax", ERROR, why.where, why.message)
            line = lines[at := why.where.line - 1]
            heading = _HEADING.match(bare(line))
            fixed = f"[{heading[1]}]" if heading else "" if (first := _FIRST.search(text)) and first[1] else "[net]"
            if fixed == line or "\0" in line or not line:  # it is the file as a whole
                return
            lines[at] = fixed
    starts = [section.line for section in draft.sections]
    again = set()
    for category, message, where in oddities:
        if category is RepeatedOption:
            again.add(number := bisect(starts, where.line) - 1)
            repeated(draft, number, bare(lines[where.line - 1]), where)
        else:
            draft.tell("no-value", WARNING, where, message, "give it a value, or remove the line")
    draft.edits += [partial(CfgText.remove_repeats, section=number) for number in again]
    for number, section in enumerate(draft.sections):
        for key, entry in section.entries.items():
            joined(draft, number, key, lines[entry.line - 1].partition("=")[2])


def joined(draft: Draft, number: int, key: str, value: str) -> None:
    """Tell of numbers that have blanks between them, and no comma."""
    plain = value.partition("#")[0]
    if not (found := _BLANK.search(plain)):
        return
    message = f"{found[0]} has no comma in it; without blanks, which Darknet drops, it is the number {bare(found[0])}"
    draft.tell("no-comma", WARNING, draft.where(number, key), message, "put a comma between the numbers")
    option = declared(draft, number).get(key)
    if option and str(option.type).startswith("tuple"):
        draft.suppose(number, key, bare(_BLANK.sub(lambda pair: ",".join(pair[0].split()), plain)))


def collect(oddities: list[Oddity]) -> Complain:
    """What puts oddities into a list."""
    return lambda *oddity: oddities.append(oddity)


def repeated(draft: Draft, number: int, line: str, where: Location) -> None:
    """Tell of an option that is given again."""
    key, _, value = line.partition("=")
    first = draft.sections[number].entries[key]
    same = value == first.value
    message = f"as in line {first.line}" if same else f"{first.value} in line {first.line} counts"
    draft.tell("repeated-option", NOTE if same else WARNING, where, f"given again; {message}", "remove one")


def read_section(draft: Draft, number: int, make: Callable[[Any, Complain], Made]) -> Made | None:
    """What a section asks for, what is wrong left out; None where nothing can be made of it."""
    while True:
        oddities: list[Oddity] = []
        try:
            made = make(draft.sections[number], collect(oddities))
        except UnknownSection as why:
            if not known_section(draft, number, why):
                return None
            continue
        except OptionError as why:
            if not without(draft, number, why):
                return None
            continue
        unused = [where.option for category, _, where in oddities if category is UnusedOption]
        if not sum(renamed(draft, number, key) for key in unused):
            break
    for category, message, where in oddities:
        draft.tell("unknown-option" if category is UnusedOption else "odd-value", WARNING, where, message)
    return made


def known_section(draft: Draft, number: int, why: UnknownSection) -> bool:
    """Tell of a section that there is not; whether it is plain which one is meant."""
    draft.tell("section", ERROR, why.where, why.message)
    name = meant(draft.sections[number].name, registered())
    if name:
        draft.rename_section(number, name)
    return name is not None


def without(draft: Draft, number: int, why: OptionError) -> bool:
    """Tell of a wrong or missing value; whether the section can be read without it."""
    key = why.where.option
    given = draft.sections[number].entries
    if key not in given:
        typo = next((name for name in given if meant(name, declared(draft, number)) == key), None)
        if typo:
            return renamed(draft, number, typo)
        draft.tell("option", ERROR, why.where, why.message)
        return False
    draft.tell("option", ERROR, why.where, why.message)
    option = declared(draft, number)[key]
    if word := meant(given[key].value, map(str, option.metadata.get("choices", ()))):
        draft.set(number, key, word)
        return True
    draft.forget(number, key)
    if option.type not in (str, "str") and (key in _SIZES or not is_net(draft, number)):
        draft.unsure.add(number)
    return True


def renamed(draft: Draft, number: int, key: str) -> bool:
    """Tell of an option that there is not, if it is plain which one is meant."""
    name = meant(key, declared(draft, number))
    if name is None or name in draft.sections[number].entries:
        return False
    message = "no such option; it has no effect"
    draft.tell("unknown-option", WARNING, draft.where(number, key), message, f"write {name}=")
    draft.rename(number, key, name)
    return True


def declared(draft: Draft, number: int) -> dict[str, Field[Any]]:
    """The options that a section may have, by their names in a cfg."""
    name = draft.sections[number].name
    cls = Net if is_net(draft, number) else registered().get(name, LayerDef)
    return {f.metadata.get("name") or f.name: f for f in fields(cls) if f.name != "dialect"}
