"""darkparse valid: files of results, against those that `detector valid` of AlexeyAB 59596d7 writes."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO

import pytest
from click.testing import CliRunner

from conftest import SHARED
from darkparse.cli import main
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.errors import DarkparseError, DataError
from darkparse.evaluation.ids import COCO_IDS, ids_of
from darkparse.evaluation.valid import check_names
from discs import CFG, SCENES, WEIGHTS, make
from map_goldens import FASTEST

# What Darknet writes for these images, line by line; its images are all 0, as it takes the number at the beginning of
# a name, and its ImageNet file has rows of classes that the network lacks, from memory that is not its own.
COCO = """
2, "bbox":[389.924744, 169.421173, 64.000000, 64.000000], "score":0.384532},
1, "bbox":[168.498581, 208.478699, 64.000000, 64.000000], "score":0.987579},
3, "bbox":[144.551941, 104.479996, 32.000000, 32.000000], "score":0.955018},
2, "bbox":[468.779999, 43.593300, 63.999969, 32.000000], "score":0.706781},
2, "bbox":[267.986328, 96.840546, 64.000000, 32.000000], "score":0.174452},
2, "bbox":[267.864471, 111.486465, 64.000000, 32.000000], "score":0.022372},
3, "bbox":[289.457275, 216.477463, 64.000000, 64.000015], "score":0.969685},
2, "bbox":[0.000000, 0.000000, 55.071205, 60.823162], "score":0.353446},
1, "bbox":[338.473083, 228.532135, 64.000000, 64.000000], "score":0.987579}
"""
OF_IMAGES = (11, 11, 12, 14, 14, 14, 16, 16, 16)
VOC = {
    "red": """
disc_11 0.987579 169.498581 209.478699 233.498581 273.478699
disc_16 0.987579 339.473083 229.532135 403.473083 293.532135
""",
    "green": """
disc_11 0.384532 390.924744 170.421173 454.924744 234.421173
disc_14 0.706781 469.779999 44.593300 533.779968 76.593300
disc_14 0.174452 268.986328 97.840546 332.986328 129.840546
disc_14 0.022372 268.864471 112.486465 332.864471 144.486465
disc_16 0.353446 1.000000 1.000000 56.071205 61.823162
""",
    "blue": """
