"""`darkparse dataset check` and `stats`, as a user meets them."""

import json
import os

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from darkparse.cli import main
from planted import BOX, Planted


@pytest.fixture
def planted(tmp_path, monkeypatch) -> Planted:
    (tmp_path / "set").mkdir()
    monkeypatch.chdir(tmp_path)
    return Planted(tmp_path / "set")


def run(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, ["dataset", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == status, result.output
    return result


def test_a_sound_data_set(planted) -> None:
    result = run("check", planted.data)
    assert result.stdout == f"{planted.data}: 6 images, nothing found\n"
    assert result.stderr == ""


def test_each_finding_is_a_line_and_an_error_the_exit_status(planted) -> None:
    labels = planted.label("t2", "1 .5 .5 .25 .25\n7 .5 .5 .25 .25\n")
    planted.labels("t1").unlink()
    lines = run("check", planted.data, status=1).stdout.splitlines()
    assert lines[0] == f"{labels}:2: error: class 7: expected 0 to 1; left out of training [class-range]"
    assert lines[1].startswith(f"{planted.image('t1')}: warning: no file of labels")
    assert lines[2] == f"{planted.data}: 6 images, 1 error, 1 warning"
    assert len(lines) == 3


def test_warnings_alone_are_no_failure(planted) -> None:
    planted.labels("t1").unlink()
    assert "1 warning" in run("check", planted.data).stdout


def test_no_more_than_ten_lines_a_rule_but_all_in_the_report(planted) -> None:
    planted.label("t2", "7 .5 .5 .25 .25\n" * 41 + f"1 .1 .1 .1 .1\n{BOX}\n{BOX}\n")
    lines = run("check", planted.data, "--report", "r.md", "--json", "r.json", "--sarif", "r.sarif", status=1).stdout
    assert lines.count("[class-range]") == 11
    assert "\n... and 31 more: error [class-range]\n" in lines
    assert lines.count("[duplicate]") == 1
    with open("r.md", encoding="utf-8") as file:
        report = file.read()
    assert "| class-range | error | 41 |" in report
    assert report.count("\n- `") == 42
    assert f"- `{planted.labels('t2')}:41`: class 7" in report
    with open("r.json", encoding="utf-8") as file:
        found = json.load(file)
    assert [(one["rule"], one["line"]) for one in found][-2:] == [("class-range", 41), ("duplicate", 44)]
    with open("r.sarif", encoding="utf-8") as file:
        assert len(json.load(file)["runs"][0]["results"]) == 42


def test_json_on_standard_output_is_alone_there(planted) -> None:
    planted.label("t2", "7 .5 .5 .25 .25\n")
    result = run("check", planted.data, "--json", "-", "--fix", "clean", status=0)
    assert [one["rule"] for one in json.loads(result.stdout)] == ["class-range"]
    assert "left out: 1" in result.stderr


@pytest.mark.parametrize("arguments", [["--cfg", "net.cfg"], ["net.cfg"]])
def test_a_network_says_how_many_classes_and_what_is_too_small(planted, arguments) -> None:
    """digits.cfg reads 320 x 320 px and has ten classes: .003 * 320 = .96 px."""
    os.symlink(ROOT / "cfg" / "digits.cfg", "net.cfg")
    planted.label("t2", "9 .5 .5 .25 .25\n1 .2 .2 .003 .1\n")
    found = json.loads(run("check", *arguments, planted.data, "--json", "-", status=1).stdout)
    assert [(one["rule"], one["line"]) for one in found if one["severity"] != "note"] == [
        ("names-count", 2), ("too-small", 2),
    ]  # fmt: skip


def test_a_number_of_classes(planted) -> None:
    planted.label("t2", "4 .5 .5 .25 .25\n")
    assert "expected 0 to 1" in run("check", planted.data, status=1).stdout
    assert "[class-range]" not in run("check", planted.data, "--classes", 5, status=1).stdout


def test_a_cleaned_copy(planted) -> None:
    planted.label("t2", "1 .5 .5 .25 .25\n7 .5 .5 .25 .25\n")
    planted.image("t3").unlink()
    result = run("check", planted.data, "--fix", "clean")
    assert "missing images, left out: 1\n" in result.stdout
    assert "boxes of classes that there are not, left out: 1\n" in result.stdout
    assert run("check", "clean/clean.data").stdout == "clean/clean.data: 5 images, nothing found\n"


def test_the_copy_has_as_many_names_as_the_network_has_classes(planted) -> None:
    planted.label("t2", "2 .5 .5 .25 .25\n")
    assert "[names-count]" in run("check", planted.data, "--classes", 3, "--fix", "clean").stdout
    assert "nothing found" in run("check", "clean/clean.data", "--classes", 3).stdout


def test_the_classes_of_a_classifier_count(planted) -> None:
    planted.write(
        "c.cfg",
        "[net]\nwidth=64\nheight=64\nchannels=3\n[convolutional]\nfilters=3\nstride=8\n[avgpool]\n[softmax]\n",
    )
    assert "2 names, but the network has 3 classes" in run("check", planted.data, "set/c.cfg", status=1).stdout


def test_the_sheet_and_quick(planted) -> None:
    data = planted.image("t2").read_bytes()
    planted.image("t2").write_bytes(data[:-2])
    assert "nothing found" in run("check", planted.data, "--quick", "--sheet", "a.png", "--tiles", 2).stdout
    run("check", planted.data, "--sheet", "b.jpg", status=1)
    two, six = cv2.imread("a.png"), cv2.imread("b.jpg")
    assert (two.shape[1], six.shape[1]) == (16 + 2 * 416, 16 + 6 * 416)
    assert np.ptp(two) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "set/a.data", "--report", "set/t0.txt"], "is one of the inputs"),
        (["check", "set/a.data", "--sheet", "set/t0.jpg"], "is one of the inputs"),
        (["check", "set/a.data", "--json", "set/a.names"], "is one of the inputs"),
        (["check", "set/a.data", "--json", "x", "--sarif", "./x"], "different files"),
        (["check", "set/a.data", "--sheet", "x.gif"], "to end in"),
        (["check", "set/a.data", "--fix", "set"], "not empty"),
        (["check", "gone.data"], "gone.data: No such file"),
        (["check", "set/train.txt"], "expected 'key = value'"),
        (["stats", "set/a.data", "--picture", "x.gif"], "to end in"),
        (["stats", "set/a.data", "--json", "set/a.data"], "is one of the inputs"),
        (["check", "set/a.data", "--json", "set/v0.jpg"], "is one of the inputs"),
        (["stats", "set/a.data", "gone.cfg"], "gone.cfg"),
        (["stats", "set/a.data", "--json", "set/t0.jpg"], "is one of the inputs"),
        (["stats", "set/a.data", "--json", "set/v0.jpg"], "is one of the inputs"),
        (["stats", "set/a.data", "--json", "x.png", "--picture", "./x.png"], "different files"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(planted, arguments, message) -> None:
    before = {path: path.read_bytes() for path in planted.folder.iterdir()}
    result = run(*arguments, status=1)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in planted.folder.iterdir()} == before


