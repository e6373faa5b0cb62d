"""Darknet's own layout: what is written, that it is found again, and that nothing of the user's is lost."""

import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from darkparse.annotations import Annotations, Picture, darknet
from darkparse.annotations.image_folder import file_names, unseen
from darkparse.data import read_data, read_names
from darkparse.dataset.index import index_boxes, listed
from darkparse.errors import DarkparseError, DataError
from labelled import contents, stems, write_image

BOXES = np.array([[0.2, 0.3, 0.2, 0.4, 1], [0.5, 0.5, 1, 1, 0]])


@pytest.fixture
def source(tmp_path):
    """Images of a user's, with the annotations of two to train on and one to evaluate on."""
    paths = [write_image(tmp_path / "my photos" / name) for name in ("a.jpg", "é b.PNG", "c.jpeg")]
    pictures = [Picture(str(path), 200, 100, BOXES[: 2 - number]) for number, path in enumerate(paths)]
    return Annotations(("cat", "red dog"), {"train": pictures[:2], "valid": pictures[2:]}, bad=("x.xml:7: why",))


def copy_of(source):
    return contents(os.path.dirname(source.pictures["train"][0].path))


def test_what_is_written(source, tmp_path):
    before = copy_of(source)
    written = darknet.write(source, tmp_path / "out")
    out = tmp_path / "out"
    assert written.data == out / "out.data"
    assert (out / "out.names").read_text() == "cat\nred dog\n"
    assert (out / "train.txt").read_text() == f"{out}/obj/a.jpg\n{out}/obj/é b.png\n"
    assert (out / "valid.txt").read_text() == f"{out}/obj/c.jpg\n"
    assert (out / "obj/a.txt").read_text() == (
        "1 0.200000 0.300000 0.200000 0.400000\n0 0.500000 0.500000 1.000000 1.000000\n"
    )
    assert (out / "obj/c.txt").read_text() == ""
    assert (out / "bad.list").read_text() == "x.xml:7: why\n"
    assert read_data(written.data).values == {
        "classes": "2",
        "train": f"{out}/train.txt",
        "valid": f"{out}/valid.txt",
        "names": f"{out}/out.names",
        "backup": f"{out}/backup",
    }
    assert os.readlink(out / "obj/c.jpg") == f"{tmp_path}/my photos/c.jpeg"
    assert copy_of(source) == before


