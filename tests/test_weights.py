"""Weights files byte by byte: values in their places, parts of networks, writing that leaves no half files.

The bytes are typed out from what load_weights_upto in src/parser.c reads (AlexeyAB 59596d7).
"""

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from darkparse import weights
from darkparse.cfg import parse
from darkparse.cli import main
from darkparse.dialect import ALEXEYAB
from darkparse.errors import Truncated, WeightsError
from darkparse.graph import Graph, read_graph, resolve
from darkparse.layout import FLOAT, Header, count, fit, layout, read_header, size
from darkparse.network import Network, empty_network

NEW_HEADER = Header()


def graph_of(layers: str, net: str = "width=8 height=8 channels=4", dialect=ALEXEYAB) -> Graph:
    """A graph from options with blanks between them."""
    return resolve(list(parse("\n".join(f"[net] {net} {layers}".split()), "x.cfg")), dialect=dialect)


def golden(text: str) -> bytes:
    """Bytes typed in hex, with comments."""
    return bytes.fromhex("".join(line.partition("#")[0] for line in text.splitlines()))


def random_file(graph: Graph, header: Header = NEW_HEADER, floats: int | None = None) -> bytes:
    """A header and random bits, among them NaN with every kind of payload, infinities and subnormal numbers."""
    return header.pack() + np.random.default_rng(0).bytes(FLOAT * (count(graph) if floats is None else floats))


OLD = """
    00000000 01000000 00000000  # version 0.1.0
    40420f00                    # seen: 1,000,000, 32 bits
    0000803f 000000c0           # biases 1 -2
    0000003f 00004040           # weights 1/2 3
"""
PJ = """
    00000000 02000000 00000000  # version 0.2.0
    40420f00 00000000           # seen: 1,000,000, 64 bits
    0000803f 00000040           # biases 1 2
    00004040 00008040 0000a040  # weights of the first output, 3 4 5
    0000c040 0000e040 00000041  # of the second, 6 7 8
    00001041 00002041           # scales 9 10
    00003041 00004041           # rolling_mean 11 12
    00005041 00006041           # rolling_variance 13 14
"""
NEW = """
    00000000 02000000 05000000  # version 0.2.5
    05000000 01000000           # seen: 2^32 + 5
    0000803f                    # biases 1
    00000040                    # scales 2
    00004040                    # rolling_mean 3
    00008040                    # rolling_variance 4
    0000a040 0000c040           # weights 5 6
"""
TRANSPOSED = """
    {version}
    00000000 00000000           # seen: 0, 64 bits
    0000803f 00000040           # biases 1 2
    00004040 0000c040           # what the first input gives to both outputs, 3 6
    00008040 0000e040           # the second, 4 7
    0000a040 00000041           # the third, 5 8
"""
FLIPPED = """
    00000000 02000000 05000000 00000000 00000000
    0000803f 00000040           # biases 1 2
    00004040 0000c040           # both filters' weights of the first channel, 3 6
    00008040 0000e040           # the second, 4 7
    0000a040 00000041           # the third, 5 8
"""
ROWS = [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]
CONNECTED = "[connected] output=2 activation=linear"
GOLDENS = {
    "0.1.0": (OLD, Header(0, 1, 0, 1_000_000, False), "channels=1", "[conv] filters=2", {
        "conv.bias": [1, -2], "conv.weight": [0.5, 3],
    }),
    "0.2.0": (PJ, Header(0, 2, 0, 1_000_000), "channels=3", f"{CONNECTED} batch_normalize=1", {
        "norm.bias": [1, 2], "linear.weight": ROWS, "norm.weight": [9, 10],
        "norm.running_mean": [11, 12], "norm.running_var": [13, 14],
    }),
    "0.2.5": (NEW, Header(0, 2, 5, 2**32 + 5), "channels=2", "[conv] batch_normalize=1", {
        "norm.bias": [1], "norm.weight": [2], "norm.running_mean": [3], "norm.running_var": [4], "conv.weight": [5, 6],
    }),
    "1001.0.0": (TRANSPOSED.format(version="e9030000 00000000 00000000"), Header(1001, 0, 0), "channels=3", CONNECTED, {
        "linear.bias": [1, 2], "linear.weight": ROWS,
    }),
    "0.1001.0": (TRANSPOSED.format(version="00000000 e9030000 00000000"), Header(0, 1001, 0), "channels=3", CONNECTED, {
        "linear.bias": [1, 2], "linear.weight": ROWS,
    }),
    "flipped": (FLIPPED, Header(0, 2, 5), "channels=3", "[conv] filters=2 flipped=1", {
        "conv.bias": [1, 2], "conv.weight": ROWS,
    }),
}  # fmt: skip


