"""darkparse map, against what `detector map` of AlexeyAB 59596d7 prints for the same images."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from darkparse.cli import main
from darkparse.evaluation.report import lines
from darkparse.metrics import Found, Truths, evaluation
from discs import CFG, NAMES, SCENES, WEIGHTS, make
from map_goldens import TRAINED, needs_bccd, samples

DARKNET = """
 calculation mAP (mean average precision)...
 Detection layer: 5 - type = 28 

 detections_count = 9, unique_truth_count = 9  
class_id = 0, name = red, ap = 33.33%   \t (TP = 1, FP = 1) 
class_id = 1, name = green, ap = 75.00%   \t (TP = 1, FP = 2) 
class_id = 2, name = blue, ap = 50.00%   \t (TP = 2, FP = 0) 

 for conf_thresh = 0.25, precision = 0.57, recall = 0.44, F1-score = 0.50 
 for conf_thresh = 0.25, TP = 4, FP = 3, FN = 5, average IoU = 44.98 % 

 IoU threshold = 50 %, used Area-Under-Curve for each unique Recall 
 mean average precision (mAP@0.50) = 0.527778, or 52.78 % 

Set -points flag:
 `-points 101` for MS COCO 
 `-points 11` for PascalVOC 2007 (uncomment `difficult` in voc.data) 
 `-points 0` (AUC) for ImageNet, PascalVOC 2010-2012, your custom dataset
"""  # noqa: W291
BCCD_TEXT = """
 detections_count = 6958, unique_truth_count = 945  
class_id = 0, name = RBC, ap = 64.69%   \t (TP = 595, FP = 481) 
class_id = 1, name = WBC, ap = 97.60%   \t (TP = 71, FP = 5) 
class_id = 2, name = Platelets, ap = 63.91%   \t (TP = 51, FP = 42) 

 for conf_thresh = 0.25, precision = 0.58, recall = 0.76, F1-score = 0.65 
 for conf_thresh = 0.25, TP = 717, FP = 528, FN = 228, average IoU = 42.94 % 

 IoU threshold = 50 %, used Area-Under-Curve for each unique Recall 
 mean average precision (mAP@0.50) = 0.753992, or 75.40 % 
