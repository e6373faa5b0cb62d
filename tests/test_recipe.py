"""A new cfg: what the recipe changes in every official one, and what it leaves.

Numbers are those of AlexeyAB's README, "How to train (to detect your custom objects)", or plain arithmetic.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import ROOT, SHARED
from darkparse.cfg import read_cfg
from darkparse.cfg_edit import CfgText
from darkparse.errors import CfgError, DarkparseError, DataError, UnusedOption
from darkparse.graph import Graph, resolve
from darkparse.net import Net
from darkparse.recipe import DataSet, NewCfg, Wishes, new_cfg, steps

KIT = sorted((SHARED / "conformance" / "cfg").glob("*.cfg"))
OWN = sorted((ROOT / "cfg").glob("*.cfg"))
NOT_IMAGES = ("ab__gru", "ab__rnn", "ab__rnn.train", "crnn.train", "lstm.train", "pj__gru", "pj__rnn", "pj__rnn.train")
WITHOUT_CLASSES = {
    **dict.fromkeys(NOT_IMAGES, "reads 256 values, not images"),
    **dict.fromkeys(("ab__go.test", "go", "pj__go.test"), "gives 19x19x1, not one value a class"),
    "vgg-conv": "gives 7x7x512, not one value a class",
    "writing": "gives 256x256x1, not one value a class",
    "jnet-conv": "has no loss",
}
CHANGED = {"batch", "subdivisions", "max_batches", "steps", "scales", "burn_in"}  # of [net]
CLASSES = 7

HEAD = """[net]
width=64
height=32
channels=3
{net}

[convolutional]  # a comment
filters=40#32
size=1
stride=32

{head}
"""


def text_of(head: str, net: str = "") -> str:
    """A cfg with one head: its section's name, then its options, a line each."""
    name, _, options = head.partition("\n")
    return HEAD.format(net=net, head=f"[{name}]\n{options}")


def quiet(*_: object) -> None:
    """Complain to nobody."""


def make(source: Path, data: DataSet | int = CLASSES, **wishes: int) -> NewCfg:
    return new_cfg(source, DataSet(data) if isinstance(data, int) else data, Wishes(**wishes), quiet)


def graph_of(path: Path) -> Graph:
    return resolve(read_cfg(path, quiet), complain=quiet)


def net_after(cfg, lines: str, data: DataSet | int = CLASSES, **wishes: int) -> Net:
    """[net] of a new cfg, whose old one has these lines in it."""
    path = cfg(text_of("region\nclasses=3\nnum=5", lines))
    return make(path, data, **wishes).graph.net


# Every official cfg


def check(path: Path) -> None:
    old, made = graph_of(path), make(path)
    assert made.graph.heads or made.graph.nodes[-1].shape.c == CLASSES
    assert all(head.classes == CLASSES for _, head in made.graph.heads)
    check_net(old.net, made.graph.net)
    check_layers(old, made.graph)
    check_text(path, made)


def check_net(old: Net, new: Net) -> None:
    """The sums of the README for 7 classes."""
    assert new.max_batches == 14_000
    if new.policy == "steps":
        assert new.steps[-2:] == (11_200, 12_600)
        assert len(new.steps) == len(new.scales)
    kept = {name: getattr(new, name) for name in vars(new) if name not in CHANGED}
    assert kept == {name: getattr(old, name) for name in kept}


def check_layers(old: Graph, new: Graph) -> None:
    """All layers are as before, but the heads, those that feed them, and what stands behind a classifier's last."""
    if new.heads:
        free = {index for head, _ in new.heads for index in (head, head - 1)}
    else:
        free = {node.index for node in new.nodes if node.shape.c == CLASSES}
    for before, after in zip(old.nodes, new.nodes, strict=True):
        if after.index not in free:
            assert replace(after, where=before.where) == before


def check_text(path: Path, made: NewCfg) -> None:
    """A line that is not reported as changed stands where it was, byte for byte; the result reads as it was built."""
    old, new = CfgText.read(path).text, made.text.text
    before, after = old.split("\n"), new.split("\n")
    removed = sum("removed" in line for line in made.changes)
    added = sum("not given" in line for line in made.changes)
    changed = len(made.changes) - removed - added
    assert len(set(before) - set(after)) <= changed + removed
    assert len(after) == len(before) - removed + added
    comments = [[line for line in text if line.startswith(("#", ";"))] for text in (before, after)]
    assert comments[0] == comments[1]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_own(path: Path) -> None:
    check(path)


@pytest.mark.kit
@pytest.mark.parametrize("path", [p for p in KIT if p.stem not in WITHOUT_CLASSES], ids=lambda path: path.stem)
def test_official(path: Path) -> None:
    check(path)


