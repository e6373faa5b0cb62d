"""What was there before a command stays: originals, labels, links and pipes; and what is done when it is cut short."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.files import writing


@pytest.fixture(autouse=True)
def own_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder with a cfg, weights and an image that may be harmed."""
    for name in ("cfg/shapes.cfg", "cfg/shapes.names", "weights/shapes.weights", "tests/data/shapes.png"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)


def detect(*arguments: str, **more: object) -> Result:
    command = ["detect", "shapes.cfg", "shapes.weights", *arguments]
    return CliRunner().invoke(main, command, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        ["shapes.png", "--out", "."],
        ["shapes.png", "--json", "shapes.weights"],
        ["shapes.png", "--json", "./shapes.cfg"],
        ["shapes.png", "-out", "shapes.png"],
        ["shapes.png", "--jsonl", "shapes.names", "--names", "shapes.names"],
        ["-", "--out", "."],
    ],
    ids=" ".join,
)
def test_no_input_is_overwritten(arguments: list[str]) -> None:
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = detect(*arguments, input="shapes.png\n")
    assert "is one of the inputs; not overwritten" in result.output
    assert result.exit_code == 1
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize("out", ["--json", "--jsonl"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("shapes.names", ["shapes.png"]), ("shapes.png", ["-"]), ("other.names", ["x.data", "shapes.png"])],
    ids=["names beside the cfg", "an image on stdin", "names of a .data file"],
)
def test_nor_is_what_is_found_later(name: str, arguments: list[str], out: str) -> None:
    shutil.copy("shapes.names", "other.names")
    Path("x.data").write_text("names = other.names\n")
    before = Path(name).read_bytes()
    result = detect(*arguments, out, name, input="shapes.png\n")
    assert "is one of the inputs; not overwritten" in result.output
    assert result.exit_code == 1
    assert Path(name).read_bytes() == before


def test_a_drawing_does_not_replace_the_next_image() -> None:
    """x.tif would be drawn to x.jpg, which is read after it."""
    import cv2

    picture = cv2.imread("shapes.png")
    Path("in").mkdir()
    for name in ("in/x.tif", "in/x.jpg"):
        Path(name).write_bytes(cv2.imencode(name[-4:], picture)[1].tobytes())
    before = Path("in/x.jpg").read_bytes()
    assert detect("in/x.tif", "in/x.jpg", "--out", "in").exit_code == 1
    assert Path("in/x.jpg").read_bytes() == before


def test_an_image_called_predictions_jpg() -> None:
    shutil.copy("shapes.png", "predictions.jpg")
    before = Path("predictions.jpg").read_bytes()
    assert detect("predictions.jpg").exit_code == 1
    assert Path("predictions.jpg").read_bytes() == before


@pytest.mark.parametrize("out", ["shapes.weights", "shapes.cfg"])
def test_partial_does_not_replace_what_it_reads(out: str) -> None:
    before = Path(out).read_bytes()
    result = CliRunner().invoke(main, ["partial", "shapes.cfg", "shapes.weights", out, "3"])
    assert "is one of the inputs; not overwritten" in result.output
    assert Path(out).read_bytes() == before


def test_labels_by_hand_stay() -> None:
    Path("labels").mkdir()
    Path("labels/shapes.txt").write_text("0 .5 .5 .1 .1\n")
    result = detect("shapes.png", "--save-labels", "labels")
    assert "is there already; not overwritten without --overwrite" in result.output
    assert result.exit_code == 1
    assert Path("labels/shapes.txt").read_text() == "0 .5 .5 .1 .1\n"
    assert detect("shapes.png", "--save-labels", "labels", "--overwrite").exit_code == 0
    assert len(Path("labels/shapes.txt").read_text().splitlines()) == 18


def test_one_file_for_two_results() -> None:
    assert "named for --json and for --jsonl" in detect("shapes.png", "--json", "a", "--jsonl", "a").output


def test_json_on_standard_output() -> None:
    assert len(json.loads(detect("shapes.png", "--json", "-").stdout)[0]["objects"]) == 18


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_written_to() -> None:
    os.mkfifo("pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(Path("pipe").read_bytes()))
    reader.start()
    assert detect("shapes.png", "--jsonl", "pipe").exit_code == 0
    reader.join()
    assert json.loads(got[0])["filename"] == "shapes.png"
    assert not Path("pipe").is_file()


def test_a_link_stays_a_link() -> None:
    Path("real.json").write_text("old")
    os.symlink("real.json", "link.json")
    assert detect("shapes.png", "--json", "link.json").exit_code == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real.json").read_text())


def test_what_fails_leaves_what_was_there() -> None:
    Path("x").write_text("old")
    with pytest.raises(ZeroDivisionError), writing("x") as output:
        output.write(b"new" * (1 // 0))
    assert Path("x").read_text() == "old"
    assert not [path for path in Path().iterdir() if path.suffix == ".part"]


def test_a_long_name(tmp_path: Path) -> None:
    with writing(tmp_path / ("n" * 250)) as output:
        output.write(b"x")
    assert (tmp_path / ("n" * 250)).read_bytes() == b"x"
    with pytest.raises(DarkparseError), writing(tmp_path / ("n" * 300)):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal here")
@pytest.mark.parametrize("options", [[], ["--out", "out"]], ids=["text", "pictures"])
def test_results_so_far_survive_ctrl_c(options: list[str]) -> None:
    Path("many").mkdir()
    for number in range(400):
        os.link("shapes.png", f"many/{number:03d}.png")
    command = [sys.executable, "-m", "darkparse", "detect", "shapes.cfg", "shapes.weights", "many", "--json", "r.json"]
    command += ["--jsonl", "-", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.endswith(b"Aborted!\n")
    assert b"Traceback" not in errors
    done = [Path(frame["filename"]).name for frame in json.loads(Path("r.json").read_text())]
    assert 2 <= len(done) < 400
    assert done == [f"{number:03d}.png" for number in range(len(done))]
    if options:
        assert sorted(os.listdir("out"))[: len(done) - 1] == done[:-1]  # the last one's picture may be cut short
        assert len(os.listdir("out")) <= len(done)
        assert not any(name.endswith(".part") for name in os.listdir("out"))


@pytest.mark.parametrize("arguments", [["detect", "x.data"], ["detect", "x.weights", "dog.jpg"]], ids=" ".join)
def test_too_few_arguments(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2


def test_an_empty_list() -> None:
    Path("list.txt").write_text("\n")
    assert "no image: the list is empty" in detect("list.txt").output
    assert "no image: the list is empty" in detect("-", input="").output