@pytest.mark.parametrize("case", GOLDENS.values(), ids=GOLDENS)
@pytest.mark.parametrize("make", [Network, empty_network])
def test_golden_bytes(case, make, tmp_path):
    text, header, net, layers, expected = case
    (tmp_path / "x.weights").write_bytes(golden(text))
    network = make(graph_of(layers, f"width=1 height=1 {net}", read_header(tmp_path / "x.weights").dialect))
    assert weights.load(network, tmp_path / "x.weights") == (header, 1)
    values = {name.removeprefix("layers.0."): value.tolist() for name, value in network.state_dict().items()}
    for name, wanted in expected.items():
        assert np.ravel(values[name]).tolist() == np.ravel(wanted).tolist(), name
    weights.save(network, tmp_path / "y.weights", header)
    assert (tmp_path / "y.weights").read_bytes() == golden(text)


def test_layers_that_share_store_nothing(tmp_path):
    graph = graph_of(
        "[conv] filters=4 batch_normalize=1 [conv] filters=4 share_index=0 [conv] filters=4 share_index=-1"
    )
    assert {slot.node.index for slot in layout(graph)} == {0}
    (tmp_path / "x.weights").write_bytes(Header().pack() + np.arange(32, dtype="<f4").tobytes())
    network = empty_network(graph)
    weights.load(network, tmp_path / "x.weights")
    assert all(layer.conv.weight.data_ptr() == network.layers[0].conv.weight.data_ptr() for layer in network.layers)
    assert network.layers[2].norm.running_var.tolist() == [12, 13, 14, 15]


EVERYTHING = """
    [conv] filters=4 size=3 pad=1 batch_normalize=1 [conv] filters=4 flipped=1 groups=2
    [shortcut] from=-2 weights_type=per_channel weights_normalization=softmax [conv] filters=4 share_index=1 groups=2
    [crnn] output=4 pad=1 batch_normalize=1 [conv] filters=4 xnor=1 cbn=1 [conv] antialiasing=1
    [connected] output=3 batch_normalize=1
"""


@pytest.mark.parametrize("header", [Header(0, 1, 0, 2**32 - 1, False), Header(0, 2, 5, 2**63), Header(1001, 2, 3)])
@pytest.mark.parametrize("make", [Network, empty_network])
def test_there_and_back_is_bit_identical(header, make, tmp_path):
    graph = graph_of(EVERYTHING, dialect=header.dialect)
    data = random_file(graph, header)
    (tmp_path / "x.weights").write_bytes(data)
    network = make(graph)
    weights.save(network, tmp_path / "y.weights", weights.load(network, tmp_path / "x.weights").header)
    assert (tmp_path / "y.weights").read_bytes() == data
    values = np.frombuffer(data[header.size :], "<f4")
    assert np.isnan(values).any()


DETECTOR = """
    [conv] filters=4 size=3 pad=1 batch_normalize=1 [max] size=2 stride=2
    [conv] filters=6 [yolo] mask=0 num=1 classes=1 anchors=1,1
"""
FIRST = 16 + 4 * 4 * 9  # floats of the first convolution; the second has 6 + 6 * 4


@pytest.mark.parametrize(("floats", "layers"), [(FIRST, 1), (FIRST + 30, 4)], ids=["part", "whole"])
@pytest.mark.parametrize("make", [Network, empty_network])
def test_a_partial_file_fills_the_first_layers(floats, layers, make, tmp_path):
    (tmp_path / "x.weights").write_bytes(Header().pack() + np.arange(floats, dtype="<f4").tobytes())
    network = make(graph_of(DETECTOR))
    assert weights.load(network, tmp_path / "x.weights", partial=True) == (Header(), layers)
    assert network.layers[0].norm.running_mean.tolist() == [8, 9, 10, 11]
    assert network.layers[0].conv.weight.flatten().tolist() == list(range(16, FIRST))
    if layers == 4:
        assert network.layers[2].conv.bias.tolist() == list(range(FIRST, FIRST + 6))


@pytest.mark.parametrize("floats", [0, FIRST - 1, FIRST, FIRST + 6, FIRST + 29, FIRST + 31])
def test_what_does_not_fit_changes_nothing(floats, tmp_path):
    (tmp_path / "x.weights").write_bytes(random_file(graph_of(DETECTOR), floats=floats))
    network = Network(graph_of(DETECTOR))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(WeightsError):
        weights.load(network, tmp_path / "x.weights", partial=floats not in (FIRST, FIRST + 30))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("header", [Header(0, 1, 0, 77, False), Header(0, 2, 5, 2**40)])
def test_the_first_layers_are_saved_with_nothing_seen(layers, header, tmp_path):
    data = random_file(graph_of(DETECTOR), header)
    (tmp_path / "x.weights").write_bytes(data)
    stop = header.size + FLOAT * (FIRST if layers < 3 else FIRST + 30)
    out = tmp_path / "x.part"
    assert weights.save_first_layers(graph_of(DETECTOR), tmp_path / "x.weights", out, layers) == stop
    assert out.read_bytes() == header._replace(seen=0).pack() + data[header.size : stop]
    assert fit(graph_of(DETECTOR), out, partial=True).layers == (1 if layers < 3 else 4)


