"""darkparse dataset from-voc, from-coco, split and to-coco, as a user types them."""

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from darkparse.cli import main
from darkparse.data import read_data
from labelled import contents, voc_object, voc_root, write_image, write_xml

CAT = voc_object("cat", 20, 10, 60, 50)
LABELS = "0 0.200000 0.300000 0.200000 0.400000\n"  # of it, in 200 x 100


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, ["dataset", *map(str, arguments)])


def test_from_voc(here):
    write_xml("fotos é/a b.xml", CAT)
    write_xml("fotos é/c.xml", voc_object("cat", 20, 10, 20, 50), voc_object("dog", 20, 10, 60, 50))
    before = contents("fotos é")
    result = run("from-voc", "fotos é", "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{here}/out/out.data: 2 images for train, 2 objects, 2 classes\n"
    assert result.stderr.splitlines() == [
        "train: all, 2 XML files",
        "classes, by alphabet: cat, dog",
        "objects without a size, left out: 1",
        "fotos é/c.xml:5: cat 20,10,20,50: no size; left out",
    ]
    assert (here / "out/obj/a b.txt").read_text() == LABELS
    assert (here / "out/train.txt").read_text() == f"{here}/out/obj/a b.jpg\n{here}/out/obj/c.jpg\n"
    assert contents("fotos é") == before


def test_from_voc_with_all_options(here):
    voc_root("VOC", {"a": ["1", "2"], "b": ["3"], "c": ["4"]})
    write_xml(
        "VOC/Annotations/2.xml",
        CAT,
        voc_object("dog", 1, 1, 9, 9),
        voc_object("eel", 1, 1, 9, 9, difficult=1),
        image=False,
    )
    os.rename("VOC/JPEGImages", "pics")
    (here / "my.names").write_text("dog\ncat\n")
    options = ["--train", "a, b", "--valid", "c", "--images", "pics", "--names", "my.names", "--difficult", "--copy"]
    result = run("from-voc", "--out", "out", *options, "--name", "mine", "VOC")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("mine.data: 3 images for train, 1 images for valid, 5 objects, 2 classes\n")
    assert "objects of the class 'eel', which is not among the names, left out: 1" in result.stderr
    assert (here / "out/obj/2.txt").read_text().splitlines()[0] == LABELS.replace("0 ", "1 ", 1).strip()
    assert not (here / "out/obj/2.jpg").is_symlink()


def test_class_order(here):
    write_xml("x/a.xml", CAT, voc_object("dog", 20, 10, 60, 50))
    assert run("from-voc", "x", "--out", "out", "--class", "dog, cat").exit_code == 0
    assert (here / "out/out.names").read_text() == "dog\ncat\n"
    assert (here / "out/obj/a.txt").read_text() == LABELS.replace("0 ", "1 ", 1) + LABELS


def test_a_fraction_by_seed(here):
    for number in range(8):
        write_xml(f"x/{number}.xml", CAT)
        write_image(f"x/{number}.jpg", seed=number)
    lists = []
    for seed in (1, 1, 2):
        result = run("from-voc", "x", "--out", "out", "--valid", ".25", "--seed", seed)
        assert f"valid: 2 of 8 images, drawn by seed {seed}" in result.stderr
        lists.append((here / "out/valid.txt").read_text())
    assert lists[0] == lists[1] != lists[2]


def test_broken_files_are_listed_and_nothing_is_written(here):
    write_xml("x/a.xml", CAT)
    for number in range(30):
        write_xml(f"x/b{number:02}.xml").write_text("<annotation>")
    result = run("from-voc", "x", "--out", "out")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: 30 XML files cannot be used; --skip-bad leaves them out\nx/b00.xml:1: no ")
    assert result.stderr.count("no element found; expected well-formed XML\n") == 30
    assert not (here / "out").exists()
    result = run("from-voc", "x", "--out", "out", "--skip-bad")
    assert result.exit_code == 0
    assert "XML files that cannot be used, left out: 30" in result.stderr
    assert result.stderr.endswith("... and 10 more, see out/bad.list\n")
    assert len((here / "out/bad.list").read_text().splitlines()) == 30


def test_its_own_folder_again_and_a_users(here):
    write_xml("x/a.xml", CAT)
    assert [run("from-voc", "x", "--out", "out").exit_code for _ in range(2)] == [0, 0]
    (here / "out/obj/a.txt").write_text("0 .5 .5 .1 .1\n")
    result = run("from-voc", "x", "--out", "out")
    assert result.exit_code == 1
    assert "labels were changed since they were written; --overwrite writes them anew" in result.stderr
    assert run("from-voc", "x", "--out", "out", "--overwrite").exit_code == 0
    assert (here / "out/obj/a.txt").read_text() == LABELS
    for name in ("out.data", "out.names", "train.txt"):
        text = (here / "out" / name).read_text()
        (here / "out" / name).write_text(f"{text}# mine\n")
        assert "were changed since they were written" in run("from-voc", "x", "--out", "out").stderr
        assert (here / "out" / name).read_text() == f"{text}# mine\n"
        assert run("from-voc", "x", "--out", "out", "--overwrite").exit_code == 0
        assert (here / "out" / name).read_text() == text
    assert "not empty, and not written by this command" in run("from-voc", "x", "--out", "x").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["from-voc", "x"], "Missing option '--out'"),
        (["from-voc", "--out", "out"], "Missing argument 'DIR...'"),
        (["from-voc", "x", "--out", "out", "--class", "a,b", "--names", "n"], "expected --names or --class, not both"),
        (["from-voc", "x", "--out", "out", "--class", "a,b,a"], "the class 'a' is named twice"),
        (["from-coco", "--out", "out"], "expected a JSON file, or a folder of them"),
        (["split"], "Missing argument 'DATA'"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_that_lack_something(here, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["from-voc", "gone", "--out", "out"], "gone: no such folder; expected a VOC root, or a folder of XML files"),
        (["from-coco", "gone.json", "--out", "out"], "gone.json: No such file or directory"),
        (["split", "gone.data"], "gone.data: No such file or directory"),
        (["to-coco", "gone.data", "--out", "out"], "gone.data: No such file or directory"),
        (["split", "x.data", "--valid", "2"], "2 of the images to evaluate on: expected more than 0 and less than 1"),
        (["from-voc", "x", "--out", "out", "--valid", "1.5"], "1.5 of the images to evaluate on: expected more than 0"),
    ],
    ids=["voc", "coco", "split", "back", "share", "voc-share"],
)
def test_one_line_of_error(here, arguments, said):
    for number in range(2):
        write_xml(f"x/{number}.xml", CAT)
        (here / f"x/{number}.txt").write_text(LABELS)
    (here / "list.txt").write_text("x/0.jpg\nx/1.jpg\n")
    (here / "x.data").write_text("classes = 1\ntrain = list.txt\n")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [f"Error: {said}"] or result.stderr.startswith(f"Error: {said}")
    assert not (here / "out").exists()