@pytest.mark.kit
@pytest.mark.parametrize("name", WITHOUT_CLASSES)
def test_official_without_classes(name: str) -> None:
    with pytest.raises(CfgError, match=WITHOUT_CLASSES[name]):
        make(SHARED / "conformance" / "cfg" / f"{name}.cfg")


# Filters


@pytest.mark.parametrize(("classes", "filters"), [(1, 18), (2, 21), (80, 255)])
def test_filters_before_yolo(classes: int, filters: int) -> None:
    """README.md: "if classes=1 then should be filters=18. If classes=2 then write filters=21"."""
    made = make(ROOT / "cfg" / "yolov4.cfg", classes)
    assert [made.graph.nodes[index - 1].shape.c for index, _ in made.graph.heads] == [filters] * 3


@pytest.mark.parametrize(
    ("head", "classes", "filters"),
    [
        ("yolo\nmask=0,1\nnum=6", 4, 2 * (4 + 5)),
        ("yolo\nnum=6", 4, 6 * (4 + 5)),  # without a mask, all
        ("Gaussian_yolo\nmask=0,1,2\nnum=9", 4, 3 * (4 + 9)),
        ("region\nnum=5", 1, 30),
        ("region\nnum=5", 20, 125),
    ],
)
def test_filters(cfg, head: str, classes: int, filters: int) -> None:
    """(classes + 5) * masks, (classes + 9) * masks, (classes + 5) * num."""
    made = make(cfg(text_of(head)), classes)
    assert made.graph.nodes[0].shape.c == filters
    assert made.graph.heads[0][1].classes == classes
    assert f"filters={filters}#32" in made.text.text
    assert f"line 11 [convolutional] filters: 40 -> {filters}" in made.changes


def test_output_before_detection(cfg) -> None:
    """YOLOv1: side^2 * (classes + num * 5)."""
    text = "[net]\nwidth=8\nheight=8\nchannels=1\n[connected]\noutput=1\n[detection]\nclasses=20\ncoords=4\n"
    made = make(cfg(text + "num=2\nside=7\n"), 3)
    assert made.graph.nodes[0].shape.size == 7 * 7 * (3 + 2 * 5)


def test_a_wrong_cfg_is_mended(cfg) -> None:
    """Filters that never fitted are as good as any."""
    assert make(cfg(text_of("region\nnum=2\nclasses=9")), 1).graph.nodes[0].shape.c == 12


CLASSIFIER = "[net]\nwidth=4\nheight=4\nchannels=3\n[convolutional]\nfilters=9\n{}"


@pytest.mark.parametrize(
    ("tail", "changed"),
    [
        ("[avgpool]\n[softmax]\n", "filters"),
        ("[avgpool]\n[dropout]\n[cost]\n", "filters"),
        ("[connected]\noutput=5\n[softmax]\n", "output"),
        ("[avgpool]\n[convolutional]\nfilters=3\n[softmax]\n", "filters"),
    ],
)
def test_classifier(cfg, tail: str, changed: str) -> None:
    made = make(cfg(CLASSIFIER.format(tail)), 4)
    assert made.graph.nodes[-1].shape.size == 4
    (line,) = [line for line in made.changes if "[net]" not in line]
    assert f" {changed}: " in line


@pytest.mark.parametrize(
    ("tail", "section"),
    [
        ("[avgpool]\n[route]\nlayers=-1,-2\n[avgpool]\n[softmax]\n", "route"),
        ("[convolutional]\nfilters=9\n[shortcut]\nfrom=-2\nactivation=linear\n[avgpool]\n[softmax]\n", "shortcut"),
        ("[avgpool]\n[batchnorm]\n[softmax]\n", "batchnorm"),
    ],
)
def test_classes_that_no_one_layer_gives(cfg, tail: str, section: str) -> None:
    tail = tail.replace("layers=-1,-2", "layers=-2,-2")
    with pytest.raises(CfgError, match=rf"\[{section}\]: gives the classes; expected \[convolutional\] or"):
        make(cfg(CLASSIFIER.format(tail)))


# The schedule


@pytest.mark.parametrize(
    ("classes", "images", "total"), [(1, 0, 6000), (3, 0, 6000), (4, 0, 8000), (4, 9001, 9001), (1, 5999, 6000)]
)
def test_max_batches(cfg, classes: int, images: int, total: int) -> None:
    """README.md: classes * 2000, "but not less than number of training images, and not less than 6000"."""
    assert net_after(cfg, "", DataSet(classes, images)).max_batches == total


