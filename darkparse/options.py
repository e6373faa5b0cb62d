"""Section -> frozen dataclass: the only place where a cfg string becomes a value."""

import difflib
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, field, fields
from functools import cache
from typing import Any, TypeVar, get_type_hints

from .cfg import Companions, Section
from .errors import Complain, Location, OddValue, OptionError, UnusedOption, brief, warn

T = TypeVar("T")
Reader = Callable[[str, Companions], Any]

_INTEGER = re.compile(r"[+-]?[0-9]+(\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?f?", re.ASCII | re.IGNORECASE)
_INT_MAX = 2**31 - 1  # Darknet keeps its options in C ints


def option(
    default: Any = MISSING,
    *,
    name: str = "",
    least: float | None = None,
    most: float | None = None,
    choices: Iterable[Any] = (),
    read: Reader | None = None,
) -> Any:
    """Declare an option.

    Args:
        default: Darknet's default; none means that the option is required
        name: its name in the cfg, where Python forbids it
        least, most: bounds, themselves allowed (of a list: of each value)
        choices: the values allowed
        read: how its text is read (text, the files beside the cfg), where its type does not say
    """
    rule = {"name": name, "least": least, "most": most, "choices": tuple(choices), "read": read}
    return field(default=default, metadata=rule)


def unsupported(default: Any) -> Any:
    """Declare an option whose arithmetic darkparse lacks: any value but its default is an error."""
    return option(default, choices=(default,))


def ignored(default: Any) -> Any:
    """Declare an option that Darknet reads and that changes no result (a print-out, a CUDA stream)."""
    return option(default)


def read_options(cls: type[T], section: Section, complain: Complain = warn, **given: Any) -> T:
    """Make a `cls` of what `section` says; options it leaves out keep their defaults.

    Args:
        cls: a dataclass whose fields are declared by `option` or by a plain default
        complain: what to do with an option that `cls` does not declare
        given: fields that are no options of the cfg
    Raises:
        OptionError: a value does not read, is out of bounds, or is missing
    """
    values, known = dict(given), []
    for f, kind in _declared(cls):  # type: ignore[arg-type]  # a class is hashable
        if f.name in given:
            continue
        name = f.metadata.get("name") or f.name
        known.append(name)
        if name in section.entries:
            values[f.name] = _read(section, name, kind, f.metadata, complain)
        elif f.default is MISSING:
            raise OptionError("missing, and it has no default", section.where(name))
    for name in section.entries:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = "".join(f"; did you mean {n!r}?" for n in near)
            complain(UnusedOption, f"no such option; it has no effect{hint}", section.where(name))
    return cls(**values)


@cache
def _declared(cls: type) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(cls)
    return tuple((f, hints[f.name]) for f in fields(cls))


def _integer(text: str, _: object) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError
    digits = text.partition(".")[0]
    if len(digits) > 20 or abs(int(digits)) > _INT_MAX:
        raise ValueError(f"expected an integer from -{_INT_MAX} to {_INT_MAX}, got {brief(text)}")
    return int(digits)


def _number(text: str, _: object) -> float:
    if not _NUMBER.fullmatch(text) or not math.isfinite(value := float(text.rstrip("fF"))):
        raise ValueError
    return value


def _flag(text: str, files: object) -> bool:
    return _integer(text, files) != 0


def _word(text: str, _: object) -> str:
    return text


def _several(one: Reader) -> Reader:
    return lambda text, files: tuple(one(part, files) for part in text.split(",") if part)


_READERS: dict[Any, tuple[str, Reader]] = {
    int: ("an integer", _integer),
    float: ("a number", _number),
    bool: ("0 or 1", _flag),
    str: ("a word", _word),
    tuple[int, ...]: ("integers with commas between", _several(_integer)),
    tuple[float, ...]: ("numbers with commas between", _several(_number)),
}


def _read(section: Section, name: str, kind: Any, rule: Any, complain: Complain) -> Any:
    where = section.where(name)
    text, mark, rest = section.entries[name].value.partition("#")  # real files write `filters=40#32`
    expected, reader = ("", rule["read"]) if rule.get("read") else _READERS[kind]
    if mark and kind is str:
        complain(OddValue, f"{brief(mark + rest)} is dropped; Darknet would take it for a part of the word", where)
    if "," in text and "" in text.split(",") and kind in (tuple[int, ...], tuple[float, ...]):
        complain(OddValue, "a comma without a value; Darknet would read a 0 there", where)
    try:
        value = reader(text, section.companions)
    except ValueError as why:
        raise OptionError(str(why) or f"expected {expected}, got {brief(text)}", where) from None
    _check(value, expected, rule, where)
    return value


def _check(value: Any, expected: str, rule: Any, where: Location) -> None:
    least, most, choices = rule.get("least"), rule.get("most"), rule.get("choices")
    if isinstance(value, tuple):
        expected += ", each"
    for one in value if isinstance(value, tuple) else (value,):
        if least is not None and one < least:
            raise OptionError(f"expected {expected} >= {least}, got {one}", where)
        if most is not None and one > most:
            raise OptionError(f"expected {expected} <= {most}, got {one}", where)
    if choices and value not in choices:
        near = difflib.get_close_matches(str(value), [str(c) for c in choices], n=1)
        hint = "".join(f"; did you mean {n!r}?" for n in near)
        allowed = ", ".join(str(int(c) if isinstance(c, bool) else c) for c in choices)
        value = int(value) if isinstance(value, bool) else value
        only = f"only {allowed} is supported" if len(choices) == 1 else f"expected one of {allowed}"
        raise OptionError(f"{only}, got {value!r}{hint}", where)