disc_12 0.955018 145.551941 105.479996 177.551941 137.479996
disc_16 0.969685 290.457275 217.477463 354.457275 281.477478
""",
}
NUMBER = re.compile(r"\d+\.\d{6}")


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The .data file of the discs; the working folder is empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return make(tmp_path / "discs")


def run(*arguments):
    result = CliRunner().invoke(main, ["valid", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def check_close(text, wanted):
    """The same but for the last digits of the numbers."""
    assert NUMBER.sub("#", text) == NUMBER.sub("#", wanted)
    numbers, expected = ([float(one) for one in NUMBER.findall(part)] for part in (text, wanted))
    assert numbers == pytest.approx(expected, abs=1e-3)


def test_coco(data, tmp_path):
    data.write_text(data.read_text() + "eval=coco\n")
    result = run(data, CFG, WEIGHTS)
    assert (result.exit_code, result.stdout) == (0, "")
    text = (tmp_path / "here/results/coco_results.json").read_text()
    assert (text[:2], text[-3:]) == ("[\n", "\n]\n")
    rows = [f'{{"image_id":{i}, "category_id":{row}' for i, row in zip(OF_IMAGES, COCO.split("\n")[1:-1], strict=True)]
    check_close(text[2:-2], "\n".join(rows) + "\n")
    assert "results/coco_results.json: 9 detections in 6 images" in result.stderr.splitlines()
    assert "image ids: the numbers in the names of the files" in result.stderr


def test_voc(data, tmp_path):
    assert run(data, CFG, WEIGHTS).exit_code == 0
    for name, wanted in VOC.items():
        check_close((tmp_path / f"here/results/comp4_det_test_{name}.txt").read_text(), wanted[1:])


def test_imagenet(data, tmp_path):
    data.write_text(data.read_text() + f"results={tmp_path}/out\n")
    assert run(data, CFG, WEIGHTS, "--eval", "imagenet").exit_code == 0
    lines = (tmp_path / "out/imagenet-detection.txt").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [
        [str(image - 10), row[0]] for image, row in zip(OF_IMAGES, COCO.split("\n")[1:-1], strict=True)
    ]
    check_close(lines[-2], "6 2 0.353446 0.000000 0.000000 55.071205 60.823162")
    check_close(lines[0], "1 2 0.384532 389.924744 169.421173 453.924744 233.421173")


@pytest.mark.real
def test_a_published_model_writes_what_darknet_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = sorted((SHARED / "real" / "images").glob("*_320x320.png"))
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in images))
    names = SHARED / "real" / "models" / "coco.names"
    (tmp_path / "coco.data").write_text(f"valid=list.txt\neval=coco\nnames={names}\n")
    assert run("coco.data", *FASTEST).exit_code == 0
    rows = json.loads((tmp_path / "results/coco_results.json").read_text())
    # of Darknet's file: how many rows, sums over them, its first and last, the one that scores most, and another
    assert len(rows) == 1423
    assert len({row["category_id"] for row in rows}) == 48
    assert sum(row["score"] for row in rows) == pytest.approx(26.80117, abs=1e-3)
    assert sum(sum(row["bbox"]) for row in rows) == pytest.approx(470515.8, rel=1e-5)
    for number, category, box, score in (
        (0, 3, [23.514065, 102.195190, 67.309692, 33.066528], 0.001053),
        (700, 6, [195.141068, 39.621773, 72.737045, 38.005814], 0.001806),
        (1414, 1, [91.074158, 65.9338, 43.955338, 221.510406], 0.986088),
        (1422, 1, [72.605499, 94.980774, 73.475647, 204.685608], 0.001086),
    ):
        assert rows[number]["category_id"] == category
        assert [*rows[number]["bbox"], rows[number]["score"]] == pytest.approx([*box, score], abs=1e-3)


def stats(truth, found):
    """COCO's twelve figures of files, by pycocotools."""
    from pycocotools.coco import COCO as Loaded
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(StringIO()):
        there = Loaded(str(truth))
        measure = COCOeval(there, there.loadRes(str(found)), "bbox")
        measure.evaluate()
        measure.accumulate()
        measure.summarize()
    return measure.stats


def test_pycocotools_loads_the_file_and_agrees_with_map(data, tmp_path):
    pytest.importorskip("pycocotools")
    images, annotations = [], []
    for number, (width, height, _) in enumerate(SCENES):
        images.append(
            {"id": 70 + number, "file_name": f"somewhere/disc_{number + 11}.png", "width": width, "height": height}
        )
        for line in data.with_name(f"disc_{number + 11}.txt").read_text().splitlines():
            label, x, y, w, h = map(float, line.split())
            box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
            annotations.append({"id": len(annotations) + 1, "image_id": 70 + number, "category_id": 9 - int(label),
                                "bbox": box, "area": box[2] * box[3], "iscrowd": 0})  # fmt: skip
    categories = [{"id": 9 - label, "name": name} for label, name in enumerate(VOC)]
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    assert run(data, CFG, WEIGHTS, "--eval", "coco", "--out", tmp_path / "new/found", "--truth", truth).exit_code == 0
    expected = stats(truth, tmp_path / "new/found.json")
    assert 0.1 < expected[0] < expected[1] < 1
    found = CliRunner().invoke(main, ["map", str(data), CFG, WEIGHTS, "--coco", "--json", "-"])
    assert list(json.loads(found.stdout)["coco"].values()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("out", "file"),
    [("found", "results/found.json"), ("found.json", "results/found.json"), ("./deep/er/found", "deep/er/found.json")],
)
def test_where_to(out, file, data, tmp_path):
    assert run(data, CFG, WEIGHTS, "--eval", "coco", "-out", out).exit_code == 0
    assert len(json.loads((tmp_path / "here" / file).read_text())) == 9


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["COCO_val2014_000000000042.jpg", "b/COCO_val2014_000000000007.jpg"], [42, 7]),
        (["000000000139.jpg", "000000000285.jpg"], [139, 285]),
        (["a_1.jpg", "b_1.jpg"], [1, 2]),
        (["dog.jpg", "000000000285.jpg"], [1, 2]),
        (["dog_320x320.png"], [1]),
    ],
)
def test_ids_of_images(names, numbers):
    assert list(ids_of(names, ["one"]).images) == numbers