def coco_file(path, number):
    write_image(here_path := f"{os.path.dirname(path)}/{number}.jpg")
    images = [{"id": number, "file_name": os.path.basename(here_path), "width": 200, "height": 100}]
    thing = {"id": 1, "image_id": number, "category_id": 4, "bbox": [20, 10, 40, 40]}
    crowd = {**thing, "id": 2, "iscrowd": 1}
    content = {"images": images, "annotations": [thing, crowd], "categories": [{"id": 4, "name": "red cat"}]}
    with open(path, "w") as file:
        json.dump(content, file)


def test_from_coco(here):
    os.mkdir("set é")
    for number, name in enumerate(["instances_train.json", "instances_val.json"]):
        coco_file(f"set é/{name}", number)
    result = run("from-coco", "set é", "--out", "out")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{here}/out/out.data: 1 images for train, 1 images for valid, 2 objects, 1 classes\n"
    assert "crowds (iscrowd=1), left out (--crowds keeps them): 2\n" in result.stderr
    assert (here / "out/obj/0.txt").read_text() == (here / "out/obj/1.txt").read_text() == LABELS
    assert (here / "out/out.names").read_text() == "red cat\n"
    swapped = ["--train", "set é/instances_val.json", "--valid", "set é/instances_train.json", "--crowds"]
    result = run("from-coco", *swapped, "--out", "out2")
    assert result.stdout.endswith("1 images for train, 1 images for valid, 4 objects, 1 classes\n")
    assert (here / "out2/train.txt").read_text() == f"{here}/out2/obj/1.jpg\n"
    result = run("from-coco", "set é", "--valid", "0.5", "--out", "out3")
    assert "valid: 1 of 2 images, drawn by seed 1" in result.stderr
    result = run("from-coco", "set é/instances_val.json", "--out", "out4")
    assert (result.exit_code, "train" in read_data("out4/out4.data").values) == (0, False)
    assert "no image is to train on" in result.stderr


def test_split_and_to_coco(here):
    for number in range(10):
        write_xml(f"x/{number}.xml", CAT)
        write_image(f"x/{number}.jpg", seed=number)
    assert run("from-voc", "x", "--out", "out").exit_code == 0
    result = run("split", "out/out.data", "--valid", ".3", "--seed", "5")
    assert result.stdout == "out/out-split.data: 7 images for train, 3 images for valid, 10 objects, 1 classes\n"
    assert "valid: 3 of 10 images, drawn by seed 5\n" in result.stderr
    assert run("split", "out/out.data").exit_code == 1
    result = run("to-coco", "out/out-split.data", "--out", "coco")
    assert result.stdout.startswith("coco/instances_train.json, coco/instances_valid.json: 7 images for train, 3 ")
    assert f"file names are seen from {here}/out/obj\n" in result.stderr
    result = run("to-coco", "out/out-split.data", "--out", "coco")
    assert "instances_train.json: is there already; not overwritten without --overwrite" in result.stderr
    assert run("from-coco", "coco", "--images", "out/obj", "--out", "back").exit_code == 0
    assert contents("back/obj") == contents("out/obj")


def test_without_torch(here):
    write_xml("x/a.xml", CAT)
    code = "import sys; from darkparse.cli import main; main(sys.argv[1:], standalone_mode=False)"
    check = "; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code + check, "dataset", "from-voc", "x", "--out", "out"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1:] == ["False"]
