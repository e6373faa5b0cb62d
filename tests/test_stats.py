"""The numbers of a data set against plain arithmetic, and against what Darknet counts."""

import json

import numpy as np
import pytest

from conftest import ROOT, SHARED
from darkparse.annotations import stats_plot
from darkparse.annotations.stats import RARE, Split, Stats, View, as_dict, measure
from darkparse.annotations.stats_text import lines
from darkparse.data import read_data
from darkparse.errors import DarkparseError, DataError
from darkparse.graph import read_graph
from planted import Planted

BCCD = SHARED / "datasets" / "bccd"


@pytest.fixture
def planted(tmp_path) -> Planted:
    """Images of 64 x 48 px: boxes of a half and a quarter of the sides, thin ones, and none."""
    found = Planted(tmp_path)
    found.label("t0", "0 .5 .5 .5 .5\n1 .25 .75 .25 .5\n")
    found.label("t1", "")
    found.label("t2", "1 .5 .5 .01 .5\n1 .5 .5 .04 .04\n0 .95 .5 .2 .5\n")
    found.label("t3", "1 .5 .5 .25 .25\n5 .5 .5 .25 .25\n")
    return found


def test_counts(planted) -> None:
    found = measure(read_data(planted.data))
    train, valid = found.splits["train"], found.splits["valid"]
    assert (train.per_class, train.images_with) == ([2, 4], [2, 3])
    assert (valid.per_class, valid.images_with) == ([1, 1], [1, 1])
    assert train.per_image.tolist() == [2, 0, 3, 1]
    assert train.image_sizes == [((64, 48), 4)]
    assert train.unusable == (0, 1)  # class 5 of 2
    assert found.counters == "counters_per_class = 2, 4"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (View(128, 128), [[64, 64], [32, 64], [1.28, 64], [5.12, 5.12], [19.2, 64], [32, 32]]),
        # 64 x 48 px become 128 x 96 px: twice as large
        (View(128, 128, letterbox=True), [[64, 48], [32, 48], [1.28, 48], [5.12, 3.84], [19.2, 48], [32, 24]]),
        (View(64, 96), [[32, 48], [16, 48], [0.64, 48], [2.56, 3.84], [9.6, 48], [16, 24]]),
    ],
    ids=["stretched", "letterboxed", "to another shape"],
)
def test_sizes_at_the_networks_resolution(planted, view, expected) -> None:
    """The box at .95 reaches to 1.05 and is cut: from .85 on, .15 wide."""
    train = measure(read_data(planted.data), None, view).splits["train"]
    np.testing.assert_allclose(train.pixels, expected, rtol=1e-6)
    np.testing.assert_allclose(train.centres[4], (0.925, 0.5), rtol=1e-6)


def test_what_is_too_small(planted) -> None:
    """At 64 x 96 px: .64 px wide is lost; 2.56 x 3.84 = 9.8 px^2 is less than 8 x 8, 9.6 x 48 is not."""
    train = measure(read_data(planted.data), None, View(64, 96)).splits["train"]
    assert train.lost.tolist() == [False, False, True, False, False, False]
    assert train.hard(8).tolist() == [False, False, False, True, False, False]
    assert train.hard(22).tolist() == [False, False, False, True, True, True]  # 460.8 and 384 of 484 px^2


def test_strides_are_the_cfgs() -> None:
    tiny = View.of(read_graph(ROOT / "cfg" / "yolov4-tiny.cfg"))
    assert tiny[:4] == (416, 416, False, (16, 32))
    assert View.of(read_graph(ROOT / "cfg" / "yolov4.cfg")).strides == (8, 16, 32)
    assert View.of(read_graph(ROOT / "cfg" / "yolov2.cfg", width=320, height=320)).strides == (32,)
    assert (tiny.cell, View().cell) == (16, 8)


@pytest.mark.skipif(not (SHARED / "conformance" / "cfg").is_dir(), reason="no official cfgs; set DARKPARSE_SHARED")
def test_the_cells_of_yolov1_are_its_side() -> None:
    """7 x 7 cells of 448 px."""
    paths = sorted((SHARED / "conformance" / "cfg").rglob("yolov1.cfg"))
    assert paths
    assert {View.of(read_graph(path, complain=lambda *_: None)).strides for path in paths} == {(64,)}


def test_text(planted) -> None:
    text = list(lines(measure(read_data(planted.data), None, View(64, 96, source="as given"))))
    assert text[0] == "network: 64 x 96 px, images stretched (as given)"
    told = {" ".join(line.split()) for line in text}
    assert {
        "images 4 2",
        "without objects 1 0",
        "boxes 6 2",
        "boxes an image 0 / 1.5 / 3 1 / 1 / 1",
        "images, px 64x48 64x48",
        "dot 2 2 1 1",
        "dash 4 3 1 1",
        "below 1 px wide or high, left out of training: 1 (16.7 %) in train, 0 (0.0 %) in valid",
        "of less area than a cell of the finest head, 8 x 8 px: 1 (16.7 %) in train, 0 (0.0 %) in valid",
        "few boxes to learn from: dot (2), dash (4)",
        "counters_per_class = 2, 4",
    } <= told


def test_json(planted) -> None:
    found = json.loads(json.dumps(as_dict(measure(read_data(planted.data), None, View(64, 96)))))
    train = found["train"]
    assert found["network"]["width"] == 64
    assert found["counters_per_class"] == [2, 4]
    assert train["boxes_per_image"] == {"min": 0, "median": 1.5, "max": 3}
    assert train["classes"][1] == {"name": "dash", "boxes": 4, "images": 3}
    assert (train["below_1_px"], train["smaller_than_a_cell"], train["images_without_objects"]) == (1, 1, 1)
    widths = sorted([32, 16, 0.64, 2.56, 9.6, 16])
    assert train["box_sizes"]["width"]["p50"] == pytest.approx((widths[2] + widths[3]) / 2, abs=1e-3)
    assert train["unusable"] == {"images": 0, "labels": 1}


