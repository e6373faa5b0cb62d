"""`darkparse.cv2dnn.Net`, asked as OpenCV 4's is: names, shapes, rows, inputs, errors."""

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from copy import deepcopy
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import darkparse
from conftest import ROOT, SHARED
from darkparse import DarkparseError, DarkparseWarning, Header, Network, checkpoint, cv2dnn, read_graph, save_weights
from darkparse.boxes import nms
from darkparse.sources import read_source

DIGITS = ROOT / "cfg" / "digits.cfg", ROOT / "weights" / "digits.weights"
BLOCKS = """[net]
width=16
height=8
channels=3

[convolutional]
batch_normalize=1
filters=8
size=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=8
size=1
activation=mish

[route]
layers=-1
groups=2
group_id=1

[convolutional]
batch_normalize=1
filters=8
size=1
activation=linear

[shortcut]
from=-3
activation=leaky

[route]
layers=-1,-3

[convolutional]
filters=14
size=1
activation=linear

[yolo]
mask=0,1
anchors=2,3, 4,5, 6,7
num=3
classes=2

[route]
layers=1

[upsample]
stride=2

[dropout]
probability=.1

[convolutional]
filters=7
size=1
activation=linear

[yolo]
mask=2
anchors=2,3, 4,5, 6,7
num=3
classes=2
"""
CLASSIFIER = """[net]
width=6
height=6
channels=3

[crop]
crop_width=4
crop_height=4
noadjust=0

[convolutional]
filters=4
size=3
pad=1
activation=relu

[avgpool]

[connected]
output=5
activation=logistic

[softmax]

[cost]
type=sse
"""
ONE_CELL = """[net]
width=20
height=10
channels=1

[convolutional]
filters=14
size=1
stride=10
activation=linear

"""
YOLO = "[yolo]\nmask=0,1\nanchors=2,3, 4,5\nnum=2\nclasses=2\n"
REGION = "[region]\nanchors=.5,1, 8,1.5\nnum=2\nclasses=2\nsoftmax=1\n"
# of the first cell both boxes: x, y, w, h, objectness, two classes, before any activation
RAW = [0.2, -0.3, 0.4, 0.1, 2.0, 1.5, -1.0, -0.5, 0.6, -0.2, 0.3, 1.0, 2.0, -3.0]


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


@pytest.fixture
def made(cfg, tmp_path):
    """Writes a cfg and random weights, and gives their paths."""

    def make(text: str, seed: int = 0) -> tuple[Path, Path]:
        torch.manual_seed(seed)
        path = cfg(text)
        network = Network(read_graph(path))
        for name, values in network.state_dict().items():
            if "var" in name:
                values.uniform_(0.5, 1.5)
            elif values.is_floating_point():
                values.normal_(0, 0.5)
        weights = tmp_path / "net.weights"
        save_weights(network, weights, Header())
        return path, weights

    return make


@pytest.fixture
def biased(cfg, tmp_path):
    """A network of one convolution whose output is its biases, RAW, in every cell; and a head."""

    def make(head: str, before: str = ONE_CELL) -> cv2dnn.Net:
        path = cfg(before + head)
        network = Network(read_graph(path, complain=lambda *_: None))
        network.layers[0].conv.weight.data.zero_()
        network.layers[0].conv.bias.data = torch.tensor(RAW)
        save_weights(network, tmp_path / "net.weights", Header())
        return cv2dnn.readNetFromDarknet(path, tmp_path / "net.weights")

    return make


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


# --- names: as opencv-python 4.14 gave them for these cfgs


