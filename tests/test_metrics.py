"""Average precision and its kin, against what `detector map` of AlexeyAB 59596d7 prints."""

import json
import time
from xml.etree import ElementTree

import numpy as np
import pytest

from conftest import SHARED
from darkparse.metrics import Found, Truths, average_precision, evaluation, firsts, match

MAP = SHARED / "training" / "map"
BCCD = SHARED / "datasets" / "bccd"
BCCD_NAMES = ("RBC", "WBC", "Platelets")
needs_goldens = pytest.mark.skipif(not MAP.is_dir(), reason=f"no {MAP}; set DARKPARSE_SHARED")


def bccd_truths(image):
    """Rows of class, x, y, w, h by the rule of training/README.md, section 9."""
    root = ElementTree.parse(BCCD / "Annotations" / f"{image.split('.')[0]}.xml").getroot()
    width, height = (int(root.findtext(f"size/{side}")) for side in ("width", "height"))
    rows = []
    for thing in root.iter("object"):
        left, top, right, bottom = (int(thing.findtext(f"bndbox/{e}")) for e in ("xmin", "ymin", "xmax", "ymax"))
        if right > left and bottom > top:
            box = (
                (left + right) / 2 / width,
                (top + bottom) / 2 / height,
                (right - left) / width,
                (bottom - top) / height,
            )
            rows.append((BCCD_NAMES.index(thing.findtext("name")), *(round(value, 6) for value in box)))
    return np.array(rows, np.float32).reshape(-1, 5)


def coco7_truths(image):
    return np.loadtxt(MAP / "labels" / f"{image.split('.')[0]}.txt", np.float32, ndmin=2)


def gather(rows):
    """`Truths` of a list of arrays, one an image, of class, x, y, w, h."""
    joined = np.concatenate(rows)
    images = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Truths(images, joined[:, 0].astype(np.int64), joined[:, 1:])


def golden(name):
    stored = np.load(MAP / f"{name}.npz")
    found = Found(stored["image"].astype(int), stored["class_id"].astype(int), stored["box"], stored["prob"])
    read = {"bccd": bccd_truths, "coco7": coco7_truths}[name]
    return found, gather([read(image) for image in stored["names"]])


def runs():
    for name, classes in (("bccd", 3), ("coco7", 80)):
        if not MAP.is_dir():
            return
        for number, run in enumerate(json.loads((MAP / f"{name}.json").read_text())["runs"]):
            if not run.get("letter_box"):  # of other detections: see test_evaluate.py
                yield pytest.param(name, classes, run, id=f"{name}-{number}")


@needs_goldens
@pytest.mark.parametrize(("name", "classes", "run"), list(runs()))
def test_map_goldens(name, classes, run):
    found, truths = golden(name)
    result = evaluation(
        found, truths, classes, iou_thresh=run["iou_thresh"], points=run["points"], thresh=run["thresh"]
    )
    total = result.total
    printed = {
        "detections_count": result.detections,
        "truth_count": total.truths,
        "tp": total.tp,
        "fp": total.fp,
        "fn": total.fn,
        "precision": round(total.precision, 2),
        "recall": round(total.recall, 2),
        "f1": round(total.f1, 2),
        "average_iou": round(total.average_iou * 100, 2),
        "map": round(result.map, 6),
    }
    assert printed == {key: run[key] for key in printed}
    listed = {one["class_id"]: one for one in run["classes"]}
    for label, one in enumerate(result.classes):
        want = listed.get(label, {"ap": 0, "ap_exact": 0, "tp": 0, "fp": 0})
        assert (one.tp, one.fp) == (want["tp"], want["fp"]), label
        assert one.ap == pytest.approx(want["ap_exact"], abs=1e-12)
        assert abs(one.ap * 100 - want["ap"]) < 0.005 + 1e-9