def test_steps_as_in_the_readme(cfg) -> None:
    """README.md: "max_batches=6000 if you train for 3 classes", "steps=4800,5400"."""
    net = net_after(cfg, "policy=steps\nsteps=400000,450000\nscales=.1,.1", 3)
    assert (net.max_batches, net.steps, net.scales) == (6000, (4800, 5400), (0.1, 0.1))


@pytest.mark.parametrize(
    ("old", "scales", "total", "new", "kept"),
    [
        ((400, 450), (0.5, 0.2), 1000, (800, 900), (0.5, 0.2)),
        ((-1, 100, 80000, 100000), (0.1, 10, 0.1, 0.1), 6000, (-1, 100, 4800, 5400), (0.1, 10, 0.1, 0.1)),
        ((100, 25000, 35000), (10, 0.1, 0.1), 6000, (100, 4800, 5400), (10, 0.1, 0.1)),
        ((100, 200, 300), (0.5, 0.2, 0.1), 1000, (800, 900), (0.2, 0.1)),
        ((100,), (0.5,), 1000, (800, 900), (0.1, 0.5)),
        ((), (), 1000, (800, 900), (0.1, 0.1)),
        ((200, 600, 9000), (2, 2, 0.1), 500, (16, 50, 400, 450), (2, 2, 0.1, 0.1)),  # 600 is after 400: a twelfth
    ],
    ids=["two", "dip", "rise", "three", "one", "none", "short"],
)
def test_steps(old: Sequence[int], scales: Sequence[float], total: int, new: Sequence[int], kept: Sequence[float]):
    assert steps(Net(steps=tuple(old), scales=tuple(scales)), total) == (new, kept)


@pytest.mark.parametrize(("burn_in", "total", "left"), [(1000, 6000, 1000), (1000, 1300, 1000), (1000, 1250, 125)])
def test_burn_in(cfg, burn_in: int, total: int, left: int) -> None:
    """It stays, unless it would reach the first step: 1040 of 1300, 1000 of 1250."""
    assert net_after(cfg, f"burn_in={burn_in}", max_batches=total).burn_in == left


def test_another_policy_keeps_its_options(cfg) -> None:
    net = net_after(cfg, "policy=poly\nsteps=1,2\nscales=.5,.5\npower=3")
    assert (net.policy, net.steps, net.scales, net.power, net.max_batches) == ("poly", (1, 2), (0.5, 0.5), 3, 14_000)


@pytest.mark.parametrize(
    ("lines", "wishes", "batch", "subdivisions"),
    [
        ("batch=1", {}, 64, 16),
        ("batch=32\nsubdivisions=8", {}, 64, 16),
        ("", {"batch": 8}, 8, 2),  # 4 images at a time, as 64 in 16 parts
        ("", {"batch": 24}, 24, 6),
        ("", {"batch": 6}, 6, 3),
        ("", {"subdivisions": 64}, 64, 64),
        ("track=1\nbatch=9\nsubdivisions=3\ntime_steps=4", {}, 9, 3),
    ],
)
def test_portions(cfg, lines: str, wishes: dict[str, int], batch: int, subdivisions: int) -> None:
    net = net_after(cfg, lines, **wishes)
    assert (net.batch, net.subdivisions) == (batch, subdivisions)


@pytest.mark.parametrize(("lines", "expected"), [("batch=128\nsubdivisions=2", (128, 2)), ("batch=1", (64, 16))])
def test_portions_of_a_classifier(cfg, lines: str, expected: tuple[int, int]) -> None:
    text = CLASSIFIER.format("[avgpool]\n[softmax]\n").replace("[net]", f"[net]\n{lines}")
    net = make(cfg(text)).graph.net
    assert (net.batch, net.subdivisions) == expected


def test_a_batch_that_cannot_be_divided(cfg) -> None:
    with pytest.raises(CfgError, match=r"net.cfg:5: \[net\] batch: expected a multiple of subdivisions=7, got 64"):
        net_after(cfg, "batch=1", subdivisions=7)


# The size


def test_size_and_channels(cfg) -> None:
    net = net_after(cfg, "", width=96, height=128, channels=1)
    assert (net.width, net.height, net.channels) == (96, 128, 1)


def test_size_that_is_no_multiple_of_the_stride(cfg) -> None:
    with pytest.raises(CfgError, match=r"net.cfg:3: \[net\] height: expected a multiple of 32, .*, got 80"):
        net_after(cfg, "", height=80)


