"""The library: `darkparse.load` and `Model.detect`."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import darkparse
from conftest import ROOT
from darkparse import weights
from darkparse.detect import choose_resize
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network
from make_shapes import DISCS, NAMES

PICTURE = ROOT / "tests/data/shapes.png"


@pytest.fixture(scope="module")
def model() -> darkparse.Model:
    return darkparse.load(ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights")


def test_finds_every_disc_where_it_was_drawn(model: darkparse.Model) -> None:
    found = model.detect(PICTURE)
    assert len(found) == len(DISCS)
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    for label, x, y in DISCS:
        nearest = int(np.abs(middles - [x, y]).max(axis=1).argmin())
        assert np.abs(middles[nearest] - [x, y]).max() < 2
        assert found.names[found.labels[nearest]] == (label if isinstance(label, str) else NAMES[label])


def test_rows_are_typed(model: darkparse.Model) -> None:
    row = next(iter(model.detect(PICTURE)))
    assert isinstance(row.name, str)
    assert isinstance(row.score, float)
    assert len(row.box) == 4


def test_path_array_and_batch_agree(model: darkparse.Model) -> None:
    array = cv2.imread(str(PICTURE))
    single = model.detect(PICTURE)
    for found in [model.detect(str(PICTURE)), model.detect(array), *model.detect([array, PICTURE])]:
        np.testing.assert_allclose(found.relative, single.relative, atol=1e-5)
        np.testing.assert_allclose(found.scores, single.scores, atol=1e-5)


def test_no_images(model: darkparse.Model) -> None:
    assert model.detect([]) == []


def test_wrong_channels(model: darkparse.Model) -> None:
    with pytest.raises(darkparse.ImageError):
        model.detect(np.zeros((8, 8, 5), dtype=np.uint8))


def test_several_threads(model: darkparse.Model) -> None:
    array = cv2.imread(str(PICTURE))
    flipped = np.ascontiguousarray(array[:, ::-1])
    wanted = [model.detect(one).scores for one in (array, flipped)]
    with ThreadPoolExecutor(4) as pool:
        for index, found in enumerate(pool.map(model.detect, [array, flipped] * 8)):
            np.testing.assert_allclose(found.scores, wanted[index % 2], atol=1e-5)


def test_another_size(model: darkparse.Model) -> None:
    """At twice the size the same picture, twice as large, gives the same boxes."""
    large = darkparse.load(ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights", width=1280, height=960)
    canvas = np.full((960, 1280, 3), 128, dtype=np.uint8)
    canvas[:480, :640] = cv2.imread(str(PICTURE))
    inner = large.detect(canvas)
    assert len(inner) == len(DISCS)


def test_batches_of_any_size_and_input_of_any_size() -> None:
    network = Network(read_graph(ROOT / "cfg/yolov3-tiny.cfg")).eval()
    with torch.inference_mode():
        shapes = [tuple(raw.shape) for raw in network(torch.zeros(2, 3, 96, 160))]
    assert shapes == [(2, 255, 3, 5), (2, 255, 6, 10)]


def test_outputs_are_freed_when_nobody_reads_them_any_more() -> None:
    """Peak of values held, of all values: from the shapes, as the plan says."""
    graph = read_graph(ROOT / "cfg/yolov3.cfg")
    everything = graph.net.shape.size + sum(node.shape.size for node in graph.nodes)
    assert graph.activations < 0.2 * everything


def test_outputs_are_really_freed() -> None:
    """When a layer has run, only what the plan says is alive still is."""
    import weakref

    network = Network(read_graph(ROOT / "cfg/yolov3-tiny.cfg", width=64, height=64)).eval()
    made: dict[int, weakref.ref[torch.Tensor]] = {}
    most = 0

    def note(index: int):
        def hook(module: torch.nn.Module, given: object, result: torch.Tensor) -> None:
            nonlocal most
            made[index] = weakref.ref(result)
            most = max(most, len({id(reference()) for reference in made.values() if reference() is not None}))

        return hook

    for index, layer in enumerate(network.layers):
        layer.register_forward_hook(note(index))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 64, 64))
    assert len(made) == 24
    assert most <= 5  # the layer's input and output, the routes' two sources, a head


@pytest.mark.parametrize(
    ("option", "header", "asked", "letterbox"),
    [
        ("", Header(), "auto", False),
        ("", Header(0, 2, 0), "auto", True),
        ("", Header(0, 1, 0), "auto", True),
        ("letter_box=1", Header(), "auto", True),
        ("letter_box=0", Header(0, 2, 0), "auto", False),
        ("letter_box=1", Header(), "stretch", False),
        ("", Header(), "letterbox", True),
    ],
)
def test_resize_rule(cfg, option: str, header: Header, asked: str, letterbox: bool) -> None:
    graph = read_graph(cfg(f"[net]\nwidth=8\nheight=8\nchannels=3\n{option}\n[avgpool]\n"))
    assert choose_resize(asked, graph, header)[0] is letterbox


def test_yolov1_is_stretched_whoever_wrote_its_weights(cfg) -> None:
    """Both forks' test_yolo resize the image, and get_detection_detections undoes no letterbox."""
    text = "[net]\nwidth=4\nheight=4\nchannels=3\n[connected]\noutput=28\n[detection]\nclasses=2\ncoords=4\nside=2\n"
    graph = read_graph(cfg(text))
    assert choose_resize("auto", graph, Header(0, 1, 0))[0] is False
    assert choose_resize("letterbox", graph, Header(0, 1, 0))[0] is True


