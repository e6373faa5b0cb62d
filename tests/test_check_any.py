"""`darkparse check` on cfgs that are broken at random: it never stumbles, and finds an error wherever reading does."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from check_project import CFG
from darkparse.cfg import sections_of
from darkparse.cfg_edit import CfgText
from darkparse.check.mend import improve
from darkparse.check.project import Examined, Project, examine
from darkparse.errors import CfgError
from darkparse.findings import ERROR
from darkparse.graph import resolve

FILE = Project(Path("any.cfg"))
LINES = CFG.split("\n")


def look(text: str) -> Examined:
    return examine(FILE, None, text)


def errors(text: str) -> list[str]:
    return [str(one) for one in look(text).findings if one.severity == ERROR]


def refusal(text: str) -> str:
    """Why a cfg cannot be read, or ""."""
    try:
        resolve(sections_of(text, "any.cfg", lambda *_: None), complain=lambda *_: None)
    except CfgError as why:
        return str(why)
    return ""


@st.composite
def broken(draw) -> str:
    """The text of a cfg with a few lines lost, repeated, exchanged or misspelt."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        at, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
        line, letter = lines[at], draw(st.integers(0, len(lines[at])))
        lines[at : at + 1] = draw(
            st.sampled_from([
                [],
                [line, line],
                [lines[other]],
                [line[:letter] + line[letter + 1 :]],
                [line[:letter] + draw(st.sampled_from("ax0-1=, [].#9")) + line[letter:]],
                [line.replace("=", "=-")],
                [line.upper()],
            ])
        )  # fmt: skip
    return "\n".join(lines)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(broken())
def test_what_cannot_be_read_has_an_error(text):
    why = refusal(text)
    found = look(text).findings
    slips = [one for one in found if one.rule == "unknown-option" and "write " in one.remedy]
    assert not why or slips or errors(text), why  # a slip of the pen is a warning, and it is plain what is meant


@settings(max_examples=150, deadline=None, derandomize=True)
@given(broken())
def test_mending_leaves_no_new_error_and_nothing_to_mend(text):
    try:
        cfg = CfgText(text, "any.cfg")
    except CfgError:
        return
    improve(FILE, cfg)
    assert len(errors(cfg.text)) <= len(errors(text))
    mended = cfg.text
    for edit in look(mended).edits:
        edit(cfg)
    assert cfg.text == mended


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text(st.sampled_from("[]net=1conv #;\n,.-yol"), max_size=80))
def test_any_text(text):
    assert errors(text) or not refusal(text)
