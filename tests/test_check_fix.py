"""`darkparse check --fix`: what is mended in a cfg, what stays, and that the result trains."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from check_project import Sound
from conftest import ROOT, SHARED
from darkparse.cfg import read_cfg
from darkparse.check.mend import mend
from darkparse.check.project import Project, check
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.findings import ERROR, NOTE
from darkparse.graph import read_graph


@pytest.fixture
def sound(tmp_path) -> Sound:
    return Sound(tmp_path)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


ANCHORS = "anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40"
MENDS = {  # lines as they are planted, with the number of the one of that text; and as they are to be, "": gone
    "filters": [("filters=21", 0, "filters=255  # of COCO", "filters=21  # of COCO")],
    "filters-missing": [("filters=21", 1, "", "filters=21")],
    "mask": [("mask=3,4,5", 0, "mask = 6,7,8", "mask = 3,4,5"), ("mask=0,1,2", 0, "mask=3,4,5", "mask=0,1,2")],
    "num": [("num=6", 0, "num=3", "num=6")],
    "width": [("width=64", 0, "width=65", "width=96")],
    "height": [("height=64", 0, "height = 40", "height = 64")],
    "batch": [("batch=16", 0, "batch=1", "batch=64"), ("subdivisions=2", 0, "subdivisions=1", "subdivisions=16")],
    "batch-left-over": [
        ("subdivisions=2", 0, "subdivisions=3", "subdivisions=3"),
        ("batch=16", 0, "batch=16", "batch=18"),
    ],
    "steps": [("steps=4800,5400", 0, "steps=4800,60000", "steps=4800,5400")],  # 80 and 90 % of 6000
    "steps-back": [("steps=4800,5400", 0, "steps=5400,4800", "steps=4800,5400")],
    "scales": [("scales=.1,.1", 0, "scales=.1", "scales=0.1,0.1")],
    "iterations": [
        ("max_batches=6000", 0, "max_batches=500 # short", "max_batches=6000 # short"),
        ("steps=4800,5400", 0, "steps=400,450", "steps=4800,5400"),
    ],
    "burn-in": [("burn_in=100", 0, "burn_in=7000", "burn_in=600")],
    "typo": [("width=64", 0, "widht = 64 # px", "width = 64 # px")],
    "repeated": [("momentum=.9", 0, "momentum=.9\nmomentum=.95  # no", "momentum=.9")],
    "section": [("[maxpool]", 0, "[mxpool]", "[maxpool]")],
    "value": [("activation=leaky", 0, "activation=leeky", "activation=leaky")],
    "classes": [("classes=2", 1, "classes=80", "classes=2")],
}


@pytest.mark.parametrize("name", MENDS)
def test_what_is_mended_and_that_nothing_else_is(name, sound):
    for text, nth, planted, _ in MENDS[name]:
        sound.edit(text, planted, nth if sound.cfg.read_text().count(f"\n{text}") > nth else 0)
    before = sound.cfg.read_text()
    wanted = before
    for _, _, planted, right in MENDS[name]:
        if planted:
            assert wanted.count(f"\n{planted}\n") == 1, planted
            wanted = wanted.replace(f"\n{planted}\n", f"\n{right}\n")
    result = run(sound.cfg, sound.data, "--fix")
    after = sound.cfg.read_text()
    if name == "filters-missing":  # added behind the section's last option
        assert after == before.replace("\n\nactivation=linear\n\n[yolo]", "\n\nactivation=linear\nfilters=21\n\n[yolo]")
    else:
        assert after == wanted
    assert (sound.cfg.parent / "net.cfg.orig").read_text() == before
    assert (result.exit_code, result.stdout) == (0, "nothing found\n")


def test_what_was_changed_is_told(sound):
    line = sound.edit("filters=21", "filters=255")
    other = sound.edit("momentum=.9", "momentum=.9\nmomentum=.95") + 1
    result = run(sound.cfg, sound.data, "--fix")
    assert result.stderr.splitlines() == [
        f"{sound.cfg}:{other}: momentum=.95 removed",
        f"{sound.cfg}:{line + 1}: filters=255 -> filters=21",
        f"the original: {sound.cfg}.orig",
        f"for the data set: darkparse dataset check {sound.data} --fix DIR",
    ]


def test_what_cannot_be_mended_stays_and_is_told(sound):
    sound.edit("learning_rate=.001", "learning_rate=7")
    sound.edit("layers=-1, 1", "layers=-1, 44")
    sound.edit("decay=.0005", "max_epochs=7")
    before = sound.cfg.read_text()
    result = run(sound.cfg, sound.data, "--fix")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "1 error, 2 warnings"
    assert sound.cfg.read_text() == before
    assert not (sound.cfg.parent / "net.cfg.orig").exists()
    assert result.stderr.splitlines()[0] == f"{sound.cfg}: nothing to mend"


def test_a_line_that_cannot_be_understood_is_left_to_the_user(sound):
    sound.edit("filters=21", "filters=255")
    sound.edit("[maxpool]", "[maxpool")
    before = sound.cfg.read_text()
    result = run(sound.cfg, "--fix")
    assert "nothing to mend" in result.stderr
    assert result.stdout.splitlines()[-1] == "2 errors"
    assert sound.cfg.read_text() == before


def test_notes_are_left_alone(sound):
    """A cfg that is only to detect keeps its batch=1."""
    sound.edit("batch=16", "batch=1")
    sound.edit("subdivisions=2", "subdivisions=1")
    assert mend(Project(sound.cfg)) == ([], None)
    assert mend(Project(sound.cfg, data=sound.data)).changes


def test_no_original_is_lost(sound):
    sound.edit("filters=21", "filters=255")
    first = sound.cfg.read_bytes()
    assert mend(Project(sound.cfg)).original == Path(f"{sound.cfg}.orig")
    sound.edit("width=64", "width=65")
    second = sound.cfg.read_bytes()
    assert mend(Project(sound.cfg)).original == Path(f"{sound.cfg}.orig2")
    assert Path(f"{sound.cfg}.orig").read_bytes() == first
    assert Path(f"{sound.cfg}.orig2").read_bytes() == second


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(sound):
    sound.edit("filters=21", "filters=255")
    before = sound.cfg.read_bytes()
    sound.folder.chmod(0o500)
    try:
        with pytest.raises(DarkparseError, match="Permission denied"):
            mend(Project(sound.cfg))
    finally:
        sound.folder.chmod(0o700)
    assert sound.cfg.read_bytes() == before


def test_what_comes_along_is_not_changed():
    path = ROOT / "cfg" / "yolov4-tiny.cfg"
    before = path.read_bytes()
    result = run("yolov4-tiny", "--fix")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "comes with darkparse, and is not changed" in result.stderr
    assert path.read_bytes() == before


def test_crlf_and_the_encoding_stay(sound):
    text = sound.cfg.read_text().replace("filters=21 ", "filters=255 ").replace("# two", "# für zwei")
    sound.cfg.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    assert mend(Project(sound.cfg)).changes
    expected = text.replace("filters=255 ", "filters=21 ").replace("\n", "\r\n").encode("latin-1")
    assert sound.cfg.read_bytes() == expected


KIT = SHARED / "conformance" / "cfg"


@pytest.mark.kit
@pytest.mark.parametrize(
    ("name", "changed"),
    [("cspx-p7-mish", 5), ("efficientnet_b0", 2), ("yolov3-openimages", 2), ("yolov4", 0), ("enet-coco", 0)],
)
def test_official_cfgs(name, changed, tmp_path):
    """num=16 becomes 20 five times; repeated options go; what is only a warning that has two remedies stays."""
    path = tmp_path / f"{name}.cfg"
    path.write_bytes((KIT / path.name).read_bytes())
    before = path.read_text(encoding="latin-1").split("\n")
    assert len(mend(Project(path)).changes) == changed
    after = path.read_text(encoding="latin-1").split("\n")
    kept = [line for line in after if line in before]
    assert len(after) - len(kept) == (5 if name == "cspx-p7-mish" else 0)
    assert not [one for one in check(Project(path)) if one.severity == ERROR]


def broken(sound: Sound) -> None:
    """Most of what can be mended, at once, for another number of classes."""
    planted = {
        "width=64": "widht=70",
        "batch=16": "batch=1",
        "subdivisions=2": "subdivisions=1",
        "burn_in=100": "burn_in=9000",
        "max_batches=6000": "max_batches=300",
        "momentum=.9": "momentum=.9\nmomentum=2",
        "[maxpool]": "[maxpol]",
        "filters=21": "filters=255",
        "mask=3,4,5": "mask=6,7,8",
        "num=6": "num=9",
        "mask=0,1,2": "mask=3,4,5",
        "activation=leaky": "Activation=leaky",
    }
    for old, new in planted.items():
        sound.edit(old, new)


@pytest.mark.slow
def test_the_result_trains(sound):
    """From a cfg that does not even resolve to one that runs two iterations on the images."""
    from darkparse.training.records import Row
    from darkparse.training.train import train

    broken(sound)
    with pytest.raises(DarkparseError):
        read_graph(sound.cfg, complain=lambda *_: None)
    assert run(sound.cfg, sound.data, "--fix").exit_code == 0
    assert [one for one in check(Project(sound.cfg, data=sound.data)) if one.severity != NOTE] == []
    comments = [line for line in Path(f"{sound.cfg}.orig").read_text().split("\n") if "#" in line]
    assert [line.partition("#")[2] for line in comments] == [
        line.partition("#")[2] for line in sound.cfg.read_text().split("\n") if "#" in line
    ]
    net = read_cfg(sound.cfg)[0].entries
    wanted = {"width": "96", "batch": "64", "subdivisions": "16", "max_batches": "6000", "steps": "4800,5400"}
    assert {key: net[key].value for key in wanted} == wanted
    losses = []
    run_ = train(sound.data, sound.cfg, backup=sound.folder / "b", seed=3, device="cpu", workers=0)
    for event in run_:
        if isinstance(event, Row):
            losses.append(event.loss)
            if event.iteration == 2:
                break
    run_.close()
    assert len(losses) == 2
    assert all(0 < loss < 1e4 for loss in losses)
