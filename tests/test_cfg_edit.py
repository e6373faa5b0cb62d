"""Edits of a cfg's text: what they say, and what they leave as it was."""

import codecs
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT, SHARED
from darkparse.cfg import Entry, Section, bare, read_cfg
from darkparse.cfg_edit import CfgText
from darkparse.errors import CfgError, DarkparseError, Location, RepeatedOption
from darkparse.graph import resolve

OWN = sorted((ROOT / "cfg").glob("*.cfg"))
KIT = sorted((SHARED / "conformance" / "cfg").glob("*.cfg"))


def quiet(*_) -> None:
    """Complain to nobody."""


def says(cfg: CfgText) -> list[tuple[str, dict[str, str]]]:
    """Names and options of all sections."""
    return plain(cfg.sections(quiet))


def plain(sections: Sequence[Section]) -> list[tuple[str, dict[str, str]]]:
    return [(s.name, {key: entry.value for key, entry in s.entries.items()}) for s in sections]


def layer_by_layer(sections: Sequence[Section]) -> tuple | str:
    """The network, wherever its lines are, or why there is none."""
    try:
        graph = resolve(sections, complain=quiet)
    except CfgError as why:
        return why.message
    return graph.net, [replace(node, where=Location("", 0)) for node in graph.nodes]


REPEATS = "[net]\r\nsize = 3  # small\r\n# again\r\nsize=5\r\n stri de=2\r\nstride=4\r\n\r\n[conv]; the first\r\nsize=7"


def test_repeats_go_and_all_else_stays():
    cfg = CfgText(REPEATS)
    cfg.remove_repeats(0)
    assert cfg.text == REPEATS.replace("size=5\r\n", "").replace("stride=4\r\n", "")


def test_an_option_is_renamed_on_each_of_its_lines():
    cfg = CfgText(REPEATS)
    cfg.rename_option(0, "size", "width")
    cfg.rename_option(0, "stride", "height")
    cfg.rename_option(0, "none", "channels")
    new = (
        "[net]\r\nwidth = 3  # small\r\n# again\r\nwidth=5\r\n height=2\r\nheight=4\r\n\r\n[conv]; the first\r\nsize=7"
    )
    assert cfg.text == new


def test_a_section_is_renamed_and_its_comment_stays():
    cfg = CfgText(REPEATS)
    cfg.rename_section(1, "convolutional")
    assert cfg.text == REPEATS.replace("[conv]", "[convolutional]")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "#a", "[a]"])
def test_what_no_option_can_be_called(name):
    with pytest.raises(ValueError, match="expected the name of an option"):
        CfgText(REPEATS).rename_option(0, "size", name)


# What is not edited


def check_bytes(path: Path, tmp_path: Path) -> None:
    CfgText.read(path).write(tmp_path / "copy.cfg")
    assert (tmp_path / "copy.cfg").read_bytes() == path.read_bytes()


def check_sections(path: Path) -> None:
    cfg, sections = CfgText.read(path), read_cfg(path, quiet)
    assert cfg.sections(quiet) == sections
    again = CfgText.from_sections(sections)
    assert says(again) == plain(sections)
    assert again.file == str(path)  # a file that the cfg names is found from there
    assert layer_by_layer(again.sections(quiet)) == layer_by_layer(sections)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_a_cfg_that_is_not_edited_is_the_same_file(path, tmp_path):
    check_bytes(path, tmp_path)


@pytest.mark.kit
@pytest.mark.parametrize("path", KIT, ids=lambda path: path.stem)
def test_an_official_cfg_that_is_not_edited_is_the_same_file(path, tmp_path):
    check_bytes(path, tmp_path)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_sections_written_again_are_the_same_network(path):
    check_sections(path)


@pytest.mark.kit
@pytest.mark.parametrize("path", KIT, ids=lambda path: path.stem)
def test_sections_of_an_official_cfg_written_again_are_the_same_network(path):
    check_sections(path)


