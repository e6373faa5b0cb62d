"""The parts of benchmarks/bccd.py that do not train: the labels, and what is measured of a process."""

import sys
from pathlib import Path

import numpy as np
import pytest

import bccd
from conftest import SHARED

DATASET = SHARED / "datasets" / "bccd"
needs_bccd = pytest.mark.skipif(not DATASET.is_dir(), reason=f"no {DATASET}; set DARKPARSE_SHARED")


@needs_bccd
def test_the_data_set_is_converted_as_for_darknets_runs(tmp_path):
    data = bccd.convert(DATASET, tmp_path / "out")
    assert "classes = 3\ntrain = " in data.read_text()
    assert (tmp_path / "out/bccd.names").read_text() == "RBC\nWBC\nPlatelets\n"
    assert len((tmp_path / "out/train.txt").read_text().splitlines()) == 292
    assert len((tmp_path / "out/valid.txt").read_text().splitlines()) == 72
    counts = np.bincount(
        [int(label) for path in (tmp_path / "out/obj").glob("*.txt") for label in path.read_text().split()[::5]]
    )
    assert counts.tolist() == [4153, 372, 361]  # of 4155 red cells two have no size
    first = (tmp_path / "out/obj/BloodImage_00338.txt").read_text().splitlines()[0]
    assert first == "0 0.787500 0.273958 0.159375 0.210417"  # 453, 81, 555, 182 of 640 x 480
    for image in (tmp_path / "out/train.txt").read_text().split():
        assert Path(image).read_bytes()[:2] == b"\xff\xd8"


@needs_bccd
def test_samples_are_the_test_split(tmp_path):
    bccd.convert(DATASET, tmp_path)
    samples = {path.stem: rows for path, rows in bccd.samples(tmp_path)}
    assert list(samples) == (DATASET / "ImageSets/Main/test.txt").read_text().split()
    white = ((193 + 387) / 2 / 640, (92 + 285) / 2 / 480, (387 - 193) / 640, (285 - 92) / 480, 1)  # its first object
    assert samples["BloodImage_00007"][0] == pytest.approx(white, abs=1e-6)  # labels have six decimals


HUNGRY = """
import subprocess, sys, time
eaten = b"x" * (60 << 20)
child = "import time; eaten = b'x' * (60 << 20); time.sleep(1.2)"
subprocess.run([sys.executable, "-c", child])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_memory_of_children_counts(tmp_path):
    usage = bccd.measure([sys.executable, "-c", HUNGRY], tmp_path / "log", lambda: 0)
    assert 120 << 20 < usage.memory < 200 << 20
    assert 1.2 < usage.seconds < 10


TICKING = "import time\nfor i in range(1000): time.sleep(.02); print(i, flush=True)"


def test_a_process_is_stopped_when_it_has_done_enough(tmp_path):
    log = tmp_path / "log"
    usage = bccd.measure([sys.executable, "-c", TICKING], log, lambda: log.read_text().count("\n"), 40)
    assert 40 <= len(usage.stamps) < 100
    assert usage.seconds < 10
    assert 0.01 < usage.pace < 0.1


def test_a_process_that_fails_is_quoted(tmp_path):
    with pytest.raises(SystemExit, match=r"exit status 1\n(.*\n)*.*no such thing"):
        bccd.measure([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log", lambda: 0)


def test_darknets_iterations_are_counted():
    log = "Loaded: 0.000031 seconds\n\n 11: 104.683380, 105.8 avg loss, 0.000000 rate, 0.47 seconds, 176 images\n"
    assert bccd.iterations("") == 0
    assert bccd.iterations(log) == 11
    assert bccd.iterations(log + "\n 12: -nan, -nan avg loss, 0.000000 rate, 0.4") == 12


def test_the_mean_of_several_runs():
    outcomes = [bccd.Outcome("", (0.8, 0.9), 1.0, 2.0, 100), bccd.Outcome("", (0.6, 0.7), 3.0, 4.0, 300)]
    mean = bccd.mean("mean", outcomes)
    assert mean.aps == pytest.approx((0.7, 0.8))
    assert (mean.map, mean.seconds, mean.with_start, mean.memory) == pytest.approx((0.75, 2, 3, 200))
