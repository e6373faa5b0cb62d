"""What is printed of detections, in the formats of AlexeyAB's darknet, and the choices behind it."""

import json

import numpy as np
import pytest

from darkparse import report
from darkparse.detections import Candidates, Detection, Detections, select

NAMES = ("person", "dog", "cat", "dont_show_me")
DOG = (0.5, 0.5, 0.5, 0.25)  # in 200 x 100 px: 50, 37.5 to 150, 62.5
LEFT = (0.125, 0.5, 0.25, 1.0)  # 0, 0 to 50, 100
OUTSIDE = (0.0, 0.5, 0.5, 0.5)  # -50, 25 to 50, 75


def detections(*rows, names=NAMES):
    """Of rows (box, score, label), in an image of 200 x 100 px."""
    boxes = np.array([box for box, _, _ in rows], np.float32).reshape(-1, 4)
    scores, labels = (np.array([row[i] for row in rows], kind) for i, kind in ((1, np.float32), (2, np.int64)))
    return Detections(boxes, scores, labels, names, 200, 100)


def named(found):
    return [(row.name, round(row.score, 3)) for row in found]


def test_rows():
    rows = list(detections((DOG, 0.5, 1), (OUTSIDE, 0.25, 0)))
    assert rows == [
        Detection((50, 37.5, 150, 62.5), 0.5, 1, "dog"),
        Detection((-50, 25, 50, 75), 0.25, 0, "person"),
    ]


@pytest.mark.parametrize(
    ("chosen", "left"),
    [([1], [0.5]), (slice(1, None), [0.5, 0.25]), (np.array([True, False, True]), [0.75, 0.25]), ([], [])],
    ids=["index", "slice", "mask", "none"],
)
def test_rows_are_chosen_as_in_an_array(chosen, left):
    found = detections((DOG, 0.75, 1), (LEFT, 0.5, 1), (OUTSIDE, 0.25, 1))[chosen]
    assert (found.scores.tolist(), len(found), found.names) == (left, len(left), NAMES)


# src/image.c draw_detections_v3: boxes by their left edges, each with its best class first, then the others by number
@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ([(DOG, 0.9, 1), (LEFT, 0.8, 0)], [("person", 0.8), ("dog", 0.9)]),
        ([(DOG, 0.3, 0), (DOG, 0.9, 1), (DOG, 0.4, 2)], [("dog", 0.9), ("person", 0.3), ("cat", 0.4)]),
        ([(DOG, 0.4, 2), (DOG, 0.3, 0), (DOG, 0.9, 1)], [("dog", 0.9), ("person", 0.3), ("cat", 0.4)]),
        ([(DOG, 0.5, 1), (DOG, 0.5, 0)], [("person", 0.5), ("dog", 0.5)]),
        (
            [(DOG, 0.6, 0), (OUTSIDE, 0.3, 1), (LEFT, 0.9, 2), (OUTSIDE, 0.4, 2)],
            [("cat", 0.4), ("dog", 0.3), ("cat", 0.9), ("person", 0.6)],
        ),
        ([], []),
    ],
    ids=["left-first", "best-first", "others-by-number", "of-equals-the-first-class", "several", "none"],
)
def test_left_to_right(rows, order):
    assert named(detections(*rows).left_to_right()) == order


def test_best_of_each_box():
    found = detections((DOG, 0.3, 0), (LEFT, 0.2, 1), (DOG, 0.9, 1), (DOG, 0.9, 2)).best_of_each_box()
    assert named(found) == [("dog", 0.2), ("dog", 0.9)]


def test_names_that_ask_for_it_are_hidden():
    found = detections((DOG, 0.9, 3), (LEFT, 0.8, 1))
    assert named(found.shown()) == [("dog", 0.8)]
    assert list(report.lines(found)) == ["dog: 80%"]
    assert [json.loads(one)["name"] for one in report.json_objects(found)] == ["dog"]
    assert len(report.label_lines(found).splitlines()) == 2  # test_detector hides none there


def test_line_above():
    assert report.predicted("data/dog.jpg", 53.1) == "data/dog.jpg: Predicted in 53.100000 milli-seconds."


@pytest.mark.parametrize(
    ("score", "percent"), [(0.98, "98%"), (1.0, "100%"), (0.996, "100%"), (0.994, "99%"), (0.25, "25%"), (0.004, "0%")]
)
def test_scores_are_whole_percents(score, percent):
    assert list(report.lines(detections((DOG, score, 1)))) == [f"dog: {percent}"]