def test_names_types_and_numbers_of_layers(made) -> None:
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    names = (
        "conv_0 bn_0 leaky_1 pool_1 conv_2 mish_3 slice_3 conv_4 bn_4 shortcut_5 leaky_6 concat_6 conv_7 permute_8 "
        "yolo_8 identity_9 upsample_10 identity_11 conv_12 permute_13 yolo_13"
    )
    types = (
        "Convolution BatchNorm ReLU Pooling Convolution Mish Slice Convolution BatchNorm Eltwise ReLU Concat "
        "Convolution Permute Region Identity Resize Identity Convolution Permute Region"
    )
    assert net.getLayerNames() == tuple(names.split())
    assert [net.getLayer(name).type for name in net.getLayerNames()] == types.split()
    assert [net.getLayerId(name) for name in ("_input", "conv_0", "leaky_6", "yolo_13", "nope")] == [0, 1, 11, 21, -1]
    assert net.getLayer(15) == net.getLayer("yolo_8") == ("yolo_8", "Region")
    assert net.getLayer(0) == ("_input", "")
    assert net.getLayersCount("Convolution") == 5
    assert net.getUnconnectedOutLayersNames() == ("yolo_8", "yolo_13")
    numbers = net.getUnconnectedOutLayers()
    assert (numbers.dtype, numbers.tolist()) == (np.int32, [15, 21])
    assert [net.getLayerNames()[i - 1] for i in numbers] == ["yolo_8", "yolo_13"]  # as scripts do


def test_names_of_a_classifier(made) -> None:
    net = cv2dnn.readNetFromDarknet(*made(CLASSIFIER))
    names = "crop_0 adjust_crop_1 conv_2 relu_3 avgpool_3 fullyConnected_4 logistic_5 softmax_5 identity_6"
    assert net.getLayerNames() == tuple(names.split())
    assert net.getUnconnectedOutLayers().tolist() == [9]


def test_names_of_the_shipped_digits() -> None:
    net = cv2dnn.readNetFromDarknet(*map(str, DIGITS))
    names = net.getLayerNames()
    assert len(names) == 86
    assert names[5:13] == ("leaky_2", "slice_2", "conv_3", "bn_3", "leaky_4", "conv_4", "bn_4", "leaky_5")
    assert names[68:75] == ("conv_30", "permute_31", "yolo_31", "identity_32", "conv_33", "bn_33", "leaky_34")
    assert net.getUnconnectedOutLayers().tolist() == [71, 86]


def test_several_regions_have_names_of_their_own(cfg) -> None:
    """OpenCV 4 reads no such cfg."""
    text = ONE_CELL + REGION + "[route]\nlayers=0\n" + REGION
    net = cv2dnn.readNetFromDarknet(cfg(text))
    assert net.getUnconnectedOutLayersNames() == ("detection_out", "detection_out_1")


# --- rows, by arithmetic


def expected_yolo(cell: int, thresh: float = 0.2, scale: float = 1.0) -> list[list[float]]:
    """Rows of a cell of a 2x1 grid; the input has 20x10 px."""
    rows = []
    for box, (width, height) in zip((RAW[:7], RAW[7:]), ((2, 3), (4, 5)), strict=True):
        x, y = ((logistic(v) - 0.5) * scale + 0.5 for v in box[:2])
        objectness = logistic(box[4])
        scores = [objectness * logistic(v) for v in box[5:]]
        size = math.exp(box[2]) * width / 20, math.exp(box[3]) * height / 10
        rows.append([(cell + x) / 2, y, *size, objectness, *(s if s > thresh else 0 for s in scores)])
    return rows


@pytest.mark.parametrize(
    ("more", "kwargs"),
    [("", {}), ("thresh=.5\n", {"thresh": 0.5}), ("thresh=0\nscale_x_y=1.2\n", {"thresh": 0, "scale": 1.2})],
    ids=["plain", "thresh", "scale_x_y"],
)
def test_rows_of_yolo(biased, more: str, kwargs: dict[str, float]) -> None:
    net = biased(YOLO + more)
    net.setInput(image(1, 1, 10, 20))
    rows = net.forward()
    assert (rows.shape, rows.dtype) == ((4, 7), np.float32)
    assert rows == pytest.approx(np.array(expected_yolo(0, **kwargs) + expected_yolo(1, **kwargs)), abs=1e-6)
    assert (rows[:, 5:] == 0).any() == (kwargs.get("thresh", 0.2) > 0)
    net.setInput(image(3, 1, 10, 20))
    assert net.forward() == pytest.approx(np.stack([rows] * 3), abs=1e-6)  # (images, boxes, 5 + classes)


