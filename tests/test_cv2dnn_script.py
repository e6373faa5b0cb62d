"""One OpenCV script: on OpenCV 4.14's own importer of Darknet models and, a line changed, on darkparse.cv2dnn."""

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import opencv4 as bench
from conformance import Kit
from conftest import ROOT, SHARED
from opencv4 import CHANGE, CannotInstall, Job, Outcome, Script, Sides, compare, difference, write_job

FOLDER = SHARED / "conformance"

DIGITS = Job(ROOT / "cfg/digits.cfg", ROOT / "weights/digits.weights", ROOT / "tests/data/digits.jpg", 320, 256, 0.2)
REAL = ("yolo-fastest-1.1", "MobileNetV2-YOLOv3-Nano-voc", "yolo-lite-trial3-nb", "yoloface-500k-v2")
SMALL = (  # of each section and kind of head that OpenCV 4 reads; the script runs all
    "ab__cifar", "ab__yolov2-tiny", "efficientnet_b0", "enet-coco", "jnet-conv", "pj__darknet", "tiny-yolo", "writing",
    "yolov3-tiny", "yolov3-tiny-prn", "yolov3-tiny_3l", "yolov4-csp-s-mish", "yolov4-tiny", "yolov7-tiny",
)  # fmt: skip
LARGER = ("pj__yolov2-voc", "yolov4-csp-swish")
MISREAD = {"ab__cifar.test": "temperature", "ab__go.test": "the channels of each cell", "tiny-yolo_xnor": "xnor"}
REFUSED = {"pj__gru": "Unknown layer type: gru", "efficientnet-lite3": "Unsupported activation: relu6"}