def made(per_class, names=None) -> Stats:
    """A data set of so many boxes of each class, at random places and of random sizes."""
    rng, view = np.random.default_rng(1), View(416, 416, False, (8, 16, 32), "yolov4.cfg")
    splits = {}
    for name, share in (("train", 1), ("valid", 4)):
        labels = np.repeat(np.arange(len(per_class)), np.array(per_class) // share)
        count = len(labels)
        pixels = np.exp(rng.normal(3.5, 1.2, (count, 2))).clip(0.1, 416)
        owners = rng.integers(0, 50, count)
        sizes = np.tile([[640, 480]], (50, 1)).astype(np.int32)
        splits[name] = Split(len(per_class), sizes, rng.random((count, 2)), pixels, labels, owners)
    return Stats(names or [f"class {i}" for i in range(len(per_class))], view, splits)


def test_hints() -> None:
    hints = list(made([1000, 100, 101, 99, 0, 50], ["a", "b", "c", "d", "d", "e"]).hints)
    assert hints[0] == "no box in train, so nothing to learn from: d"
    assert hints[1].startswith(f"rare beside a (1000): b (100, 1 to {RARE}), d (99, 1 to 10), e (50, 1 to 20); ")
    assert len(hints) == 2


def test_many_classes_make_one_hint() -> None:
    (absent, *_) = made([1000] + [0] * 79).hints
    assert absent.endswith("class 12 and 67 more")


def test_no_hints_where_classes_are_even() -> None:
    assert list(made([1000, 900, 800]).hints) == []


@pytest.mark.skipif(not BCCD.is_dir(), reason=f"no {BCCD}; set DARKPARSE_SHARED")
def test_bccd_has_what_is_known_of_it(tmp_path) -> None:
    """RBC 4153, WBC 372, Platelets 361 without the two boxes that have no size; Darknet's own counts of trainval."""
    from bccd import convert

    found = measure(read_data(convert(BCCD.resolve(), tmp_path)))
    train, valid = found.splits["train"], found.splits["valid"]
    assert (np.array(train.per_class) + valid.per_class).tolist() == [4153, 372, 361]
    assert (train.image_sizes, valid.image_sizes) == ([((640, 480), 292)], [((640, 480), 72)])
    counted = json.loads((SHARED / "training" / "map" / "calc_anchors.json").read_text())
    assert train.per_class == counted["counters_per_class"]
    assert len(train.labels) == counted["boxes"]
    assert train.unusable == valid.unusable == (0, 0)


@pytest.mark.parametrize(
    ("line", "message"),
    [("", "train: missing"), ("train = gone.txt", "gone.txt"), ("train = a.names", "none of 2 images")],
)
def test_a_data_set_that_is_none(planted, line, message) -> None:
    planted.write("a.data", f"classes = 2\n{line}\nnames = a.names\n")
    with pytest.raises(DataError, match=message):
        measure(read_data(planted.data))


def test_without_names_classes_are_as_the_labels_need(planted) -> None:
    planted.write("a.data", f"train = {planted.folder}/train.txt\n")
    found = measure(read_data(planted.data))
    assert found.names == [f"class_{i}" for i in range(6)]
    assert found.splits["train"].per_class == [2, 4, 0, 0, 0, 1]


@pytest.mark.parametrize("count", [1, 3, 80, 300])
def test_the_picture_names_classes_and_shows_all_boxes(count, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    stats = made([20 + 7 * (i % 90) for i in range(count)])
    counts = np.array([split.per_class for split in stats.splits.values()])
    drawn = stats_plot.draw(stats)
    bars, sizes, places = (drawn.axes[number] for number in (0, 1, 3))
    named = [label.get_text() for label in bars.get_yticklabels()]
    shown = [stats.names.index(name) for name in named]
    assert len(named) == min(count, 100)
    assert counts.sum(0)[shown].min() >= np.delete(counts.sum(0), shown).max(initial=0)
    assert [[bar.get_width() for bar in split] for split in bars.containers] == counts[:, shown].tolist()
    assert ("the 100 most frequent of 300" in bars.get_title(loc="left")) is (count == 300)
    assert sizes.collections[0].get_array().sum() == counts.sum()
    assert places.images[0].get_array().sum() == counts.sum()
    stats_plot.write(tmp_path / "s.png", stats)
    assert [bars.xaxis.get_major_formatter()(value) for value in (0, 500, 3000)] == ["0", "500", "3,000"]
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_of_few_boxes(planted, tmp_path) -> None:
    """A split may have no boxes; lines for sizes below a pixel and for the cells are there."""
    pytest.importorskip("matplotlib")
    for name in ("v0", "v1"):
        planted.label(name, "9 .5 .5 .1 .1\n")
    planted.write("a.data", f"classes = 2\ntrain = {planted.folder}/train.txt\nnames = a.names\n")
    drawn = stats_plot.draw(measure(read_data(planted.data), None, View(64, 96)))
    labels = [text.get_text() for text in drawn.axes[1].get_legend().get_texts()]
    assert labels == ["one cell of the finest head, 8 x 8 px", "below 1 px: left out of training"]


def test_another_kind_of_picture_is_refused(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(DarkparseError, match=r"\.png"):
        stats_plot.write(tmp_path / "s.bmp", made([5]))
