"""`darkparse classify` and `darkparse.load_classifier`, against numbers of both Darknets."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

import darkparse
from conftest import ROOT
from darkparse.cfg import Companions
from darkparse.classify import best, crop, walk
from darkparse.cli import main
from darkparse.graph import read_graph
from darkparse.images import resize
from darkparse.layout import Header, layout
from darkparse.tree import read_tree

PICTURE = str(ROOT / "tests/data/shapes.png")  # 640 x 480 px
DETECTOR = [str(ROOT / "cfg/shapes.cfg"), str(ROOT / "weights/shapes.weights")]
NAMES = ("thing", "plant", "animal", "tool", "dog", "cat", "bird")
TREE = "thing -1\nplant -1\nanimal 0\ntool 0\ndog 2\ncat 2\nbird 2\n"
ALEXEYAB, PJREDDIE = Header(), Header(0, 2, 0)
CFG = """[net]
width={width}
height={height}
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[convolutional]
filters=7
size=1
activation=linear
[avgpool]
[softmax]
{softmax}
[cost]
"""
# ./darknet classifier predict of AlexeyAB 59596d7; load_network, letterbox_image, network_predict of pjreddie f6afaab;
# of trees, what hierarchy_predictions makes of that.  Each score under its class' index.
GOLDEN = {
    (ALEXEYAB, (48, 48), "groups=1"): (0.169242, 0.153472, 0.167502, 0.106242, 0.148852, 0.141682, 0.113007),
    (ALEXEYAB, (64, 32), "temperature=2"): (0.156306, 0.148385, 0.155129, 0.123684, 0.146241, 0.142861, 0.127394),
    (ALEXEYAB, (32, 64), "temperature=.5"): (0.199371, 0.158129, 0.191842, 0.076724, 0.148772, 0.137745, 0.087417),
    (ALEXEYAB, (48, 48), "tree=x.tree"): (0.524433, 0.475567, 0.320897, 0.203537, 0.118367, 0.112666, 0.089864),
    (PJREDDIE, (48, 48), "groups=1"): (0.170397, 0.152425, 0.167614, 0.106133, 0.148138, 0.142109, 0.113183),
    (PJREDDIE, (64, 32), "temperature=2"): (0.156635, 0.148059, 0.155214, 0.123606, 0.145965, 0.142981, 0.127540),
    (PJREDDIE, (32, 64), "temperature=.5"): (0.200558, 0.157084, 0.191181, 0.077016, 0.148578, 0.138406, 0.087176),
    (PJREDDIE, (48, 48), "tree=x.tree"): (0.000000, 0.472165, 0.000000, 0.204644, 0.118675, 0.113844, 0.090672),
}

Model = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Model]:
    """Writes a cfg and its weights."""

    def write(header: Header = ALEXEYAB, width: int = 48, height: int = 48, softmax: str = "groups=1") -> Model:
        (tmp_path / "x.tree").write_text(TREE)
        path, weights = tmp_path / "net.cfg", tmp_path / "net.weights"
        path.write_text(CFG.format(width=width, height=height, softmax=softmax))
        graph = read_graph(path, dialect=header.dialect)
        raw = np.random.PCG64(1).random_raw(graph.parameters)
        values = (raw >> np.uint64(40)).astype(np.float32) / 2**24  # 0..1
        for slot in layout(graph):
            part = values[slot.start : slot.stop]
            part += 1 if slot.stored.name == "rolling_variance" else -0.5
        weights.write_bytes(header.pack() + values.tobytes())
        return path, weights

    return write


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["classify", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def by_class(found: darkparse.Classification) -> list[float]:
    return found.scores[np.argsort(found.labels)].tolist()


@pytest.mark.parametrize(("header", "size", "softmax"), GOLDEN, ids=str)
def test_scores_are_darknets(files, header: Header, size: tuple[int, int], softmax: str) -> None:
    model = darkparse.load_classifier(*files(header, *size, softmax))
    found = model.classify(PICTURE, top=7)
    np.testing.assert_allclose(by_class(found), GOLDEN[header, size, softmax], atol=1e-6)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(("header", "kind"), [(ALEXEYAB, "crop"), (PJREDDIE, "letterbox")])
def test_who_wrote_the_weights_decides_how_images_are_resized(files, header: Header, kind: str) -> None:
    cfg, weights = files(header, 64, 32)
    auto = darkparse.load_classifier(cfg, weights)
    assert auto.notes[0].startswith(f"resize: {kind}, by version")
    asked = {name: darkparse.load_classifier(cfg, weights, resize=name) for name in ("crop", "letterbox", "stretch")}
    scores = {name: by_class(model.classify(PICTURE, top=7)) for name, model in asked.items()}
    assert len({tuple(values) for values in scores.values()}) == 3
    assert by_class(auto.classify(PICTURE, top=7)) == scores[kind]


@pytest.mark.parametrize(
    ("rows", "columns", "width", "height", "inner"),
    [(30, 50, 20, 20, (33, 20)), (50, 30, 20, 20, (20, 33)), (30, 50, 20, 10, (33, 20)), (20, 20, 20, 20, (20, 20))],
)
def test_crop_is_the_middle(rows: int, columns: int, width: int, height: int, inner: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    left, top = (inner[0] - width) // 2, (inner[1] - height) // 2
    wanted = resize(image, *inner)[:, top : top + height, left : left + width]
    np.testing.assert_array_equal(crop(image, width, height), wanted)


def test_crop_repeats_rows_where_the_network_is_higher_than_wide() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    cropped, whole = crop(image, 20, 26), resize(image, 20, 20)
    np.testing.assert_array_equal(cropped[:, 3:23], whole)
    for row in (*range(3), *range(23, 26)):
        np.testing.assert_array_equal(cropped[:, row], whole[:, 0 if row < 3 else -1])


def test_an_image_too_thin_to_crop_takes_no_memory() -> None:
    with pytest.raises(darkparse.ImageError, match="too thin"):
        crop(np.zeros((1, 40_000, 3), dtype=np.uint8), 224, 224)


def test_path_array_and_batch_agree(files) -> None:
    model = darkparse.load_classifier(*files())
    array = cv2.imread(PICTURE)
    single = model.classify(PICTURE)
    assert len(single) == 5
    for found in (model.classify(array), *model.classify([array, Path(PICTURE)])):
        np.testing.assert_array_equal(found.labels, single.labels)
        np.testing.assert_allclose(found.scores, single.scores, atol=1e-6)
    assert model.classify([]) == []
    score, label, name = next(iter(single))
    assert name == f"class_{label}"
    assert score == single.scores[0]


def test_of_equal_scores_the_first_comes_first_and_what_is_no_number_not_at_all() -> None:
    scores, labels = best(np.array([0.1, np.nan, 0.4, 0.1, np.inf, 0.4], dtype=np.float32), 3)
    assert labels.tolist() == [2, 5, 0]
    np.testing.assert_allclose(scores, [0.4, 0.4, 0.1])


@pytest.mark.parametrize(
    ("scores", "hier", "node"),
    [
        ((0.9, 0.1, 0.7, 0.2, 0.4, 0.2, 0.1), 0.3, "dog"),
        ((0.9, 0.1, 0.7, 0.2, 0.4, 0.2, 0.1), 0.5, "animal"),
        ((0.9, 0.1, 0.7, 0.2, 0.4, 0.2, 0.1), 0.8, "thing"),
        ((0.9, 0.1, 0.7, 0.2, 0.4, 0.2, 0.1), 0.99, "thing"),
        ((0.4, 0.6, 0.2, 0.2, 0.1, 0.1, 0.0), 0.5, "plant"),
    ],
)
def test_walk_down_the_tree(tmp_path: Path, scores: tuple[float, ...], hier: float, node: str) -> None:
    (tmp_path / "x.tree").write_text(TREE)
    tree = read_tree("x.tree", Companions(tmp_path))
    assert NAMES[walk(tree, np.array(scores, dtype=np.float32), hier)] == node


def test_hier_gives_one_class(files) -> None:
    model = darkparse.load_classifier(*files(softmax="tree=x.tree"))
    every = {guess.name: guess.score for guess in model.classify(PICTURE, top=7)}
    (one,) = model.classify(PICTURE, hier=0.0)
    assert one.name in ("plant", "tool", "dog", "cat", "bird")
    assert one.score == every[one.name]


def test_prints_as_darknet_does(files, tmp_path: Path) -> None:
    cfg, weights = files()
    (tmp_path / "net.names").write_text("\n".join(NAMES))
    result = run(cfg, weights, PICTURE, "--top", 2)
    first, *rest = result.stdout.splitlines()
    assert first.startswith(f"{PICTURE}: Predicted in ")
    assert first.endswith(" milli-seconds.")
    found = darkparse.load_classifier(cfg, weights).classify(PICTURE, top=2)
    assert rest == [f"{name}: {score:f}" for score, _, name in found]
    assert "resize: crop" in result.stderr
    assert "found beside the cfg" in result.stderr


def test_prints_trees_as_darknet_does(files) -> None:
    lines = run(*files(softmax="tree=x.tree"), PICTURE, "--top", 7).stdout.splitlines()[1:]
    scores = GOLDEN[ALEXEYAB, (48, 48), "tree=x.tree"]
    parents = {"animal": "thing", "tool": "thing", "dog": "animal", "cat": "animal", "bird": "animal"}
    wanted = [f"{i}, {NAMES[i]}: {scores[i]:f}, parent: {parents.get(NAMES[i], 'Root')} " for i in range(7)]
    assert {line.split(":")[0] for line in lines} == {line.split(":")[0] for line in wanted}
    assert {line.split(", parent")[1] for line in lines} == {line.split(", parent")[1] for line in wanted}


def test_json(files, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    result = run(*files(softmax="tree=x.tree"), PICTURE, "missing.png", PICTURE, "--json", out, "--jsonl", "-")
    good, bad, again = (json.loads(line) for line in result.stdout.splitlines())
    assert good == again
    assert bad["error"].startswith("missing.png: ")
    assert result.exit_code == 1
    frames = json.loads(out.read_text())
    assert [frame["frame_id"] for frame in frames] == [1, 2]
    assert frames[0]["classes"] == good["classes"]
    assert len(good["classes"]) == 5
    assert list(good["classes"][0]) == ["class_id", "name", "parent", "confidence"]


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_batches_give_the_same(files, batch: int) -> None:
    result = run(*files(), PICTURE, PICTURE, PICTURE, "--batch", batch)
    lines = [line for line in result.stdout.splitlines() if "Predicted" not in line]
    assert len(lines) == 15
    assert lines[:5] == lines[5:10] == lines[10:]


@pytest.mark.parametrize(("keys", "first"), [("names=a.names\nlabels=b.names", "a0"), ("labels=b.names", "b0")])
def test_names_of_a_data_file(files, tmp_path: Path, keys: str, first: str) -> None:
    for letter in "ab":
        (tmp_path / f"{letter}.names").write_text("".join(f"{letter}{i}\n" for i in range(7)))
    (tmp_path / "x.data").write_text(f"classes=7\n{keys}\n")
    assert darkparse.load_classifier(*files(), data=tmp_path / "x.data").names[0] == first


def test_names_of_the_tree(files) -> None:
    assert darkparse.load_classifier(*files(softmax="tree=x.tree")).names == NAMES


def test_wrong_names(files, tmp_path: Path) -> None:
    (tmp_path / "two.names").write_text("a\nb\n")
    (tmp_path / "x.data").write_text("classes=7\n")
    cfg, weights = files()
    with pytest.raises(darkparse.DataError, match=r"two.names: 2 names, but .*net.cfg has 7 classes"):
        darkparse.load_classifier(cfg, weights, names=tmp_path / "two.names")
    with pytest.raises(darkparse.DataError, match=r"x\.data: names, labels: missing"):
        darkparse.load_classifier(cfg, weights, data=tmp_path / "x.data")


def test_each_command_points_to_the_other(files) -> None:
    with pytest.raises(darkparse.DarkparseError, match=r"shapes.cfg: a detector, .* darkparse detect"):
        darkparse.load_classifier(*DETECTOR)
    with pytest.raises(darkparse.DarkparseError, match=r"net.cfg: no section that gives boxes .* darkparse classify"):
        darkparse.load(*files())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width=8\nheight=4\nchannels=3\n[convolutional]\nfilters=7\n[softmax]\n", "gives 8x4x7; expected 1x1"),
        ("inputs=12\n[connected]\noutput=7\n[softmax]\n", "reads 12 values, not images; .* darkparse generate"),
    ],
)
def test_what_is_no_classifier_of_images(files, text: str, message: str) -> None:
    cfg, weights = files()
    cfg.write_text(f"[net]\n{text}")
    with pytest.raises(darkparse.DarkparseError, match=message):
        darkparse.load_classifier(cfg, weights)


def test_hier_needs_a_tree(files) -> None:
    result = run(*files(), PICTURE, "--hier", 0.5)
    assert result.stderr.splitlines()[-1].endswith("hier=0.5, but the network has no class tree")
    assert result.exit_code == 1


def test_another_size_and_precision(files) -> None:
    cfg, weights = files()
    single = darkparse.load_classifier(cfg, weights).classify(PICTURE, top=7)
    large = darkparse.load_classifier(cfg, weights, width=96, height=96).classify(PICTURE, top=7)
    half = darkparse.load_classifier(cfg, weights, precision="bf16").classify(PICTURE, top=7)
    np.testing.assert_allclose(by_class(half), by_class(single), atol=0.02)
    assert by_class(large) != by_class(single)
    np.testing.assert_allclose(large.scores.sum(), 1, atol=1e-5)


@pytest.mark.cuda
def test_cuda_agrees_with_cpu(files) -> None:
    cfg, weights = files()
    a, b = (darkparse.load_classifier(cfg, weights, device=device).classify(PICTURE) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-3)
