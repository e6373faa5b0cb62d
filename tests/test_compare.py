"""Two models side by side: planted differences are named, at the layer and in the box where they were planted."""

import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from conftest import ROOT, SHARED
from darkparse import checkpoint, weights
from darkparse.classification import Classification
from darkparse.cli import main
from darkparse.compare.comparison import Comparison, Output
from darkparse.compare.differences import Layers, difference
from darkparse.compare.findings import Boxes, Classes, boxes, pairs
from darkparse.compare.opening import open_both, open_side
from darkparse.compare.run import compare, record
from darkparse.compare.sides import Layer, Picture
from darkparse.detections import Detections
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network
from darkparse.sources import read_source

CFG, WEIGHTS, PICTURE = (
    str(ROOT / path) for path in ("cfg/digits.cfg", "weights/digits.weights", "tests/data/digits.jpg")
)
DIGITS = (CFG, WEIGHTS)
SMALL = """[net]
width=32
height=24
channels=3

[convolutional]
filters=8
size=3
pad=1
activation=leaky

[convolutional]
filters={filters}
size=1
activation={activation}

[maxpool]
size=2
stride=2
"""
CLASSIFIER = (
    SMALL.format(filters=5, activation="linear")
    + """
[avgpool]

[softmax]
"""
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def planted(change, name: str = "planted.weights") -> str:
    """The digits' weights, changed."""
    source = read_source(*DIGITS)
    with torch.no_grad():
        change(source.network.layers)
    weights.save(source.network, name, source.header)
    return name


def edited(section: int, old: str, new: str, name: str = "edited.cfg") -> str:
    """The digits' cfg, with the text of one layer changed."""
    parts = Path(CFG).read_text().split("\n[")
    assert parts[section + 2].count(old) == 1  # before it stand a comment and [net]
    parts[section + 2] = parts[section + 2].replace(old, new)
    Path(name).write_text("\n[".join(parts))
    return name


def small(text: str, name: str, seed: int = 1) -> tuple[str, str]:
    """A cfg with random weights."""
    Path(f"{name}.cfg").write_text(text)
    torch.manual_seed(seed)
    network = Network(read_graph(f"{name}.cfg")).eval()
    weights.save(network, f"{name}.weights", Header())
    return f"{name}.cfg", f"{name}.weights"


def compared(a, b, *images: str, **how) -> Comparison:
    return compare(*open_both([a, b]), images or (PICTURE,), **how)


def on_its_own(a, b, **how) -> Comparison:
    """On the images that one was recorded with."""
    return compare(*open_both([a, b]), **how)


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["compare", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def only_boxes(comparison: Comparison) -> list[Boxes]:
    assert all(isinstance(one, Boxes) for one in comparison.found)
    return comparison.found  # type: ignore[return-value]


# What is planted is found.


def test_the_same_files_are_the_same() -> None:
    found = compared(DIGITS, DIGITS)
    assert found.same
    assert sorted(found.layers.worst) == list(range(40))
    assert not found.changes
    assert found.weights is None
    assert found.layers.largest is None
    (one,) = only_boxes(found)
    assert len(one.both) == 8
    assert (one.gained, one.lost, one.moved) == ([], [], [])


def test_a_bias_shifts_a_linear_layer_by_as_much() -> None:
    """Layer 30 has no batch norm and a linear activation: all of its channel 7 goes up by a quarter, and no other."""

    def change(layers):
        layers[30].conv.bias[7] += 0.25

    found = compared(DIGITS, (CFG, planted(change)))
    assert not found.same
    assert found.first == 30
    assert found.layers.differing == [30, 31]  # and the head, which passes it on
    worst = found.layers.worst[30]
    assert worst.largest == pytest.approx(0.25, abs=1e-4)
    assert worst.other - worst.one == pytest.approx(0.25, abs=1e-4)
    assert worst.where[0] == 7
    assert all(found.layers.worst[index].largest == 0 for index in range(30))
    first = found.weights.first
    assert (found.weights.differing, first.index, first.section, first.name) == (1, 30, "convolutional", "biases")
    assert (first.values, first.size, first.gap) == (1, 45, pytest.approx(0.25, abs=1e-6))


def test_one_weight_of_one_filter() -> None:
    """Of layer 10, read by all that follow, one number: it is the first to differ, in the channel of that filter."""

    def change(layers):
        layers[10].conv.weight[3, 2, 1, 0] += 0.5

    found = compared(DIGITS, (CFG, planted(change)))
    assert found.first == 10
    assert found.layers.worst[10].where[0] == 3
    assert (found.weights.first.name, found.weights.first.values) == ("weights", 1)
    text = "\n".join(found.lines())
    line = read_graph(CFG).nodes[10].where.line
    assert f"first: layer 10 [convolutional] {CFG}:{line} 32x32x32: " in text
    assert "channel 3, row " in text


def test_the_values_are_those_of_the_two_networks() -> None:
    """What is said of the place of the largest difference, read from the networks themselves."""

    def change(layers):
        layers[4].norm.weight[5] *= 1.5

    file = planted(change)
    found = compared(DIGITS, (CFG, file))
    assert (found.first, found.weights.first.name) == (4, "scales")
    worst = found.layers.worst[4]
    image = open_side(DIGITS)
    image.prepare("stretch")
    pixels = torch.from_numpy(image.fill(Picture(PICTURE, 0)).pixels)[None]
    values = []
    for side in (DIGITS, (CFG, file)):
        network, kept = read_source(*side).network, []
        network.layers[4].register_forward_hook(lambda *call, kept=kept: kept.append(call[2][0]))
        with torch.inference_mode():
            network(pixels)
        values.append(kept[0])
    gap = (values[0] - values[1]).abs()
    assert worst.largest == pytest.approx(float(gap.max()), rel=1e-4)
    assert worst.scale == pytest.approx(float(values[0].abs().max()), rel=1e-4)
    assert [worst.one, worst.other] == pytest.approx([float(one[worst.where]) for one in values], rel=1e-4)


def test_another_activation_in_the_cfg() -> None:
    found = compared(DIGITS, (edited(8, "leaky", "relu"), WEIGHTS))
    (change,) = found.changes
    assert (change.index, change.option, change.one, change.other) == (8, "activation", "leaky", "relu")
    assert found.first == 8
    assert found.weights is None
    worst = found.layers.worst[8]
    assert worst.other == 0  # a leaky layer gives a tenth of what is below 0, a ReLU nothing
    assert worst.one < 0


def test_other_anchors_change_no_layer_but_the_boxes() -> None:
    """An anchor of the first head half as wide again: its boxes are, and all else stays."""
    found = compared(DIGITS, (edited(31, "48,72, 65,93", "72,72, 97.5,93"), WEIGHTS))
    assert [change.option for change in found.changes] == ["anchors"]
    assert found.layers.differing == []
    (one,) = only_boxes(found)
    assert one.moved
    for pair in one.moved:
        assert pair.other.box[2] == pytest.approx(1.5 * pair.one.box[2], rel=1e-5)
        assert (pair.other.box[0], pair.other.score) == pytest.approx((pair.one.box[0], pair.one.score), abs=1e-6)
    assert not found.same


def test_nan_is_named_where_it_begins() -> None:
    def change(layers):
        layers[30].conv.bias[7] = float("nan")

    file = planted(change)
    found = compared(DIGITS, (CFG, file))
    assert found.first == 30
    worst = found.layers.worst[30]
    assert (worst.finite, worst.where[0]) == (False, 7)
    assert "B nan" in str(worst)
    assert np.isnan(worst.other)
    assert np.isfinite(worst.one)
    json.loads(found.as_json(), parse_constant=pytest.fail)
    assert compared((CFG, file), (CFG, file)).same  # NaN in the same places


def test_what_is_below_the_tolerance_is_the_same() -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    file = planted(change)
    assert not compared(DIGITS, (CFG, file), tolerance=1e-3).same
    found = compared(DIGITS, (CFG, file), tolerance=0.5)
    assert found.same
    assert found.layers.largest == 30


def test_bf16_costs_three_digits() -> None:
    """Numbers of bfloat16 have 8 bits: rounding alone is up to 2^-9 of a value, and forty layers add up a few of it."""
    found = compare(*open_both([DIGITS], precision="bf16"), [PICTURE])
    worst = [found.layers.worst[index].relative for index in range(40)]
    assert all(2**-11 < one < 2**-5 for one in worst)
    (one,) = only_boxes(found)
    assert (len(one.both), one.gained, one.lost) == (8, [], [])
    assert 1e-5 < max(pair.largest for pair in one.both) < 0.02


# Networks that are different ones.


def test_networks_part_at_another_shape() -> None:
    a = small(SMALL.format(filters=16, activation="linear"), "a")
    b = small(SMALL.format(filters=12, activation="linear"), "b")
    found = compared(a, b)
    assert found.layers.parting == "layer 1 [convolutional] a.cfg:12 | b.cfg:12 gives 32x24x16 in A, 32x24x12 in B"
    assert list(found.layers.worst) == [0]
    assert [(change.index, change.option) for change in found.changes] == [(1, "filters")]
    assert found.outputs[0].shapes == ((16, 12, 16), (12, 12, 16))
    assert not found.same


def test_networks_part_at_another_section() -> None:
    text = SMALL.format(filters=8, activation="linear")
    other = text.replace("[convolutional]\nfilters=8\nsize=1\nactivation=linear", "[maxpool]\nsize=1\nstride=1")
    found = compared(small(text, "a"), small(other, "b"))
    assert found.layers.parting == "A has layer 1 [convolutional] a.cfg:12, B has layer 1 [maxpool] b.cfg:12"
    assert list(found.layers.worst) == [0]


def test_networks_part_where_one_ends() -> None:
    text = SMALL.format(filters=8, activation="linear")
    found = compared(small(text, "a"), small(text + "[maxpool]\nsize=2\nstride=2\n", "b"))
    assert found.layers.parting == "only B has layer 3 [maxpool] b.cfg:20"
    assert all(one.largest == 0 for one in found.layers.worst.values())  # one seed, the same weights
    assert not found.same


def test_other_sources_are_told_of() -> None:
    text = SMALL.format(filters=8, activation="linear")
    routes = [f"{text}[route]\nlayers={layers}\n" for layers in ("0", "1")]
    found = compared(small(routes[0], "a"), small(routes[1], "b"))
    assert ("reads", (0,), (1,)) in [(change.option, change.one, change.other) for change in found.changes]
    assert found.first == 3


def test_networks_of_another_size_each_get_the_image_at_theirs() -> None:
    wide = Path(CFG).read_text().replace("width = 256", "width = 320")
    Path("wide.cfg").write_text(wide)
    found = compared(DIGITS, ("wide.cfg", WEIGHTS))
    assert "gives 128x128x16 in A, 160x128x16 in B" in found.layers.parting
    (one,) = only_boxes(found)
    assert len(one.both) + len(one.lost) == 8
    assert max(pair.box for pair in one.both) < 0.05


def test_classes() -> None:
    """The bias of a class, raised by as much as makes it the first: A's 1st and B's are named, and the difference."""
    a = small(CLASSIFIER, "a")
    source = read_source(*a)
    with torch.no_grad():
        source.network.layers[1].conv.bias += torch.tensor([0.0, 0, 0, 0, 100])
    weights.save(source.network, "b.weights", source.header)
    found = compared(a, (a[0], "b.weights"))
    (one,) = found.found
    assert one.other.labels[0] == 4
    assert one.other.scores[0] == pytest.approx(1)
    before = dict(zip(one.one.labels.tolist(), one.one.scores.tolist(), strict=True))
    assert one.score == pytest.approx(max(1 - before[4], *(before[label] for label in range(4))), abs=1e-6)
    assert not found.same
    assert "class_4 1.0000" in "\n".join(found.lines())


def test_what_neither_detects_nor_classifies() -> None:
    a = small(SMALL.format(filters=4, activation="linear"), "a")
    found = compared(a, a)
    assert found.same
    assert len(found.outputs) == 1
    assert not found.found


def test_no_network_for_images(tmp_path: Path) -> None:
    a = small("[net]\ninputs=9\n[connected]\noutput=4\n", "a")
    with pytest.raises(DarkparseError, match="reads 9 values; expected a network that reads images"):
        compared(a, a)


# Arithmetic.


def test_difference() -> None:
    one = np.array([[[1, 2], [3, -8]]], np.float32)
    found = difference(one, one + np.array([[[0, 0], [0.5, 0]]], np.float32), "x")
    assert (found.largest, found.scale, found.where, found.one, found.other) == (0.5, 8, (0, 1, 0), 3, 3.5)
    assert found.relative == 0.0625


@pytest.mark.parametrize(
    ("one", "other", "gap"),
    [
        (np.nan, np.nan, 0),
        (np.inf, np.inf, 0),
        (np.inf, -np.inf, np.inf),
        (np.nan, 1, np.inf),
        (1, np.nan, np.inf),
        (1, np.inf, np.inf),
        (np.nan, np.inf, np.inf),
    ],
)
def test_difference_of_what_is_not_finite(one: float, other: float, gap: float) -> None:
    a, b = (np.array([[[0, 4, value]]], np.float32) for value in (one, other))
    found = difference(a, b, "x")
    assert (found.largest, found.scale) == (gap, 4)
    assert found.where == (0, 0, 2 if gap else 0)


def test_difference_from_nothing() -> None:
    zero = np.zeros((1, 2, 2), np.float32)
    assert difference(zero, zero, "x").relative == 0
    assert difference(zero, zero + 1e-9, "x").relative == np.inf


def test_the_worst_image_counts() -> None:
    layer = {0: Layer(0, "convolutional")}
    layers = Layers(layer, layer, 1e-4)
    for image, gap in (("a", 0.1), ("b", 0.3), ("c", 0.2)):
        layers.keep(0, np.ones((1, 1, 1), np.float32))
        layers.match(image, 0, np.full((1, 1, 1), 1 + gap, np.float32))
    assert layers.worst[0].image == "b"
    assert layers.worst[0].largest == pytest.approx(0.3)


def detections(*rows: tuple[int, float, float]) -> Detections:
    """Boxes half as wide and high as the image: class, score, middle across."""
    table = np.array([(label, score, x, 0.5, 0.5, 0.5) for label, score, x in rows], np.float32).reshape(-1, 6)
    return Detections(table[:, 2:], table[:, 1], table[:, 0].astype(np.int64), ("a", "b"), 100, 100)


def test_pairs_by_overlap_each_once() -> None:
    """Boxes .5 wide: of those .1 apart .4 / .6 overlap, so the two that are in one place go together, not these."""
    one, other = detections((0, 0.9, 0.3), (0, 0.8, 0.4)), detections((0, 0.7, 0.4), (0, 0.6, 0.45))
    assert pairs(one, other, 0.5) == [(1, 0), (0, 1)]
    far = detections((0, 0.9, 0.5))  # .3 / .7 from the first, .4 / .6 from the second
    assert pairs(one, far, 0.5) == [(1, 0), (0, None)]
    assert pairs(one, detections((1, 0.9, 0.3)), 0.5) == [(0, None), (1, None), (None, 0)]


def test_nan_on_both_sides_is_told_of() -> None:
    """It is no difference, but a network that gives NaN finds nothing."""
    output, sound, broken = Output(("x", "x")), np.ones((1, 2, 2), np.float32), np.full((1, 2, 2), np.nan, np.float32)
    output.add(sound, sound, "a")
    assert str(output) == "output x: no difference"
    output.add(broken, broken, "b")
    assert str(output) == "output x: no difference, but both give NaN"
    assert output.within(0)


def test_classes_of_one_name_are_one_class() -> None:
    """Networks of other classes have other numbers for a name, and other names for a number."""
    one = detections((0, 0.9, 0.3), (1, 0.9, 0.7))  # a, b
    other = replace(detections((0, 0.9, 0.3), (2, 0.9, 0.3), (1, 0.9, 0.7)), names=("c", "d", "a"))
    assert pairs(one, other, 0.5) == [(0, 1), (1, None), (None, 0), (None, 2)]
    assert pairs(other, one, 0.5) == [(1, 0), (0, None), (2, None), (None, 1)]
    nameless = replace(other, names=("class_0", "class_1", "class_2"))
    assert pairs(one, nameless, 0.5) == [(0, 0), (1, 2), (None, 1)]


def test_scores_of_classes_of_one_name() -> None:
    scores, labels = np.array([0.75, 0.25], np.float32), np.array([1, 0])
    one = Classification(scores, labels, ("a", "b"))
    other = Classification(scores, np.array([0, 1]), ("b", "a"))
    assert (Classes("x", one, other, 0.0).score, Classes("x", one, other, 0.0).same) == (0.0, True)
    renamed = Classification(scores, labels, ("c", "d"))
    assert (Classes("x", one, renamed, 0.0).score, Classes("x", one, renamed, 0.0).same) == (1.0, False)


def test_pairs_above_the_threshold_come_first() -> None:
    one, other = detections((0, 0.9, 0.3)), detections((0, 0.1, 0.3), (0, 0.9, 0.35))
    assert pairs(one, other, 0.25) == [(0, 1), (None, 0)]


def test_gained_lost_and_moved() -> None:
    a = detections((0, 0.9, 0.3), (1, 0.9, 0.3), (0, 0.6, 0.8))
    b = detections((0, 0.8, 0.31), (1, 0.9, 0.3), (1, 0.6, 0.8))
    found = boxes(Picture("x", 0, None, (100, 100)), a, b, 0.25, 1e-4)
    (gained,), (lost,), (moved,) = found.gained, found.lost, found.moved
    assert (gained.seen.name, lost.seen.name) == ("b", "a")
    assert (gained.faint, lost.faint) == (None, None)
    assert (moved.score, moved.box) == (pytest.approx(0.1, abs=1e-6), pytest.approx(0.01, abs=1e-6))
    assert len(found.both) == 2
    assert "lost: a 60.00% (left 55, top 25, width 50, height 50)" in "\n".join(found.lines())


def test_what_only_crosses_the_threshold_is_told_with_the_other_score() -> None:
    found = boxes(Picture("x", 0), detections((0, 0.26, 0.3)), detections((0, 0.24, 0.3), (1, 0.2, 0.3)), 0.25, 1e-4)
    (lost,) = found.lost
    assert lost.faint.score == pytest.approx(0.24)
    assert (found.gained, found.both) == ([], [])
    assert "on the other side 24.00%" in "\n".join(found.lines())


def test_boxes_without_size_match_themselves() -> None:
    empty = detections((0, 0.9, 0.3))
    empty.relative[:, 2:] = 0
    assert len(boxes(Picture("x", 0), empty, empty, 0.25, 1e-4).both) == 1


# Recordings.


def kept(name: str = "kept.npz", model=DIGITS, **how) -> str:
    assert record(name, open_side(model), [PICTURE], **how) == 1
    return name


def test_a_recording_is_as_the_network() -> None:
    found = on_its_own(DIGITS, [kept()])
    assert found.same
    assert len(found.layers.worst) == 40
    assert max(one.relative for one in found.layers.worst.values()) < 1e-6
    assert len(only_boxes(found)[0].both) == 8
    assert len(found.outputs) == 2


def test_a_recording_is_compared_on_its_own_images() -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    found = on_its_own([kept()], (CFG, planted(change)))
    assert found.first == 30
    assert found.layers.worst[30].largest == pytest.approx(0.25, abs=1e-4)
    assert on_its_own(["kept.npz"], ["kept.npz"]).same
    assert only_boxes(on_its_own(["kept.npz"], DIGITS, thresh=0.9))[0].counts().startswith("7 in A, 7")


def test_recordings_that_do_not_go_together() -> None:
    kept()
    with pytest.raises(DarkparseError, match="expected no others"):
        compared(DIGITS, ["kept.npz"], PICTURE)
    with pytest.raises(
        DarkparseError, match=r"recorded detections above 0.125, with an nms of 0.45; expected no lower"
    ):
        on_its_own(DIGITS, ["kept.npz"], thresh=0.1)
    with pytest.raises(DarkparseError, match="and the same --nms"):
        on_its_own(DIGITS, ["kept.npz"], nms=0.5)
    kept("other.npz", resize="letterbox")
    with pytest.raises(DarkparseError, match="has other pixels in it"):
        on_its_own(["other.npz"], ["kept.npz"])
    with pytest.raises(DarkparseError, match=r"expected pixels of 3 x 24 x 32 for a.cfg a.weights, got 3 x 256 x 256"):
        on_its_own(small(SMALL.format(filters=8, activation="linear"), "a"), ["kept.npz"])


def test_damaged_recordings() -> None:
    """Cut short or with bytes changed anywhere: one clear error, or what is left of it, but nothing else."""
    a = small(CLASSIFIER, "a")
    data = Path(kept(model=a)).read_bytes()
    draw, errors = random.Random(1), 0
    for number in range(120):
        broken = bytearray(data)
        if number % 3:
            for _ in range(number % 3 * 4):
                broken[draw.choice([draw.randrange(len(data)), -draw.randrange(1, 1000)])] ^= 1 << draw.randrange(8)
        else:
            del broken[draw.randrange(len(data)) :]
        Path("broken.npz").write_bytes(broken)
        said = ""
        try:
            on_its_own(a, ["broken.npz"])
        except DarkparseError as why:
            said = str(why)
        assert said == "" or ("broken.npz" in said and "\n" not in said)
        errors += bool(said)
    assert errors > 100


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\x03\x04", b"\x80\x04N."], ids=["empty", "text", "zip", "pickle"])
def test_no_recording(data: bytes) -> None:
    Path("x.npz").write_bytes(data)
    with pytest.raises(DarkparseError, match=r"x.npz: not what darkparse compare --save wrote, or damaged"):
        open_side(["x.npz"])


def test_no_pickle_in_a_recording_is_executed() -> None:
    class Malice:
        def __reduce__(self):
            return Path.touch, (Path("touched"),)

    kept()
    np.save("evil.npy", np.array([Malice()], object), allow_pickle=True)
    with zipfile.ZipFile("kept.npz") as old, zipfile.ZipFile("evil.npz", "w") as new:
        for name in old.namelist():
            new.writestr(
                name, Path("evil.npy").read_bytes() if name in ("0/pixels.npy", "meta.npy") else old.read(name)
            )
    with pytest.raises(DarkparseError, match=r"evil.npz: not what"):
        open_side(["evil.npz"])
    assert not Path("touched").exists()


# Darknet's JSON.


def told(**how) -> list:
    """What `darkparse detect --json` writes."""
    CliRunner().invoke(main, ["detect", *DIGITS, PICTURE, "--json", "told.json"], catch_exceptions=False)
    frames: list = json.loads(Path("told.json").read_text())
    return frames


def tell(frames: list) -> list[str]:
    Path("told.json").write_text(json.dumps(frames))
    return ["told.json"]


def test_what_detect_wrote_is_as_the_network() -> None:
    told()
    found = compared(DIGITS, ["told.json"])
    assert found.same
    assert len(only_boxes(found)[0].both) == 8
    assert found.layers.worst == {}
    assert on_its_own(["told.json"], ["told.json"]).same
    assert on_its_own(["told.json"], DIGITS).same  # the image is the one that the file names


def test_what_was_planted_in_a_json() -> None:
    frames = told()
    gone, moved, other = frames[0]["objects"][:3]
    frames[0]["objects"].remove(gone)
    moved["relative_coordinates"]["center_x"] += 0.01
    moved["confidence"] -= 0.02
    other["class_id"], other["name"] = (other["class_id"] + 1) % 10, "changed"
    (one,) = only_boxes(compared(DIGITS, tell(frames)))
    assert [len(one.lost), len(one.gained), len(one.moved)] == [2, 1, 1]
    assert one.gained[0].seen.name == "changed"
    assert one.moved[0].box == pytest.approx(0.01, abs=2e-6)
    assert one.moved[0].score == pytest.approx(0.02, abs=2e-6)
    assert gone["class_id"] in [lost.seen.label for lost in one.lost]


def test_images_of_a_json_are_found_by_their_name() -> None:
    frames = told()
    frames[0]["filename"] = "C:\\pictures\\digits.jpg"
    assert compared(DIGITS, tell(frames)).same
    with pytest.raises(DarkparseError, match="2 frames are of"):
        compared(DIGITS, tell(frames * 2))
    frames[0]["filename"] = "another.jpg"
    with pytest.raises(DarkparseError, match=r"told.json: no frames are of .*digits.jpg; expected one among 1"):
        compared(DIGITS, tell(frames))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"x.json:1: Expecting value; expected the JSON of Darknet's -out"),
        ("[\n{", r"x.json:2: "),
        ("{}", "expected a list of frames"),
        ("[]", "expected a list of frames"),
        ("[" * 100_000, "expected"),
        ("[1]", "frame 1: not as Darknet's -out writes it"),
        ('[{"filename": "a"}]', "frame 1: .*objects"),
        ('[{"filename": "a", "objects": [{"class_id": -1}]}]', "class_id -1"),
        ('[{"filename": "a", "objects": [{"class_id": 99999999999}]}]', "class_id 99999999999"),
        ('[{"filename": "a", "objects": [{"class_id": 0, "name": "x", "confidence": 1}]}]', "relative_coordinates"),
    ],
    ids=range(10),
)
def test_no_json_of_darknets(text: str, message: str) -> None:
    Path("x.json").write_text(text)
    with pytest.raises(DarkparseError, match=message):
        open_side(["x.json"])