@pytest.mark.parametrize(("overlap", "stays"), [(0.05, False), (0.06, True)])
def test_rows_of_a_yolo_with_nms(biased, overlap: float, stays: bool) -> None:
    """OpenCV's own option of [yolo]: of two boxes that overlap, of each class the one with the lower score goes.

    With equal anchors the two of a cell have x .200 to .350 and .148 to .230, y .260 to .591 and .443 to .848: in
    common .0294 x .1482, of .0494 + .0332 less that, which is .056.
    """
    same = YOLO.replace("4,5", "2,3") + "thresh=0\n"
    net, plain = biased(same + f"nms_threshold={overlap}\n"), biased(same)
    for one in (net, plain):
        one.setInput(image(1, 1, 10, 20))
    rows, every = net.forward(), plain.forward()
    assert (every[:, 5:] > 0).all()
    assert (every[0, 5:] > every[1, 5:]).all()
    assert np.array_equal(rows[:, :5], every[:, :5])
    assert np.array_equal(rows[::2], every[::2])
    assert np.array_equal(rows[1::2, 5:], every[1::2, 5:] * stays)


@pytest.mark.parametrize(("thresh", "more"), [(0.001, ""), (0.3, "thresh=.3\n")], ids=["default", "thresh"])
def test_rows_of_region(biased, thresh: float, more: str) -> None:
    """Sizes in cells, softmax over classes, and no box that another of its class overlaps by more than .4."""
    net = biased(REGION + more)
    net.setInput(image(1, 1, 10, 20))
    rows = net.forward("detection_out")
    expected = []
    for cell in (0, 1):
        for box, (width, height) in zip((RAW[:7], RAW[7:]), ((0.5, 1), (8, 1.5)), strict=True):
            objectness = logistic(box[4])
            first = 1 / (1 + math.exp(box[6] - box[5]))
            size = math.exp(box[2]) * width / 2, math.exp(box[3]) * height
            scores = [objectness * p if objectness * p > thresh else 0 for p in (first, 1 - first)]
            expected.append([(cell + logistic(box[0])) / 2, logistic(box[1]), *size, objectness, *scores])
    assert rows[:, :5] == pytest.approx(np.array(expected)[:, :5], abs=1e-6)
    # the wide boxes, 1 and 3, are 3.27 wide and .5 apart, so that they overlap by 2.77 / 3.77; the first stays
    assert rows[[0, 1, 2], 5:] == pytest.approx(np.array(expected)[[0, 1, 2], 5:], abs=1e-6)
    assert rows[3, 5:].tolist() == [0, 0]


# --- forward and setInput


def test_what_forward_returns(made) -> None:
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    net.setInput(image(1, 3, 8, 16), "data")
    last = net.forward()
    assert (type(last), last.dtype, last.shape) == (np.ndarray, np.float32, (128, 7))
    assert last.flags.writeable
    assert last.flags.c_contiguous
    several = net.forward(net.getUnconnectedOutLayersNames())
    assert type(several) is tuple
    assert [one.shape for one in several] == [(64, 7), (128, 7)]
    for same in (
        net.forward("yolo_13"),
        net.forward(outputName="yolo_13"),
        net.forward(None),
        net.forward([])[0],
        net.forward(["yolo_8", "yolo_13"])[1],
        net.forward(outBlobNames=["yolo_13"])[0],
        net.forwardAndRetrieve(["yolo_13"])[0][0],
    ):
        assert np.array_equal(same, last)
    twice = net.forward(["yolo_13", "yolo_13"])
    assert np.array_equal(*twice)
    assert not np.shares_memory(*twice)