def test_nan_is_no_empty_result(cfg, tmp_path: Path) -> None:
    path = cfg(GREY.format(channels=3))
    network = Network(read_graph(path))
    with torch.no_grad():
        network.layers[0].conv.bias[1] = float("nan")
    weights.save(network, tmp_path / "x.weights", Header())
    model = darkparse.load(path, tmp_path / "x.weights")
    with pytest.raises(darkparse.DarkparseError, match="the network gives NaN"):
        model.detect(np.zeros((8, 8, 3), dtype=np.uint8))


GREY = """[net]
width=8
height=8
channels={channels}
[convolutional]
filters=6
size=1
activation=linear
[yolo]
classes=1
num=1
anchors=4,4
"""


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_networks_of_other_channels(cfg, tmp_path: Path, channels: int) -> None:
    path = cfg(GREY.format(channels=channels))
    network = Network(read_graph(path))
    with torch.no_grad():
        network.layers[0].conv.bias.fill_(3.0)
    weights.save(network, tmp_path / "x.weights", Header())
    model = darkparse.load(path, tmp_path / "x.weights")
    image = np.zeros((20, 10) if channels == 1 else (20, 10, channels), dtype=np.uint8)
    found = model.detect(image)
    assert len(found) > 0
    assert (found.width, found.height) == (10, 20)


def test_a_recurrent_network_begins_anew_with_each_image(cfg, tmp_path: Path) -> None:
    crnn = "[crnn]\noutput=4\nhidden=3\npad=1\n"
    path = cfg(GREY.format(channels=3).replace("[convolutional]", crnn + "[convolutional]"))
    weights.save(Network(read_graph(path)), tmp_path / "x.weights", Header())
    model = darkparse.load(path, tmp_path / "x.weights")
    image = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    first, second = (model.detect(image, thresh=0.001).scores for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_bf16_finds_the_same_discs() -> None:
    model = darkparse.load(ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights", precision="bf16")
    assert 15 <= len(model.detect(PICTURE)) <= 21


@pytest.mark.cuda
def test_cuda_agrees_with_cpu(model: darkparse.Model) -> None:
    on_cuda = darkparse.load(ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights", device="cuda")
    a, b = model.detect(PICTURE), on_cuda.detect(PICTURE)
    np.testing.assert_allclose(a.relative, b.relative, atol=1e-3)
    np.testing.assert_allclose(a.scores, b.scores, atol=1e-2)
