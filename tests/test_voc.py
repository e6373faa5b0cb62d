"""PASCAL VOC's XML: the boxes of a real data set, and all that users' files have wrong."""

import codecs

import numpy as np
import pytest

from darkparse.annotations import voc
from darkparse.annotations.darknet import label_text
from darkparse.annotations.voc_xml import DEEPEST, read_xml
from darkparse.errors import DataError
from labelled import stems, voc_object, voc_root, voc_xml, write_image, write_xml
from map_goldens import BCCD, BCCD_NAMES, bccd_truths

needs_bccd = pytest.mark.skipif(not BCCD.is_dir(), reason=f"no {BCCD}; set DARKPARSE_SHARED")
CAT = voc_object("cat", 20, 10, 60, 50)
ROW = [0.2, 0.3, 0.2, 0.4, 0]  # of it, in 200 x 100: (20 + 60) / 2 / 200, (10 + 50) / 2 / 100, 40 / 200, 40 / 100


def one(annotations):
    """The boxes of the only image."""
    (picture,) = annotations.pictures["train"]
    return picture.boxes.tolist()


@needs_bccd
def test_bccd_has_the_labels_that_darknet_was_trained_on():
    found = voc.read([BCCD], names=BCCD_NAMES)
    assert {split: len(some) for split, some in found.pictures.items()} == {"train": 292, "valid": 72}
    for picture in [*found.pictures["train"], *found.pictures["valid"]]:
        expected = bccd_truths(f"{stems([picture])[0]}.jpg")
        assert (picture.width, picture.height) == (640, 480)
        written = np.array(label_text(picture).split(), np.float32).reshape(-1, 5)
        assert np.array_equal(written, expected), picture.path
    assert found.bad == (
        f"{BCCD}/Annotations/BloodImage_00338.xml:158: RBC 504,337,504,337: no size; left out",
        f"{BCCD}/Annotations/BloodImage_00343.xml:50: RBC 181,329,181,329: no size; left out",
    )
    assert "objects without a size, left out: 2" in found.notes


@needs_bccd
def test_classes_are_by_alphabet_unless_they_are_given():
    found = voc.read([BCCD])
    assert found.names == ("Platelets", "RBC", "WBC")
    assert "classes, by alphabet: Platelets, RBC, WBC" in found.notes
    labels = np.concatenate([picture.boxes[:, 4] for some in found.pictures.values() for picture in some])
    assert np.bincount(labels.astype(int)).tolist() == [361, 4153, 372]


def test_nothing_is_subtracted_and_fractions_count(tmp_path):
    write_xml(tmp_path / "a.xml", CAT, voc_object("cat", "0.5", "1e1", " 200 ", 100))
    assert one(voc.read([tmp_path])) == [ROW, pytest.approx([200.5 / 400, 0.55, 199.5 / 200, 0.9, 0])]


ENCODED = {
    "crlf": ("utf-8", "", "\r\n"),
    "mark": ("utf-8-sig", "", "\n"),
    "utf-16": ("utf-16", '<?xml version="1.0" encoding="utf-16"?>\n', "\r\n"),
    "utf-16-only-said": ("utf-8", '<?xml version="1.0" encoding="utf-16"?>\n', "\n"),
    "latin-1": ("latin-1", '<?xml version="1.0" encoding="ISO-8859-1"?>\n', "\n"),
    "latin-1-unsaid": ("latin-1", "", "\n"),
    "windows": ("cp1252", "<?xml version='1.0' encoding='windows-1252'?>\n", "\n"),
    "chinese": ("gb18030", '<?xml version="1.0" encoding="gb18030"?>\n', "\n"),
}


@pytest.mark.parametrize("case", ENCODED)
def test_encodings(tmp_path, case):
    encoding, head, newline = ENCODED[case]
    text = voc_xml(voc_object(" rote\n Straßen-Fußgänger ", 20, 10, 60, 50), filename="é.jpg", head=head)
    write_image(tmp_path / "é.jpg")
    (tmp_path / "a b.xml").write_bytes(text.replace("\n", newline).encode(encoding))
    found = voc.read([tmp_path])
    assert found.names == ("rote Straßen-Fußgänger",)
    assert one(found) == [ROW]


BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE annotation [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n<annotation>&b;</annotation>'
)
BROKEN = {
    "bomb": (BOMB, ":2: <!DOCTYPE annotation>: expected annotations without a document type"),
    "file": ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', ":1: <!DOCTYPE a>: expected"),
    "cut": (voc_xml(CAT)[:-20], r":9: .*; expected well-formed XML"),
    "empty": ("", ":1: no element found; expected well-formed XML"),
    "other": ("<svg>\n</svg>", ":1: <svg>: expected <annotation>"),
    "nested": ("<annotation>" + "<a>" * DEEPEST, f":1: {DEEPEST} elements in each other"),
    "encoding": ('<?xml version="1.0" encoding="klingon"?><annotation/>', ": unknown encoding: klingon; expected text"),
    "entity": ("<annotation>&nbsp;</annotation>", ":1: undefined entity; expected well-formed XML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_files_that_are_no_annotations(tmp_path, case):
    text, message = BROKEN[case]
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_xml(path)
    assert str(caught.value).startswith(str(path))


def test_a_file_in_another_encoding_than_it_says(tmp_path):
    (tmp_path / "a.xml").write_bytes(
        '<?xml version="1.0" encoding="utf-8"?><annotation>é</annotation>'.encode("latin-1")
    )
    with pytest.raises(DataError, match="expected text in the encoding utf-8"):
        read_xml(tmp_path / "a.xml")


def test_all_broken_files_are_named_at_once_or_left_out(tmp_path):
    write_xml(tmp_path / "good.xml", CAT)
    for stem in ("b1", "b2"):
        write_xml(tmp_path / f"{stem}.xml").write_text("<annotation>")
    write_xml(tmp_path / "alone.xml", CAT, image=False)
    with pytest.raises(DataError) as caught:
        voc.read([tmp_path])
    first, *lines = str(caught.value).split("\n")
    assert first == "3 XML files cannot be used; --skip-bad leaves them out"
    assert [line.split(": ")[0] for line in lines] == [
        f"{tmp_path}/alone.xml",
        f"{tmp_path}/b1.xml:1",
        f"{tmp_path}/b2.xml:1",
    ]
    found = voc.read([tmp_path], skip_bad=True)
    assert stems(found.pictures["train"]) == ["good"]
    assert "XML files that cannot be used, left out: 3" in found.notes
    assert list(found.bad) == lines


def test_when_nothing_can_be_used_it_is_said_whatever_is_to_be_left_out(tmp_path):
    write_xml(tmp_path / "a.xml", CAT, image=False)
    with pytest.raises(DataError, match=r"none of 1 XML files can be used; .*a.xml: no image 'a' in "):
        voc.read([tmp_path], skip_bad=True)


OBJECTS = {  # edges, what is said, the row that is left
    "no-size": ((20, 10, 20, 50), "a.xml:10: cat 20,10,20,50: no size; left out", None),
    "swapped": ((60, 10, 20, 50), "a.xml:10: cat 60,10,20,50: no size; left out", None),
    "outside": ((200, 10, 240, 50), "a.xml:10: cat 200,10,240,50: outside the image of 200x100; left out", None),
    "reaches-out": ((180, 80, 240, 120), "a.xml:10: cat 180,80,240,120: cut at 200x100", [0.95, 0.9, 0.1, 0.2, 0]),
    "negative": ((-20, -10, 20, 10), "a.xml:10: cat -20,-10,20,10: cut at 200x100", [0.05, 0.05, 0.1, 0.1, 0]),
    "no-number": (("left", 10, 60, 50), "a.xml:10: cat nan,10,60,50: expected four numbers; left out", None),
    "infinite": ((20, 10, "inf", 50), "a.xml:10: cat 20,10,inf,50: expected four numbers; left out", None),
    "missing": (("", 10, 60, 50), "a.xml:10: cat nan,10,60,50: expected four numbers; left out", None),
    "tiny": ((20, 10, "20.0001", 50), "a.xml:10: cat 20,10,20.0001,50: less than a millionth", None),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_that_cannot_be_used_as_they_are(tmp_path, case):
    edges, said, row = OBJECTS[case]
    write_xml(tmp_path / "a.xml", CAT, voc_object("cat", *edges))
    found = voc.read([tmp_path])
    assert one(found) == [ROW, *([pytest.approx(row)] if row else [])]
    (line,) = found.bad
    assert line.startswith(f"{tmp_path}/{said}")
    assert found.notes[-1].endswith(": 1")


def test_rotated_boxes_and_parts_of_objects(tmp_path):
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    rotated = "<object>\n<name>cat</name>\n<robndbox><cx>50</cx><cy>50</cy><w>9</w><h>9</h></robndbox>\n</object>\n"
    write_xml(tmp_path / "a.xml", CAT.replace("<name>", f"{part}<name>"), rotated)
    found = voc.read([tmp_path])
    assert (one(found), found.names) == ([ROW], ("cat",))
    assert found.bad == (f"{tmp_path}/a.xml:10: cat nan,nan,nan,nan: expected four numbers; left out",)


def test_difficult_objects_are_left_out_as_by_darknets_script_or_kept(tmp_path):
    write_xml(tmp_path / "a.xml", CAT, voc_object("dog", 20, 10, 60, 50, difficult=1))
    found = voc.read([tmp_path])
    assert (one(found), found.names) == ([ROW], ("cat",))
    assert "objects marked difficult, left out (--difficult keeps them): 1" in found.notes
    assert one(voc.read([tmp_path], keep_difficult=True)) == [ROW, [*ROW[:4], 1]]


def test_names_that_were_not_given(tmp_path):
    write_xml(tmp_path / "a.xml", CAT, voc_object("Cat", 20, 10, 60, 50))
    found = voc.read([tmp_path], names=["dog", "cat"])
    assert (found.names, one(found)) == (("dog", "cat"), [[*ROW[:4], 1]])
    assert found.bad == (f"{tmp_path}/a.xml:10: Cat 20,10,60,50: unknown class",)
    assert "classes without an object: dog" in found.notes


@pytest.mark.parametrize("size", [(0, 0), (100, 200), (640, 480), ("", "x")], ids=str)
def test_the_size_of_the_image_counts(tmp_path, size):
    write_xml(tmp_path / "a.xml", CAT, size=size)
    found = voc.read([tmp_path])
    assert one(found) == [ROW]
    (line,) = found.bad
    assert line.endswith(f"but {tmp_path}/a.jpg is 200x100; the image counts")


def test_boxes_of_a_larger_image_are_refused(tmp_path):
    write_xml(tmp_path / "a.xml", voc_object("cat", 20, 10, 390, 50), size=(400, 200))
    write_xml(tmp_path / "b.xml", CAT)
    with pytest.raises(
        DataError, match=r"a.xml: the boxes are for 400x200, but .* is 200x100, and one reaches to 390, 50"
    ):
        voc.read([tmp_path])


def test_a_box_that_reaches_out_of_either_size_is_only_cut(tmp_path):
    write_xml(tmp_path / "a.xml", voc_object("cat", 20, 10, 390, 50), size=(100, 100))
    assert one(voc.read([tmp_path])) == [pytest.approx([0.55, 0.3, 0.9, 0.4, 0])]


def test_boxes_of_an_image_that_exif_turns_are_refused(tmp_path):
    """OpenCV, and so Darknet with it, turns the image; they were drawn in it as it is stored, 200x100."""
    write_xml(tmp_path / "a.xml", CAT)
    write_xml(tmp_path / "b.xml", CAT)
    write_image(tmp_path / "a.jpg", orientation=6)
    with pytest.raises(DataError, match=r"a.xml: the boxes are for 200x100, but .* is 100x200, as EXIF turns it"):
        voc.read([tmp_path])


def test_an_image_that_is_none(tmp_path):
    write_xml(tmp_path / "a.xml", CAT)
    write_xml(tmp_path / "b.xml", CAT)
    (tmp_path / "a.jpg").write_text("<html>")
    with pytest.raises(DataError, match=r"a.xml: .*a.jpg: "):
        voc.read([tmp_path])


def test_an_image_without_objects_is_one_to_train_on(tmp_path):
    write_xml(tmp_path / "a.xml", CAT)
    write_xml(tmp_path / "b.xml")
    found = voc.read([tmp_path])
    assert [len(picture.boxes) for picture in found.pictures["train"]] == [1, 0]


def test_no_object_at_all(tmp_path):
    write_xml(tmp_path / "a.xml", voc_object("cat", 1, 1, 1, 1))
    with pytest.raises(DataError, match=r"none of 1 images has an object that can be used; .*a.xml:5: cat"):
        voc.read([tmp_path])


IMAGES = {  # the XML file, its <filename>, the images that there are, the one that is meant
    "beside": ("a.xml", "", ["a.png"], "a.png"),
    "suffix": ("a.xml", "a.jpg", ["a.PNG"], "a.PNG"),
    "by-filename": ("001.xml", "photo one.jpg", ["photo one.jpg"], "photo one.jpg"),
    "windows-path": ("001.xml", r"C:\photos\é 1.jpg", ["é 1.jpg"], "é 1.jpg"),
    "filename-without-suffix": ("x.xml", "photo", ["photo.jpg"], "photo.jpg"),
    "own-name-first": ("b.xml", "a.jpg", ["a.jpg", "b.jpg"], "b.jpg"),
    "same-folder": ("two/a.xml", "a.jpg", ["one/a.jpg", "two/a.jpg"], "two/a.jpg"),
    "filename-decides": ("a.xml", "a.png", ["pics/a.jpg", "pics/a.png"], "pics/a.png"),
    "below": ("a.xml", "a.jpg", ["deep/er/a.jpg"], "deep/er/a.jpg"),
    "two-suffixes": ("a.jpg.xml", "", ["a.jpg"], "a.jpg"),
    "accents-composed-otherwise": ("x.xml", "e\u0301.jpg", ["\u00e9.jpg"], "\u00e9.jpg"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_the_image_of_a_file(tmp_path, case):
    xml, filename, images, meant = IMAGES[case]
    write_xml(tmp_path / xml, CAT, filename=filename, image=False)
    for image in images:
        write_image(tmp_path / image)
    (picture,) = voc.read([tmp_path]).pictures["train"]
    assert picture.path == str(tmp_path / meant)


def test_images_in_a_folder_of_their_own_with_the_same_subfolders(tmp_path):
    for part in ("one", "two"):
        write_xml(tmp_path / "xml" / part / "a.xml", CAT, image=False)
        write_image(tmp_path / "pics" / part / "a.jpg")
    found = voc.read([tmp_path / "xml"], images=tmp_path / "pics")
    assert [p.path for p in found.pictures["train"]] == [
        str(tmp_path / f"pics/{part}/a.jpg") for part in ("one", "two")
    ]


def test_a_filename_of_another_image_is_told(tmp_path):
    for stem in ("a", "b"):
        write_xml(tmp_path / f"{stem}.xml", CAT, filename="a.jpg")
    assert voc.read([tmp_path]).bad == (
        f"{tmp_path}/b.xml: <filename> is a.jpg, but {tmp_path}/b.jpg is of its own name and taken",
    )


def test_several_images_of_the_name(tmp_path):
    write_xml(tmp_path / "a.xml", CAT, image=False)
    for part in ("one", "two"):
        write_image(tmp_path / part / "a.jpg")
    write_xml(tmp_path / "b.xml", CAT)
    with pytest.raises(DataError, match=r"a.xml: 2 images of the name 'a': .*; expected one"):
        voc.read([tmp_path])


def test_two_files_of_one_image(tmp_path):
    write_image(tmp_path / "a.jpg")
    for name in ("x", "y"):
        write_xml(tmp_path / f"{name}.xml", CAT, filename="a.jpg", image=False)
    with pytest.raises(DataError, match=r"y.xml: .*a.jpg is annotated in .*x.xml, too"):
        voc.read([tmp_path])


SETS = {  # lists, options, stems to train on, stems to evaluate on
    "default": ({"trainval": "ab", "train": "a", "val": "b", "test": "c"}, {}, "ab", "c"),
    "no-test": ({"trainval": "ab", "train": "a", "val": "b"}, {}, "a", "b"),
    "train-and-val": ({"train": "ab", "val": "c"}, {}, "ab", "c"),
    "only-train": ({"train": "abc"}, {}, "abc", ""),
    "capitals": ({"Train": "ab", "Validation": "c"}, {}, "ab", "c"),
    "another-name": ({"default": "abc"}, {}, "abc", ""),
    "given": ({"train": "a", "val": "b", "test": "c"}, {"train": ["train", "val"], "valid": ["test"]}, "ab", "c"),
    "given-with-others": ({"few": "a", "test": "c"}, {"train": ["few"]}, "a", "c"),
    "overlap": ({"train": "abcd", "test": "dea"}, {}, "bc", "dea"),
    "named-twice": ({"train": "aab", "test": "c"}, {}, "ab", "c"),
}


@pytest.mark.parametrize("case", SETS)
def test_sets_of_a_root(tmp_path, case):
    lists, options, train, valid = SETS[case]
    found = voc.read([voc_root(tmp_path, lists)], **options)
    assert stems(found.pictures["train"]) == list(train)
    assert stems(found.pictures.get("valid", [])) == list(valid)


def test_what_was_taken_and_what_was_not_is_said(tmp_path):
    notes = voc.read([voc_root(tmp_path, {"train": "abc", "val": "c", "test": "d"}, others="e")]).notes
    assert notes[:3] == ("train: train, 3 XML files", "valid: test, 1 XML files", "not used: 1 XML files, of val")
    notes = voc.read([tmp_path], valid=["val"]).notes
    assert "images left out of train, as they are in valid: 1" in notes


def test_a_devkit_with_two_years_and_several_folders(tmp_path):
    voc_root(tmp_path / "VOCdevkit/VOC2007", {"trainval": ["000005"], "test": ["000006"]})
    voc_root(tmp_path / "VOCdevkit/VOC2012", {"trainval": ["2008_1", "2008_2"], "val": ["2008_2"]})
    for folders in ([tmp_path / "VOCdevkit"], [tmp_path / "VOCdevkit/VOC2007", tmp_path / "VOCdevkit/VOC2012"]):
        found = voc.read(folders)
        assert stems(found.pictures["train"]) == ["000005", "2008_1", "2008_2"]
        assert stems(found.pictures["valid"]) == ["000006"]


def test_folders_as_sets(tmp_path):
    for part in ("train", "valid", "test"):
        write_xml(tmp_path / part / f"{part}.xml", CAT)
    found = voc.read([tmp_path])
    assert (stems(found.pictures["train"]), stems(found.pictures["valid"])) == (["train"], ["valid"])
    assert "not used: 1 XML files, of test" in found.notes


def test_a_set_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no set 'val'; there are test, train"):
        voc.read([voc_root(tmp_path, {"train": "a", "test": "b"})], valid=["val"])


def test_a_list_that_names_a_file_that_is_not_there(tmp_path):
    root = voc_root(tmp_path, {"train": "ab"})
    (root / "Annotations/b.xml").unlink()
    with pytest.raises(DataError, match=r"Annotations/b.xml: No such file .*; --skip-bad leaves it out"):
        voc.read([root])


def test_a_fraction_is_drawn_from_all_or_from_a_set(tmp_path):
    root = voc_root(tmp_path, {"train": "abcdefgh", "test": "ijklmnop"})
    found = voc.read([root], valid=0.25, seed=3)
    assert sorted(stems(found.pictures["train"]) + stems(found.pictures["valid"])) == list("abcdefghijklmnop")
    assert len(found.pictures["valid"]) == 4
    found = voc.read([root], train=["test"], valid=0.25)
    assert sorted(stems(found.pictures["train"]) + stems(found.pictures["valid"])) == list("ijklmnop")


@pytest.mark.parametrize(
    ("make", "message"), [(False, "no such folder"), (True, "no XML file in this folder")], ids=str
)
def test_folders_with_nothing(tmp_path, make, message):
    if make:
        (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match=message):
        voc.read([tmp_path / "a"])


def test_a_mark_without_a_declaration(tmp_path):
    (tmp_path / "a.xml").write_bytes(codecs.BOM_UTF16_BE + voc_xml(CAT, filename="é", head="").encode("utf-16-be"))
    assert read_xml(tmp_path / "a.xml").filename == "é"