def test_inner_layers(made) -> None:
    """A 1x1 convolution, its batch norm and activation by numpy; what follows from them."""
    paths = made(BLOCKS)
    net, blob = cv2dnn.readNetFromDarknet(*paths), image(2, 3, 8, 16)
    net.setInput(blob)
    bias, scale, mean, variance = np.fromfile(paths[1], "<f4", 32, offset=20).reshape(4, 8, 1, 1)
    weights = np.fromfile(paths[1], "<f4", 24, offset=20 + 128).reshape(8, 3)
    conv = np.einsum("oc,bchw->bohw", weights, blob)
    norm = (conv - mean) / np.sqrt(variance + 1e-6) * scale + bias
    leaky = np.where(norm > 0, norm, norm * np.float32(0.1))
    found = dict(zip(names := ("conv_0", "bn_0", "leaky_1", "pool_1"), net.forward(names), strict=True))
    assert found["conv_0"] == pytest.approx(conv, abs=1e-5)
    assert found["bn_0"] == pytest.approx(norm, abs=1e-5)
    assert found["leaky_1"] == pytest.approx(leaky, abs=1e-5)
    assert found["pool_1"].shape == (2, 8, 4, 8)
    assert net.forward("leaky_1") == pytest.approx(leaky, abs=1e-5)  # from the network with batch norm folded in
    shortcut = net.forward("shortcut_5")
    assert shortcut == pytest.approx(np.add(*net.forward(["bn_4", "mish_3"])), abs=1e-5)
    assert net.forward("leaky_6") == pytest.approx(np.where(shortcut > 0, shortcut, 0.1 * shortcut), abs=1e-5)
    assert net.forward("permute_8") == pytest.approx(net.forward("conv_7").transpose(0, 2, 3, 1), abs=1e-6)


def test_shapes_behind_a_dense_layer(made) -> None:
    net = cv2dnn.readNetFromDarknet(*made(CLASSIFIER))
    net.setInput(image(2, 3, 6, 6))
    names = ["avgpool_3", "fullyConnected_4", "logistic_5", "softmax_5", "identity_6"]
    assert [one.shape for one in net.forward(names)] == [(2, 4, 1, 1), (2, 5), (2, 5), (2, 5), (2, 5)]
    assert net.forward().sum(1) == pytest.approx(np.ones(2))


def test_input_is_scaled_after_the_mean_is_taken(made) -> None:
    net, pixels = cv2dnn.readNetFromDarknet(*made(BLOCKS)), (image(1, 3, 8, 16) * 255).round()

    def result(blob: np.ndarray, *args: object) -> np.ndarray:
        net.setInput(blob, *args)
        return net.forward()

    plain = result(pixels / 255)
    assert result(pixels, "", 1 / 255) == pytest.approx(plain, abs=1e-4)
    for kind in (np.uint8, np.int32, np.float64):  # no number of them means more than itself, as in OpenCV
        assert result(pixels.astype(kind), "data", 1 / 255) == pytest.approx(plain, abs=1e-4)
    shifted = pixels - np.float32([10, 20, 30])[:, None, None]
    assert result(pixels, "", 1 / 255, (10, 20, 30)) == pytest.approx(result(shifted / 255), abs=1e-4)
    first = pixels - np.float32([50, 0, 0])[:, None, None]  # cv2 takes one number for (50, 0, 0, 0)
    assert result(pixels, "", 1 / 255, 50) == pytest.approx(result(first / 255), abs=1e-4)


def test_input_is_copied(made) -> None:
    net, blob = cv2dnn.readNetFromDarknet(*made(BLOCKS)), image(1, 3, 8, 16)
    net.setInput(blob)
    before = net.forward()
    blob[:] = 0
    assert np.array_equal(net.forward(), before)


def test_another_size_than_the_cfgs(made, cfg) -> None:
    """The same weights, sizes of boxes relative to the blob: what a cfg of that size gives."""
    path, weights = made(BLOCKS)
    net = cv2dnn.readNetFromDarknet(path, weights)
    other = cfg(BLOCKS.replace("width=16", "width=12").replace("height=8", "height=20"), "other.cfg")
    wanted = cv2dnn.readNetFromDarknet(other, weights)
    small, large = image(1, 3, 8, 16), image(2, 3, 20, 12)
    net.setInput(small)
    before = net.forward()
    for one in (net, wanted):
        one.setInput(large)
    assert net.forward().shape == (2, 240, 7)
    assert net.forward() == pytest.approx(wanted.forward(), abs=1e-6)
    net.setInput(small)
    assert net.forward() == pytest.approx(before, abs=1e-6)


