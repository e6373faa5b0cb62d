"""Damaged .onnx files: one clear error, or the same answer as the whole one; nothing else is said, nothing crashes."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import onnx_models
from conftest import ROOT

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

COUNT = 440


def damaged(model: Path, count: int) -> list[dict]:
    """What became of so many damaged copies of a file."""
    command = [sys.executable, str(ROOT / "tests/onnx_damage.py"), str(model), "0", str(count - 1)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"ended with {done.returncode} after {len(outcomes)}: {done.stderr[-2000:]}"
    assert done.stderr == ""
    assert len(outcomes) == count
    return outcomes


def check_messages(outcomes: list[dict], model: Path) -> None:
    """One line each, that begins with the file and is not too long."""
    for error in (one["error"] for one in outcomes if "error" in one):
        assert error.startswith(f"{model}.damaged.onnx: "), error
        assert len(error.splitlines()) == 1
        assert len(error) < 500 + len(str(model)), error
        assert "Traceback" not in error


@pytest.mark.parametrize("tail", ["raw", "nms"])
def test_a_file_of_darkparse_is_refused_or_answers_the_same(tail: str, tmp_path: Path) -> None:
    source = onnx_models.source(tmp_path, onnx_models.DETECTOR)
    model = onnx_models.write(tmp_path / "a.onnx", source, tail)
    outcomes = damaged(model, COUNT)
    check_messages(outcomes, model)
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    from onnx_damage import outcome

    wanted = {inner: outcome(model, inner, images) for inner in (False, True)}
    refused = Counter(one["way"] for one in outcomes if "error" in one)
    by_way = Counter(one["way"] for one in outcomes)
    for number, one in enumerate(outcomes):
        if "error" not in one and one["way"] not in {"huge", "rewired"}:  # those are what another program may write
            assert one["of"] == wanted[number % 4 == 0]["of"], one
            assert one["sum"] == pytest.approx(wanted[number % 4 == 0]["sum"], rel=1e-5), one
    for way in ("flipped", "flipped_at_the_ends", "text_inside", "noise"):
        assert refused[way] == by_way[way]


def test_a_file_of_another_program(tmp_path: Path) -> None:
    onnx_models.plain(tmp_path / "a.onnx")
    data = (tmp_path / "a.onnx").read_bytes()
    (tmp_path / "a.onnx").write_bytes(data + b"\x32\xb8\x17" + bytes(3000))  # doc_string, so that there is room
    outcomes = damaged(tmp_path / "a.onnx", COUNT)
    check_messages(outcomes, tmp_path / "a.onnx")
    assert sum("error" in one for one in outcomes) > COUNT / 4
