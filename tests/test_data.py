"""Names, .data files, cfgs by name, and which images are meant."""

import codecs
import os
from pathlib import Path

import pytest

from darkparse.cfg import parse
from darkparse.data import COUNTS, find_cfg, names_for, read_data, read_names, shipped
from darkparse.errors import DarkparseError, DataError
from darkparse.graph import read_graph, resolve
from darkparse.inputs import images

NET = "[net]\nwidth=4\nheight=4\nchannels=3\n"


def head(classes):
    return f"{NET}[convolutional]\nfilters={5 + classes}\n[yolo]\nclasses={classes}\nmask=0\nanchors=1,1\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"person\ndog\n", ("person", "dog")),
        (b"person\ndog", ("person", "dog")),
        (b"person\r\ntraffic light\r\n", ("person", "traffic light")),
        (b"person\ndog\n\n \n", ("person", "dog")),
        (b"person\n\ndog\n", ("person", "", "dog")),
        (b"  person \n#dog\n", ("person", "#dog")),
        (codecs.BOM_UTF8 + "Hündin\n犬\n".encode(), ("Hündin", "犬")),
        ("Hündin\n".encode("latin-1"), ("Hündin",)),
        (codecs.BOM_UTF16_LE + "person\r\ndog".encode("utf-16-le"), ("person", "dog")),
    ],
    ids=["two", "no-newline", "crlf", "blank-lines-at-the-end", "blank-line-between", "blanks-around", "utf-8-bom",
         "latin-1", "utf-16"],
)  # fmt: skip
def test_names(data, names, tmp_path):
    path = tmp_path / "obj.names"
    path.write_bytes(data)
    assert read_names(path) == names


@pytest.mark.parametrize("data", [b"", b"\n\n \n"])
def test_no_names(data, tmp_path):
    path = tmp_path / "obj.names"
    path.write_bytes(data)
    with pytest.raises(DataError) as why:
        read_names(path)
    assert str(why.value) == f"{path}: expected a name on each line, got an empty file"