def scene(*rows):
    """`Found` from rows of image, label, score, x; boxes are 2 wide and high, in a row: at a distance of .5 they
    overlap by .6, at one of 1 by 1/3."""
    table = np.array(rows, np.float32).reshape(-1, 4)
    boxes = np.stack([table[:, 3], *[np.full(len(table), value, np.float32) for value in (0, 2, 2)]], axis=1)
    return Found(table[:, 0].astype(int), table[:, 1].astype(int), boxes, table[:, 2])


def objects(*rows):
    return Truths(*scene(*((image, label, 0, x) for image, label, x in rows))[:3])


def test_a_detection_is_of_the_object_of_its_image_and_class_that_it_overlaps_most() -> None:
    truths = objects((0, 0, 0.5), (0, 0, 0.25), (0, 1, 0), (1, 0, 0))
    found = scene((0, 0, 0.9, 0), (1, 0, 0.9, 0), (1, 1, 0.9, 0), (0, 1, 0.9, 0.5), (0, 1, 0.9, 1))
    claimed, overlaps = match(found, truths, 0.5)
    assert claimed.tolist() == [1, 3, -1, 2, -1]
    assert overlaps == pytest.approx([1.75 / 2.25, 1, 0, 0.6, 0])


def test_of_equal_overlaps_the_first_object_counts() -> None:
    claimed, _ = match(scene((0, 0, 1, 0)), objects((0, 0, 0.5), (0, 0, -0.5)), 0.5)
    assert claimed.tolist() == [0]


def test_only_the_first_to_claim_an_object_is_right_and_there_is_no_second_choice() -> None:
    assert firsts(np.array([-1, 4, 4, 2, -1])).tolist() == [False, True, False, True, False]
    result = evaluation(scene((0, 0, 0.9, 0), (0, 0, 0.8, 0.1)), objects((0, 0, 0), (0, 0, 0.6)), 1)
    assert (result.total.tp, result.total.fp, result.total.fn) == (1, 1, 1)
    assert result.map == 0.5  # half of the objects, each with a precision of 1


def test_an_unlikely_duplicate_first_in_the_list_makes_the_good_one_a_false_positive() -> None:
    result = evaluation(scene((0, 0, 0.1, 0), (0, 0, 0.9, 0)), objects((0, 0, 0)), 1)
    assert (result.total.tp, result.total.fp) == (0, 1)
    assert result.map == 1  # ranked by score, the likelier one is right


def test_classes_without_objects_count_as_nothing() -> None:
    result = evaluation(scene((0, 0, 0.9, 0), (0, 3, 0.9, 0)), objects((0, 0, 0)), 4)
    assert [one.ap for one in result.classes] == [1, 0, 0, 0]
    assert result.map == 0.25


def test_a_recall_of_just_three_tenths_does_not_count_at_eleven_points() -> None:
    hits = np.array([True] * 3)
    assert average_precision(hits, 10, 11) == pytest.approx(3 / 11)  # at 0, .1 and .2
    assert average_precision(hits, 10, 0) == pytest.approx(0.3)


def test_nothing_found_nothing_there() -> None:
    nothing = evaluation(scene(), objects(), 2)
    assert (nothing.map, nothing.total.precision, nothing.total.recall, nothing.total.f1) == (0, 0, 0, 0)
    assert evaluation(scene(), objects((0, 1, 0)), 2).total.fn == 1
    assert evaluation(scene((0, 1, 0.9, 0)), objects(), 2, points=11).total.fp == 1


def test_twenty_thousand_boxes_in_a_thousand_images_take_less_than_a_second() -> None:
    random = np.random.default_rng(0)
    truths = Truths(np.arange(20_000) % 1000, random.integers(3, size=20_000), random.random((20_000, 4), np.float32))
    found = Found(*truths, random.random(20_000, np.float32))
    start = time.process_time()
    result = evaluation(found, truths, 3)
    assert time.process_time() - start < 1
    assert (result.map, result.total.fp) == (pytest.approx(1), (found.scores > 0.25).sum() - result.total.tp)
