"""Images divided into those to train on and those to evaluate on."""

import os
import random
import shutil

import numpy as np
import pytest

from conftest import SHARED
from darkparse.annotations import Annotations, Picture, darknet, voc
from darkparse.annotations.repeats import contents as same_contents
from darkparse.annotations.split import divide, divided, split
from darkparse.data import read_data
from darkparse.errors import DarkparseError, DataError
from labelled import contents, stems, write_image

BCCD = SHARED / "datasets" / "bccd"
needs_bccd = pytest.mark.skipif(not BCCD.is_dir(), reason=f"no {BCCD}; set DARKPARSE_SHARED")


def picture(path, *labels):
    return Picture(str(path), 200, 100, np.array([[0.5, 0.5, 0.1, 0.1, label] for label in labels]).reshape(-1, 5))


def with_label(pictures, label):
    return {one.path for one in pictures if label in one.boxes[:, 4]}


def many(counts, prefix="no-such-folder"):
    """Images of one class each, as many of each class as `counts` says; and as many without objects as it ends with."""
    *of_class, empty = counts
    labels = [(label,) for label, count in enumerate(of_class) for _ in range(count)] + [()] * empty
    return [picture(f"{prefix}/{number:04}.jpg", *some) for number, some in enumerate(labels)]


SHARES = {  # images of each class, and without; the fraction; of each so many, rounded, but 1 to all but 1
    "even": ((100, 50, 0), 0.2, [20, 10]),
    "rare": ((100, 3, 2, 0), 0.2, [20, 1, 1]),
    "alone": ((10, 1, 0), 0.2, [2, 0]),
    "most": ((4, 4, 0), 0.9, [3, 3]),
    "empty": ((10, 30), 0.1, [1]),
}


@pytest.mark.parametrize("case", SHARES)
def test_each_class_has_its_share(case):
    counts, fraction, expected = SHARES[case]
    pictures = many(counts)
    train, valid = divide(pictures, fraction, 1)
    assert sorted(stems(train) + stems(valid)) == stems(pictures)
    assert [len(with_label(valid, label)) for label in range(len(counts) - 1)] == expected
    empty = sum(not len(one.boxes) for one in valid)
    assert empty == max(0, round(fraction * sum(counts)) - sum(expected)) if counts[-1] else empty == 0


def test_images_with_several_classes_count_for_all():
    """The rare class is drawn first, and what it draws counts for the common one."""
    pictures = [picture(f"no/{n:03}.jpg", *([0, 1] if n < 10 else [0])) for n in range(100)]
    _, valid = divide(pictures, 0.2, 1)
    assert (len(with_label(valid, 1)), len(valid)) == (2, 20)


def test_the_order_and_the_folder_do_not_count_but_the_seed_does():
    pictures = many((40, 30, 10, 20))
    _, valid = divide(pictures, 0.25, 7)
    mixed = random.Random(1).sample(pictures, len(pictures))
    other_train, other_valid = divide(mixed, 0.25, 7)
    assert sorted(stems(other_valid)) == sorted(stems(valid))
    assert [one for one in mixed if one in other_train] == other_train  # each side keeps the order
    moved = many((40, 30, 10, 20), "else/where")
    assert stems(divide(moved, 0.25, 7)[1]) == stems(valid)
    drawn = {tuple(stems(divide(pictures, 0.25, seed)[1])) for seed in range(10)}
    assert len(drawn) == 10


def test_every_image_is_drawn_as_often():
    """Of 40 images 10 each time: 250 of 1000 on average, with a standard deviation of sqrt(1000 / 4 * 3 / 4) = 13.7."""
    pictures = many((40, 0))
    drawn = [stem for seed in range(1000) for stem in stems(divide(pictures, 0.25, seed)[1])]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 40
    assert counts.min() > 250 - 5 * 13.7
    assert counts.max() < 250 + 5 * 13.7


def test_files_of_the_same_content_stay_together(tmp_path):
    pictures = []
    for number in range(12):
        path = write_image(tmp_path / f"{number}.jpg", seed=number)
        shutil.copy(path, tmp_path / f"copy of {number}.jpg")
        os.symlink(path, tmp_path / f"link to {number}.jpg")
        pictures += [picture(tmp_path / f"{name}{number}.jpg", 0) for name in ("", "copy of ", "link to ")]
    for seed in range(5):
        train, valid = divide(pictures, 0.25, seed)
        assert len(valid) == 9  # 3 of 12 images, each three times
        assert not {stem.split()[-1] for stem in stems(train)} & {stem.split()[-1] for stem in stems(valid)}


def test_files_are_the_same_only_if_all_their_bytes_are(tmp_path):
    files = {"a": b"x" * 9000, "b": b"x" * 9000, "c": b"x" * 8999 + b"y", "d": b"y" + b"x" * 8999, "e": b"x", "f": b""}
    paths = {}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        paths[name] = str(tmp_path / name)
    keys = same_contents([*paths.values(), str(tmp_path / "gone"), str(tmp_path / "gone too")])
    assert keys[paths["a"]] == keys[paths["b"]]
    assert len(set(keys.values())) == len(keys) - 1


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 2, float("nan")])
def test_fractions_that_cannot_be(fraction):
    with pytest.raises(DataError, match="expected more than 0 and less than 1"):
        divide(many((4, 0)), fraction, 1)


