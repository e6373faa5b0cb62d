"""COCO's JSON, there and back; pycocotools is the judge of what is written."""

import json
import math

import numpy as np
import pytest

from darkparse.annotations import Annotations, Picture, coco, darknet, voc
from darkparse.data import read_data
from darkparse.errors import DarkparseError, DataError
from labelled import contents, stems, write_image
from map_goldens import BCCD, BCCD_NAMES

needs_bccd = pytest.mark.skipif(not BCCD.is_dir(), reason=f"no {BCCD}; set DARKPARSE_SHARED")
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "traffic light"}]  # by id: traffic light 0, dog 1
ROW = [0.2, 0.3, 0.2, 0.4, 1]  # of the box 20, 10, 40, 40 in 200 x 100: (20 + 40 / 2) / 200, (10 + 40 / 2) / 100, ...


def image(number=1, name="a.jpg", **more):
    return {"id": number, "file_name": name, "width": 200, "height": 100, **more}


def thing(number=1, of=1, **more):
    return {"id": number, "image_id": of, "category_id": 18, "bbox": [20, 10, 40, 40], "iscrowd": 0, **more}


def write_json(path, images=None, annotations=None, categories=None, draw=True):
    """A COCO file; its images beside it unless `draw` is False."""
    images = [image()] if images is None else images
    annotations = [thing()] if annotations is None else annotations
    path.parent.mkdir(parents=True, exist_ok=True)
    for entry in images if draw else ():
        write_image(path.parent / entry["file_name"])
    content = {"images": images, "annotations": annotations, "categories": categories or CATEGORIES}
    path.write_text(json.dumps(content))
    return path


def rows(annotations, split="train"):
    return [picture.boxes.tolist() for picture in annotations.pictures[split]]


def test_boxes_and_classes_by_id(tmp_path):
    entries = [thing(1), thing(2, category_id=3, bbox=[0.5, 0, 199.5, 100.0])]
    found = coco.read([write_json(tmp_path / "a.json", annotations=entries)])
    assert found.names == ("traffic light", "dog")
    assert rows(found) == [[pytest.approx(ROW), pytest.approx([100.25 / 200, 0.5, 0.9975, 1, 0])]]


def test_crowds_are_left_out_or_kept(tmp_path):
    file = write_json(tmp_path / "a.json", annotations=[thing(1), thing(2, iscrowd=1)])
    found = coco.read([file])
    assert rows(found) == [[pytest.approx(ROW)]]
    assert "crowds (iscrowd=1), left out (--crowds keeps them): 1" in found.notes
    assert len(rows(coco.read([file], keep_crowds=True))[0]) == 2


WRONG = {  # what the second object has, what is said of it
    "no-bbox": ({"bbox": None}, ": dog nan,nan,nan,nan: expected four numbers; left out"),
    "three-numbers": ({"bbox": [1, 2, 3]}, ": dog nan,nan,nan,nan: expected four numbers; left out"),
    "words": ({"bbox": ["1", "2", "3", "4"]}, ": dog nan,nan,nan,nan: expected four numbers; left out"),
    "nan": ({"bbox": [math.nan, 2, 3, 4]}, ": dog nan,2,nan,6: expected four numbers; left out"),
    "huge": ({"bbox": [10**400, 2, 3, 4]}, ": dog nan,2,nan,6: expected four numbers; left out"),
    "no-area": ({"bbox": [20, 10, 0, 40]}, ": dog 20,10,20,50: no size; left out"),
    "outside": ({"bbox": [220, 10, 9, 9]}, ": dog 220,10,229,19: outside the image of 200x100; left out"),
    "image": ({"image_id": 7}, ": image_id 7: no such image; left out"),
    "list-as-image": ({"image_id": [1]}, ": image_id [1]: no such image; left out"),
    "category": ({"category_id": 5}, ": category_id 5: no such category; left out"),
    "list-as-category": ({"category_id": [18]}, ": category_id [18]: no such category; left out"),
}


@pytest.mark.parametrize("case", WRONG)
def test_objects_that_cannot_be_used(tmp_path, case):
    entry, said = WRONG[case]
    file = write_json(tmp_path / "a.json", annotations=[thing(1), thing(2, **entry)])
    found = coco.read([file])
    assert rows(found) == [[pytest.approx(ROW)]]
    assert found.bad == (f"{file}: annotation 2{said}",)


def test_a_box_that_reaches_out_is_cut(tmp_path):
    file = write_json(tmp_path / "a.json", annotations=[thing(1, bbox=[180, 80, 60, 40])])
    found = coco.read([file])
    assert rows(found) == [[pytest.approx([0.95, 0.9, 0.1, 0.2, 1])]]
    assert found.bad == (f"{file}: annotation 1: dog 180,80,240,120: cut at 200x100",)


