"""`darkparse train` for classifiers: the classes are in the paths of the images."""

import csv

import cv2
import numpy as np
import pytest

from darkparse.errors import DarkparseError
from darkparse.training.records import Row
from darkparse.training.train import train

CFG = """[net]
batch=16
subdivisions=2
width={size}
height={size}
channels=3
max_crop=32
min_crop=24
learning_rate=.05
policy=poly
power=2
max_batches={max_batches}

[convolutional]
batch_normalize=1
filters=6
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=3
size=1
activation=linear

{pool}

[softmax]
"""
COLOURS = {"red": (40, 40, 220), "green": (40, 220, 40), "blue": (220, 40, 40)}  # BGR


def write(folder, *, max_batches=120, data="", pool="[avgpool]"):
    """Squares in three colours on noise, 8 of each to train on and 4 to evaluate with; DATA and CFG."""
    rng = np.random.default_rng(5)
    for part, count in (("train", 8), ("valid", 4)):
        paths = []
        for name, colour in COLOURS.items():
            for number in range(count):
                image = rng.integers(0, 90, (30, 40, 3), np.uint8)
                y, x = rng.integers(2, 8, 2)
                image[y : y + 20, x : x + 28] = colour
                path = folder / part / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
                paths.append(f"{part}/{name}/{number}.png")
        (folder / f"{part}.list").write_text("\n".join(paths) + "\n")
    (folder / "colours.list").write_text("\n".join(COLOURS) + "\n")
    lines = ["train=train.list", "valid=valid.list", "labels=colours.list", data]
    (folder / "c.data").write_text("\n".join(lines) + "\n")
    (folder / "c.cfg").write_text(CFG.format(max_batches=max_batches, size=24, pool=pool))
    return folder / "c.data", folder / "c.cfg"


def rows(arguments, backup, **options):
    events = train(*arguments, backup=backup, seed=3, device="cpu", workers=0, **options)
    return [event for event in events if isinstance(event, Row)]


def test_it_learns_and_says_how_often_it_is_right(tmp_path):
    done = rows(write(tmp_path, data="top=2"), tmp_path / "b", map=True)
    assert [row.iteration for row in done if row.is_evaluated] == [100, 120]  # the least between two, and the end
    assert done[-1].accuracy == done[-1].terms["top2"] == 1  # chance is 1/3
    assert done[-1].mAP is None
    with open(tmp_path / "b" / "results.csv", encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["mAP"], last["accuracy"], last["top2"]) == ("", "1.0", "1.0")


def test_the_best_weights_are_those_with_most_right_first_guesses(tmp_path, monkeypatch):
    values = iter([(0.5, 1.0), (0.75, 0.9), (0.5, 1.0)])
    monkeypatch.setattr("darkparse.training.train.accuracy", lambda *_, **__: next(values))
    monkeypatch.setattr("darkparse.training.train.LEAST_BETWEEN", 3)
    rows(write(tmp_path, max_batches=9), tmp_path / "b", map=True)
    assert (tmp_path / "b" / "c_best.weights").read_bytes()[12:20] == (6 * 16).to_bytes(8, "little")  # images seen


def test_top_is_at_most_the_number_of_classes(tmp_path):
    done = rows(write(tmp_path, max_batches=1), tmp_path / "b", map=True)  # top=5 by default, of 3 classes
    assert done[-1].terms["top3"] == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"data": "top=some"}, "c.data: top: expected a number above 0, got 'some'"),
        ({"pool": ""}, "no classifier: its last layer gives .* expected 1x1"),
    ],
)
def test_what_is_no_classifier_is_refused(tmp_path, options, expected):
    with pytest.raises(DarkparseError, match=expected):
        rows(write(tmp_path, **options), tmp_path / "b", map=True)
    assert not (tmp_path / "b").exists()
