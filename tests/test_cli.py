"""The command line, as a user meets it."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from darkparse.cli import main

CFG, WEIGHTS, PICTURE = (
    str(ROOT / path) for path in ("cfg/shapes.cfg", "weights/shapes.weights", "tests/data/shapes.png")
)
TEXT = ["red: 98%", "green: 92%"]  # the two leftmost discs


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def run(*arguments: str, **more: object) -> Result:
    result = CliRunner().invoke(main, arguments, **more)  # type: ignore[arg-type]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    assert main.commands[name].help
    assert f"darkparse {name}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["detect", "--help"], ["summary", CFG], ["inspect", WEIGHTS, CFG], ["download"]], ids=str
)
def test_starts_without_torch_or_opencv(arguments: list[str]) -> None:
    code = f"""
import sys
from darkparse.cli import main
main({arguments!r}, standalone_mode=False)
print(*sorted({{'torch', 'cv2'}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


def test_detect_prints_as_darknet_does() -> None:
    result = run("detect", CFG, WEIGHTS, PICTURE)
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{PICTURE}: Predicted in ")
    assert lines[0].endswith(" milli-seconds.")
    assert lines[1:3] == TEXT
    assert len(lines) == 19
    assert "resize: stretch" in result.stderr
    assert "names: " in result.stderr
    assert result.exit_code == 0


def test_one_image_gets_predictions_jpg() -> None:
    run("detect", CFG, WEIGHTS, PICTURE)
    drawn, original = cv2.imread("predictions.jpg"), cv2.imread(PICTURE)
    assert drawn.shape == original.shape
    assert (np.abs(drawn.astype(int) - original) > 60).any(axis=2).mean() > 0.02


@pytest.mark.parametrize("flag", ["--ext-output", "-ext_output"])
def test_coordinates(flag: str) -> None:
    """The disc around (73, 128) with a radius of 32."""
    line = run("detect", CFG, WEIGHTS, PICTURE, flag).stdout.splitlines()[1]
    assert line == "red: 98%\t(left_x:   41   top_y:   96   width:   64   height:   64)"


def test_arguments_in_any_order() -> None:
    names = str(ROOT / "cfg/shapes.names")
    assert run("detect", PICTURE, names, WEIGHTS, "-thresh", ".5", CFG).stdout.splitlines()[1:3] == TEXT


def test_darknets_order_with_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "x.data").write_text("classes = 3\nnames = some.names\n")
    (tmp_path / "some.names").write_text("rot\ngruen\nblau\n")
    lines = run("detect", str(tmp_path / "x.data"), CFG, WEIGHTS, PICTURE).stdout.splitlines()
    assert lines[1] == "rot: 98%"


def test_json_is_alexeyabs() -> None:
    run("detect", CFG, WEIGHTS, PICTURE, PICTURE, "-out", "r.json")
    frames = json.loads(Path("r.json").read_text())
    assert [frame["frame_id"] for frame in frames] == [1, 2]
    assert frames[0]["filename"] == PICTURE
    assert len(frames[0]["objects"]) == 18
    one = frames[0]["objects"][0]
    assert list(one) == ["class_id", "name", "relative_coordinates", "confidence"]
    assert list(one["relative_coordinates"]) == ["center_x", "center_y", "width", "height"]


def test_json_lines_alone_on_stdout() -> None:
    result = run("detect", CFG, WEIGHTS, PICTURE, "missing.png", "--jsonl", "-")
    good, bad = (json.loads(line) for line in result.stdout.splitlines())
    assert (good["width"], good["height"], len(good["objects"])) == (640, 480, 18)
    assert bad["error"].startswith("missing.png")
    assert result.exit_code == 1


def test_labels_and_pictures_of_a_folder() -> None:
    Path("in put").mkdir()
    for name in ("a.png", "b.png"):
        Path("in put", name).write_bytes(Path(PICTURE).read_bytes())
    result = run("detect", CFG, WEIGHTS, "in put", "--out", "out", "--save-labels", "labels", "--batch", "2")
    assert result.exit_code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png"]
    rows = Path("labels/b.txt").read_text().splitlines()
    assert len(rows) == 18
    assert all(len(row.split()) == 5 for row in rows)
    assert not Path("predictions.jpg").exists()


def test_two_images_of_one_name_are_not_written_over_each_other(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(Path(PICTURE).read_bytes())
    result = run("detect", CFG, WEIGHTS, str(tmp_path / "a"), str(tmp_path / "b"), "--save-labels", "labels")
    assert "already written" in result.stderr
    assert result.exit_code == 1


def test_lists_patterns_and_standard_input(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{PICTURE}\r\n\n{PICTURE}\n")
    pattern = str(ROOT / "tests/data/shap*.png")
    result = run("detect", CFG, WEIGHTS, str(tmp_path / "list.txt"), pattern, "-", input=f"{PICTURE}\n")
    assert result.stdout.count("Predicted in") == 4


def test_an_unreadable_image_does_not_stop_the_rest() -> None:
    Path("broken.jpg").write_bytes(b"<html>not here</html>")
    result = run("detect", CFG, WEIGHTS, "broken.jpg", "missing.jpg", PICTURE)
    assert result.stdout.count("Predicted in") == 1
    assert "broken.jpg" in result.stderr
    assert "missing.jpg" in result.stderr
    assert "2 images could not be processed" in result.stderr
    assert result.exit_code == 1


@pytest.mark.parametrize("batch", ["1", "2", "5"])
def test_batches_give_the_same(batch: str) -> None:
    Path("other.png").write_bytes(cv2.imencode(".png", cv2.imread(PICTURE)[::-1])[1].tobytes())
    result = run("detect", CFG, WEIGHTS, PICTURE, "other.png", PICTURE, "--batch", batch)
    lines = [line for line in result.stdout.splitlines() if "Predicted" not in line]
    assert len(lines) == 54
    assert lines[:18] == lines[36:]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["summary", "none.cfg"], "Error: none.cfg: No such file or directory"),
        (["detect", CFG, "none.weights", PICTURE], "Error: none.weights: No such file or directory"),
        (["detect", CFG, WEIGHTS, PICTURE, "--width", "650"], "[net] width: expected a multiple of 32, the network's"),
        (["detect", CFG, WEIGHTS, PICTURE, "--device", "cuda:99"], "Error: device 'cuda:99': "),
        (["detect", CFG, WEIGHTS, "*.nothing"], "Error: *.nothing: no file matches"),
        (["detect", CFG, WEIGHTS, "."], "Error: .: no image in this folder"),
        (
            ["detect", CFG, WEIGHTS, PICTURE, "--json", "no/folder/r.json"],
            "no/folder/r.json: No such file or directory",
        ),
        (["download", "yolov33"], "Error: "),
    ],
    ids=str,
)
def test_one_line_and_status_1(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output
    assert result.exit_code == 1


def test_an_odd_header_is_told_of_once(tmp_path: Path) -> None:
    odd = tmp_path / "odd.weights"  # version 0.1.0, yet with 64 bits of images seen
    odd.write_bytes(struct.pack("<iiiQ", 0, 1, 0, 0) + Path(WEIGHTS).read_bytes()[20:])
    result = run("detect", CFG, str(odd), PICTURE)
    assert [line for line in result.stderr.splitlines() if line.startswith("Warning:")] == [
        f"Warning: {odd}: version 0.1.0 with 64 bits of images seen, as its size says; others may misread it"
    ]


def test_wrong_number_of_names(tmp_path: Path) -> None:
    (tmp_path / "two.names").write_text("a\nb\n")
    result = run("detect", CFG, WEIGHTS, PICTURE, "--names", str(tmp_path / "two.names"))
    assert result.stderr.splitlines()[-1].endswith(f"two.names: 2 names, but {CFG} has 3 classes")
    assert result.exit_code == 1


@pytest.mark.parametrize("arguments", [["detect"], ["detect", CFG, WEIGHTS], ["detect", CFG]], ids=len)
def test_usage_errors_are_status_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_strict(cfg) -> None:
    path = cfg("[net]\nwidth=8\nheight=8\nchannels=3\nheigth=9\n[avgpool]\n")
    warned = run("summary", str(path))
    assert warned.stderr.strip() == (
        f"Warning: {path}:5: [net] heigth: no such option; it has no effect; did you mean 'height'?"
    )
    assert warned.exit_code == 0
    assert run("summary", str(path), "--strict").exit_code == 1


def test_summary_of_yolov3() -> None:
    lines = run("summary", "yolov3", "--width", "608", "--height", "608").stdout.splitlines()
    assert lines[1].endswith("608 x 608 x   3 ->  608 x 608 x  32 0.639 BF")
    assert lines[106].endswith("76 x  76 x 256 ->   76 x  76 x 255 0.754 BF")
    assert lines[107].startswith(" 106 yolo")
    assert lines[-1] == "248,007,048 bytes of .weights"


def test_inspect() -> None:
    result = run("inspect", WEIGHTS, CFG)
    assert "version 0.2.5: AlexeyAB's Darknet or a fork of it; header of 20 bytes" in result.stdout
    assert f"fits {CFG}: all 6 layers" in result.stdout
    folder = run("inspect", WEIGHTS, str(ROOT / "cfg")).stdout.splitlines()
    assert "shapes.cfg: fits" in folder
    assert "yolov3.cfg: no" in folder


def test_partial() -> None:
    result = run("partial", CFG, WEIGHTS, "first.conv.3", "3")
    assert result.exit_code == 0
    assert "fits" in run("inspect", "first.conv.3", CFG).stdout
    whole, part = Path(WEIGHTS).read_bytes(), Path("first.conv.3").read_bytes()
    assert whole[20:].startswith(part[20:])


def test_python_m_darkparse() -> None:
    done = subprocess.run([sys.executable, "-m", "darkparse", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("darkparse, version ")


@pytest.mark.parametrize("command", ["detect", "train", "check", "map"])
def test_a_second_data_file_is_refused(command: str) -> None:
    result = CliRunner().invoke(main, [command, "a.cfg", "a.weights", "a.data", "b.data", "dog.jpg"])
    assert result.exit_code == 2
    assert "expected one .data file, got a.data and b.data" in result.stderr
