"""darkparse doctor, as a user meets it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from conftest import ROOT
from darkparse import weights as weights_file
from darkparse.cli import main
from darkparse.layout import read_header

CFG, WEIGHTS, PICTURE, NAMES = (
    str(ROOT / path)
    for path in ("cfg/shapes.cfg", "weights/shapes.weights", "tests/data/shapes.png", "cfg/shapes.names")
)
DIGITS = [str(ROOT / path) for path in ("cfg/digits.cfg", "weights/digits.weights", "tests/data/digits.jpg")]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """Every test in an empty folder, and on one thread."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def broken(tmp_path) -> str:
    """shapes.weights with a NaN in it: the first bias of layer 0."""
    values = weights_file.read_values(WEIGHTS, read_header(WEIGHTS)).copy()
    values[0] = np.nan
    path = tmp_path / "broken.weights"
    path.write_bytes(read_header(WEIGHTS).pack() + values.tobytes())
    return str(path)


def run(*arguments: str, **more: object) -> Result:
    result = CliRunner().invoke(main, ["doctor", *arguments], **more)  # type: ignore[arg-type]
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_a_healthy_network() -> None:
    result = run(*DIGITS)
    lines = result.stdout.splitlines()
    assert (result.exit_code, lines[0]) == (0, "found nothing wrong")
    assert all(line.startswith("well: ") for line in lines[1:])
    assert "well: heads: the best score is 1.00" in result.stdout
    assert "resize: stretch" in result.stderr
    assert list(Path().iterdir()) == []


def test_an_ill_one(broken) -> None:
    result = run(CFG, broken, PICTURE)
    lines = result.stdout.splitlines()
    assert (result.exit_code, lines[0]) == (1, "found 1 error")
    assert lines[1] == f" 1. {broken}: layer 0 [convolutional] biases: 1 of 3 values are NaN or infinite [nan]"
    assert lines[2].startswith("    -> its training diverged")


def test_any_order_and_darknets_spelling() -> None:
    result = run(PICTURE, NAMES, WEIGHTS, "-thresh", "1", CFG, "-nogpu")
    assert result.exit_code == 1
    assert "nothing reaches --thresh 1: the best score is 0.99" in result.stdout
    assert f"names: {NAMES}" in result.stderr
    assert "device: cpu" in result.stderr


def test_names_on_standard_input() -> None:
    assert run(CFG, WEIGHTS, "-", input=f"{PICTURE}\n").exit_code == 0


@pytest.mark.parametrize("target", ["-", "found.json"])
def test_json(broken, target) -> None:
    def told(weights: str) -> tuple[Result, dict]:
        result = run(CFG, weights, PICTURE, "--json", target)
        assert result.stdout.startswith("{" if target == "-" else "found ")
        return result, json.loads(result.stdout if target == "-" else Path(target).read_text())

    result, said = told(broken)
    assert (result.exit_code, said["healthy"]) == (1, False)
    (finding,) = said["findings"]
    assert [finding[key] for key in ("rule", "severity", "file", "line")] == ["nan", "error", broken, 0]
    result, said = told(WEIGHTS)
    assert (result.exit_code, said["healthy"], said["findings"]) == (0, True, [])
    assert said["trials"][0]["name"] == "as given"
    assert said["trials"][0]["detections"] == 18  # discs, in tests/make_shapes.py
    assert [one["name"] for one in said["heads"][0]["classes"]] == ["red", "green", "blue"]


@pytest.mark.parametrize("which", ["weights", "image"])
def test_what_is_read_is_not_overwritten(tmp_path, which) -> None:
    weights, image = tmp_path / "x.weights", tmp_path / "x.png"
    weights.write_bytes(Path(WEIGHTS).read_bytes())
    image.write_bytes(Path(PICTURE).read_bytes())
    target = {"weights": weights, "image": image}[which]
    before = target.read_bytes()
    for images, stdin in ([str(image)], None), (["-"], f"{image}\n"):
        result = run(CFG, str(weights), *images, "--json", str(target), input=stdin)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "is one of the inputs; not overwritten" in result.stderr
        assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([CFG], "expected a .cfg and its .weights"), ([CFG, WEIGHTS], "no image given")],
    ids=["no weights", "no image"],
)
def test_what_is_missing(arguments, message) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_no_such_device() -> None:
    result = run(CFG, WEIGHTS, PICTURE, "--device", "nowhere")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: device 'nowhere': ")
    assert result.stderr.count("\n") == 1


def test_help_starts_without_torch() -> None:
    code = """
import sys
from darkparse.cli import main
main(["doctor", "--help"], standalone_mode=False)
print(*sorted({"torch", "cv2"} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""
