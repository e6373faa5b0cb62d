"""Labels: where they are looked for, what is wrong with them."""

import codecs
from pathlib import Path

import numpy as np
import pytest

from darkparse.dataset.labels import find_labels, label_files, read_labels
from darkparse.errors import DataError


@pytest.mark.parametrize(
    ("image", "alexeyab"),
    [
        ("/a/images/train2017/b.jpg", "/a/labels/train2017/b.txt"),
        ("/a/images/val2014/b.JPG", "/a/labels/val2014/b.txt"),
        ("/VOC/JPEGImages/b.png", "/VOC/labels/b.txt"),
        ("C:\\a\\images\\train2017\\b.jpg", "C:\\a\\labels\\train2017\\b.txt"),
        ("/a/images/b.jpg", "/a/images/b.txt"),
        ("obj/b.c.jpeg", "obj/b.c.txt"),
    ],
)
def test_alexeyabs_rule_comes_first(image, alexeyab):
    assert next(label_files(image))[0] == alexeyab


@pytest.mark.parametrize(
    ("image", "pjreddie"),
    [
        ("/a/images/b.jpg", "/a/labels/b.txt"),
        ("/a/JPEGImages/b.jpg", "/a/labels/b.txt"),
        ("/a/raw/images_1.jpg", "/a/labels/labels_1.txt"),
        ("/images/x/images/b.jpg", "/labels/x/images/b.txt"),
    ],
)
def test_pjreddies_rule_is_one(image, pjreddie):
    assert pjreddie in [file for file, _ in label_files(image)]


def test_the_last_folder_named_images_counts_too():
    files = [file for file, _ in label_files("/home/images/x/images/b.jpg")]
    assert files == ["/home/images/x/images/b.txt", "/home/images/x/labels/b.txt", "/home/labels/x/images/b.txt"]


@pytest.mark.parametrize(
    ("there", "rule"),
    [
        (["labels/a b.txt"], "in the path, as pjreddie's Darknet"),
        (["images/a b.txt"], "beside the images"),
        (["labels/a b.txt", "images/a b.txt"], "beside the images"),
        ([], ""),
    ],
)
def test_the_first_that_exists_is_taken(there, rule, tmp_path):
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, by = find_labels(str(tmp_path / "images" / "a b.jpg"))
    assert rule in by
    assert found == (str(tmp_path / there[-1]) if there else "")


@pytest.fixture
def labels(tmp_path):
    """Writes labels and reads them, of 3 classes: the boxes, and the complaints without the file's name."""

    def read(text):
        path = tmp_path / "image 1.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        boxes, bad = read_labels(str(path), 3)
        assert all(line.startswith(f"{path}:") for line in bad)
        return boxes, [line.removeprefix(f"{path}:") for line in bad]

    return read


ONE = np.array([[0.25, 0.5, 0.125, 0.0625, 2]], np.float32)


@pytest.mark.parametrize(
    "text",
    ["2 .25 .5 .125 .0625\n", "2 .25 .5 .125 .0625", "\r\n2\t.25  .5 .125 .0625 \r\n\r\n",
     codecs.BOM_UTF8 + b"2 .25 .5 .125 6.25e-2"],
    ids=["plain", "no-newline", "crlf-blanks", "bom"],
)  # fmt: skip
def test_one_box(text, labels):
    boxes, bad = labels(text)
    np.testing.assert_array_equal(boxes, ONE)
    assert boxes.dtype == np.float32
    assert not bad


def test_no_box(labels):
    boxes, bad = labels("\n")
    assert (boxes.shape, bad) == ((0, 5), [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("3 .5 .5 .1 .1", "class 3: expected 0 to 2"),
        ("-1 .5 .5 .1 .1", "class -1: expected 0 to 2"),
        ("0 0 0 .1 .1", "x=0 y=0: expected a centre inside the image"),
        ("0 1.2 .5 .1 .1", "x=1.2 y=0.5: the box is outside the image; expected 0..1"),
        ("0 .5 -.06 .1 .1", "x=0.5 y=-0.06: the box is outside the image; expected 0..1"),
        ("0 .5 .5 0 .1", "width=0 height=0.1: expected a size above 0"),
        ("0 .5 .5 .1 -.1", "width=0.1 height=-0.1: expected a size above 0"),
        ("0 .5 .5 1e300 .1", "x=0.5 y=0.5 width=1e+300 height=0.1: expected finite numbers"),
        ("0 nan .5 .1 .1", "x=nan y=0.5 width=0.1 height=0.1: expected finite numbers"),
    ],
)
def test_a_bad_label_is_left_out(line, reason, labels):
    boxes, bad = labels(f"2 .25 .5 .125 .0625\n{line}\n2 .25 .5 .125 .0625\n")
    np.testing.assert_array_equal(boxes, np.repeat(ONE, 2, axis=0))
    assert bad == [f"2: {reason}; left out"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 1.02 .5 .1 .1", "x=1.02 y=0.5: the centre is outside the image; expected 0..1"),
        ("0 0 .5 .1 .1", "x=0 y=0.5: the centre is outside the image; expected 0..1"),
        ("0 .5 .5 1.5 .1", "width=1.5 height=0.1: expected at most 1"),
    ],
)
def test_an_odd_label_is_kept(line, reason, labels):
    boxes, bad = labels(f"\n{line}\n")
    np.testing.assert_array_equal(boxes[:, :4], np.array([line.split()[1:]], np.float32))
    assert bad == [f"2: {reason}; cut at the edges of the image"]


def test_a_box_at_the_edge_is_not_odd(labels):
    boxes, bad = labels("0 .95 .5 .2 .1\n0 .5 1 .1 .1\n0 .5 .5 1 1")
    assert (len(boxes), bad) == (3, [])


@pytest.mark.parametrize(
    "line", ["0 .5 .5 .1", "0 .5 .5 .1 .1 .9", "cat .5 .5 .1 .1", "0 .5 .5 .1 x", "0.0 .5 .5 .1 .1"]
)
def test_reading_stops_at_what_is_not_five_numbers(line, labels):
    boxes, bad = labels(f"2 .25 .5 .125 .0625\n{line}\n1 .5 .5 .1 .1\n")
    np.testing.assert_array_equal(boxes, ONE)
    assert bad == [f"2: expected 'class x y width height', five numbers, got {line!r}; the rest is not read"]


def test_labels_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="nothing"):
        read_labels(str(Path(tmp_path) / "nothing.txt"), 3)
