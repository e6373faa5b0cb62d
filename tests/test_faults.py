"""Rules for data sets: each planted fault is found at its file and line, and nothing in a sound data set."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import SHARED
from darkparse.annotations.faults import find
from darkparse.annotations.survey import look
from darkparse.data import Data, read_data
from darkparse.errors import DataError
from darkparse.findings import ERROR, NOTE, WARNING
from planted import BOX, HEIGHT, WIDTH, Planted


@pytest.fixture
def planted(tmp_path) -> Planted:
    return Planted(tmp_path)


@pytest.mark.parametrize("options", [{}, {"quick": True}, {"size": (32, 32)}, {"classes": 2}], ids=str)
def test_nothing_is_found_in_a_sound_data_set(planted, options) -> None:
    assert planted.find(**options) == []


def test_an_image_without_objects_is_no_fault(planted) -> None:
    planted.label("t2", "\n")
    assert planted.find() == []


def test_a_box_that_just_fits_is_no_fault(planted) -> None:
    """Up to half a pixel is taken for the rounding of decimals: .004 * 64 = .26 px, .005 * 48 = .24 px."""
    planted.label("t1", "1 .5 .5 1 1\n1 .129 .5 .25 .25\n1 .5 .88 .25 .25\n")  # .129 - .125 = .004
    planted.label("t3", "1 .121 .5 .25 .25\n1 .5 .88 .25 .25\n")  # .004 outside; .005 outside
    assert planted.find() == []


LINES = [
    ("four numbers", "0 .5 .5 .25", "label-line", ERROR),
    ("six numbers", "0 .5 .5 .25 .25 .9", "label-line", ERROR),
    ("words", "dot .5 .5 .25 .25", "label-line", ERROR),
    ("class as a fraction", "0.0 .5 .5 .25 .25", "label-line", ERROR),
    ("not a number", "0 nan .5 .25 .25", "label-line", ERROR),
    ("class too high", "2 .5 .5 .25 .25", "class-range", ERROR),
    ("class below 0", "-1 .5 .5 .25 .25", "class-range", ERROR),
    ("no width", "0 .5 .5 0 .25", "zero-size", ERROR),
    ("height below 0", "0 .5 .5 .25 -.1", "zero-size", ERROR),
    ("to the right", "0 1.2 .5 .25 .25", "outside", ERROR),
    ("above", "0 .5 -.125 .25 .25", "outside", ERROR),
    ("pixels", "0 32 24 16 12", "outside", ERROR),
    ("centre at 0", "0 0 0 .25 .25", "outside", ERROR),
    ("over the left edge", "0 .1 .5 .25 .25", "partly-outside", WARNING),
    ("wider than the image", "0 .5 .5 1.5 .25", "partly-outside", WARNING),
    ("the same box", "0 .5 .5 .25 .25 ", "duplicate", ERROR),
    ("nearly the same box", "0 .501 .5 .25 .25", "near-duplicate", WARNING),
    ("below a pixel", "0 .2 .2 .03 .25", "too-small", WARNING),  # .03 * 32 = .96 px
]


@pytest.mark.parametrize(("text", "rule", "severity"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_a_bad_line_is_found_where_it_is(planted, text, rule, severity) -> None:
    planted.label("t2", f"{BOX}\n\n1 .7 .7 .1 .1\n{text}\n0 .3 .3 .2 .2\n")
    assert planted.places(size=(32, 32)) == [(rule, severity, "t2.txt", 4)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 .1 .5 .25 .25", "1.6 px over the left edge"),  # (.125 - .1) * 64
        ("0 .5 1 .25 .25", "6.0 px over the bottom edge"),  # .125 * 48
        ("0 .5 .5 1.5 .25", "16.0 px over the left edge, 16.0 px over the right edge"),
        ("7 .5 .5 .2 .2", "class 7: expected 0 to 1"),
        ("0 32 24 16 12", "these look like pixels"),
        ("0 0 0 .5 .5", "takes a centre at 0, 0 for no box"),
        ("0 .501 .5 .25 .25", "line 1, of the same class: IoU 0.992"),  # (.25 - .001) / (.25 + .001)
        ("0 .5 .5 .25 .25", "the same box as in line 1"),
    ],
)
def test_what_is_said_of_a_line(planted, text, message) -> None:
    planted.label("t2", f"{BOX}\n{text}\n")
    (found,) = planted.find()
    assert message in str(found)


def test_boxes_of_other_classes_or_less_overlap_are_no_duplicates(planted) -> None:
    """Moved by .0065 of .25: IoU .2435 / .2565 = .949."""
    planted.label("t2", f"{BOX}\n1 .5 .5 .25 .25\n0 .5065 .5 .25 .25\n")
    assert planted.find() == []


def test_each_duplicate_is_told_of_once_beside_the_first(planted) -> None:
    planted.label("t2", f"{BOX}\n{BOX}\n{BOX}\n")
    found = [f for f in planted.find() if f.rule == "duplicate"]
    assert [f.line for f in found] == [2, 3]
    assert all("line 1" in f.message for f in found)


def test_the_given_number_of_classes_counts_for_labels(planted) -> None:
    planted.label("t2", "3 .5 .5 .25 .25\n")
    found = planted.places(4)
    assert ("class-range", ERROR, "t2.txt", 1) not in found
    assert ("names-count", ERROR, "a.names", 2) in found
    assert ("class-unused", NOTE, "a.names", 0) in found  # class 2 has no object at all, and no name


@pytest.mark.parametrize(("count", "options"), [(201, {}), (11, {"most": 10})])
def test_more_boxes_than_training_takes(planted, count, options) -> None:
    planted.label("t2", "".join(f"1 {(i + 1) / (count + 2):.5f} .5 .003 .1\n" for i in range(count)))
    assert planted.places(**options) == [("many-boxes", WARNING, "t2.txt", 0)]
    planted.label("t2", "".join(f"1 {(i + 1) / (count + 2):.5f} .5 .003 .1\n" for i in range(count - 1)))
    assert planted.places(**options) == []


def test_a_missing_image(planted) -> None:
    planted.image("t2").unlink()
    assert planted.places() == [("missing-image", ERROR, "train.txt", 3)]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: data[: len(data) // 2] + bytes(len(data) // 2), "truncated"),  # a hole in the file
        (lambda data: b"", "empty"),
        (lambda data: b"<html></html>", "an HTML page"),
    ],
    ids=["cut short", "zeros", "empty", "html"],
)
def test_an_unreadable_image(planted, what, message) -> None:
    planted.image("v1").write_bytes(what(planted.image("v1").read_bytes()))
    assert planted.places() == [("unreadable-image", ERROR, "v1.jpg", 0)]
    assert message in planted.find()[0].message


def test_quick_takes_a_truncated_image_for_a_whole_one(planted) -> None:
    data = planted.image("v1").read_bytes()
    planted.image("v1").write_bytes(data[:-2])
    assert planted.places(quick=True) == []
    assert planted.places() == [("unreadable-image", ERROR, "v1.jpg", 0)]


def test_a_missing_file_of_labels(planted) -> None:
    planted.labels("t2").unlink()
    assert planted.places() == [("no-labels", WARNING, "t2.jpg", 0)]
    assert str(planted.labels("t2")) in planted.find()[0].message


def test_no_labels_at_all_are_one_fault(planted) -> None:
    for name in ("t0", "t1", "t2", "t3"):
        planted.labels(name).unlink()
    assert planted.places() == [("no-labels", ERROR, "train.txt", 0)]


def test_no_boxes_at_all(planted) -> None:
    for name in ("t0", "t1", "t2", "t3"):
        planted.label(name, "")
    assert planted.places() == [("no-boxes", ERROR, "a.data", 0)]


def test_an_image_named_twice(planted) -> None:
    planted.listing("train", "t0", "t1", "t2", "t3", "t1")
    assert planted.places() == [("image-twice", WARNING, "train.txt", 5)]
    assert f"{planted.folder}/train.txt:2" in planted.find()[0].message


def test_an_image_named_twice_by_a_link(planted) -> None:
    planted.image("t4").symlink_to(planted.image("t1"))
    planted.label("t4", planted.labels("t1").read_text())
    planted.listing("train", "t0", "t1", "t2", "t3", "t4")
    assert planted.places() == [("image-twice", WARNING, "train.txt", 5)]


@pytest.mark.parametrize(("labels", "said"), [("1 .5 .5 .25 .25\n", False), (BOX, True)])
def test_a_copy_of_an_image(planted, labels, said) -> None:
    shutil.copy(planted.image("t1"), planted.image("t4"))
    planted.label("t4", labels)
    planted.listing("train", "t0", "t1", "t2", "t3", "t4")
    assert planted.places() == [("same-bytes", WARNING, "train.txt", 5)]
    assert ("with other labels" in planted.find()[0].message) is said


@pytest.mark.parametrize("how", ["path", "link", "copy"])
def test_an_image_in_train_and_valid(planted, how) -> None:
    if how == "path":
        planted.listing("valid", "v0", "v1", "t1")
    else:
        (shutil.copy if how == "copy" else os.symlink)(planted.image("t1"), planted.image("v2"))
        planted.label("v2", planted.labels("t1").read_text())
        planted.listing("valid", "v0", "v1", "v2")
    assert planted.places() == [("in-both", ERROR, "valid.txt", 3)]
    (found,) = planted.find()
    assert f"{planted.folder}/train.txt:2" in found.message
    assert {"path": "the same image", "link": "the same file", "copy": "the same bytes"}[how] in found.message


def test_files_of_the_same_length_are_not_the_same(planted) -> None:
    """BMPs all have the same length."""
    for name in ("t0", "v0"):
        cv2.imwrite(str(planted.folder / f"{name}.bmp"), cv2.imread(str(planted.image(name))))
    planted.write("train.txt", f"{planted.folder}/t0.bmp\n{planted.image('t1')}\n")
    planted.write("valid.txt", f"{planted.folder}/v0.bmp\n")
    assert os.path.getsize(planted.folder / "t0.bmp") == os.path.getsize(planted.folder / "v0.bmp")
    assert planted.find() == []


def test_labels_in_two_places(planted) -> None:
    for folder in ("images", "labels"):
        (planted.folder / folder).mkdir()
    for name in ("t0", "t1"):
        for suffix in (".jpg", ".txt"):
            os.rename(planted.folder / f"{name}{suffix}", planted.folder / "images" / f"{name}{suffix}")
    shutil.copy(planted.folder / "images" / "t0.txt", planted.folder / "labels" / "t0.txt")
    (planted.folder / "labels" / "t1.txt").write_text("1 .4 .5 .25 .25\n")
    planted.listing("train", "images/t0", "images/t1")
    assert planted.places() == [
        ("two-label-files", severity, name, 0) for severity, name in [(NOTE, "t0.txt"), (WARNING, "t1.txt")]
    ]
    assert f"{planted.folder}/images/t1.txt counts" in planted.find()[1].message


def test_labels_that_darknet_does_not_find_are_noted_once(planted) -> None:
    for folder in ("images", "labels"):
        (planted.folder / folder).mkdir()
    for name in ("t0", "t1"):
        os.rename(planted.image(name), planted.folder / "images" / f"{name}.jpg")
        os.rename(planted.labels(name), planted.folder / "labels" / f"{name}.txt")
    planted.listing("train", "images/t0", "images/t1", "t2")
    assert planted.places() == [("darknet-labels", NOTE, "train.txt", 1)]
    assert "labels of 2 images" in planted.find()[0].message


def test_a_kind_of_image_for_which_darknet_finds_no_labels(planted) -> None:
    cv2.imwrite(str(planted.folder / "t0.webp"), cv2.imread(str(planted.image("t0"))))
    planted.write("train.txt", f"{planted.folder}/t0.webp\n{planted.image('t1')}\n")
    assert planted.places() == [("darknet-labels", NOTE, "train.txt", 1)]


def test_exif_that_turns_an_image(planted) -> None:
    data = planted.image("t2").read_bytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    planted.image("t2").write_bytes(data[:2] + segment + data[2:])
    assert planted.places() == [("exif", NOTE, "t2.jpg", 0)]
    assert look(read_data(planted.data)).images[2].size == (HEIGHT, WIDTH)


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (2, "tarin = x", [("data-key", WARNING, 2), ("no-train", ERROR, 0)]),
        (3, "", [("no-valid", WARNING, 0)]),
        (3, "valid = train.txt", [("valid-is-train", WARNING, 0)]),
        (3, "valid = gone.txt", [("list", ERROR, 0)]),
        (1, "classes = two", [("classes", ERROR, 1)]),
        (1, f"classes = {'9' * 5000}", [("classes", ERROR, 1)]),
        (1, "classes = 0", [("classes", ERROR, 1)]),
        (1, "", [("classes", WARNING, 0)]),
        (4, "names =", [("data-value", WARNING, 4), ("names", WARNING, 0)]),
        (4, "names = gone.names", [("names", ERROR, 0)]),
        (4, "names = a.names\nnames = b.names", [("data-repeated", WARNING, 5)]),
        (4, "names = a.names\nbakcup = b", [("data-key", WARNING, 5)]),
        (4, "names = a.names\nbackup = b\n# names = b\n\nresults = c", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_data_file(planted, line, text, expected) -> None:
    lines = planted.data.read_text().splitlines()
    lines[line - 1] = text
    planted.write("a.data", "\n".join(lines))
    assert [place for place in planted.places() if place[0] != "class-unused"] == [
        (rule, severity, "a.data", number) for rule, severity, number in expected
    ]


def test_a_near_key_is_suggested(planted) -> None:
    planted.write("a.data", planted.data.read_text() + "bakcup = b\n")
    assert planted.find()[0].remedy == "did you mean backup?"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("dot\ndash\n\n", []),
        ("dot\ndash\nring\n", [("names-count", ERROR, 3), ("class-unused", NOTE, 3)]),
        ("dot\ndot\n", [("name-repeated", WARNING, 2)]),
        ("\ndash\n", [("name-blank", WARNING, 1)]),
        ("", [("names", ERROR, None)]),
    ],
)
def test_the_names(planted, names, expected) -> None:
    planted.write("a.names", names)
    places = [("a.data", 0) if line is None else ("a.names", line) for _, _, line in expected]
    assert planted.places() == [(*one[:2], *place) for one, place in zip(expected, places, strict=True)]


def test_a_class_of_which_only_valid_has_objects(planted) -> None:
    planted.write("a.names", "dot\ndash\nring\n")
    planted.write("a.data", planted.data.read_text().replace("classes = 2", "classes = 3"))
    planted.label("v0", "2 .5 .5 .25 .25\n" * 1)
    assert planted.places() == [("class-unused", WARNING, "a.names", 3)]


def test_a_class_without_a_name_has_no_line_among_the_names(planted) -> None:
    found = planted.places(classes=3)
    assert found == [("names-count", ERROR, "a.names", 2), ("class-unused", NOTE, "a.names", 0)]


def test_a_folder_in_place_of_a_list(planted) -> None:
    (planted.folder / "more").mkdir()
    for suffix in (".jpg", ".txt"):
        os.rename(planted.folder / f"t0{suffix}", planted.folder / "more" / f"t0{suffix}")
    planted.write("a.data", planted.data.read_text().replace("train.txt", "more"))
    planted.write("more/t0.txt", f"{BOX}\n1 .5 .5 .1 .1\n9 .5 .5 .1 .1\n")
    planted.listing("valid", "v0", "more/t0")
    assert planted.places()[:1] == [("class-range", ERROR, "t0.txt", 3)]
    assert planted.places()[-1] == ("in-both", ERROR, "valid.txt", 2)
    planted.image("more/t0").write_bytes(b"")
    assert ("unreadable-image", ERROR, "t0.jpg", 0) in planted.places()


def test_a_classifiers_data_set_has_its_labels_in_the_paths(planted) -> None:
    """What is looked for in the whole path, as Darknet does, must not be in the names of its folders."""
    planted.write("a.names", "=t\n=v\n0.jpg\n")
    planted.write(
        "a.data", planted.data.read_text().replace("names =", "labels =").replace("classes = 2", "classes = 3")
    )
    for name in ("t0", "t1", "t2", "t3", "v0", "v1"):
        planted.labels(name).unlink()
        os.rename(planted.image(name), planted.image(f"={name}"))
    planted.listing("train", "=t1", "=t0")
    planted.listing("valid", "=v1")
    assert planted.places() == [("path-label", WARNING, "train.txt", 2)]
    assert "found =t, 0.jpg" in planted.find()[0].message


def test_a_data_file_that_is_gone(tmp_path) -> None:
    with pytest.raises(DataError, match=r"gone\.data"):
        list(find(Data(tmp_path / "gone.data")))


def test_who_waits_is_told(planted) -> None:
    told = []
    look(read_data(planted.data), tell=lambda done, total: told.append((done, total)))
    assert told == [(n, 6) for n in range(1, 7)]


@pytest.mark.skipif(not (SHARED / "datasets" / "bccd").is_dir(), reason="no BCCD; set DARKPARSE_SHARED")
def test_bccd_is_sound(tmp_path) -> None:
    """README of the data set: no defects but two boxes without size, which its conversion leaves out."""
    from bccd import convert

    data = convert((SHARED / "datasets" / "bccd").resolve(), tmp_path)
    assert list(find(read_data(data), size=(416, 416))) == []


@pytest.mark.real
@pytest.mark.skipif(not (SHARED / "training" / "map").is_dir(), reason="no labels; set DARKPARSE_SHARED")
def test_real_images_of_several_kinds(tmp_path) -> None:
    """Seven photographs are labelled, their twelve smaller PNGs are not; one label reaches over an edge.

    Each is looked for in the files themselves, here by plain arithmetic.
    """
    for folder in ("JPEGImages", "labels"):
        (tmp_path / folder).mkdir()
    images = sorted((SHARED / "real" / "images").iterdir())
    for image in images:
        (tmp_path / "JPEGImages" / image.name).symlink_to(image)
    over = []
    for labels in sorted((SHARED / "training" / "map" / "labels").iterdir()):
        shutil.copy(labels, tmp_path / "labels")
        height, width = cv2.imread(str(SHARED / "real" / "images" / f"{labels.stem}.jpg")).shape[:2]
        for number, line in enumerate(labels.read_text().splitlines(), 1):
            _, x, y, w, h = map(float, line.split())
            far = max((w / 2 - x) * width, (x + w / 2 - 1) * width, (h / 2 - y) * height, (y + h / 2 - 1) * height)
            if far > 0.5:
                over.append((labels.name, number))
    (tmp_path / "a.data").write_text(f"classes = 80\ntrain = {tmp_path}/JPEGImages\nvalid = JPEGImages\n")
    found = list(find(read_data(tmp_path / "a.data"), 80))
    unlabelled = [Path(f.file).name for f in found if f.rule == "no-labels"]
    assert unlabelled == [image.name for image in images if image.suffix == ".png"]
    assert sorted((Path(f.file).name, f.line) for f in found if f.rule == "partly-outside") == over
    assert {f.rule for f in found} <= {
        "no-labels",
        "partly-outside",
        "class-unused",
        "valid-is-train",
        "names",
        "near-duplicate",
    }


def test_images_that_have_one_file_of_labels(planted) -> None:
    """t2.jpg and t2.png: Darknet, too, looks for t2.txt of both."""
    cv2.imwrite(str(planted.folder / "t2.png"), np.zeros((8, 8, 3), np.uint8))
    planted.write("train.txt", f"{planted.folder}/t1.jpg\n{planted.folder}/t2.jpg\n{planted.folder}/t2.png\n")
    (found,) = planted.find()
    assert (found.rule, found.severity, found.line) == ("shared-labels", WARNING, 3)
    assert found.message.endswith(f"has the labels of {planted.folder}/t2.jpg, {planted.folder}/t2.txt")


def test_a_list_from_windows(planted, monkeypatch) -> None:
    monkeypatch.chdir(planted.folder.parent)
    planted.write("valid.txt", f"{planted.folder.name}\\v0.jpg\r\n{planted.folder.name}\\v2.jpg\r\n")
    there, not_there = (f for f in planted.find() if f.rule == "missing-image")
    assert there.remedy == f"write {planted.folder.name}/v0.jpg, which is there"
    assert not_there.remedy == ""
