"""The text of a cfg: Darknet's lines, comments and `key=value`; what is no cfg."""

import codecs

import pytest

from darkparse.cfg import Entry, parse, read_cfg, read_text
from darkparse.errors import CfgError, DarkparseError, DataError, OddValue, OptionError, RepeatedOption, refuse


def only_section(text):
    """The entries of the one section, as `{key: value}`."""
    (section,) = parse(text, "net.cfg")
    return {key: entry.value for key, entry in section.entries.items()}


# src/utils.c strip, src/parser.c read_cfg, src/option_list.c read_option
@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("[a]\nx=1\ny=2", {"x": "1", "y": "2"}),
        ("[a]\nx=1", {"x": "1"}),
        ("[a]\n  x =\t1  \n", {"x": "1"}),
        ("[a]\nanchors = 10,13,  16,30\n", {"anchors": "10,13,16,30"}),
        ("[a]\nlearn ing_rate=0.0 01\n", {"learning_rate": "0.001"}),
        ("[a]\r\nx=1\r\n\r\ny=2\r\n", {"x": "1", "y": "2"}),
        ("[a]\nx=1\ry=2\n", {"x": "1y=2"}),
        ("[a]\n# x=1\n; y=2\n \t# z=3\nx=4\n", {"x": "4"}),
        ("[a]\n#x=1\n x=4\n", {"x": "4"}),
        ("[a]\nx=1 # one\n", {"x": "1#one"}),
        ("[a]\nx=1;2\n", {"x": "1;2"}),
        ("[a]\nlayers = 180 ###P6\n", {"layers": "180###P6"}),
        ("[a]\nfilters=16\t#16\n", {"filters": "16#16"}),
        ("[a]\nx=y=z\n", {"x": "y=z"}),
        ("\n\n[a]\n\n\nx=1\n\n", {"x": "1"}),
        ("# a comment first\n[a]\nx=1\n", {"x": "1"}),
        ("[a]\nX=1\nx=2\n", {"X": "1", "x": "2"}),
        ("[a]\n", {}),
    ],
    ids=[
        "two", "no-newline-at-the-end", "blanks-around", "blanks-in-a-list", "blanks-in-names-and-numbers", "crlf",
        "cr-alone-is-a-blank", "comment-lines", "comment-then-value", "hash-later-is-no-comment",
        "semicolon-later-is-no-comment", "P6", "tab-and-hash", "first-equals-sign-splits", "blank-lines",
        "comment-before-the-first-section", "names-keep-their-case", "no-option",
    ],
)  # fmt: skip
def test_lines(text, entries):
    assert only_section(text) == entries


@pytest.mark.parametrize(
    ("line", "name"),
    [("[net]", "net"), ("[ net ]", "net"), ("\t[n e t]\r", "net"), ("[Gaussian_yolo]", "Gaussian_yolo"),
     ("[net]#first", "net"), ("[net] ; first", "net")],
)  # fmt: skip
def test_names_of_sections(line, name):
    assert [section.name for section in parse(line)] == [name]


def test_sections_come_in_order_with_their_lines():
    sections = list(parse("# top\n[net]\nwidth=8\n\n[conv]\nsize=3\n[conv]\n", "net.cfg"))
    assert [(s.name, s.file, s.line) for s in sections] == [
        ("net", "net.cfg", 2), ("conv", "net.cfg", 5), ("conv", "net.cfg", 7)
    ]  # fmt: skip
    assert sections[1].entries == {"size": Entry("3", 6)}


def test_place_of_an_option_is_its_line_and_else_the_sections():
    (section,) = parse("\n[conv]\n\nsize=3\n", "net.cfg")
    assert str(section.where("size")) == "net.cfg:4: [conv] size"
    assert str(section.where("stride")) == "net.cfg:2: [conv] stride"
    assert str(section.where()) == "net.cfg:2: [conv]"


ODD = [
    ("stride=2\nsize=3\nstride=1", RepeatedOption, "net.cfg:4: [conv] stride: given again; line 2 counts"),
    ("stride=2\nst ride=2", RepeatedOption, "net.cfg:3: [conv] stride: given again; line 2 counts"),
    (
        "size=\nstride=2",
        OddValue,
        "net.cfg:2: [conv] size: no value; expected 'option=value' (the line is passed over, as Darknet does)",
    ),
    (
        "stride=2\nsize",
        OddValue,
        "net.cfg:3: [conv] size: no value; expected 'option=value' (the line is passed over, as Darknet does)",
    ),
]
ODD_IDS = ["repeated", "repeated-with-blanks", "no-value", "no-equals-sign"]