TEXT = "# Größe\n[net]\nwidth = 8\n\n; Ende\n"
ENCODED = {
    "utf-8": TEXT.encode(),
    "utf-8-bom": codecs.BOM_UTF8 + TEXT.encode(),
    "latin-1": TEXT.encode("latin-1"),
    "utf-16-le": codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
    "utf-16-be": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "latin-1-crlf": TEXT.replace("\n", "\r\n").encode("latin-1"),
    "mixed": b"[net]\r\nwidth=8\nheight=8\r\n",
    "no-newline-at-the-end": b"[net]\nwidth=8",
    "crlf-but-not-at-the-end": b"[net]\r\nwidth=8",
    "cr-alone": b"[net]\nwidth=8\r",
    "two-marks": codecs.BOM_UTF8 * 2 + b"[net]\nwidth=8\n",
    "odd-blanks": b"\x0b[n et]\x0c\x1c\n\twidth\t= 8 \n \n",
}


@pytest.mark.parametrize("data", ENCODED.values(), ids=ENCODED)
def test_encodings_line_ends_and_blanks_stay(data, tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(data)
    check_bytes(path, tmp_path)
    cfg = CfgText.read(path)
    cfg.set_option(0, "width", 416)
    cfg.set_option(0, "batch", 64)
    cfg.write(path)
    (section,) = read_cfg(path)
    assert {key: entry.value for key, entry in section.entries.items() if key != "height"} == {
        "width": "416",
        "batch": "64",
    }
    cfg.set_option(0, "width", 8)
    cfg.remove_option(0, "batch")
    cfg.write(path)
    assert path.read_bytes() == data


def test_broken_utf_16_is_not_edited(tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(codecs.BOM_UTF16_LE + "[net]\nwidth=8\n".encode("utf-16-le") + b"#")
    with pytest.raises(DarkparseError) as why:
        CfgText.read(path)
    assert str(why.value) == f"{path}: broken UTF-16-LE; expected whole characters"


def test_a_character_that_the_encoding_lacks(tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(data := ENCODED["latin-1"])
    cfg = CfgText.read(path)
    cfg.set_option(0, "name", "λ")
    with pytest.raises(DarkparseError) as why:
        cfg.write(path)
    assert str(why.value) == f"{path}: 'λ' cannot be written in LATIN-1"
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.cfg:1: no [section] in it; expected a cfg that begins with [net]"),
        ("# [net]\n", "net.cfg:1: no [section] in it; expected a cfg that begins with [net]"),
        ("width=8\n[net]\n", "net.cfg:1: 'width=8' stands before the first [section]"),
        ("[net]\n[conv\n", "net.cfg:2: expected '[section]', got '[conv'"),
        ("PK\3\4\0\0", "net.cfg:1: binary data; expected the text of a cfg"),
    ],
    ids=["empty", "comment", "option-first", "no-bracket", "binary"],
)
def test_what_is_no_cfg_is_not_edited(text, message):
    with pytest.raises(CfgError) as why:
        CfgText(text, "net.cfg")
    assert str(why.value) == message


# One edit


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[a]\nx=1\ny=2\n", "[a]\nx=7\ny=2\n"),
        ("[a]\n\t x =  1 \t\ny=2\n", "[a]\n\t x =  7 \t\ny=2\n"),
        ("[a]\nx=1 # one = 1\n", "[a]\nx=7 # one = 1\n"),
        ("[a]\nx=1###\n", "[a]\nx=7###\n"),
        ("[a]\nx= # one\n", "[a]\nx= 7# one\n"),
        ("[a]\nx=1 ; one\n", "[a]\nx=7\n"),
        ("[a]\nx=y=z\n", "[a]\nx=7\n"),
        ("[a]\nx = 1, 2,  3 # list\n", "[a]\nx = 7 # list\n"),
        ("[a]\nx=1\nx=2\n#x=3\n", "[a]\nx=7\nx=2\n#x=3\n"),
        ("[a]\nx=\nx\nx=2\n", "[a]\nx=\nx\nx=7\n"),
        ("[a]\r\nx=1\r\ny=2\r\n", "[a]\r\nx=7\r\ny=2\r\n"),
        ("[a]\nx=1", "[a]\nx=7"),
        ("[a]\nx=1\r", "[a]\nx=7\r"),
        ("[a]\nx=1\n[b]\nx=2\n", "[a]\nx=7\n[b]\nx=2\n"),
        ("[a]\n x= 7 \n", "[a]\n x= 7 \n"),
    ],
    ids=[
        "two", "blanks", "comment", "comment-without-a-blank", "comment-alone", "semicolon-begins-no-comment",
        "two-signs", "list", "repeated", "lines-without-a-value", "crlf", "no-newline", "cr", "other-section", "same",
    ],
)  # fmt: skip
def test_an_option_changes_where_it_stands(before, after):
    cfg = CfgText(before)
    cfg.set_option(0, "x", 7)
    assert cfg.text == after


