"""Labelled images to evaluate on, as a .data file names them."""

import numpy as np
import pytest

from darkparse.data import read_data
from darkparse.errors import DataError
from darkparse.evaluation.samples import Labelled, labelled, validation_images
from discs import SCENES, make


@pytest.fixture
def data(tmp_path):
    return read_data(make(tmp_path))


def test_images_and_their_objects(data, tmp_path):
    found = labelled(data, 3)
    samples = list(found)
    assert len(found) == len(samples) == len(SCENES)
    assert [sample.path for sample in samples] == [str(tmp_path / f"disc_{i + 11}.png") for i in range(len(SCENES))]
    assert [len(sample.boxes) for sample in samples] == [2, 1, 3, 2, 0, 1]
    assert samples[1].boxes.tolist() == [pytest.approx([0.5, 0.5, 0.1, 32 / 240, 2], abs=1e-6)]
    assert not any(len(sample.difficult) for sample in samples)
    assert list(found.notes) == [f"{tmp_path / 'list.txt'}: 6 images", "labels of 6 images found beside the images"]


def test_train_counts_where_there_is_no_valid(data, tmp_path):
    data.values["train"] = data.values.pop("valid")
    assert len(labelled(data, 3)) == 6
    (tmp_path / "one.txt").write_text("disc_12.png\n")
    assert len(labelled(data, 3, tmp_path / "one.txt")) == 1


def test_labels_that_cannot_be_used_are_told_of(data, tmp_path):
    (tmp_path / "disc_12.txt").write_text("7 .5 .5 .1 .1\n0 .5 .5 0 .1\n0 .9 .9 1.5 .1\n" + "3 .5 .5 .1 .1\n" * 6)
    (tmp_path / "disc_13.txt").unlink()
    found = labelled(data, 3)
    assert [len(sample.boxes) for sample in found][:3] == [2, 1, 0]  # the one that reaches far outside stays, uncut
    missing, *rest = found.notes[2:]
    assert missing == f"1 images have no file of labels, so no objects; the first is {tmp_path / 'disc_13.png'}"
    assert rest[:2] == [
        f"{tmp_path / 'disc_12.txt'}:1: class 7: expected 0 to 2; left out",
        f"{tmp_path / 'disc_12.txt'}:2: width=0 height=0.1: expected a size above 0; left out",
    ]
    assert (len(rest), rest[-1]) == (6, "and 3 more like these")


def test_difficult_objects_are_of_the_same_line(data, tmp_path):
    names = [f"{tmp_path}/hard_{number}.png" for number in range(6)]
    (tmp_path / "hard.txt").write_text("\n".join(names))
    (tmp_path / "hard_3.txt").write_text("1 .5 .5 .1 .1\n")
    data.values["difficult"] = "hard.txt"
    assert [len(sample.difficult) for sample in labelled(data, 3)] == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"valid": "gone.txt"}, "valid: no file 'gone.txt'"),
        ({"valid": "empty.txt"}, "expected the path of an image"),
        ({"valid": "bare.txt"}, "no image has labels; for the first of 1, expected one of .*bare.txt"),
        ({"valid": "wrong.txt"}, "no label of 1 images is usable; .*class 9: expected 0 to 2"),
        ({"difficult": "bare.txt"}, "difficult: 1 images; expected 6"),
    ],
    ids=["gone", "empty", "no-labels", "no-usable-label", "difficult"],
)
def test_lists_that_do_not_do(values, message, data, tmp_path):
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "bare.txt").write_text(str(tmp_path / "b" / "bare.png"))
    (tmp_path / "wrong.txt").write_text(str(tmp_path / "off.png"))
    (tmp_path / "off.txt").write_text("9 .5 .5 .1 .1\n")
    data.values.update(values)
    with pytest.raises(DataError, match=message):
        labelled(data, 3)


def test_a_list_that_is_not_there(data):
    with pytest.raises(DataError, match=r"none.txt: no such file"):
        validation_images(data, "none.txt")


def test_a_folder_in_place_of_a_list(data, tmp_path):
    assert len(labelled(data, 3, tmp_path)) == 6


def test_no_image_has_objects_of_others():
    rows = np.arange(15, dtype=np.float32).reshape(3, 5)
    found = Labelled(["a", "b", "c"], rows, np.array([1, 1, 3]))
    assert [sample.boxes[:, 0].tolist() for sample in found] == [[0], [], [5, 10]]