@pytest.mark.parametrize("layers", [-1, 0, 5])
def test_as_many_layers_as_there_are_not(layers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.weights").write_bytes(random_file(graph_of(DETECTOR)))
    with pytest.raises(WeightsError) as caught:
        weights.save_first_layers(graph_of(DETECTOR), "x.weights", "x.part", layers)
    expected = f"x.weights: holds the first 4 layers; expected a number from 1 to 4, got {layers}"
    assert str(caught.value) == expected
    assert os.listdir() == ["x.weights"]


def test_the_command_partial(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.cfg").write_text("\n".join(f"[net] width=8 height=8 channels=4 {DETECTOR}".split()))
    Path("x.weights").write_bytes(random_file(graph_of(DETECTOR)))
    result = CliRunner().invoke(main, ["partial", "x.cfg", "x.weights", "x.conv.1", "1"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "x.conv.1: the first 1 layers, 660 bytes\n"
    assert Path("x.conv.1").read_bytes() == Header().pack() + Path("x.weights").read_bytes()[20:660]


@pytest.mark.real
def test_a_published_partial_file(shared):
    models = shared / "real" / "models"
    graph = read_graph(models / "MobileNetV2-YOLO-Fastest-voc.cfg", complain=lambda *_: None)
    path = models / "MobileNetV2-YOLO-Fastest.conv.57"
    network = empty_network(graph)
    assert weights.load(network, path, partial=True).layers == 57
    with pytest.raises(Truncated) as caught:
        weights.load(network, path)
    part = f"a partial file, the first 57 of {len(graph.nodes)} layers of {graph.file}"
    missing = size(graph) - path.stat().st_size
    assert str(caught.value) == f"{path}: {part}; expected {missing:,} bytes more"


@pytest.fixture
def network() -> Network:
    return Network(graph_of(DETECTOR))


def fails_to_save(network: Network, path: str) -> str:
    with pytest.raises(WeightsError) as caught:
        weights.save(network, path, Header())
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing/x.weights", "missing/x.weights: No such file or directory"),
        ("file/x.weights", "file/x.weights: Not a directory"),
        ("folder", "folder: Is a directory"),
    ],
)
def test_where_nothing_can_be_saved(path, expected, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    assert fails_to_save(network, path) == expected
    assert sorted(os.listdir()) == ["file", "folder"]


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_things_as_they_were(old, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if old:
        Path("x.weights").write_bytes(old)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))  # bytes a file may have; the network needs 780
    try:
        assert fails_to_save(network, "x.weights") == "x.weights: File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == ({"x.weights": old} if old else {})


def test_an_interrupted_save_leaves_the_old_file(network, tmp_path, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "x.weights").write_bytes(b"old")
    monkeypatch.setattr(weights, "to_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        weights.save(network, tmp_path / "x.weights", Header())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"x.weights": b"old"}


def test_more_images_than_an_old_header_can_count(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        weights.save(network, "x.weights", Header(0, 1, 0, 2**32, False))
    expected = "4,294,967,296 images seen; expected at most 4,294,967,295 in a header of version 0.1.0"
    assert str(caught.value) == f"x.weights: {expected}"
    assert not os.listdir()


def test_the_blurred_and_the_plain_can_share():
    Network(graph_of("[conv] filters=4 antialiasing=1 [conv] filters=4 share_index=0"))


@pytest.mark.parametrize("floats", [3, 7], ids=["shorter", "longer"])
def test_a_file_that_changes_while_it_is_read(tmp_path, floats):
    graph, path = graph_of("[convolutional] filters=1"), tmp_path / "x.weights"  # 1 + 4 floats
    path.write_bytes(random_file(graph))
    network = Network(graph)
    before = [tensor.clone() for tensor in network.state_dict().values()]
    values = weights.read(graph, path)
    values.numbers.result()
    path.write_bytes(random_file(graph, floats=floats))  # as if it had been so when its bytes were read
    with pytest.raises(Truncated, match=rf"x\.weights: changed while it was read, to {floats} floats; expected 5"):
        weights.fill(network, values._replace(numbers=weights.begin(path, values.fit.header)))
    assert all(a.equal(b) for a, b in zip(before, network.state_dict().values(), strict=True))


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path):
    path = tmp_path / "x.weights"
    path.write_bytes(bytes(10))
    with pytest.raises(Truncated, match=r"x\.weights: cut short while it was read; expected 30 bytes more"):
        weights.finish(path, open(path, "rb", buffering=0), np.empty(10, np.float32))  # noqa: SIM115  (it closes it)


def test_what_was_read_is_no_map_of_the_file(tmp_path):
    graph, path = graph_of("[convolutional] filters=1"), tmp_path / "x.weights"
    path.write_bytes(random_file(graph))
    network = empty_network(graph)
    weights.load(network, path)
    before = [tensor.clone() for tensor in network.state_dict().values()]
    with open(path, "r+b") as file:  # as Darknet does when it saves anew
        file.truncate(20)
    for old, new in zip(before, network.state_dict().values(), strict=True):
        assert old.view(torch.int32).equal(new.view(torch.int32))  # bits: there are NaN among them
