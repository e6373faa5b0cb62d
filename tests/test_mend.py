"""The cleaned copy of a data set: what it leaves out, what it keeps, and that it trains."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import runs
from darkparse.annotations.faults import find
from darkparse.annotations.mend import mend
from darkparse.annotations.survey import look
from darkparse.data import read_data, read_names
from darkparse.errors import DarkparseError, DataError
from darkparse.findings import is_bad
from planted import BOX, Planted


@pytest.fixture
def planted(tmp_path) -> Planted:
    (tmp_path / "set").mkdir()
    return Planted(tmp_path / "set")


def mended(planted: Planted, **options):
    return mend(look(read_data(planted.data)), planted.folder.parent / "clean", **options)


def labels(result, name: str) -> str:
    return (result.data.parent / "obj" / f"{name}.txt").read_text()


def images(result, split: str) -> list[str]:
    return [Path(line).stem for line in (result.data.parent / f"{split}.txt").read_text().split()]


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_sound_data_set_is_copied_as_it_is(planted) -> None:
    result = mended(planted)
    assert not result.done
    assert (images(result, "train"), images(result, "valid")) == (["t0", "t1", "t2", "t3"], ["v0", "v1"])
    assert labels(result, "t1") == "1 0.500000 0.500000 0.250000 0.250000\n"
    assert read_names(result.data.with_suffix(".names")) == ("dot", "dash")
    assert os.path.samefile(result.data.parent / "obj" / "t0.jpg", planted.image("t0"))
    assert list(find(read_data(result.data))) == []


@pytest.mark.parametrize(
    ("line", "kind", "kept"),
    [
        ("0 .5 .5 .25", "lines that are no box, left out", ""),
        ("0 inf .5 .2 .2", "lines that are no box, left out", ""),
        ("2 .5 .5 .2 .2", "boxes of classes that there are not, left out", ""),
        ("0 .5 .5 0 .2", "boxes without a size, left out", ""),
        ("0 2 .5 .2 .2", "boxes outside their image, left out", ""),
        ("0 .95 .5 .25 .25", "boxes that reached out of their image, cut at its edges", ".9125 .5 .175 .25"),
        ("0 .5 .5 2 2", "boxes that reached out of their image, cut at its edges", ".5 .5 1 1"),
        # what is inside: (1 - 1.12 + .125) * 64 = .32 px, and (1 - 1.105 + .125) * 64 = 1.28 px
        ("0 1.12 .5 .25 .25", "boxes outside their image, left out", ""),
        ("0 1.105 .5 .25 .25", "boxes that reached out of their image, cut at its edges", ".99 .5 .02 .25"),
        ("1 .7 .7 .1 .1", "boxes that were there already, left out", ""),
    ],
)
def test_what_becomes_of_a_line(planted, line, kind, kept) -> None:
    path = planted.label("t2", f"1 .7 .7 .1 .1\n{line}\n0 .3 .3 .2 .2\n")
    result = mended(planted)
    assert result.done == {kind: 1}
    rows = np.array(labels(result, "t2").split(), float).reshape(-1, 5)
    middle = [[0, *map(float, kept.split())]] if kept else []
    assert rows.tolist() == [[1, 0.7, 0.7, 0.1, 0.1], *middle, [0, 0.3, 0.3, 0.2, 0.2]]
    told = (result.data.parent / "bad.list").read_text()
    assert told.startswith(f"{path}:2: ")
    assert told.count("\n") == 1
    assert list(find(read_data(result.data))) == []


def test_boxes_that_are_alike_only_after_the_cut_are_kept_once(planted) -> None:
    planted.label("t2", "0 0 .5 .4 .4\n0 -.1 .5 .6 .4\n")  # both reach from 0 to .2
    result = mended(planted)
    assert labels(result, "t2") == "0 0.100000 0.500000 0.200000 0.400000\n"
    assert not is_bad(find(read_data(result.data)))


def test_images_that_cannot_be_used(planted) -> None:
    planted.image("t0").unlink()
    planted.image("v1").write_bytes(planted.image("v1").read_bytes()[:400])
    planted.labels("t2").unlink()
    result = mended(planted)
    assert (images(result, "train"), images(result, "valid")) == (["t1", "t2", "t3"], ["v0"])
    assert sorted(result.done.values()) == [1, 1, 1]
    assert labels(result, "t2") == ""
    assert not is_bad(find(read_data(result.data)))


@pytest.mark.parametrize("how", ["path", "link", "copy"])
def test_valid_keeps_what_is_in_both(planted, how) -> None:
    """A group of three in train is found whole, whichever of them is in valid."""
    shutil.copy(planted.image("t1"), planted.image("t4"))
    planted.label("t4", "0 .1 .1 .1 .1\n")
    planted.listing("train", "t0", "t1", "t2", "t3", "t4")
    if how == "path":
        planted.listing("valid", "v0", "t1")
    else:
        (shutil.copy if how == "copy" else os.symlink)(planted.image("t1"), planted.image("v2"))
        planted.label("v2", BOX)
        planted.listing("valid", "v0", "v2")
    result = mended(planted)
    assert images(result, "train") == ["t0", "t2", "t3"]
    assert images(result, "valid") == ["v0", "t1" if how == "path" else "v2"]
    assert result.done == {"images left out of train, as they are in valid": 2}
    assert not is_bad(find(read_data(result.data)))


def test_copies_with_other_labels_are_both_kept(planted) -> None:
    for name, text in (("t4", planted.labels("t1").read_text()), ("t5", "0 .1 .1 .1 .1\n")):
        shutil.copy(planted.image("t1"), planted.image(name))
        planted.label(name, text)
    planted.listing("train", "t0", "t1", "t2", "t4", "t5", "t0")
    result = mended(planted)
    assert images(result, "train") == ["t0", "t1", "t2", "t5"]
    assert result.done == {"images that come twice, left out once": 2}


def test_valid_that_is_train_is_left_out(planted) -> None:
    planted.write("a.data", planted.data.read_text().replace("valid.txt", "train.txt"))
    result = mended(planted)
    assert "valid" not in read_data(result.data).values
    assert result.done == {"valid= left out": 1}


def test_the_number_of_classes_that_is_given_counts(planted) -> None:
    planted.label("t2", "2 .5 .5 .25 .25\n")
    result = mended(planted, classes=3)
    assert labels(result, "t2").startswith("2 ")
    assert read_names(result.data.with_suffix(".names")) == ("dot", "dash", "class_2")
    assert read_data(result.data).values["classes"] == "3"


def test_without_names_there_are_as_many_classes_as_the_labels_need(planted) -> None:
    planted.write("a.data", f"train = {planted.folder}/train.txt\n")
    assert read_names(mended(planted).data.with_suffix(".names")) == ("class_0", "class_1")


def test_the_original_is_not_touched_and_the_copy_can_be_made_again(planted) -> None:
    planted.label("t2", "9 .5 .5 .25 .25\n")
    before = state(planted.folder)
    first = state(mended(planted).data.parent)
    assert state(mended(planted).data.parent) == first
    assert state(planted.folder) == before


def test_copies_in_place_of_links(planted) -> None:
    copy = mended(planted, copy=True).data.parent / "obj" / "t0.jpg"
    assert not copy.is_symlink()
    assert not os.path.samefile(copy, planted.image("t0"))
    assert copy.read_bytes() == planted.image("t0").read_bytes()


def test_nothing_left_to_train_on(planted) -> None:
    planted.listing("valid", "t0", "t1", "t2", "t3")
    with pytest.raises(DataError, match="no image with a box would be left"):
        mended(planted)


def test_a_folder_with_something_else_is_refused(planted) -> None:
    survey = look(read_data(planted.data))
    before = state(planted.folder)
    with pytest.raises(DarkparseError, match="not empty"):
        mend(survey, planted.folder)
    assert state(planted.folder) == before


def test_the_copy_trains(planted, tmp_path) -> None:
    from darkparse.training.records import Row
    from darkparse.training.train import train

    data, cfg = runs.write(tmp_path / "run", max_batches=5)
    (tmp_path / "run" / "0.png").unlink()
    (tmp_path / "run" / "1.txt").write_text("7 .5 .5 .2 .2\nnonsense\n0 .5 .5 .3 .3\n")
    result = mend(look(read_data(data)), tmp_path / "clean", classes=2)
    events = list(train(result.data, cfg, backup=tmp_path / "b", seed=1, device="cpu", workers=0))
    assert len([event for event in events if isinstance(event, Row)]) == 5
    assert not list((tmp_path / "b").glob("bad*.list"))


def test_keys_that_are_not_taken_along_are_told_of(planted) -> None:
    """Their paths are seen from another folder; `names`, `backup` and the lists are written anew."""
    assert not any("without" in note for note in mended(planted).notes)
    with planted.data.open("a") as file:
        file.write("eval = coco\nbackup = old\nresults = r\n")
    result = mended(planted)
    assert f"{result.data}: without eval=, results= of {planted.data}" in result.notes
    assert not {"eval", "results"} & set(read_data(result.data).values)


@pytest.mark.parametrize(
    ("classes", "note"),
    [(2, ""), (1, "left out, as there are 1 classes: dash"), (4, "made up, as there are 4 classes: class_2, class_3")],
)
def test_other_names_than_before_are_told_of(planted, classes, note) -> None:
    result = mended(planted, classes=classes)
    assert [line for line in result.notes if "classes: " in line] == (
        [f"{result.data.parent}/clean.names: {note}"] if note else []
    )