def test_it_is_read_again_wherever_one_is(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    darknet.write(source, "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = darknet.read(read_data("../out/out.data"))
    assert found.names == source.names
    assert [stems(found.pictures[split]) for split in ("train", "valid")] == [["a", "é b"], ["c"]]
    for split, pictures in source.pictures.items():
        for one, other in zip(pictures, found.pictures[split], strict=True):
            assert np.array_equal(one.boxes, other.boxes)
            assert (one.width, one.height) == (other.width, other.height)


def test_training_finds_it(source, tmp_path):
    data = read_data(darknet.write(source, tmp_path / "out").data)
    images, _ = listed(data)
    index = index_boxes(images, 3, 2)
    assert index.reports == ["labels of 2 images found beside the images"]
    assert index.boxes.tolist() == [pytest.approx(row) for row in [*BOXES.tolist(), BOXES[0].tolist()]]
    assert read_names(data.path("names")) == ("cat", "red dog")
    assert (tmp_path / "out/backup").is_dir()


def test_copies(source, tmp_path):
    darknet.write(source, tmp_path / "out", copy=True, name="mine")
    shutil.rmtree(tmp_path / "my photos")
    found = darknet.read(read_data(tmp_path / "out/mine.data"))
    assert len(found.pictures["train"]) == 2
    assert not any(path.is_symlink() for path in (tmp_path / "out/obj").iterdir())
    assert cv2.imread(str(tmp_path / "out/obj/a.jpg")).shape == (100, 200, 3)


def test_images_of_the_same_name_stay_apart(tmp_path):
    names = ["one/a.jpg", "two/a.jpg", "two/A.png", "two/a-2.jpg", "two/b.jpg"]
    pictures = [
        Picture(str(write_image(tmp_path / name)), 200, 100, BOXES[:1] * [1, 1, 1, 1, n])
        for n, name in enumerate(names)
    ]
    written = darknet.write(Annotations(tuple("vwxyz"), {"train": pictures}), tmp_path / "out")
    lines = (tmp_path / "out/train.txt").read_text().split()
    assert [os.path.basename(line) for line in lines] == ["a.jpg", "a-2.jpg", "A-3.png", "a-2-2.jpg", "b.jpg"]
    for number, (line, name) in enumerate(zip(lines, names, strict=True)):
        assert os.path.samefile(line, tmp_path / name)
        assert Path(line).with_suffix(".txt").read_text().startswith(f"{number} ")
    assert written.notes[0].startswith("images named anew, as others have their names: 3: ")
    assert f"{tmp_path}/two/a.jpg is obj/a-2.jpg" in written.notes[0]


NAMES = {  # of an image, of its link
    "jpeg": ("a.JPEG", "a.jpg"),
    "tif": ("a.tif", "a.tiff"),
    "capitals": ("A b.Jpg", "A b.jpg"),
    "newline": ("a\nb.jpg", "a_b.jpg"),
    "blanks": (" a .jpg", "a .jpg"),
    "no-text": ("a\udcff.jpg", "a_.jpg"),
    "two-dots": ("a.v1.jpg", "a.v1.jpg"),
}


@pytest.mark.parametrize("case", NAMES)
def test_names_that_a_list_and_darknet_can_have(case):
    name, expected = NAMES[case]
    assert file_names([f"/some/{name}"]) == {f"/some/{name}": expected}


PLACES = {  # of an image; where the two look, as their C code has it: src/utils.c, src/data.c
    "beside": ("/d/obj/a.jpg", "/d/obj/a.txt", "/d/obj/a.txt"),
    "voc": ("/d/JPEGImages/a.jpg", "/d/labels/a.txt", "/d/labels/a.txt"),
    "coco": ("/d/images/train2017/a.jpg", "/d/labels/train2017/a.txt", "/d/labels/train2017/a.txt"),
    "images": ("/d/images/a.jpg", "/d/images/a.txt", "/d/labels/a.txt"),
    "raw": ("/draw/a.jpg", "/draw/a.txt", "/dlabels/a.txt"),
    "in-the-name": ("/d/images_1.png", "/d/images_1.txt", "/d/labels_1.txt"),
    "jpeg": ("/d/a.jpeg", "/d/a.txt", "/d/a.jpeg"),
    "webp": ("/d/a.webp", "/d/a.webp", "/d/a.webp"),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_the_darknets_look_for_labels(case):
    image, alexeyab, pjreddie = PLACES[case]
    told = list(unseen(image, "/elsewhere.txt"))
    assert told == [f"AlexeyAB's Darknet looks for them: {alexeyab}", f"pjreddie's Darknet looks for them: {pjreddie}"]
    assert list(unseen(image, alexeyab)) == ([] if alexeyab == pjreddie else told[1:])


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("plain", []),
        ("my raws", ["pjreddie's Darknet looks for them: ", "Darknet drops blanks from the paths of a .data file"]),
        ("JPEGImages/out", ["AlexeyAB's Darknet looks for them: ", "pjreddie's Darknet looks for them: "]),
    ],
)
def test_folders_where_darknet_will_not_find_it_are_told(source, tmp_path, folder, told):
    notes = darknet.write(source, tmp_path / folder).notes
    assert len(notes) == len(told)
    assert all(words in note for note, words in zip(notes, told, strict=True))


def test_hard_links_where_there_are_no_symbolic_ones(source, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("os.symlink", refuse)
    written = darknet.write(source, tmp_path / "out")
    assert written.notes == ("hard links to the images, as no symbolic links can be made here",)
    assert not (tmp_path / "out/obj/a.jpg").is_symlink()
    assert os.path.samefile(tmp_path / "out/obj/a.jpg", tmp_path / "my photos/a.jpg")
    monkeypatch.setattr("os.link", refuse)
    with pytest.raises(DarkparseError, match=r"a.jpg: no link to .* can be made .*; --copy copies it"):
        darknet.write(source, tmp_path / "other")
    assert "train" not in read_data(tmp_path / "other/other.data").values
    darknet.write(source, tmp_path / "out", copy=True)
    assert not os.path.samefile(tmp_path / "out/obj/a.jpg", tmp_path / "my photos/a.jpg")
    darknet.write(source, tmp_path / "other", copy=True)
    assert "train" in read_data(tmp_path / "other/other.data").values


def test_a_folder_of_something_else_is_left_alone(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years")
    with pytest.raises(DarkparseError, match=r"not empty, and not written by this command as out.data"):
        darknet.write(source, tmp_path / "out")
    assert contents(tmp_path / "out") == {"thesis.txt": b"years"}
    with pytest.raises(DarkparseError, match=r"out/thesis.txt: Not a directory"):
        darknet.write(source, tmp_path / "out/thesis.txt")


@pytest.mark.parametrize(
    ("folder", "name", "classes", "said"),
    [
        ("two\nlines", "", ("cat",), "a line of text"),
        ("out", "", ("c\udc80at", "dog"), "a line of text"),
        ("out", "sub/name", ("cat", "dog"), "without a folder"),
    ],
    ids=["folder", "class", "name"],
)
def test_names_that_cannot_be_written(source, tmp_path, folder, name, classes, said):
    with pytest.raises(DarkparseError, match=said):
        darknet.write(Annotations(classes, source.pictures), tmp_path / folder, name=name)
    assert not (tmp_path / folder).exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such files")
def test_files_whose_names_are_no_text(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    with open(path, "wb") as file:
        file.write(write_image(tmp_path / "a.jpg").read_bytes())
    annotations = Annotations(("cat",), {"train": [Picture(path, 200, 100, BOXES[1:])]}, bad=(f"{path}: why",))
    darknet.write(annotations, tmp_path / "out")
    (found,) = darknet.read(read_data(tmp_path / "out/out.data")).pictures["train"]
    assert os.path.basename(found.path) == "caf_.jpg"
    assert (tmp_path / "out/bad.list").read_text().endswith("caf?.jpg: why\n")


def test_its_own_folder_is_written_anew_but_not_over_labels_that_were_changed(source, tmp_path):
    out = tmp_path / "out"
    darknet.write(source, out)
    fewer = Annotations(("dog", "cat"), {"train": source.pictures["train"][:1]})
    darknet.write(fewer, out)
    assert (out / "train.txt").read_text() == f"{out}/obj/a.jpg\n"
    assert (out / "out.names").read_text() == "dog\ncat\n"
    assert "valid" not in read_data(out / "out.data").values
    (out / "obj/a.txt").write_text("1 .5 .5 .1 .1\n")  # as a user's correction
    before = contents(out)
    with pytest.raises(DarkparseError, match="labels were changed since they were written; --overwrite"):
        darknet.write(source, out)
    assert contents(out) == before
    darknet.write(source, out, overwrite=True)
    assert (out / "obj/a.txt").read_text().startswith("1 0.200000 ")


def test_links_are_replaced_never_written_through(source, tmp_path):
    before = copy_of(source)
    darknet.write(source, tmp_path / "out")
    darknet.write(source, tmp_path / "out", copy=True)
    assert not (tmp_path / "out/obj/a.jpg").is_symlink()
    darknet.write(source, tmp_path / "out")
    other = write_image(tmp_path / "others/a.jpg", seed=1)
    darknet.write(
        Annotations(source.names, {"train": [Picture(str(other), 200, 100, BOXES)]}), tmp_path / "out", copy=True
    )
    assert (tmp_path / "out/obj/a.jpg").read_bytes() == other.read_bytes()
    assert copy_of(source) == before


def test_a_copy_that_was_changed_is_not_written_over(source, tmp_path):
    darknet.write(source, tmp_path / "out", copy=True)
    write_image(tmp_path / "out/obj/a.jpg", seed=5)
    with pytest.raises(DarkparseError, match=r"a.jpg: differs from .*; --overwrite writes it anew"):
        darknet.write(source, tmp_path / "out", copy=True)
    darknet.write(source, tmp_path / "out", copy=True, overwrite=True)
    assert (tmp_path / "out/obj/a.jpg").read_bytes() == (tmp_path / "my photos/a.jpg").read_bytes()


def test_images_that_are_in_the_folder_itself_stay(source, tmp_path):
    darknet.write(source, tmp_path / "out", copy=True)
    own = darknet.read(read_data(tmp_path / "out/out.data"))
    before = contents(tmp_path / "out/obj")
    for copy in (False, True):
        darknet.write(own, tmp_path / "out", copy=copy)
        assert contents(tmp_path / "out/obj") == before
    swapped = [write_image(tmp_path / "others/a.jpg", seed=1), tmp_path / "out/obj/a.jpg"]
    pictures = [Picture(str(path), 200, 100, BOXES) for path in swapped]
    with pytest.raises(DarkparseError, match=r"obj/a.jpg: is one of the images, and would become "):
        darknet.write(Annotations(source.names, {"train": pictures}), tmp_path / "out", overwrite=True)
    assert contents(tmp_path / "out/obj") == before


def test_what_was_interrupted_does_not_claim_to_be_complete(source, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def put(path, *_):
        if path.endswith("c.jpeg"):
            raise Killed

    darknet.write(source, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(darknet, "put", put)
        with pytest.raises(Killed):
            darknet.write(source, tmp_path / "out")
    with pytest.raises(DataError, match="train: missing"):
        listed(read_data(tmp_path / "out/out.data"))
    darknet.write(source, tmp_path / "out")
    assert len(darknet.read(read_data(tmp_path / "out/out.data")).pictures["train"]) == 2


def layout(folder, labels, **values):
    """A data set of a user's own: an image for each text of labels."""
    for name, text in labels.items():
        write_image(folder / f"{name}.jpg")
        if text is not None:
            (folder / f"{name}.txt").write_text(text)
    (folder / "train.txt").write_text("".join(f"{name}.jpg\n" for name in labels))
    (folder / "own.names").write_text("cat\ndog\n")
    lines = {"train": "train.txt", "names": "own.names", **values}
    (folder / "own.data").write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value))
    return read_data(folder / "own.data")


def test_what_training_could_not_use_is_left_out_and_said(tmp_path):
    data = layout(tmp_path, {"a": "1 .2 .3 .2 .4\n7 .5 .5 .1 .1\n0 .5 .5 0 .1\n", "b": None, "c": "x", "d": ""})
    (tmp_path / "c.jpg").write_text("none")
    with open(tmp_path / "train.txt", "a") as file:
        file.write("a.jpg\n")
    found = darknet.read(data)
    assert stems(found.pictures["train"]) == ["a", "b", "d"]
    assert found.pictures["train"][0].boxes.tolist() == [[0.2, 0.3, 0.2, 0.4, 1]]
    assert [line.removeprefix(f"{tmp_path}/").split(": ")[0] for line in found.bad] == ["a.txt:2", "a.txt:3", "c.jpg"]
    assert found.notes[-4:] == (
        "images named twice in train: 1",
        "labels that are wrong: 2",
        "images without a file of labels, taken to be without objects: 1",
        "images that cannot be used, left out: 1",
    )


def test_keys_that_are_not_there(tmp_path):
    data = layout(tmp_path, {"a": "1 .2 .3 .2 .4\n"})
    assert list(darknet.read(data).pictures) == ["train"]
    with pytest.raises(DataError, match="valid: missing; expected a list of images"):
        darknet.read(data, ["valid"])


@pytest.mark.parametrize(
    ("values", "names"),
    [({"names": "", "classes": "2"}, ("class_0", "class_1")), ({"classes": "9"}, ("cat", "dog"))],
    ids=["counted", "named"],
)
def test_names(tmp_path, values, names):
    assert darknet.read(layout(tmp_path, {"a": "1 .2 .3 .2 .4\n"}, **values)).names == names


@pytest.mark.parametrize("classes", ["", "many", "0"], ids=["none", "word", "zero"])
def test_no_names(tmp_path, classes):
    with pytest.raises(DataError, match=r"expected names= \(a file\), or classes= \(their number\)"):
        darknet.read(layout(tmp_path, {"a": "1 .2 .3 .2 .4\n"}, names="", classes=classes))


def test_nothing_to_read(tmp_path):
    with pytest.raises(DataError, match=r"no image has labels; for the first of 1, expected one of .*a.txt"):
        darknet.read(layout(tmp_path, {"a": None}))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(DataError, match=r"own.data: no image can be used; .*a.jpg"):
        darknet.read(read_data(tmp_path / "own.data"))