@pytest.mark.parametrize(("body", "category", "message"), ODD, ids=ODD_IDS)
def test_oddities_are_told_and_passed_over(body, category, message):
    with pytest.warns(category) as told:
        section = next(parse(f"[conv]\n{body}\n", "net.cfg"))
    assert [str(warning.message) for warning in told] == [message]
    assert section.entries["stride"].value == "2"  # src/option_list.c option_find: the first counts
    assert section.entries.get("size", Entry("3", 3)) == Entry("3", 3)


@pytest.mark.parametrize(("body", "category", "message"), ODD, ids=ODD_IDS)
def test_oddities_are_errors_where_they_are_refused(body, category, message):
    with pytest.raises(OptionError) as why:
        list(parse(f"[conv]\n{body}\n", "net.cfg", refuse))
    assert str(why.value) == message


def test_the_same_option_in_two_sections_is_not_repeated():
    assert len(list(parse("[conv]\nsize=1\n[conv]\nsize=3\n"))) == 2  # warnings are errors here


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width=8\n[net]\n", "net.cfg:1: 'width=8' stands before the first [section]"),
        ("\n  batch = 1 \n", "net.cfg:2: 'batch = 1' stands before the first [section]"),
        ("<!DOCTYPE html>\n<html>", "net.cfg:1: '<!DOCTYPE html>' stands before the first [section]"),
        ("[net\nwidth=8\n", "net.cfg:1: expected '[section]', got '[net'"),
        ("[net]width=8\n", "net.cfg:1: expected '[section]', got '[net]width=8'"),
        ("[net]\n[conv][conv]\n", "net.cfg:2: expected '[section]', got '[conv][conv]'"),
    ],
    ids=["option-first", "blanks-around", "web-page", "no-bracket", "text-behind", "two-on-a-line"],
)
def test_lines_that_make_no_sense(text, message):
    with pytest.raises(CfgError) as why:
        list(parse(text, "net.cfg"))
    assert str(why.value) == message


def test_long_lines_are_not_repeated_in_full():
    with pytest.raises(CfgError) as why:
        list(parse("x" * 5000, "net.cfg"))
    assert len(str(why.value)) < 100


TEXT = "[net]\nname=Fußgänger\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("latin-1"),
        codecs.BOM_UTF8 + TEXT.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF16_LE + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16-le", "utf-16-be", "latin-1", "utf-8-bom-crlf", "utf-16-crlf"],
)
def test_encodings(data, tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(data)
    (section,) = read_cfg(path)
    assert (section.name, section.line, section.entries) == ("net", 1, {"name": Entry("Fußgänger", 2)})


@pytest.mark.parametrize("mark", ["\ufeff", "\ufeff# a comment\n", "\n\ufeff"], ids=["first", "comment", "later"])
def test_a_byte_order_mark_is_no_text(mark):
    assert [section.name for section in parse(f"{mark}[net]\n")] == ["net"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "1: no [section] in it; expected a cfg that begins with [net]"),
        (b"\n \n\t\n", "1: no [section] in it; expected a cfg that begins with [net]"),
        (b"# [net]\n; nothing\n", "1: no [section] in it; expected a cfg that begins with [net]"),
        (codecs.BOM_UTF8, "1: no [section] in it; expected a cfg that begins with [net]"),
        (b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(100), "1: binary data; expected the text of a cfg"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "1: binary data; expected the text of a cfg"),
        (b"PK\3\4\x14\0\0\0", "1: binary data; expected the text of a cfg"),
    ],
    ids=["empty", "blank", "comments", "mark-alone", "weights", "png", "zip"],
)
def test_files_that_are_no_cfg(data, message, tmp_path):
    path = tmp_path / "net.cfg"
    path.write_bytes(data)
    with pytest.raises(CfgError) as why:
        read_cfg(path)
    assert str(why.value) == f"{path}:{message}"


def test_files_that_cannot_be_read(tmp_path):
    for path, reason in ((tmp_path / "no.cfg", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(DarkparseError) as why:
            read_cfg(path)
        assert str(why.value) == f"{path}: {reason}"


@pytest.mark.parametrize("name", ["a\0b.cfg", "a" * 5000], ids=["nul", "too-long"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(DarkparseError):
        read_cfg(name)


def test_text_has_a_limit(tmp_path):
    path = tmp_path / "large.names"
    with open(path, "wb") as file:
        file.truncate(1001)
    with pytest.raises(DataError) as why:
        read_text(path, DataError, limit=1000)
    assert str(why.value) == f"{path}: more than 1,000 bytes; expected a shorter text file"


def test_a_large_cfg():
    assert len(list(parse("[net]\nwidth=8\n" + "[conv]\nfilters=1\nsize=1\n" * 20_000))) == 20_001
