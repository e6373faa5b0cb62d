"""Lists of files through a network."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

import darkparse
from conftest import ROOT
from darkparse import jobs
from darkparse.cli import main, results
from darkparse.detect import detect_files
from darkparse.errors import DarkparseError, ImageError
from darkparse.jobs import LONG, Shares

CFG, WEIGHTS = ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights"
BROKEN = (0, 5, 6, 19)
WAYS = {"one after the other": Shares(0, 0, 2), "lanes": Shares(0, 2, 1), "readers": Shares(3, 1, 2)}


@pytest.fixture(scope="module")
def model():
    return darkparse.load(CFG, WEIGHTS, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """20 images, of which some are broken, each cut off in a place of its own."""
    folder = tmp_path_factory.mktemp("many")
    picture = cv2.imread(str(ROOT / "tests/data/shapes.png"))
    for number in range(20):
        part = np.ascontiguousarray(picture[5 * number :, 3 * number :])
        data = cv2.imencode(".jpg", part)[1].tobytes()
        (folder / f"{number:02d}.jpg").write_bytes(data[:100] if number in BROKEN else data)
    return folder


@pytest.fixture
def way(request, monkeypatch):
    """As a machine with two cores, or with a GPU, would share it out."""
    monkeypatch.setattr(Shares, "of", classmethod(lambda *_: WAYS[request.param]))


def files(folder: Path) -> list[str]:
    return sorted(map(str, folder.iterdir()))


@pytest.mark.parametrize("way", WAYS, indirect=True)
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_results_come_in_order_with_errors_in_their_places(model, folder, way, batch):
    threads = torch.get_num_threads()
    rows = list(detect_files(model, files(folder), batch=batch))
    assert [row.path for row in rows] == files(folder)
    assert tuple(number for number, row in enumerate(rows) if row.error) == BROKEN
    for row in rows:
        if row.error:
            assert (row.found, row.image) == (None, None)
            assert row.error.startswith(f"{row.path}: the file is truncated")
        else:
            alone = model.detect(row.path)
            assert row.found.labels.tolist() == alone.labels.tolist()
            assert row.found.boxes == pytest.approx(alone.boxes, abs=0.05)
            assert row.found.scores == pytest.approx(alone.scores, abs=1e-4)
            assert row.image.shape == cv2.imread(row.path).shape
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_pictures_are_dropped_where_nobody_wants_them(model, folder, way):
    rows = list(detect_files(model, files(folder), pictures=False))
    assert all(row.image is None for row in rows)
    for number in (1, 18):
        assert rows[number].found.boxes == pytest.approx(model.detect(rows[number].path).boxes, abs=0.05)


@pytest.mark.parametrize("way", WAYS, indirect=True)
@pytest.mark.parametrize("batch", [1, 3])
def test_few_images_are_held_at_a_time(model, folder, way, batch, monkeypatch):
    """As many as the stages may hold: 3 batches and a reader's in hand, 5 batches in lanes; not the whole list."""
    read, most = [], 0
    prepare = type(model).prepare
    monkeypatch.setattr(type(model), "prepare", lambda *given: read.append(given[1]) or prepare(*given))
    for used, _ in enumerate(detect_files(model, [files(folder)[1]] * 100, batch=batch)):
        most = max(most, len(read) - used)
    assert most <= 6 * batch + 3


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_an_error_of_the_network_ends_the_job_and_its_threads(model, folder, way):
    def fail(*_):
        raise DarkparseError("no")

    before = threading.active_count()
    with pytest.raises(DarkparseError, match="no"):
        list(jobs.run_files(model, files(folder), 2, fail))
    assert threading.active_count() == before


@pytest.mark.parametrize("way", WAYS, indirect=True)
def test_a_job_that_is_closed_leaves_no_thread(model, folder, way):
    before, threads = threading.active_count(), torch.get_num_threads()
    rows = detect_files(model, files(folder) * 10)
    next(rows)
    rows.close()
    assert (threading.active_count(), torch.get_num_threads()) == (before, threads)


def test_who_reads_and_who_runs(model, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    many, few = ["x"] * LONG, ["x"] * (LONG - 1)
    assert Shares.of(model, many, 1) == Shares(0, 4, 2)
    assert Shares.of(model, few, 1) == Shares.of(model, iter(many), 1) == Shares(0, 0, 8)
    monkeypatch.setattr(jobs, "check_memory", lambda graph, images: images < 4 * 8 or 1 // 0)
    assert Shares.of(model, many, 7) == Shares(0, 4, 2)
    monkeypatch.setattr(model, "in_turn", True)
    assert Shares.of(model, many, 7) == Shares(0, 0, 8)
    monkeypatch.setattr(model, "device", torch.device("cuda"))
    assert Shares.of(model, many, 7)[1:] == (1, 8)


def test_lanes_that_have_no_room_are_not_begun(model, monkeypatch):
    def check(graph, images):
        if images > 7:
            raise DarkparseError("too large")

    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(jobs, "check_memory", check)
    assert Shares.of(model, ["x"] * LONG, 3).lanes == 2
    assert Shares.of(model, ["x"] * LONG, 4).lanes == 0


def detect(*arguments: str):
    return CliRunner().invoke(main, ["detect", str(CFG), str(WEIGHTS), *arguments])


def test_names_on_standard_input_are_answered_one_by_one(model, folder):
    """None is read before the result of that before it has come."""
    taken = []
    names = (taken.append(name) or name for name in files(folder))
    for number, _ in enumerate(detect_files(model, names)):
        assert len(taken) == number + 1


def test_many_pictures_are_those_that_one_gets(folder, tmp_path):
    done = detect(str(folder), "--out", str(tmp_path / "many"))
    assert done.exit_code == 1
    sound = [name for number, name in enumerate(files(folder)) if number not in BROKEN]
    assert files(tmp_path / "many") == [str(tmp_path / "many" / Path(name).name) for name in sound]
    for name in sound[:3]:
        assert detect(name, "--out", str(tmp_path / "one")).exit_code == 0
        one, many = (cv2.imread(str(tmp_path / kind / Path(name).name)).astype(int) for kind in ("one", "many"))
        assert np.abs(one - many).mean() < 0.1  # a corner may be a pixel away: the sums have another order


def test_a_picture_that_cannot_be_drawn_is_told_in_its_place(folder, tmp_path, monkeypatch):
    draw = results.draw

    def fail(result, path):
        if path.stem == "09":
            raise ImageError(f"{result.path}: no paint")
        return draw(result, path)

    monkeypatch.setattr(results, "draw", fail)
    done = detect(str(folder), "--out", str(tmp_path / "out"))
    names = [Path(name).stem for name in files(tmp_path / "out")]
    assert names == [f"{number:02d}" for number in range(20) if number not in (*BROKEN, 9)]
    said = [line for line in done.output.splitlines() if "Predicted in" in line or line.startswith("Error: ")]
    assert [line.partition(".jpg: ")[0][-2:] for line in said if "no paint" not in line] == [
        f"{number:02d}" for number in range(20)
    ]
    at = next(index for index, line in enumerate(said) if "no paint" in line)
    assert said[at - 1].partition(".jpg: ")[0].endswith("09")
    assert "5 images could not be processed" in done.output