def test_ids_of_classes():
    # of the categories of COCO's instances_val2017.json: the 1st, 12th, 13th, 30th and 80th
    assert [COCO_IDS[place] for place in (0, 11, 12, 29, 79)] == [1, 13, 14, 34, 90]
    assert len(COCO_IDS) == 80
    assert tuple(ids_of([], ["x"] * 80).classes) == COCO_IDS
    assert tuple(ids_of([], ["x"] * 20).classes) == tuple(range(1, 21))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "expected a JSON file of COCO's"),
        ("{", "expected a JSON file of COCO's"),
        ('{"images": [{"file_name": "a/1.jpg", "id": 5}], "categories": []}', "no category with the name 'dog'"),
        ('{"images": [], "categories": [{"name": "dog", "id": 2}]}', "no image with the file name '1.jpg'"),
    ],
    ids=["list", "broken", "class", "image"],
)
def test_a_truth_that_does_not_fit(text, message, tmp_path):
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(DataError, match=message):
        ids_of(["x/1.jpg"], ["dog"], tmp_path / "truth.json")


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "b/c"], "class 1, 'b/c'"), (["a", "b", "a"], "classes 0 and 2 are both 'a'")],
    ids=["folder", "twice"],
)
def test_names_that_make_no_files(names, message):
    with pytest.raises(DarkparseError, match=message):
        check_names([f"{name}.txt" for name in names])


def test_thresholds_are_of_the_writer_of_the_weights():
    # src/detector.c (AlexeyAB), examples/detector.c (pjreddie) validate_detector
    assert (ALEXEYAB.valid_thresh, ALEXEYAB.valid_nms) == (0.001, 0.6)
    assert (PJREDDIE.valid_thresh, PJREDDIE.valid_nms) == (0.005, 0.45)


def test_thresholds_as_asked_for(data, tmp_path):
    assert run(data, CFG, WEIGHTS, "--eval", "coco", "-thresh", "0.36").exit_code == 0
    assert len(json.loads((tmp_path / "here/results/coco_results.json").read_text())) == 6


@pytest.mark.parametrize(
    ("line", "arguments", "message"),
    [
        ("eval=kitti", [], "eval: expected one of coco, voc, imagenet, got 'kitti'"),
        ("", ["--truth", "gone.json", "--eval", "coco"], "gone.json: "),
        ("", ["--out", "{data}/x"], "discs.data: File exists"),
    ],
    ids=["kitti", "no-truth", "no-folder"],
)
def test_what_cannot_be_is_refused(line, arguments, message, data):
    data.write_text(data.read_text() + line + "\n")
    result = run(data, CFG, WEIGHTS, *(one.format(data=data) for one in arguments))
    assert result.exit_code == 1
    assert message in result.stderr.splitlines()[-1]


def test_an_image_that_cannot_be_read_is_left_out(data, tmp_path):
    data.with_name("disc_12.png").unlink()
    result = run(data, CFG, WEIGHTS)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "1 image could not be read: nothing is written of it"
    assert len((tmp_path / "here/results/comp4_det_test_blue.txt").read_text().splitlines()) == 1