JOINED = """[net]
width=8
height=8
channels=3

[convolutional]
filters=2
activation=linear

[maxpool]
size=2
stride=2

[upsample]
stride=2

[route]
layers=-1,0
"""


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        (CLASSIFIER, (1, 3, 3, 4), r"net.cfg:6: \[crop\]: crops 4x4 from 4x3"),
        (JOINED, (1, 3, 7, 8), r"net.cfg:17: \[route\]: joins layers of different sizes: 8x8, 8x7"),
        (
            JOINED + "[connected]\noutput=2\n",
            (1, 3, 6, 8),
            r"net.cfg:19: \[connected\]: its weights are for .* 8x8, not 8x6",
        ),
    ],
    ids=["too small", "odd", "dense"],
)
def test_a_size_that_the_network_cannot_take(made, text: str, shape: tuple[int, ...], message: str) -> None:
    net = cv2dnn.readNetFromDarknet(*made(text))
    net.setInput(image(*shape))
    with pytest.raises(cv2dnn.NetError, match=message):
        net.forward()
    net.setInput(image(1, 3, *read_graph(made(text)[0]).net.shape[1:]))
    net.forward()  # goes on with one that it can


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (np.zeros((3, 8, 16)), r"blob: expected \(images, 3, height, width\), got \(3, 8, 16\)"),
        (np.zeros((1, 1, 8, 16)), r"got \(1, 1, 8, 16\)"),
        (np.zeros((0, 3, 8, 16)), r"got \(0, 3, 8, 16\)"),
        (np.array([["a"]]), "blob: expected an array of numbers, got <U1"),
        (None, "blob: expected an array of numbers, got NoneType"),
    ],
    ids=["three", "grey", "none", "text", "None"],
)
def test_blobs_that_are_none(made, blob: object, message: str) -> None:
    with pytest.raises(cv2dnn.NetError, match=message):
        cv2dnn.readNetFromDarknet(*made(BLOCKS)).setInput(blob)


# --- errors


@pytest.mark.parametrize("kind", [cv2.error, DarkparseError], ids=["cv2.error", "DarkparseError"])
def test_an_error_is_one_of_both(made, kind: type[Exception], tmp_path: Path) -> None:
    others = made(CLASSIFIER)[1].read_bytes()
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    with pytest.raises(kind, match=r"no input; expected setInput before forward"):
        net.forward()
    net.setInput(image(1, 3, 8, 16))
    with pytest.raises(kind, match=r"layer 'yolo_9': not there; expected one of getLayerNames\(\)"):
        net.forward(["yolo_8", "yolo_9"])
    with pytest.raises(kind, match="layer 99: not there; expected a name, or a number from 0 to 21"):
        net.getLayer(99)
    with pytest.raises(kind, match="input 'images': not there; expected 'data' or ''"):
        net.setInput(image(1, 3, 8, 16), "images")
    with pytest.raises(kind, match=r"nowhere\.cfg: No such file"):
        cv2dnn.readNetFromDarknet(str(tmp_path / "nowhere.cfg"))
    with pytest.raises(kind) as caught:
        cv2dnn.readNetFromDarknet(made(BLOCKS)[0], others)
    assert isinstance(caught.value.__cause__, darkparse.WeightsError)
    assert caught.value.err == str(caught.value) == str(caught.value.__cause__)


def test_an_empty_network() -> None:
    net = cv2dnn.Net()
    assert net.empty()
    assert net.getLayerNames() == ()
    assert net.getUnconnectedOutLayers().shape == (0,)
    for ask in (net.forward, lambda: net.setInput(image(1, 3, 8, 16))):
        with pytest.raises(cv2dnn.NetError, match="an empty network"):
            ask()