def test_an_option_with_blanks_in_its_name():
    cfg = CfgText("[net]\nlearn ing_rate = 0.0 01 # fast\n")
    cfg.set_option(0, "learning_rate", 0.5)
    assert cfg.text == "[net]\nlearn ing_rate = 0.5 # fast\n"


def test_an_equal_value_leaves_its_blanks():
    cfg = CfgText(text := "[a]\nanchors = 10,13,  16,30 # px\n")
    cfg.set_option(0, "anchors", (10, 13, 16.0, 30))
    assert cfg.text == text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[a]\ny=2\n", "[a]\ny=2\nx=7\n"),
        ("[a]\n  y = 2 # two\n", "[a]\n  y = 2 # two\n  x = 7\n"),
        ("[a]\ny=2\n\n# b\n\n[b]\n", "[a]\ny=2\nx=7\n\n# b\n\n[b]\n"),
        ("[a]\ny=2\n# c\n\n[b]\n", "[a]\ny=2\nx=7\n# c\n\n[b]\n"),
        ("[a]\n\n# c\ny=2\n\nz=3\n\n", "[a]\n\n# c\ny=2\n\nz=3\nx=7\n\n"),
        ("[a]\n", "[a]\nx=7\n"),
        ("[a]", "[a]\nx=7"),
        ("[a]\n\n\n[b]\n", "[a]\nx=7\n\n\n[b]\n"),
        ("  [a]\n[b]\n", "  [a]\nx=7\n[b]\n"),
        ("[a]\r\ny=2\r\n\r\n", "[a]\r\ny=2\r\nx=7\r\n\r\n"),
        ("[a]\r\ny=2", "[a]\r\ny=2\r\nx=7"),
        ("[a]\nx=\n", "[a]\nx=\nx=7\n"),
        ("[a]\n#x=1\n;x=1\n", "[a]\nx=7\n#x=1\n;x=1\n"),
        ("[a]\n# one\n[b]\n", "[a]\nx=7\n# one\n[b]\n"),
    ],
    ids=[
        "last", "spaced", "before-a-gap", "before-a-comment", "blank-lines-between", "empty-section", "empty-file",
        "empty-with-gap", "empty-without", "crlf", "crlf-but-not-at-the-end", "no-value", "commented-out",
        "comment-of-the-next",
    ],
)  # fmt: skip
def test_an_option_that_is_missing_comes_last(before, after):
    cfg = CfgText(before)
    cfg.set_option(0, "x", 7)
    assert cfg.text == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[a]\nx=1\ny=2\n", "[a]\ny=2\n"),
        ("[a]\nx=1\ny=2\n x = 3 # x\nx=\nx\n", "[a]\ny=2\n"),
        ("[a]\n# x\nx=1\n\n", "[a]\n# x\n\n"),
        ("[a]\n#x=1\nxx=1\nX=1\n=1\n", "[a]\n#x=1\nxx=1\nX=1\n=1\n"),
        ("[a]\ny=2\nx=1", "[a]\ny=2"),
        ("[a]\n[b]\nx=1\n", "[a]\n[b]\nx=1\n"),
    ],
    ids=["one", "all", "not-the-comment", "others", "last-without-newline", "other-section"],
)
def test_an_option_goes_with_all_its_lines(before, after):
    cfg = CfgText(before)
    cfg.remove_option(0, "x")
    assert cfg.text == after


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[a]\nz=1\n", 0, "[a]\nz=1\n\n[n]\nx=7\n"),
        ("[a]\nz=1", 0, "[a]\nz=1\n\n[n]\nx=7"),
        ("[a]\r\nz=1", 0, "[a]\r\nz=1\r\n\r\n[n]\r\nx=7"),
        ("[a]\n z = 1\n\n[b]\n", 0, "[a]\n z = 1\n\n[n]\n x = 7\n\n[b]\n"),
        ("[a]\nz=1\n\n# b\n[b]\n", 0, "[a]\nz=1\n\n[n]\nx=7\n\n# b\n[b]\n"),
        ("[a]\nz=1\n# a\n\n# more\n\n[b]\n", 0, "[a]\nz=1\n# a\n\n[n]\nx=7\n\n# more\n\n[b]\n"),
        ("[a]\nz=1\n# b\n[b]\n", 0, "[a]\nz=1\n[n]\nx=7\n# b\n[b]\n"),
        ("[a]\n\n[b]\nz=1\n\n# end\n", 1, "[a]\n\n[b]\nz=1\n\n[n]\nx=7\n\n# end\n"),
        ("[a]\n[b]\n", 0, "[a]\n[n]\nx=7\n[b]\n"),
    ],
    ids=[
        "last", "no-newline", "crlf", "gap", "comment", "comment-with-a-gap", "no-gap", "comment-at-the-end", "dense",
    ],
)  # fmt: skip
def test_a_new_section(before, after, expected):
    cfg = CfgText(before)
    cfg.insert_section(after, "n", {"x": 7})
    assert cfg.text == expected
    cfg.remove_section(after + 1)
    assert cfg.text == before