# Checkpoints and ONNX.


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_a_checkpoint(suffix: str) -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    checkpoint.write(f"digits{suffix}", read_source(*DIGITS))
    same = compared(DIGITS, [f"digits{suffix}"])
    assert same.same
    assert same.layers.largest is None
    found = compared([f"digits{suffix}"], (CFG, planted(change)))
    assert (found.first, found.weights.first.name) == (30, "biases")
    assert [lost.seen.name for lost in only_boxes(found)[0].lost] == []


def as_onnx(name: str, files=DIGITS, *, metadata: bool = True, tail: str = "raw") -> list[str]:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from darkparse.onnx import metadata as entries
    from darkparse.onnx.export import build

    source = read_source(*files)
    model = build(source, tail=tail)
    if metadata:
        entries.attach(model, entries.describe(source, tail=tail, resize="stretch"))
    onnx.save(model, name)
    return [name]


@pytest.mark.parametrize("tail", ["raw", "nms"])
def test_onnx_layer_by_layer(tail: str) -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    found = compared(DIGITS, as_onnx("a.onnx", tail=tail))
    assert found.same
    assert len(found.layers.worst) == 39  # layer 32, a [route] to one layer, leaves no node
    assert len(only_boxes(found)[0].both) == 8
    assert len(found.outputs) == 2
    own = "B: detections: not compared; detections are those of the heads' raw outputs"
    assert (own in found.notes) == (tail == "nms")
    found = compared(["a.onnx"], as_onnx("b.onnx", (CFG, planted(change)), tail=tail))
    assert found.first == 30
    assert found.layers.worst[30].largest == pytest.approx(0.25, abs=1e-4)
    assert found.layers.worst[30].where[0] == 7