def test_without_weights_it_names_its_layers(cfg) -> None:
    net = cv2dnn.readNetFromDarknet(cfg(BLOCKS))
    assert not net.empty()
    assert net.getUnconnectedOutLayersNames() == ("yolo_8", "yolo_13")
    net.setInput(image(1, 3, 8, 16))
    with pytest.raises(cv2dnn.NetError, match="no weights; expected them in readNetFromDarknet"):
        net.forward()


def test_weights_with_nan(made) -> None:
    path, weights = made(BLOCKS)
    data = bytearray(weights.read_bytes())
    data[20:24] = np.float32(np.nan).tobytes()
    net = cv2dnn.readNetFromDarknet(path.read_bytes(), data)
    net.setInput(image(1, 3, 8, 16))
    with pytest.raises(cv2dnn.NetError, match="the network gives NaN"):
        net.forward()


# --- files and buffers


BUFFERS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "array": lambda data: np.frombuffer(data, np.uint8),
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_buffers_in_place_of_files(made, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, weights = made(BLOCKS)
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    cfg, model = (BUFFERS[kind](file.read_bytes()) for file in (path, weights))
    nets = [
        cv2dnn.readNetFromDarknet(str(path), str(weights)),
        cv2dnn.readNetFromDarknet(cfg, model),
        cv2dnn.readNetFromDarknet(bufferCfg=cfg, bufferModel=model),
        cv2dnn.readNetFromDarknet(cfg, weights),
        cv2dnn.readNetFromDarknet(path, model),
        cv2dnn.readNetFromDarknet(cfgFile=path, darknetModel=weights),
        cv2dnn.readNet("darknet", model, cfg),
        cv2dnn.readNet(path, weights),
        cv2dnn.readNet(str(weights), str(path)),
        cv2dnn.readNet(str(weights), str(path), "darknet"),
    ]
    results = []
    for net in nets:
        net.setInput(image(1, 3, 8, 16))
        results.append(net.forward())
    assert all(np.array_equal(result, results[0]) for result in results)
    assert not list(scratch.iterdir())


def test_damaged_buffers(made, tmp_path: Path) -> None:
    path, weights = made(BLOCKS)
    cfg, model = path.read_bytes(), weights.read_bytes()
    for given, message in (
        ((cfg, model[:-4]), "^weights buffer: 4 bytes too short for cfg buffer: layer 12"),
        ((cfg, b"<html>"), "^weights buffer: "),
        ((b"[net]\nwidth=8", model), "^cfg buffer:1: "),
        ((bytes(100), model), "^cfg buffer:1: binary data"),
        ((cfg, np.zeros(4)), "expected a path, or a buffer of uint8, got one of float64"),
        ((7, model), "expected a path or a buffer of bytes"),
    ):
        with pytest.raises(cv2dnn.NetError, match=message) as caught:
            cv2dnn.readNetFromDarknet(*given)
        assert tempfile.gettempdir() not in str(caught.value).replace(str(tmp_path), "")


def test_a_tree_is_looked_for_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = ONE_CELL + REGION + "tree=animals.tree\n"
    (tmp_path / "animals.tree").write_text("cat -1\ndog -1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert cv2dnn.readNetFromDarknet(text.encode()).getLayerNames()[-1] == "detection_out"
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(cv2dnn.NetError, match=r"^cfg buffer:\d+: \[region\] tree: .*animals.tree"):
        cv2dnn.readNetFromDarknet(text.encode())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_one_file_that_holds_both(made, suffix: str, tmp_path: Path) -> None:
    path, weights = made(BLOCKS)
    checkpoint.write(one := tmp_path / f"net{suffix}", read_source(path, weights))
    nets = [cv2dnn.readNet(str(one)), cv2dnn.readNetFromDarknet(one), cv2dnn.readNetFromDarknet(path, weights)]
    for net in nets:
        net.setInput(image(1, 3, 8, 16))
    assert np.array_equal(nets[0].forward(), nets[2].forward())
    assert np.array_equal(nets[1].forward(), nets[2].forward())


@pytest.mark.parametrize("names", [("a.weights",), ("a.prototxt", "a.weights"), (b"x", "a.cfg")])
def test_read_net_refuses_what_is_not_darknets(names: tuple[str, ...]) -> None:
    with pytest.raises(cv2dnn.NetError, match=r"expected a \.cfg and a \.weights file"):
        cv2dnn.readNet(*names)


@pytest.mark.parametrize("names", [("net.onnx",), ("net.onnx", "", "onnx")])
def test_read_net_leaves_the_rest_to_opencv(names: tuple[str, ...]) -> None:
    with pytest.raises(cv2.error) as ours:
        cv2dnn.readNet(*names)
    with pytest.raises(cv2.error) as theirs:
        cv2.dnn.readNet(*names)
    assert str(ours.value) == str(theirs.value)


# --- the rest


def test_times(made) -> None:
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    ticks, times = net.getPerfProfile()
    assert (ticks, times.tolist()) == (0, [0.0] * 21)
    net.setInput(image(1, 3, 8, 16))
    before = cv2.getTickCount()
    net.forward()
    passed = cv2.getTickCount() - before
    ticks, times = net.getPerfProfile()
    assert type(ticks) is int
    assert 0 < ticks * 1000.0 / cv2.getTickFrequency() <= passed * 1000.0 / cv2.getTickFrequency()
    assert (times.shape, times.dtype) == ((21,), np.float64)
    assert 0 < times.sum() <= ticks + 1
    assert (times[[2, 14, 20]] > 0).all()  # leaky_1, yolo_8, yolo_13: the last layer of a section
    assert (times[[0, 1, 13]] == 0).all()


def test_times_of_a_copy(made) -> None:
    """A copy times its own layers, not those of the one that it was made from."""
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    net.setInput(image(1, 3, 8, 16))
    net.forward()
    before = net.getPerfProfile()[1]
    copy = deepcopy(net)
    copy.forward()
    assert np.array_equal(net.getPerfProfile()[1], before)
    assert (copy.getPerfProfile()[1][[2, 14, 20]] > 0).all()


@pytest.mark.parametrize("nothing", ["", None, b""])
def test_no_cfg(nothing) -> None:
    with pytest.raises(cv2dnn.NetError, match="no cfg; expected a path or a buffer of one"):
        cv2dnn.readNetFromDarknet(nothing, nothing)


def test_targets_and_other_settings(made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("darkparse.cv2dnn.net.choose_device", no_cuda)
    net = cv2dnn.readNetFromDarknet(*made(BLOCKS))
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    net.enableFusion(False)
    net.enableWinograd(False)
    net.setPreferableBackend(cv2dnn.DNN_BACKEND_CUDA)
    with pytest.warns(DarkparseWarning, match="target 6: no CUDA; the network runs on the CPU"):
        net.setPreferableTarget(cv2dnn.DNN_TARGET_CUDA)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CUDA_FP16)  # told of once
    net.setInput(image(1, 3, 8, 16))
    assert net.forward().shape == (128, 7)
    with pytest.warns(DarkparseWarning, match="target 1: expected DNN_TARGET_CPU, DNN_TARGET_CUDA or"):
        cv2dnn.readNetFromDarknet(*made(BLOCKS)).setPreferableTarget(cv2.dnn.DNN_TARGET_OPENCL)


def no_cuda(name: str) -> torch.device:
    if name == "cuda":
        raise DarkparseError("no CUDA")
    return torch.device(name)


@pytest.mark.cuda
@pytest.mark.parametrize(("target", "near"), [("DNN_TARGET_CUDA", 1e-3), ("DNN_TARGET_CUDA_FP16", 0.05)])
def test_cuda(target: str, near: float) -> None:
    net, blob = cv2dnn.readNetFromDarknet(*map(str, DIGITS)), image(1, 3, 128, 128)
    net.setInput(blob)
    wanted = net.forward()
    net.setPreferableTarget(getattr(cv2.dnn, target))
    assert net.forward()[:, :5] == pytest.approx(wanted[:, :5], abs=near)
    assert next(net._engine.ready(next(iter(net._engine._ready.values()))[0]).parameters()).is_cuda


def test_dump(made) -> None:
    text = cv2dnn.readNetFromDarknet(*made(BLOCKS)).dump()
    assert text.startswith("digraph G {")
    assert '"data" -> "conv_0"' in text
    assert '"mish_3" -> "slice_3"' in text
    assert '"slice_3" -> "concat_6"' in text
    assert '"leaky_6" -> "concat_6"' in text
    assert '"conv_4" -> "concat_6"' not in text


DIFFERENT = {
    "dilation": (
        BLOCKS.replace("filters=8\nsize=1\nactivation=leaky", "filters=8\nsize=3\npad=1\ndilation=2\nactivation=leaky"),
        6,
    ),
    "xnor": (BLOCKS.replace("activation=leaky", "activation=leaky\nxnor=1", 1), 6),
    "temperature": (CLASSIFIER.replace("[softmax]", "[softmax]\ntemperature=2"), 23),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_what_opencv_took_for_something_else_is_told(cfg, what: str) -> None:
    text, line = DIFFERENT[what]
    with pytest.warns(cv2dnn.OpenCVDiffers, match=rf"net.cfg:{line}: .* OpenCV 4 leaves out .*{what}.*Darknet's"):
        cv2dnn.readNetFromDarknet(cfg(text))


def test_it_is_loaded_when_first_asked_for() -> None:
    code = (
        "import sys, darkparse; assert 'torch' not in sys.modules; "
        "net = darkparse.cv2dnn.readNetFromDarknet(*sys.argv[1:]); from darkparse import cv2dnn; "
        "assert cv2dnn is darkparse.cv2dnn and len(net.getLayerNames()) == 86 and cv2dnn.blobFromImage"
    )
    subprocess.run([sys.executable, "-c", code, *map(str, DIGITS)], check=True, cwd=ROOT, env=os.environ)


# --- real models


@pytest.mark.real
@pytest.mark.parametrize(
    "model", ["yolo-fastest-1.1", "MobileNetV2-YOLOv3-Nano-voc", "yolo-lite-trial3-nb", "yoloface-500k-v2"]
)
def test_rows_hold_what_darknet_detects(model: str, tmp_path: Path) -> None:
    """Each box of Darknet's own list is a row: confidence and place to 2e-3.

    No 1e-3, as Darknet's epsilon of batch norm is 1e-5, OpenCV's 1e-6.  Of [region] OpenCV leaves out what overlaps by
    more than .4, Darknet's list what does by more than .45.
    """
    folder = SHARED / "real"
    text = re.sub(r"(?m)^thresh\s*=.*$", "", (folder / "models" / f"{model}.cfg").read_text())
    text = re.sub(r"\[(yolo|region)\]", r"[\1]\nthresh=.1", text)
    net = cv2dnn.readNetFromDarknet(text.encode(), folder / "models" / f"{model}.weights")
    frames = json.loads((folder / "expected" / f"{model}.png.json").read_text())
    assert sum(len(frame["objects"]) for frame in frames) > 3
    for frame in frames:
        pixels = cv2.imread(str(folder / "images" / Path(frame["filename"]).name))
        net.setInput(cv2.dnn.blobFromImage(pixels, 1 / 255, swapRB=True))
        rows = np.concatenate(net.forward(net.getUnconnectedOutLayersNames()))
        places = np.array([list(found["relative_coordinates"].values()) for found in frame["objects"]], np.float32)
        scores = np.array([found["confidence"] for found in frame["objects"]], np.float32)
        labels = np.array([found["class_id"] for found in frame["objects"]])
        for one in nms(places.reshape(-1, 4), scores, labels, 0.4 if "[region]" in text else 0.45):
            near = np.abs(rows[:, :4] - places[one]).max(1) < 2e-3
            assert np.abs(rows[near, 5 + labels[one]] - scores[one]).min() < 2e-3