BAD_FILES = {
    "cut": ('{"images": [\n', ":2: Expecting value; expected COCO's JSON"),
    "empty": ("", ":1: Expecting value"),
    "list": ("[]", ": no list of images; expected COCO's object instances"),
    "captions": ('{"images": [], "annotations": []}', ": no list of categories"),
    "strings": ('{"images": ["a"], "annotations": [], "categories": []}', ": no list of images"),
    "deep": ("[" * 200_000, "; expected COCO's JSON"),
    "category": ('{"images": [], "annotations": [], "categories": [{"id": "x"}]}', "expected a whole number as id"),
    "twice": (
        json.dumps({"images": [image(), image()], "annotations": [], "categories": []}),
        "two images with the id 1",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_files_that_are_not_cocos(tmp_path, case):
    text, message = BAD_FILES[case]
    (tmp_path / "a.json").write_text(text)
    write_image(tmp_path / "a.jpg")
    with pytest.raises(DataError) as caught:
        coco.read([tmp_path / "a.json"])
    assert str(caught.value).startswith(str(tmp_path / "a.json"))
    assert message in str(caught.value)


def test_categories_must_agree(tmp_path):
    one = write_json(tmp_path / "one.json")
    write_image(tmp_path / "b.jpg")
    other = write_json(tmp_path / "other.json", [image(name="b.jpg")], categories=[{"id": 18, "name": "cat"}])
    with pytest.raises(DataError, match=r"other.json: category 18 is 'cat', but 'dog' before"):
        coco.read([one, other])
    same = write_json(tmp_path / "same.json", categories=[{"id": 18, "name": "dog"}, {"id": 19, "name": "dog"}])
    with pytest.raises(DataError, match="categories 18 and 19 are both 'dog'"):
        coco.read([same])


def test_names_choose_and_order_the_classes(tmp_path):
    file = write_json(tmp_path / "a.json", annotations=[thing(1), thing(2, category_id=3)])
    found = coco.read([file], names=["dog"])
    assert (found.names, rows(found)) == (("dog",), [[pytest.approx([*ROW[:4], 0])]])
    assert found.bad == (f"{file}: annotation 2: traffic light 20,10,60,50: unknown class",)


PLACES = {  # the JSON file, the image
    "beside": ("a.json", "a.jpg"),
    "above": ("annotations/instances_train2017.json", "a.jpg"),
    "cocos-own": ("annotations/instances_train2017.json", "train2017/a.jpg"),
    "darknets": ("annotations/instances_train2017.json", "images/train2017/a.jpg"),
    "images": ("annotations/a.json", "images/a.jpg"),
}


@pytest.mark.parametrize("case", PLACES)
def test_where_images_are_looked_for(tmp_path, case):
    json_file, picture = PLACES[case]
    write_image(tmp_path / picture)
    found = coco.read([write_json(tmp_path / json_file, draw=False)])
    assert [picture.path for picture in found.pictures["train"]] == [str(tmp_path / picture)]


@pytest.mark.parametrize(
    ("said", "there"), [("sub/a.jpg", "sub/a.jpg"), (r"sub\a.jpg", "sub/a.jpg"), ("x/a.jpg", "y/a.jpg")]
)
def test_images_in_a_folder_of_their_own(tmp_path, said, there):
    write_image(tmp_path / "pics" / there)
    file = write_json(tmp_path / "a.json", [image(name=said)], draw=False)
    found = coco.read([file], images=tmp_path / "pics")
    assert [picture.path for picture in found.pictures["train"]] == [str(tmp_path / "pics" / there)]


def test_images_that_are_not_there(tmp_path):
    images = [image(1), image(2, "gone.jpg"), image(3, "lost.jpg"), image(4, "")]
    write_image(tmp_path / "a.jpg")
    file = write_json(tmp_path / "a.json", images, [thing(1), thing(2, of=2)], draw=False)
    with pytest.raises(DataError, match="3 images cannot be used; --skip-bad leaves them out") as caught:
        coco.read([file])
    assert "image 2: no file 'gone.jpg' near " in str(caught.value)
    assert "image 4: no file_name" in str(caught.value)
    assert stems(coco.read([file], skip_bad=True).pictures["train"]) == ["a"]


FILES = {  # files, what to train on, what to evaluate on
    "cocos-own": (["instances_train2017.json", "instances_val2017.json"], "instances_train2017", "instances_val2017"),
    "one": (["labels.json"], "labels", ""),
    "roboflow": (
        ["train/_annotations.coco.json", "valid/_annotations.coco.json", "test/_annotations.coco.json"],
        "train",
        "valid",
    ),
    "test-only": (["a.json", "test.json"], "a", "test"),
    "words-with-val-in-them": (["interval.json", "latest.json"], "interval latest", ""),
}


@pytest.mark.parametrize("case", FILES)
def test_which_files_are_for_what(tmp_path, case):
    files, train, valid = FILES[case]
    for file in files:
        parts = file.split("/")
        name = (parts[0] if len(parts) > 1 else parts[0].removesuffix(".json")) + ".jpg"
        write_json(tmp_path / file, [image(name=name)])
    for given in ([tmp_path], [tmp_path / file for file in files]):
        found = coco.read(given)
        assert sorted(stems(found.pictures["train"])) == train.split()
        assert stems(found.pictures.get("valid", [])) == valid.split()


def test_files_said_to_be_for_something_and_a_fraction(tmp_path):
    for name in ("val", "b"):
        write_json(tmp_path / f"{name}.json", [image(name=f"{name}.jpg")])
    found = coco.read(train=[tmp_path / "val.json"], valid=[tmp_path / "b.json"])
    assert (stems(found.pictures["train"]), stems(found.pictures["valid"])) == (["val"], ["b"])
    found = coco.read([tmp_path / "val.json", tmp_path / "b.json"], valid=0.5)
    assert sorted(stems(found.pictures["train"]) + stems(found.pictures["valid"])) == ["b", "val"]
    assert len(found.pictures["valid"]) == 1


def test_a_folder_without_any(tmp_path):
    with pytest.raises(DataError, match="no annotations/instances_"):
        coco.read([tmp_path])


def test_an_image_of_both_is_evaluated_on(tmp_path):
    one = write_json(tmp_path / "train.json", [image(1), image(2, "b.jpg")], [thing(1), thing(2, of=2)])
    found = coco.read([one, write_json(tmp_path / "val.json")])
    assert (stems(found.pictures["train"]), stems(found.pictures["valid"])) == (["b"], ["a"])
    assert "images left out of train, as they are in valid: 1" in found.notes


def random_annotations(folder):
    """Boxes with six digits after the point, as labels have them, some up to the edges."""
    random = np.random.default_rng(1)
    pictures = []
    for number, (width, height) in enumerate([(640, 480), (97, 31), (4000, 3000), (64, 64)]):
        sizes = np.round(random.uniform(0.01, 0.5, (50, 2)), 6)
        boxes = np.hstack(
            [np.round(random.uniform(sizes / 2, 1 - sizes / 2), 6), sizes, random.integers(0, 2, (50, 1))]
        )
        path = write_image(folder / f"{number} é.jpg", width, height)
        pictures.append(Picture(str(path), width, height, boxes))
    return Annotations(("dog", "traffic light"), {"train": pictures[:3], "valid": pictures[3:]})


def test_there_and_back(tmp_path):
    before = random_annotations(tmp_path / "pics")
    files, top = coco.write(before, tmp_path / "out")
    assert top == tmp_path / "pics"
    after = coco.read(files, images=top)
    assert (after.names, after.bad) == (before.names, ())
    for split in before.pictures:
        for one, other in zip(before.pictures[split], after.pictures[split], strict=True):
            assert darknet.label_text(one) == darknet.label_text(other)
            assert (one.path, one.width, one.height) == (other.path, other.width, other.height)


def test_pycocotools_reads_it(tmp_path):
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    before = random_annotations(tmp_path / "pics")
    (file, _), _ = coco.write(before, tmp_path / "out")
    truth = COCO(str(file))
    assert {entry["id"]: entry["name"] for entry in truth.loadCats(truth.getCatIds())} == {1: "dog", 2: "traffic light"}
    assert sorted(truth.getImgIds()) == [1, 2, 3]
    first = before.pictures["train"][0]
    x, y, w, h, label = first.boxes[0]
    (entry,) = truth.loadAnns(truth.getAnnIds(imgIds=[1])[:1])
    assert entry["bbox"] == pytest.approx([(x - w / 2) * 640, (y - h / 2) * 480, w * 640, h * 480], abs=1e-5)
    assert entry["area"] == pytest.approx(w * 640 * h * 480, abs=1e-3)
    assert (entry["category_id"], entry["iscrowd"]) == (label + 1, 0)
    found = truth.loadRes([{**one, "score": 0.5} for one in truth.loadAnns(truth.getAnnIds())])
    judge = COCOeval(truth, found, "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[:3] == pytest.approx([1, 1, 1])  # the truth itself is found whole


def test_it_is_not_written_over(tmp_path):
    annotations = random_annotations(tmp_path / "pics")
    coco.write(annotations, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(DarkparseError, match=r"instances_train.json: is there already; not overwritten without"):
        coco.write(annotations, tmp_path)
    assert contents(tmp_path) == before
    coco.write(annotations, tmp_path, overwrite=True)
    coco.read([tmp_path / "instances_train.json"], images=tmp_path / "pics")
    with pytest.raises(DarkparseError, match="is one of the inputs; not overwritten"):
        coco.write(annotations, tmp_path, overwrite=True)


@needs_bccd
def test_bccd_by_way_of_coco_has_the_same_labels(tmp_path):
    data = darknet.write(voc.read([BCCD], names=BCCD_NAMES), tmp_path / "one").data
    files, top = coco.write(darknet.read(read_data(data)), tmp_path / "coco")
    darknet.write(coco.read(files, images=top), tmp_path / "two")
    for name in ("obj", "one.names"):
        assert contents(tmp_path / "one" / name) == contents(tmp_path / "two" / name.replace("one", "two"))