def test_onnx_of_others_is_compared_by_its_outputs() -> None:
    """Without what darkparse notes in it: the outputs by their order, the boxes as the other side reads them."""
    found = compared(DIGITS, as_onnx("a.onnx", metadata=False))
    assert found.same
    assert found.layers.worst == {}
    assert len(found.outputs) == 2
    assert len(only_boxes(found)[0].both) == 8
    told()
    with pytest.raises(DarkparseError, match=r"a.onnx: does not say how large images must be"):
        on_its_own(["a.onnx"], ["told.json"])


def test_onnx_and_a_json() -> None:
    told()
    assert len(only_boxes(on_its_own(as_onnx("a.onnx"), ["told.json"]))[0].both) == 8


REAL = SHARED / "real"


@pytest.mark.real
@pytest.mark.parametrize(
    "model", ["yolo-fastest-1.1", "MobileNetV2-YOLOv3-Nano-voc", "yolo-lite-trial3-nb", "yoloface-500k-v2"]
)
def test_darknets_own_answers(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images at the network's size: no detection gained or lost, none further off than 1e-3."""
    monkeypatch.chdir(REAL / "images")
    answers = REAL / "expected" / f"{model}.png.json"
    result = run(
        *(str(REAL / "models" / f"{model}.{suffix}") for suffix in ("cfg", "weights")),
        *(str(answers), "--thresh", ".1", "--tolerance", "1e-3", "--json", "-"),
    )
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert said["images"] == 4
    wanted = sum(len(frame["objects"]) for frame in json.loads(answers.read_text()))
    assert sum(len(one["both"]) for one in said["detections"]) == wanted > 0
    assert all(one["gained"] == one["lost"] == [] for one in said["detections"])
    assert max(max(pair["score"], pair["box"]) for one in said["detections"] for pair in one["both"]) < 1e-3


@pytest.mark.real
def test_a_threshold_above_that_of_the_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Darknet found below it is no loss then."""
    monkeypatch.chdir(REAL / "images")
    model = [str(REAL / "models" / f"yolo-lite-trial3-nb.{suffix}") for suffix in ("cfg", "weights")]
    assert run(*model, str(REAL / "expected/yolo-lite-trial3-nb.png.json"), "--thresh", ".3").exit_code == 0


# The command.


def test_exit_status_and_text() -> None:
    same = run(*DIGITS, *DIGITS, PICTURE)
    assert same.exit_code == 0
    assert same.stdout.splitlines()[-1] == "the same within 0.0001, on 1 image"
    differ = run(*DIGITS, PICTURE, "--precision", "bf16", "--layers")
    assert differ.exit_code == 1
    assert differ.stdout.splitlines()[-1] == "they differ by more than 0.0001, on 1 image"
    assert sum(line.endswith("DIFFERS") for line in differ.stdout.splitlines()) == 40
    assert "bf16" in differ.stderr
    trouble = run(*DIGITS, *DIGITS, "missing.jpg")
    assert trouble.exit_code == 2
    assert trouble.stderr.startswith("Error: missing.jpg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*DIGITS, PICTURE], "expected two models, or one and --precision, --device or --save"),
        ([PICTURE], "expected two models, got none"),
        ([*DIGITS * 3, PICTURE], "expected two models, got 3"),
        ([CFG, PICTURE], ": expected a .cfg and its .weights"),
        ([CFG, "x.onnx", PICTURE], ": expected a .cfg and its .weights"),
        ([*DIGITS * 2, PICTURE, "--save", "x.npz"], "--save records one model"),
        ([*DIGITS, PICTURE, "--save", "x.npz", "--json", "x.json"], "expected no other, no --json"),
    ],
    ids=range(7),
)
def test_usage(arguments: list[str], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Usage:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*DIGITS * 2], "no image"),
        ([*DIGITS, "missing.npz"], "missing.npz: No such file or directory"),
        ([*DIGITS, "missing.json"], "missing.json: No such file or directory"),
        ([CFG, "missing.weights", "missing2.weights", PICTURE], "missing.weights: No such file"),
        ([*DIGITS * 2, PICTURE, "--device", "nowhere"], "nowhere"),
        ([*DIGITS, "x.json", PICTURE, "--precision", "bf16"], "x.json: has a precision of its own"),
        ([*DIGITS, "x.json", PICTURE, "--device", "cuda"], "x.json: does not run"),
        ([*DIGITS * 2, PICTURE, "--resize", "crop"], "resize: expected one of stretch, letterbox, got 'crop'"),
        ([*DIGITS * 2, PICTURE, "--json", PICTURE], "is one of the inputs; not overwritten"),
        ([*DIGITS, PICTURE, "--save", WEIGHTS], "is one of the inputs; not overwritten"),
    ],
    ids=range(10),
)
def test_trouble(arguments: list[str], message: str) -> None:
    before = Path(PICTURE).read_bytes()
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert message in result.stderr
    assert Path(PICTURE).read_bytes() == before


def test_arguments_in_any_order_and_what_is_given_once_counts_for_both() -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    file, cfg = planted(change), edited(8, "leaky", "relu")
    assert "first: layer 30 " in run(PICTURE, WEIGHTS, CFG, file).stdout
    assert "first: layer 30 " in run(CFG, CFG, WEIGHTS, file, PICTURE).stdout
    assert "first: layer 8 " in run(CFG, cfg, WEIGHTS, PICTURE).stdout


def test_json() -> None:
    def change(layers):
        layers[30].conv.bias[7] += 0.25

    result = run(*DIGITS, planted(change), PICTURE, "--json", "-")
    said = json.loads(result.stdout)
    assert (said["same"], said["first"], said["images"], len(said["layers"])) == (False, 30, 1, 40)
    assert said["layers"][30]["largest"] == pytest.approx(0.25, abs=1e-4)
    assert said["weights"]["first"]["name"] == "biases"
    run(*DIGITS, *DIGITS, PICTURE, "--json", "file.json")
    assert json.loads(Path("file.json").read_text())["same"] is True


def test_save() -> None:
    result = run(*DIGITS, PICTURE, "--save", "kept.npz")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "kept.npz: 40 layers on 1 image" in result.stderr
    result = run("kept.npz", *DIGITS)
    assert result.exit_code == 0
    assert "40 of 40 compared, 0 of them differ" in result.stdout
    Path("folder").mkdir()
    assert run(*DIGITS, "missing.jpg", "--save", "folder/x.npz").exit_code == 2
    assert list(Path("folder").iterdir()) == []


def test_the_resize_rule_of_a_is_for_both() -> None:
    """Weights of pjreddie's version would letterbox; A's would not, and that is said."""
    source = read_source(*DIGITS)
    weights.save(source.network, "pj.weights", Header(0, 2, 0, 64, True))
    result = run(*DIGITS, "pj.weights", PICTURE)
    assert "B: images are resized by stretch here; by itself it has letterbox" in result.stderr
    assert "A is run as AlexeyAB's Darknet does, B as pjreddie's" in result.stderr
    assert result.exit_code == 0


def test_a_detector_and_a_classifier() -> None:
    found = compared(DIGITS, small(CLASSIFIER, "a"), resize="stretch")
    assert not found.same
    assert found.layers.parting
    assert "one gives boxes, the other classes, so they are not compared" in list(found.lines())


def test_onnx_of_a_yolov1() -> None:
    """Its head has no grid that follows the image, and so no multiple that the image's size must be."""
    text = SMALL.format(filters=4, activation="linear").replace("maxpool", "avgpool").replace("size=2\nstride=2\n", "")
    files = small(f"{text}[connected]\noutput=28\n[detection]\nclasses=2\ncoords=4\nside=2\nnum=1\n", "a")
    found = compared(files, as_onnx("a.onnx", files), thresh=0)
    assert found.same
    assert only_boxes(found)[0].both