def test_stride_is_the_networks() -> None:
    """YOLOv4-tiny halves its input five times: 2^5 = 32."""
    assert make(ROOT / "cfg" / "yolov4-tiny.cfg", width=320, height=352).graph.net.width == 320
    with pytest.raises(CfgError, match="multiple of 32"):
        make(ROOT / "cfg" / "yolov4-tiny.cfg", width=336)


def test_any_size_before_a_dense_layer(cfg) -> None:
    text = "[net]\nwidth=8\nheight=8\nchannels=1\n[connected]\noutput=1\n[detection]\nclasses=20\ncoords=4\n"
    assert make(cfg(text), width=10).graph.net.width == 10


# The old data set


def test_what_is_of_the_old_data_set_goes(cfg, tmp_path: Path) -> None:
    """The files that it names need not even be there."""
    old = "region\nclasses=3\nsoftmax=1\ntree=data/9k.tree\n# a note\nmap = data/coco9k.map\nnum=2"
    made = make(cfg(text_of(old)), 2)
    removed = "removed, as it is of the old data set"
    assert made.changes[-2:] == [
        f"line 15 [region] tree: data/9k.tree {removed}",
        f"line 15 [region] map: data/coco9k.map {removed}",
    ]
    assert made.text.text.endswith("[region]\nclasses=2\nsoftmax=1\n# a note\nnum=2\n")


def test_counters_per_class_go(cfg) -> None:
    made = make(cfg(text_of("yolo\nclasses=3\ncounters_per_class=10, 20, 30")), 2)
    assert "counters_per_class: 10,20,30 removed" in made.changes[-1]


# What is asked for


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a .data file of two classes and three images."""
    (tmp_path / "x.names").write_text("cat\ndog\n\n")
    (tmp_path / "train.txt").write_text("a.jpg\nb.jpg\n\nc.jpg\n")
    (tmp_path / "x.data").write_text("train=train.txt\nnames=x.names\n")
    return tmp_path


def test_data_set(files: Path) -> None:
    assert DataSet.of(data=files / "x.data") == DataSet(2, 3, ("cat", "dog"))
    assert DataSet.of(names=files / "x.names") == DataSet(2, 0, ("cat", "dog"))
    assert DataSet.of(5) == DataSet(5)
    assert DataSet.of(2, files / "x.names") == DataSet(2, 0, ("cat", "dog"))


@pytest.mark.parametrize("key", ["names", "labels"])
def test_names_of_a_data_file(files: Path, key: str) -> None:
    (files / "x.data").write_text(f"train=train.txt\n{key}=x.names\n")
    assert DataSet.of(data=files / "x.data").classes == 2


def test_a_number_in_place_of_names(files: Path) -> None:
    (files / "x.data").write_text("train=train.txt\n")
    assert DataSet.of(4, data=files / "x.data") == DataSet(4, 3)


def test_data_sets_that_cannot_be(files: Path) -> None:
    with pytest.raises(DataError, match=r"x.names: 2 names; expected classes=3"):
        DataSet.of(3, files / "x.names")
    with pytest.raises(DataError, match=r"no data set; expected"):
        DataSet.of()
    (files / "x.data").write_text("train=train.txt\n")
    with pytest.raises(DataError, match=r"x.data: names: missing; expected the path"):
        DataSet.of(data=files / "x.data")
    (files / "x.data").write_text("names=x.names\n")
    with pytest.raises(DataError, match=r"x.data: train: missing"):
        DataSet.of(data=files / "x.data")


def test_oddities_of_the_cfg_are_told(cfg) -> None:
    path = cfg(text_of("region\nnum=2", "bach=2"))
    with pytest.warns(UnusedOption, match=r"net.cfg:5: \[net\] bach: no such option"):
        new_cfg(path, DataSet(1))


def test_no_such_cfg(tmp_path: Path) -> None:
    with pytest.raises(DarkparseError, match=r"none.cfg: No such file"):
        make(tmp_path / "none.cfg")


def test_too_many_classes(cfg) -> None:
    with pytest.raises(CfgError, match=r"\[net\] max_batches: expected an integer"):
        make(cfg(text_of("region\nnum=2")), 2_000_000)


def test_the_old_encoding_and_line_ends_stay(tmp_path: Path) -> None:
    path = tmp_path / "old.cfg"
    path.write_bytes(text_of("region\nclasses=3", "# gr\xf6\xdfe").replace("\n", "\r\n").encode("latin-1"))
    made = make(path, 1)
    made.text.write(tmp_path / "new.cfg")
    written = (tmp_path / "new.cfg").read_bytes()
    assert b"# gr\xf6\xdfe\r\n" in written
    assert written.count(b"\n") == written.count(b"\r\n")
    assert graph_of(tmp_path / "new.cfg").classes == 1