"""  # noqa: W291


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The .data file of the discs; the working folder is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return make(tmp_path / "discs")


def run(*arguments):
    result = CliRunner().invoke(main, ["map", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_text_is_darknets(data):
    result = run(data, CFG, WEIGHTS)
    assert result.stdout == DARKNET
    assert result.exit_code == 0
    notes = result.stderr.splitlines()
    assert notes[0].startswith("resize: stretch")
    assert f"names: {data.parent / 'colours.names'}" in notes
    assert "labels of 6 images found beside the images" in notes
    assert notes[-1].startswith("F1 is highest, ")


@pytest.mark.parametrize("files", [(WEIGHTS, CFG, 0), (CFG, 0, WEIGHTS)], ids=["backwards", "data-second"])
def test_the_arguments_may_come_in_any_order(data, files):
    assert run(*(file or data for file in files)).stdout == DARKNET


@needs_bccd
def test_bccd_as_text(tmp_path):
    lines_of_list = []
    for path, boxes in samples("bccd"):
        link = tmp_path / path.name
        link.symlink_to(path)
        rows = [f"{int(label)} {' '.join(f'{v:.6f}' for v in box)}\n" for *box, label in boxes.tolist()]
        link.with_suffix(".txt").write_text("".join(rows))
        lines_of_list.append(f"{link}\n")
    (tmp_path / "test.txt").write_text("".join(lines_of_list))
    (tmp_path / "bccd.names").write_text("RBC\nWBC\nPlatelets\n")
    (tmp_path / "bccd.data").write_text("valid=test.txt\nnames=bccd.names\n")
    # for the images as OpenCV decodes them, saved as PNGs, Darknet prints just this
    assert BCCD_TEXT in run(tmp_path / "bccd.data", *TRAINED, "--workers", 0).stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # what Darknet prints for them
        (["-points", "11"], " IoU threshold = 50 %, used 11 Recall-points "),
        (["-points", "11"], "class_id = 0, name = red, ap = 36.36%   \t (TP = 1, FP = 1) "),
        (["--points", "101"], " mean average precision (mAP@0.50) = 0.531353, or 53.14 % "),
        (["-thresh", "0.5"], " for conf_thresh = 0.50, precision = 0.80, recall = 0.44, F1-score = 0.57 "),
        (["-thresh", "0.1"], " for conf_thresh = 0.10, TP = 5, FP = 3, FN = 4, average IoU = 45.79 % "),
        (["-iou_thresh", "0.9"], "class_id = 1, name = green, ap = 0.00%   \t (TP = 0, FP = 3) "),
        (["--iou", "0.9"], " mean average precision (mAP@0.90) = 0.152778, or 15.28 % "),
        (["-thresh", "0.999"], " for conf_thresh = 1.00, precision = -nan, recall = 0.00, F1-score = -nan "),
    ],
    ids=lambda value: value.strip()[:40] if isinstance(value, str) else " ".join(value),
)
def test_options_of_darknets(data, options, expected):
    assert expected in run(data, CFG, WEIGHTS, *options).stdout.splitlines()


def test_nothing_divided_by_nothing_is_printed_as_in_c():
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    one = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones((1, 4), np.float32)
    found = Found(*one, np.ones(1, np.float32))
    for result, shares in (
        # Darknet for an image without objects, and for one in which it finds nothing
        (evaluation(found, Truths(*nothing), 1), "precision = 0.00, recall = -nan, F1-score = -nan "),
        (evaluation(Found(*nothing, np.zeros(0, np.float32)), Truths(*one), 1),
         "precision = -nan, recall = 0.00, F1-score = -nan "),
    ):  # fmt: skip
        assert f" for conf_thresh = 0.25, {shares}" in list(lines(result, ["x"], ()))


def test_letter_box_has_no_effect_and_that_is_told(data):
    result = run(data, CFG, WEIGHTS, "-letter_box", "-dont_show")
    assert result.stdout == DARKNET
    assert "-letter_box has no effect" in result.stderr


def test_json_on_standard_output_is_alone_there(data):
    found = json.loads(run(data, CFG, WEIGHTS, "--json", "-", "--thresh", "0.1").stdout)
    assert found["map"] == pytest.approx(0.527778, abs=5e-7)
    assert [(one["name"], one["tp"], one["fp"]) for one in found["classes"]] == [
        (NAMES[0], 1, 1), (NAMES[1], 2, 2), (NAMES[2], 2, 0),
    ]  # fmt: skip
    total = found["total"]
    assert (total["tp"], total["fp"], total["fn"], total["truths"]) == (5, 3, 4, 9)
    assert (total["precision"], total["recall"]) == (5 / 8, 5 / 9)
    assert total["f1"] == pytest.approx(2 * 5 / (8 + 9))
    assert found["settings"]["images"] == len(SCENES)
    assert found["settings"]["device"] == "cpu"
    assert (found["iou_thresh"], found["points"], found["thresh"], found["detections"]) == (0.5, 0, 0.1, 9)
    # of blue ones two of four are found, with .970 and .955, and nothing else
    (middle, *first), (last, *both) = found["classes"][2]["curve"]
    assert (first, both) == ([1, 1 / 4], [1, 2 / 4])
    assert (middle, last) == (pytest.approx((0.969685 + 0.955018) / 2, abs=1e-5), pytest.approx(0.955018, abs=1e-5))


def test_curves_are_drawn(data, tmp_path):
    picture = tmp_path / "curves.png"
    assert run(data, CFG, WEIGHTS, "--curves", picture).stdout == DARKNET
    assert cv2.imread(str(picture)).shape[0] > 500


def test_cocos_figures_follow(data):
    text = run(data, CFG, WEIGHTS, "--coco").stdout
    assert text.startswith(DARKNET)
    assert len(text[len(DARKNET) :].splitlines()) == 12
    assert " Average Precision  (AP) @[ IoU=0.50      | area=   all | maxDets=100 ] = " in text


def test_another_list(data):
    first = data.with_name("first.txt")
    first.write_text(data.with_name("list.txt").read_text().splitlines()[0])
    assert "unique_truth_count = 2 " in run(data, CFG, WEIGHTS, "--valid-list", first).stdout
    result = run(data, CFG, WEIGHTS, "--valid-list", "gone.txt")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("Error: gone.txt: no such file")


def test_difficult_objects(data):
    listed = data.with_name("list.txt").read_text().splitlines()
    others = [data.with_name(f"other_{number}.png") for number in range(len(listed))]
    others[0].with_suffix(".txt").write_text("1 .65625 .416667 .09375 .125\n")  # the disc that is said to be blue
    data.with_name("others.txt").write_text("".join(f"{path}\n" for path in others))
    data.write_text(data.read_text() + "difficult=others.txt\n")
    # what Darknet prints: one detection less, and yet as many false positives
    text = run(data, CFG, WEIGHTS).stdout
    assert " detections_count = 8, unique_truth_count = 9  \n" in text
    assert "class_id = 1, name = green, ap = 83.33%   \t (TP = 1, FP = 2) \n" in text
    data.with_name("others.txt").write_text(listed[0])
    assert "difficult: 1 images; expected 6" in run(data, CFG, WEIGHTS).stderr


def test_an_image_that_cannot_be_read_is_told_of_and_its_objects_are_missed(data):
    data.with_name("disc_12.png").write_bytes(b"no image")
    result = run(data, CFG, WEIGHTS)
    assert result.exit_code == 1
    assert "class_id = 2, name = blue, ap = 25.00%   \t (TP = 1, FP = 0) \n" in result.stdout
    assert "unique_truth_count = 9 " in result.stdout
    assert f"Error: {data.with_name('disc_12.png')}: " in result.stderr
    assert result.stderr.splitlines()[-1] == "1 image could not be read: their objects count as missed"


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({}, ["--curves", "c.jpg"], "c.jpg: expected the name of a picture to end in .png"),
        ({}, ["--json", CFG], f"{CFG}: is one of the inputs"),
        ({"valid=list.txt": ""}, [], "train: missing; expected a list of images"),
        ({"colours": "gone"}, [], "names: no file 'gone.names'"),
        ({"list.txt": "gone.txt"}, [], "valid: no file 'gone.txt'"),
    ],
    ids=["picture", "input", "no-list", "no-names", "list-gone"],
)
def test_what_cannot_be_is_refused(data, change, arguments, message):
    text = data.read_text()
    for old, new in change.items():
        text = text.replace(old, new)
    data.write_text(text)
    result = run(data, CFG, WEIGHTS, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr.splitlines()[-1]


def test_without_weights_the_usage_is_shown(data):
    result = run(data, CFG)
    assert result.exit_code == 2
    assert "expected a .data file, a .cfg and its .weights" in result.stderr


def test_processes_give_the_same(data):
    """In a process of its own, as users have it."""
    command = [sys.executable, "-m", "darkparse", "map", data, CFG, WEIGHTS, "--workers", "2", "--batch", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == DARKNET
    assert "Traceback" not in done.stderr