@pytest.mark.parametrize(
    ("before", "section", "after"),
    [
        ("[a]\n\n[b]\nx=1\n\n[c]\n", 1, "[a]\n\n[c]\n"),
        ("[a]\n\n[b]\nx=1\n", 1, "[a]\n"),
        ("[a]\n\n[b]\nx=1", 1, "[a]"),
        ("# top\n\n[a]\n\n# b\n# b, too\n[b]\nx=1\n# x\n\n[c]\n", 1, "# top\n\n[a]\n\n[c]\n"),
        ("[a]\n\n# far\n\n[b]\n\n# c\n\n[c]\n", 1, "[a]\n\n# far\n\n# c\n\n[c]\n"),
        ("# top\n\n# a\n[a]\n\n[b]\n", 0, "# top\n\n[b]\n"),
        ("\ufeff[a]\n[b]\n", 0, "\ufeff[b]\n"),
        ("[a]\n\n[b]\n[c]\n", 1, "[a]\n\n[c]\n"),
    ],
    ids=["middle", "last", "last-without-newline", "comments", "comments-with-a-gap", "first", "mark", "dense"],
)
def test_a_section_goes_with_the_comment_directly_above(before, section, after):
    cfg = CfgText(before)
    cfg.remove_section(section)
    assert cfg.text == after


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"), (-1, "-1"), (True, "1"), (0.001, "0.001"), (1.0, "1"), (-0.5, "-0.5"), (1e-05, "1e-05"),
        ((1, 2, 3), "1,2,3"), ([10, 13.5], "10,13.5"), (" leaky ", "leaky"), ("10,13,  16,30", "10,13,  16,30"),
        (np.int64(7), "7"), (np.float64(0.1), "0.1"), (10**17, "100000000000000000"),
    ],
)  # fmt: skip
def test_values_are_written_as_darknet_reads_them(value, text):
    cfg = CfgText("[a]\n")
    cfg.set_option(0, "x", value)
    assert cfg.text == f"[a]\nx={text}\n"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("", 1), ("a b", 1), ("a=b", 1), ("#a", 1), (";a", 1), ("[a", 1), ("a\n", 1), ("\ufeffa", 1), ("a\0", 1),
        ("x", ""), ("x", " \t"), ("x", "1\n2"), ("x", "1 # one"), ("x", "a\0"), ("x", ()), ("x", math.nan),
        ("x", (1, math.inf)),
    ],
)  # fmt: skip
def test_options_that_no_cfg_can_hold(key, value):
    cfg = CfgText(text := "[a]\nx=1\n")
    with pytest.raises(ValueError, match="expected"):
        cfg.set_option(0, key, value)
    assert cfg.text == text


