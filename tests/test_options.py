"""Where a cfg's text becomes a value: what C reads the same way is read, the rest is refused."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from darkparse.cfg import Companions, Entry, Section
from darkparse.errors import OddValue, OptionError, UnusedOption, refuse
from darkparse.options import ignored, option, read_options, unsupported


def read_square(text: str, files: Companions) -> int:
    if text == "bad":
        raise ValueError(f"no square of {text!r} in {files.folder}")
    return int(text) ** 2


@dataclass(frozen=True, kw_only=True)
class Example:
    whole: int = 7
    filters: int = option(1, least=1)
    probability: float = option(0.5, least=0, most=1)
    real: float = 0.25
    flag: bool = False
    word: str = "none"
    kind: str = option("leaky", choices=("leaky", "linear", "mish"))
    steps: tuple[int, ...] = ()
    mask: tuple[int, ...] = option((), least=0)
    scales: tuple[float, ...] = ()
    from_: int = option(-1, name="from")
    square: int = option(0, read=read_square)
    xnor: bool = unsupported(False)
    stream: int = ignored(-1)


@dataclass(frozen=True, kw_only=True)
class Needy:
    layers: tuple[int, ...] = option()


def part(cls=Example, **texts: str) -> Section:
    entries = {key.rstrip("_"): Entry(text, line) for line, (key, text) in enumerate(texts.items(), 2)}
    return Section("thing", "here/net.cfg", 1, entries, Companions(Path("here")))


def read(name, text):
    return getattr(read_options(Example, part(**{name: text})), name)


def message_of(name, text):
    with pytest.raises(OptionError) as why:
        read(name, text)
    place, _, message = str(why.value).partition(f"[thing] {name.rstrip('_')}: ")
    assert place == "here/net.cfg:2: "
    return message


def test_what_is_left_out_keeps_its_default():
    assert read_options(Example, part()) == Example()


def test_what_is_required_must_be_there():
    with pytest.raises(OptionError) as why:
        read_options(Needy, part())
    assert str(why.value) == "here/net.cfg:1: [thing] layers: missing, and it has no default"


@pytest.mark.parametrize(
    ("text", "value"),
    [("2", 2), ("-3", -3), ("+4", 4), ("007", 7), ("32.0", 32), ("32.", 32), ("-0", 0), ("2147483647", 2147483647),
     ("-2147483647", -2147483647), ("180###P6", 180), ("16#16", 16), ("40#32", 40)],
)  # fmt: skip
def test_integers(text, value):
    assert read("whole", text) == value
    assert type(read("whole", text)) is int


NO_INTEGERS = [
    "2x", "1e3", "true", "two", "١٢", "1_000", "nan", "inf", "32.5", "0x10", "3,4", "--1", "+", "-", ".0", "1.0.0",
    "２", "²", "2147483648", "9" * 19, "9" * 400, "1" + "0" * 5000, "#3",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_INTEGERS, ids=lambda text: ascii(text[:12]))
def test_what_atoi_would_misread_is_refused(text):
    assert message_of("whole", text).startswith("expected an integer")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("-2", -2.0), ("1e-3", 0.001), ("1E+2", 100.0), ("+.25e1", 2.5),
     ("0.9#old", 0.9), ("1.5f", 1.5), ("0", 0.0), ("3.4e38", 3.4e38)],
)  # fmt: skip
def test_numbers(text, value):
    assert read("real", text) == value


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-inf", "infinity", "1e999", "1_0.0", "١.٥", "0x1p3", "half", "1,5", "e5", ".", "1e", "--1", "#"],
    ids=ascii,
)
def test_what_atof_would_misread_is_refused(text):
    shown = text.partition("#")[0]
    expected = "expected a number, got "
    assert message_of("real", text) == expected + repr(shown)


@pytest.mark.parametrize(("text", "value"), [("0", False), ("1", True), ("2", True), ("-1", True), ("1#on", True)])
def test_flags_are_numbers_other_than_0(text, value):
    assert read("flag", text) is value


@pytest.mark.parametrize("text", ["true", "yes", "on", "False"])
def test_flags_are_no_words(text):
    assert message_of("flag", text) == f"expected 0 or 1, got {text!r}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("steps", "400000,450000", (400000, 450000)),
        ("steps", "7", (7,)),
        ("steps", "-1,-3,61", (-1, -3, 61)),
        ("steps", "180###P6", (180,)),
        ("steps", "1,2#,3,4", (1, 2)),  # src/parser.c parse_yolo: commas behind # are not counted
        ("scales", ".1,.1", (0.1, 0.1)),
        ("scales", "10,13,16.5", (10.0, 13.0, 16.5)),
    ],
)
def test_lists(name, text, value):
    assert read(name, text) == value


@pytest.mark.parametrize("text", ["1,two", "1;2", "1.5", "nan"])
def test_lists_of_something_else(text):
    assert message_of("steps", text) == f"expected integers with commas between, got {text!r}"


@pytest.mark.parametrize("text", ["1,2,", "1,,2"])
def test_a_comma_without_a_value_is_told(text):
    message = "here/net.cfg:2: [thing] steps: a comma without a value; Darknet would read a 0 there"
    with pytest.warns(OddValue) as told:
        assert read("steps", text) == (1, 2)
    assert [str(warning.message) for warning in told] == [message]
    with pytest.raises(OptionError) as why:
        read_options(Example, part(steps=text), refuse)
    assert str(why.value) == message


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("filters", "0", "expected an integer >= 1, got 0"),
        ("filters", "-16", "expected an integer >= 1, got -16"),
        ("probability", "1.5", "expected a number <= 1, got 1.5"),
        ("probability", "-.5", "expected a number >= 0, got -0.5"),
        ("kind", "Leaky", "expected one of leaky, linear, mish, got 'Leaky'; did you mean 'leaky'?"),
        ("kind", "xyz", "expected one of leaky, linear, mish, got 'xyz'"),
        ("xnor", "1", "only 0 is supported, got 1"),
        ("square", "bad", "no square of 'bad' in here"),
    ],
)
def test_bounds_and_choices(name, text, message):
    assert message_of(name, text) == message


@pytest.mark.parametrize(
    ("name", "text"), [("filters", "1"), ("probability", "0"), ("probability", "1"), ("xnor", "0")]
)
def test_bounds_themselves_are_allowed(name, text):
    assert read(name, text) == float(text)


def test_an_option_has_the_name_that_python_forbids():
    assert read("from_", "-4") == -4


def test_an_option_with_its_own_reader():
    assert read("square", "12") == 144


def test_text_behind_a_word_is_dropped_and_told():
    message = "here/net.cfg:2: [thing] kind: '#x' is dropped; Darknet would take it for a part of the word"
    with pytest.warns(OddValue) as told:
        assert read("kind", "mish#x") == "mish"
    assert [str(warning.message) for warning in told] == [message]


UNKNOWN = [
    ("filter", "no such option; it has no effect; did you mean 'filters'?"),
    ("scale", "no such option; it has no effect; did you mean 'scales'?"),
    ("from_", "no such option; it has no effect; did you mean 'from'?"),
    ("Word", "no such option; it has no effect; did you mean 'word'?"),
    ("zzz", "no such option; it has no effect"),
]


@pytest.mark.parametrize(("name", "message"), UNKNOWN, ids=[name for name, _ in UNKNOWN])
def test_an_unknown_option_is_told_or_refused(name, message):
    section = Section("thing", "net.cfg", 1, {"filters": Entry("2", 2), name: Entry("3", 3)})
    with pytest.warns(UnusedOption) as told:
        assert read_options(Example, section) == Example(filters=2)
    assert [str(warning.message) for warning in told] == [f"net.cfg:3: [thing] {name}: {message}"]
    with pytest.raises(OptionError) as why:
        read_options(Example, section, refuse)
    assert str(why.value) == f"net.cfg:3: [thing] {name}: {message}"


def test_fields_that_are_given_are_no_options():
    section = Section("thing", "net.cfg", 1, {"word": Entry("hidden", 2)})
    with pytest.warns(UnusedOption):
        assert read_options(Example, section, word="given").word == "given"


def test_options_without_effect_are_known():
    assert read("stream", "2") == 2  # no warning