@pytest.mark.parametrize("read", [read_names, read_data])
def test_files_that_are_not_there(read, tmp_path):
    for path, reason in ((tmp_path / "no", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(DataError) as why:
            read(path)
        assert str(why.value) == f"{path}: {reason}"


DATA = (
    "classes= 80\ntrain  = /data/my images/train.txt\n#valid=a\n; valid=b\nnames = c.names\n\nnames=d.names\r\nk=a=b\n"
)


def test_data(tmp_path):
    path = tmp_path / "obj.data"
    path.write_bytes(DATA.encode())
    data = read_data(path)
    assert data.values == {
        "classes": "80", "train": "/data/my images/train.txt", "names": "c.names", "k": "a=b",
    }  # fmt: skip
    assert data.path("valid") is None


def test_data_with_a_line_that_is_none(tmp_path):
    path = tmp_path / "obj.data"
    path.write_text("classes=80\nnames data/obj.names\n")
    with pytest.raises(DataError) as why:
        read_data(path)
    assert str(why.value) == f"{path}:2: expected 'key = value', got 'names data/obj.names'"


@pytest.mark.parametrize(
    ("there", "found"),
    [
        (["set/data/o.names"], "set/data/o.names"),
        (["data/o.names"], "data/o.names"),
        (["set/data/o.names", "data/o.names"], "set/data/o.names"),
    ],
    ids=["beside-the-file", "in-the-working-folder", "both"],
)
def test_files_that_a_data_file_names(there, found, here):
    touch(*there)
    Path("set").mkdir(exist_ok=True)
    Path("set/obj.data").write_text("names = data/o.names\n")
    assert read_data("set/obj.data").path("names") == Path(found)


def test_files_in_the_folder_above_a_data_file(here):
    touch("project/data/o.names")
    Path("project/cfg").mkdir()
    Path("project/cfg/obj.data").write_text("names = data/o.names\n")
    assert read_data("project/cfg/obj.data").path("names").samefile("project/data/o.names")


def test_a_file_that_a_data_file_names_in_vain(here):
    Path("obj.data").write_text("names = data/o.names\n")
    with pytest.raises(DataError) as why:
        read_data("obj.data").path("names")
    message = "obj.data: names: no file 'data/o.names' beside it, here, or in the folder above it"
    assert str(why.value) == message


@pytest.mark.parametrize(
    ("given", "there", "wanted"),
    [
        ({"names": "a.names"}, ["net.names", "obj.names"], (("a1", "a2"), "a.names")),
        ({"data": "a.data"}, ["net.names", "obj.names"], (("a1", "a2"), "a.names")),
        ({"names": "a.names", "data": "no.data"}, [], (("a1", "a2"), "a.names")),
        ({}, ["net.names", "obj.names"], (("n1", "n2"), "net.names, found beside the cfg")),
        ({}, ["obj.names"], (("n1", "n2"), "obj.names, found beside the cfg")),
        ({}, [], (("class_0", "class_1"), "none found")),
    ],
    ids=["names", "data", "names-before-data", "as-the-cfg", "obj.names", "none"],
)
def test_where_names_are_from(given, there, wanted, here):
    Path("net.cfg").write_text(head(2))
    Path("a.names").write_text("a1\na2\n")
    Path("a.data").write_text("names = a.names\n")
    for name in there:
        Path(name).write_text("n1\nn2\n")
    assert names_for(read_graph("net.cfg"), **given) == wanted


@pytest.mark.parametrize(("classes", "first", "last"), [(80, "person", "toothbrush"), (20, "aeroplane", "tvmonitor")])
def test_names_that_the_number_of_classes_suggests(classes, first, last):
    names, source = names_for(resolve(list(parse(head(classes), "no/such/folder/net.cfg"))))
    assert (len(names), names[0], names[-1]) == (classes, first, last)
    assert source == f"{COUNTS[classes]}, as it has {classes} classes"


@pytest.mark.parametrize("how", ["names", "data", "beside"])
def test_another_number_of_names_is_refused(how, here):
    Path("net.cfg").write_text(head(3))
    path = "net.names" if how == "beside" else "a.names"
    Path(path).write_text("one\ntwo\n")
    Path("a.data").write_text("names = a.names\n")
    given = {"names": {"names": "a.names"}, "data": {"data": "a.data"}, "beside": {}}[how]
    with pytest.raises(DataError) as why:
        names_for(read_graph("net.cfg"), **given)
    assert str(why.value) == f"{path}: 2 names, but net.cfg has 3 classes"


def test_a_data_file_without_names(here):
    Path("a.data").write_text("classes = 2\n")
    with pytest.raises(DataError) as why:
        names_for(resolve(list(parse(head(2)))), data="a.data")
    assert str(why.value) == "a.data: names: missing; expected the path of a .names file"


@pytest.mark.parametrize("name", ["yolov3", "yolov3.cfg", "yolov4-tiny"])
def test_cfgs_that_come_with_darkparse(name, here):
    assert find_cfg(name) == shipped() / f"{name.removesuffix('.cfg')}.cfg"


@pytest.mark.parametrize("name", ["mine", "mine.cfg", "cfg/yolov3.cfg", "./cfg/yolov3", "/nowhere/yolov3.cfg"])
def test_other_cfgs_are_paths(name, here):
    assert find_cfg(name) == Path(name)


def test_a_cfg_in_the_working_folder_comes_first(here):
    touch("yolov3.cfg")
    assert find_cfg("yolov3.cfg") == Path("yolov3.cfg")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["dog.jpg", "no.jpg"], ["dog.jpg", "no.jpg"]),
        (["pictures"], ["pictures/A.PNG", "pictures/b.jpg"]),
        (["*.jpg"], ["dog.jpg", "eagle.jpg"]),
        (["pictures/?.jpg"], ["pictures/b.jpg"]),
        (["**/*.jpg"], ["dog.jpg", "eagle.jpg", "pictures/b.jpg", "pictures/more/c.jpg"]),
        (["odd[1].jpg"], ["odd[1].jpg"]),
        (["-", "dog.jpg"], ["from.jpg", "stdin.jpg", "dog.jpg"]),
        (["dog.jpg", "pictures", "dog.jpg"], ["dog.jpg", "pictures/A.PNG", "pictures/b.jpg", "dog.jpg"]),
        ([], []),
    ],
    ids=["files", "folder", "star", "question-mark", "two-stars", "brackets", "stdin", "several", "none"],
)
def test_images(arguments, found, here):
    touch("dog.jpg", "eagle.jpg", "pictures/b.jpg", "pictures/A.PNG", "pictures/notes.md", "pictures/more/c.jpg")
    if "odd[1].jpg" in arguments:
        touch("odd[1].jpg")
    names = [name.replace(os.sep, "/") for name in images(arguments, ["from.jpg\n", "\n", "stdin.jpg\r\n"])]
    assert names == found


@pytest.mark.parametrize(
    "data",
    [
        b"dog.jpg\nlist/cat.jpg\n",
        b"dog.jpg\r\n\r\n  cat.jpg \r\n",
        b'"dog.jpg"\n"cat.jpg"',
        codecs.BOM_UTF8 + b"dog.jpg\ncat.jpg\n",
    ],
    ids=["from-here", "from-the-list", "quoted", "bom"],
)
def test_list_of_images(data, here):
    touch("dog.jpg", "list/cat.jpg")
    Path("list/TEST.TXT").write_bytes(data)
    assert list(images(["list/TEST.TXT"], [])) == ["dog.jpg", os.path.join("list", "cat.jpg")]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("empty", "empty: no image in this folder"),
        ("*.png", "*.png: no file matches"),
        ("no.txt", "no.txt: No such file or directory"),
    ],
)
def test_no_image(argument, message, here):
    Path("empty").mkdir()
    with pytest.raises(DarkparseError) as why:
        list(images([argument], []))
    assert str(why.value) == message