@pytest.mark.parametrize("name", ["a b", "a]", "a\n", "a" * 61, "a\0"])
def test_names_that_no_section_can_have(name):
    cfg = CfgText(text := "[a]\nx=1\n")
    with pytest.raises(ValueError, match="expected"):
        cfg.insert_section(0, name, {})
    with pytest.raises(ValueError, match="expected"):
        CfgText.from_sections([Section(name, "", 0)])
    assert cfg.text == text


@pytest.mark.parametrize("section", [-1, 2])
def test_sections_that_are_not_there(section):
    cfg = CfgText("[a]\n[b]\n", "net.cfg")
    for edit in (
        lambda: cfg.set_option(section, "x", 1),
        lambda: cfg.remove_option(section, "x"),
        lambda: cfg.insert_section(section, "c", {}),
        lambda: cfg.remove_section(section),
    ):
        with pytest.raises(IndexError) as why:
            edit()
        assert str(why.value) == f"net.cfg: expected a section from 0 to 1, got {section}"


def test_repeated_options_are_told_of_when_asked_for_the_sections():
    cfg = CfgText("[a]\nx=1\nx=2\n")
    with pytest.warns(RepeatedOption):
        cfg.sections()


def test_sections_made_by_code(tmp_path):
    net = Section("net", "net.cfg", 0, {"width": Entry("8", 0), "steps": Entry("1,2", 0)})
    cfg = CfgText.from_sections([net, Section("conv", "net.cfg", 0), Section("yolo", "net.cfg", 0, {})])
    assert cfg.text == "[net]\nwidth=8\nsteps=1,2\n\n[conv]\n\n[yolo]\n"
    cfg.write(tmp_path / "net.cfg")
    assert plain(read_cfg(tmp_path / "net.cfg")) == says(cfg)
    with pytest.raises(CfgError, match=r"no \[section\] in it"):
        CfgText.from_sections([])


def test_other_classes_for_a_shipped_cfg():
    """What the recipe for own data asks for: only those lines change."""
    path = ROOT / "cfg" / "yolov4-tiny.cfg"
    cfg = CfgText.read(path)
    for index, section in enumerate(cfg.sections()):
        if section.name == "yolo":
            cfg.set_option(index, "classes", 2)
            cfg.set_option(index - 1, "filters", 3 * (5 + 2))
    changed = [(a, b) for a, b in zip(path.read_text().split("\n"), cfg.text.split("\n"), strict=True) if a != b]
    assert changed == [("filters = 255", "filters = 21"), ("classes = 80", "classes = 2")] * 2
    assert resolve(cfg.sections()).classes == 2


# Any edits: the text says what plain dicts say, and only the lines change that must

NAMES, KEYS = st.sampled_from(["net", "conv", "convolutional", "yolo"]), st.sampled_from(["x", "y", "batch", "steps"])
NUMBERS = st.integers(-9, 99) | st.sampled_from([0.001, 1.5, 2.0])
VALUES = st.sampled_from(["leaky", "1, 2", "a=b"]) | NUMBERS | st.lists(NUMBERS, min_size=1, max_size=3).map(tuple)
BLANK = st.sampled_from(["", "", " ", "\t", "  "])
TAIL = st.sampled_from(["", "", " # one", "#2", " ;x", " # a = b", "###"])
FILLER = st.sampled_from(["", " ", "# comment", "; x=1", "#x=3", "\t# [net]", "y", "x=", "=1"])
PLAIN = st.builds(lambda a, key, b, c, value, tail: f"{a}{key}{b}={c}{value}{tail}", BLANK, KEYS, BLANK, BLANK,
                  st.sampled_from(["1", "0.5", "1, 2", "leaky", "1;2", ""]), TAIL)  # fmt: skip
HEADER = st.builds("{}[{}]{}".format, BLANK, NAMES, st.sampled_from(["", " ", "# here", " ;x"]))