def test_one_image_cannot_be_divided(tmp_path):
    path = write_image(tmp_path / "a.jpg")
    shutil.copy(path, tmp_path / "b.jpg")
    for pictures in ([], [picture(path, 0)], [picture(path, 0), picture(tmp_path / "b.jpg", 0)]):
        with pytest.raises(DataError, match="different images: expected two or more"):
            divide(pictures, 0.2, 1)


def test_classes_on_one_side_are_told():
    notes = divided(Annotations(("cat", "dog", "eel"), {"train": many((10, 1, 0))}), 0.2, 1).notes
    assert notes == ("valid: 2 of 11 images, drawn by seed 1", "class dog is in train only: 1 image")


@pytest.fixture
def data(tmp_path):
    """A data set of a user's: 20 images of a common class, 3 of them of a rare one, too, and one to evaluate on."""
    folder = tmp_path / "my set"
    for number in range(21):
        write_image(folder / f"{number:02}.jpg", seed=number)
        rare = "1 .2 .2 .1 .1\n" if number in {3, 9, 15} else ""
        (folder / f"{number:02}.txt").write_text(f"0 .5 .5 .2 .2\n{rare}")
    (folder / "train.txt").write_text("".join(f"{number:02}.jpg\n" for number in range(20)))
    (folder / "test.txt").write_text("20.jpg\n")
    (folder / "own.names").write_text("cat\ndog\n")
    values = "classes = 2\ntrain = train.txt\nvalid = test.txt\nnames = own.names\nsavelast = 50\n"
    (folder / "own.data").write_text(f"# mine\n{values}")
    return folder / "own.data"


def test_a_data_file_is_divided_beside_it(data, tmp_path):
    before = contents(data.parent)
    new, found = split(data, valid=0.25)
    assert new == data.parent / "own-split.data"
    after = contents(data.parent)
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["own-split-train.txt", "own-split-valid.txt", "own-split.data"]
    written = read_data(new)
    assert written.values == {
        "classes": "2",
        "train": f"{data.parent}/own-split-train.txt",
        "valid": f"{data.parent}/own-split-valid.txt",
        "names": "own.names",
        "savelast": "50",
        "test": "test.txt",
    }
    read = darknet.read(written)
    assert (len(read.pictures["train"]), len(read.pictures["valid"])) == (15, 5)
    assert len(with_label(read.pictures["valid"], 1)) == 1
    assert stems(read.pictures["valid"]) == stems(found.pictures["valid"])
    lines = after["own-split-train.txt"].decode().splitlines()
    assert lines == sorted(lines)  # in the order of the list
    assert all(os.path.isabs(line) for line in lines)


def test_the_order_of_the_list_does_not_count(data):
    split(data)
    valid = (data.parent / "own-split-valid.txt").read_text()
    lines = (data.parent / "train.txt").read_text().splitlines()
    (data.parent / "train.txt").write_text("\n".join([*random.Random(3).sample(lines, 20), lines[0]]))
    split(data, overwrite=True)
    assert sorted((data.parent / "own-split-valid.txt").read_text().split()) == sorted(valid.split())


def test_train_and_valid_are_divided_together(data):
    new, found = split(data, valid=0.5, seed=4, together=True, name="both")
    assert new.name == "both.data"
    assert sorted(stems(found.pictures["train"] + found.pictures["valid"])) == [f"{n:02}" for n in range(21)]
    assert "test" not in read_data(new).values
    assert len((data.parent / "both-valid.txt").read_text().splitlines()) in {10, 11}


def test_nothing_is_written_over_unless_it_is_said(data):
    split(data, seed=1)
    before = contents(data.parent)
    with pytest.raises(DarkparseError, match=r"own-split.data: is there already; not overwritten without --overwrite"):
        split(data, seed=2)
    assert contents(data.parent) == before
    split(data, seed=2, overwrite=True)
    assert contents(data.parent)["own-split-valid.txt"] != before["own-split-valid.txt"]
    with pytest.raises(DarkparseError, match=r"own.data: is one of the inputs; not overwritten"):
        split(data, name="own", overwrite=True)


def test_where_darknet_will_not_look_is_told(data, tmp_path):
    (data.parent / "labels").mkdir()
    os.rename(data.parent, tmp_path / "images")
    for path in (tmp_path / "images").glob("[0-9]*.txt"):
        (tmp_path / "labels").mkdir(exist_ok=True)
        os.rename(path, tmp_path / "labels" / path.name)
    _, found = split(tmp_path / "images" / "own.data")
    (note,) = [note for note in found.notes if "Darknet" in note]
    assert note.startswith("labels of 20 images are not where AlexeyAB's Darknet looks for them: ")
    assert note.endswith("/images/00.txt")


@needs_bccd
def test_bccd():
    """Of 364 images 201 have platelets, 349 red cells, 358 white ones: a fifth is 40, 70 and 72."""
    found = voc.read([BCCD], valid=0.2, seed=1)
    train, valid = found.pictures["train"], found.pictures["valid"]
    counts = [(len(with_label(train, label)), len(with_label(valid, label))) for label in range(3)]
    assert [sum(pair) for pair in counts] == [201, 349, 358]
    assert [pair[1] for pair in counts][:2] == [40, 70]
    assert 72 <= counts[2][1] <= len(valid) <= 75  # those of the others may hold more
    assert not {one.path for one in train} & {one.path for one in valid}


@pytest.mark.parametrize("name", ["a/b", "/a", "..", "."])
def test_the_new_files_are_beside_the_old(data, name):
    with pytest.raises(DarkparseError, match="expected the name of a file without a folder"):
        split(data, name=name)