def test_coordinates():
    found = detections((DOG, 0.98, 1), (LEFT, 0.5, 0), (OUTSIDE, 0.25, 2), (LEFT, 0.25, 2))
    assert list(report.lines(found, coordinates=True)) == [
        "cat: 25%\t(left_x:  -50   top_y:   25   width:  100   height:   50)",
        "person: 50%\t(left_x:    0   top_y:    0   width:   50   height:  100)",
        "cat: 25%\t(left_x:    0   top_y:    0   width:   50   height:  100)",
        "dog: 98%\t(left_x:   50   top_y:   38   width:  100   height:   25)",
    ]


# src/network.c detection_to_json
DOG_JSON = (
    '{"class_id":1, "name":"dog", "relative_coordinates":{"center_x":0.500000, "center_y":0.500000, '
    '"width":0.500000, "height":0.250000}, "confidence":0.984375}'
)
LEFT_JSON = (
    '{"class_id":0, "name":"person", "relative_coordinates":{"center_x":0.125000, "center_y":0.500000, '
    '"width":0.250000, "height":1.000000}, "confidence":0.500000}'
)


@pytest.mark.parametrize(
    ("rows", "objects"),
    [
        ([], ""),
        ([(DOG, 0.984375, 1)], f"  {DOG_JSON}"),
        ([(DOG, 0.984375, 1), (LEFT, 0.5, 0)], f"  {DOG_JSON}, \n  {LEFT_JSON}"),
    ],
    ids=["none", "one", "two"],
)
def test_json_of_an_image(rows, objects):
    text = f'{{\n "frame_id":7, \n "filename":"data/dog.jpg", \n "objects": [ \n{objects}\n ] \n}}'
    assert report.json_frame("data/dog.jpg", 7, detections(*rows)) == text


NASTY = ["C:\\data\\new.jpg", 'the "dog".jpg', "Hündin.jpg", "犬.jpg", "tab\there.jpg", "a\nb.jpg"]


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_json_is_escaped(name):
    found = detections((DOG, 0.5, 0), names=(name,))
    frame = json.loads(report.json_frame(name, 1, found))
    assert (frame["filename"], frame["objects"][0]["name"]) == (name, name)
    line = report.json_line(name, found)
    assert "\n" not in line
    assert (json.loads(line)["filename"], json.loads(line)["objects"][0]["name"]) == (name, name)


def test_json_line():
    assert json.loads(report.json_line("dog.jpg", detections((DOG, 0.984375, 1)))) == {
        "filename": "dog.jpg",
        "width": 200,
        "height": 100,
        "objects": [json.loads(DOG_JSON) | {"box": [50, 37.5, 150, 62.5]}],
    }


def test_json_line_of_an_image_that_cannot_be_read():
    line = report.json_line("dog.jpg", None, "dog.jpg: not an image")
    assert json.loads(line) == {"filename": "dog.jpg", "error": "dog.jpg: not an image"}


# src/detector.c test_detector, save_labels: a line a box, its best class
@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ([], ""),
        ([(DOG, 0.9, 1)], "1 0.5000 0.5000 0.5000 0.2500\n"),
        ([(DOG, 0.4, 0), (DOG, 0.9, 2)], "2 0.5000 0.5000 0.5000 0.2500\n"),
        ([(DOG, 0.9, 1), (OUTSIDE, 0.5, 0)], "1 0.5000 0.5000 0.5000 0.2500\n0 0.0000 0.5000 0.5000 0.5000\n"),
        ([((0.12345678, 0.00004, 0.99996, 1.25), 0.9, 1)], "1 0.1235 0.0000 1.0000 1.2500\n"),
    ],
    ids=["none", "one", "best-class", "two", "digits"],
)
def test_labels(rows, text):
    assert report.label_lines(detections(*rows)) == text


def test_boxes_that_are_not_finite_are_dropped():
    boxes = np.array([DOG, (np.nan, 0, 1, 1), (0, 0, np.inf, 1), LEFT], np.float32)
    scores = np.array([0.5, 0.9, 0.9, 0.4], np.float32)
    found = Candidates(boxes, scores, np.zeros(4, np.int64), scores)
    assert select(found, 0.45, ("default", 0.6)).scores.tolist() == scores[[0, 3]].tolist()