@pytest.fixture(scope="module")
def sides(opencv4: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    sides = Sides(tmp_path_factory.mktemp("sides"))
    assert sides.opencv.version == "4.14.0"
    yield sides
    sides.close()


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit(FOLDER)


def test_without_a_network_it_is_said_why_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(bench, "INSTALL", f"{bench.INSTALL} --no-index")
    with pytest.raises(CannotInstall, match="No matching distribution found for opencv-python"):
        bench.opencv4()
    assert not list((tmp_path / "darkparse" / "tests").iterdir())


def test_the_faster_of_two_processes_wins(tmp_path: Path) -> None:
    new, made = tmp_path / "new", tmp_path / "made"
    for folder in (new, made):
        folder.mkdir()
        (folder / "cv2").write_text(folder.name)
    bench.move(new, made)
    assert (made / "cv2").read_text() == "made"


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    here, there = tmp_path / "here.npz", tmp_path / "there.npz"
    rows, things = np.zeros((4, 6), np.float32), np.array([[2, 0.5, 10, 20, 30, 40]])
    np.savez(there, objects=things, yolo_1=rows)
    for objects, given, same in [
        (things, rows, True),
        (things + np.array([0, 9e-4, 1, 0, 0, 0]), rows + np.float32(9e-4), True),
        (things, rows + np.float32(2e-3), False),
        (things, rows[:3], False),
        (things + np.array([1, 0, 0, 0, 0, 0]), rows, False),
        (things + np.array([0, 0, 0, 2, 0, 0]), rows, False),
        (things[:0], rows, False),
    ]:
        np.savez(here, objects=objects, yolo_1=given)
        outcome = compare(here, there, 0.2)
        assert (outcome.same and not outcome.alone) == same
    np.savez(here, objects=things, yolo_2=rows)
    assert not compare(here, there, 0.2).same


@pytest.mark.parametrize(("here", "same"), [(0.2009, True), (0.2011, False), (0.9, False), (0.0, True)])
def test_a_score_at_the_threshold_may_be_cut_off_on_one_side(here: float, same: bool) -> None:
    rows = np.array([[0.5, 0.5, 0.1, 0.1, 1, here]], np.float32), np.array([[0.5, 0.5, 0.1, 0.1, 1, 0]], np.float32)
    assert (difference(*rows, 0.2) <= bench.SAME) == (difference(*rows[::-1], 0.2) <= bench.SAME) == same


def assert_same(outcome: Outcome) -> None:
    assert not outcome.refusal
    assert outcome.same, str(outcome)
    assert not outcome.alone, str(outcome)


def test_one_line_changes() -> None:
    """It is the import; the rest of the script knows nothing of darkparse."""
    before, after = bench.SCRIPT.read_text(), bench.SCRIPT.read_text().replace(*CHANGE)
    lines = list(zip(before.splitlines(), after.splitlines(), strict=True))
    assert [pair for pair in lines if pair[0] != pair[1]] == [("import cv2", "from darkparse.cv2dnn import cv2")]
    assert "darkparse" not in before


def test_all_else_of_opencv_is_its_own() -> None:
    from darkparse import cv2dnn
    from darkparse.cv2dnn import cv2 as ours

    assert ours.imread is cv2.imread
    assert ours.dnn.NMSBoxes is cv2.dnn.NMSBoxes
    assert ours.dnn.DNN_TARGET_CUDA == cv2.dnn.DNN_TARGET_CUDA
    assert ours.dnn is cv2dnn
    assert ours.dnn_DetectionModel is cv2dnn.DetectionModel
    assert not hasattr(ours, "no_such_thing")
    assert not hasattr(ours.dnn, "no_such_thing")


def test_a_shipped_model(sides: Sides) -> None:
    outcome = sides.compare(DIGITS)
    assert_same(outcome)
    assert outcome.objects == 8


def test_on_opencv_4_the_changed_script_gives_the_same(opencv4: Path, sides: Sides, tmp_path: Path) -> None:
    """OpenCV 4 and 5 prepare the image alike, and suppress alike."""
    five = sides.here
    four = Script(sides.changed, opencv4)
    assert (four.version, five.version) == ("4.14.0", cv2.__version__)
    for side, results in ((four, tmp_path / "4.npz"), (five, tmp_path / "5.npz")):
        assert side(*DIGITS[:-1], results) == "done"
    four.close()
    outcome = compare(tmp_path / "4.npz", tmp_path / "5.npz", DIGITS.thresh)
    assert outcome.difference < 1e-5
    assert not outcome.alone


@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_real_models(name: str, sides: Sides) -> None:
    models, found = SHARED / "real" / "models", 0
    for image in ("dog.jpg", "person.jpg", "scream.jpg"):
        job = Job(models / f"{name}.cfg", models / f"{name}.weights", SHARED / "real/images" / image, 320, 352, 0.2)
        outcome = sides.compare(job)
        assert_same(outcome)
        found += outcome.objects
    assert found


@pytest.mark.kit
@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGER)])
def test_official_cfgs_give_the_same_rows(name: str, kit: Kit, sides: Sides, tmp_path: Path) -> None:
    case = kit.check.Case.load(FOLDER / "cases" / f"{name}.npz")
    assert_same(sides.compare(write_job(kit, case, tmp_path)))


@pytest.mark.kit
@pytest.mark.parametrize("name", MISREAD)
def test_where_opencv_misreads_darkparse_says_so(name: str, kit: Kit, sides: Sides, tmp_path: Path) -> None:
    case = kit.check.Case.load(FOLDER / "cases" / f"{name}.npz")
    outcome = sides.compare(write_job(kit, case, tmp_path))
    assert not outcome.same
    assert MISREAD[name] in outcome.misread


@pytest.mark.kit
@pytest.mark.parametrize("name", REFUSED)
def test_what_opencv_refuses_is_no_difference(name: str, kit: Kit, sides: Sides, tmp_path: Path) -> None:
    case = kit.check.Case.load(FOLDER / "cases" / f"{name}.npz")
    assert REFUSED[name] in sides.compare(write_job(kit, case, tmp_path)).refusal