@pytest.mark.parametrize("command", ["check", "stats"])
def test_more_arguments_than_there_may_be(planted, command) -> None:
    assert "expected a .data file" in run(command, "set/a.data", "a.cfg", "b.cfg", status=2).stderr


def test_stats_as_text_and_as_json(planted) -> None:
    text = run("stats", planted.data).stdout
    assert text.startswith("network: 416 x 416 px, images stretched (the usual size")
    assert text.endswith("counters_per_class = 2, 2\n")
    both = run("stats", planted.data, "--width", 64, "--json", "s.json").stdout
    assert both.startswith("network: 64 x 64 px")
    with open("s.json", encoding="utf-8") as file:
        kept = json.load(file)
    assert json.loads(run("stats", planted.data, "--width", 64, "--json", "-").stdout) == kept
    assert kept["train"]["box_sizes"]["height"]["p50"] == 16  # .25 * 64


def test_stats_of_a_network(planted) -> None:
    """digits.cfg has ten classes and one or more heads; another size than its own may be given."""
    text = run("stats", "--cfg", ROOT / "cfg" / "yolov4-tiny.cfg", planted.data, "--width", 320, "--height", 256).stdout
    assert text.startswith("network: 320 x 256 px, images stretched")
    assert "cells of 16, 32 px" in text
    assert f"counters_per_class = 2, 2, {', '.join(['0'] * 78)}\n" in text


def test_stats_as_a_picture(planted) -> None:
    pytest.importorskip("matplotlib")
    run("stats", planted.data, "--picture", "s.png")
    assert min(cv2.imread("s.png").shape[:2]) > 600