@st.composite
def texts(draw) -> str:
    comments = st.sampled_from(["", " ", "# top", ";"])
    lines = draw(st.lists(comments, max_size=3))
    for header in draw(st.lists(HEADER, min_size=1, max_size=4)):
        lines += [header, *draw(st.lists(PLAIN | FILLER | st.just(""), max_size=6))]
    mark, last = draw(st.sampled_from(["", "", "\ufeff"])), draw(st.booleans())
    ends = st.sampled_from(draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]])))
    text = mark + "".join(line + draw(ends) for line in lines)
    return text if last else text.removesuffix("\n").removesuffix("\r")


OPTIONS = st.dictionaries(KEYS, VALUES, max_size=3)
EDITS = st.lists(
    st.tuples(st.just("set"), st.integers(0, 9), KEYS, VALUES)
    | st.tuples(st.just("unset"), st.integers(0, 9), KEYS, st.none())
    | st.tuples(st.just("rename"), st.integers(0, 9), KEYS, KEYS)
    | st.tuples(st.just("drop"), st.integers(0, 9), st.none(), st.none())
    | st.tuples(st.just("name"), st.integers(0, 9), NAMES, st.none())
    | st.tuples(st.just("insert"), st.integers(0, 9), NAMES, OPTIONS)
    | st.tuples(st.just("remove"), st.integers(0, 9), st.none(), st.none()),
    max_size=8,
)


def spelled(value) -> str:
    if isinstance(value, tuple):
        return ",".join(spelled(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else bare(str(value))


def apply(cfg: CfgText, model: list[tuple[str, dict[str, str]]], edit) -> None:
    """Do it to the text and to the model."""
    verb, at, name, value = edit
    at %= len(model)
    if verb == "set":
        cfg.set_option(at, name, value)
        _, sign, comment = model[at][1].get(name, "").partition("#")
        model[at][1][name] = spelled(value) + sign + comment
    elif verb == "unset":
        cfg.remove_option(at, name)
        model[at][1].pop(name, None)
    elif verb == "rename":
        cfg.rename_option(at, name, value)
        options = list(model[at][1].items())
        model[at][1].clear()
        for key, text in options:  # of two of a name the first counts
            model[at][1].setdefault(value if key == name else key, text)
    elif verb == "drop":
        cfg.remove_repeats(at)
    elif verb == "name":
        cfg.rename_section(at, name)
        model[at] = name, model[at][1]
    elif verb == "insert":
        cfg.insert_section(at, name, value)
        model.insert(at + 1, (name, {key: spelled(one) for key, one in value.items()}))
    elif len(model) > 1:
        cfg.remove_section(at)
        del model[at]


def lines_of(cfg: CfgText) -> list[str]:
    """The lines, without the mark that the file begins with."""
    return cfg.text.removeprefix("\ufeff").removesuffix("\n").split("\n")


def only_inserted(few: list[str], many: list[str]) -> bool:
    """Whether `few` is `many` without some of its lines, but for how the last one ends."""
    rest, last = iter(many), few[-1].rstrip("\r")
    return all(line in rest for line in few[:-1]) and any(line.rstrip("\r") == last for line in rest)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(texts(), EDITS)
def test_any_edits(text, edits):
    cfg = CfgText(text)
    assert cfg.text == text
    model = says(cfg)
    for edit in edits:
        before = lines_of(cfg)
        apply(cfg, model, edit)
        after = lines_of(cfg)
        assert says(cfg) == model
        if len(after) == len(before):
            changed = sum(a != b for a, b in zip(before, after, strict=True))
            assert changed <= (edit[0] in ("set", "name")) or edit[0] == "rename"
        else:
            assert only_inserted(*sorted((before, after), key=len))
            assert (len(after) > len(before)) == (edit[0] in ("set", "insert"))
        assert CfgText(cfg.text).text == cfg.text


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("[]ab=#; \t\r\n\x0b\x85\ufeff\ud800,1"), max_size=60), KEYS, VALUES)
def test_any_text_stays_and_takes_an_option(text, key, value):
    cfg = CfgText("[a]\n" + text.replace("[", "").replace("]", ""))
    assert cfg.text[4:] == text.replace("[", "").replace("]", "")
    cfg.set_option(0, key, value)
    assert says(cfg)[0][1][key].partition("#")[0] == spelled(value)
