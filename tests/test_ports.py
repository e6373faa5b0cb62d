"""Checkpoints of other PyTorch programs as .weights: the bytes of Darknet's, or the first tensor that does not fit.

Keys and shapes are those of pytorchyolo (`module_list.0.conv_0.weight`, ...: a state dict) and of the archive branch of
ultralytics/yolov3 (`module_list.0.Conv2d.weight`, ... in a dict with the state of a training); the bytes follow from
what load_weights_upto in src/parser.c reads (AlexeyAB 59596d7).
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from darkparse import ports, weights
from darkparse.cli import main
from darkparse.errors import WeightsError
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network, empty_network


class Conv(NamedTuple):
    """A [convolutional]: its place in the cfg, the sizes of its weights, and whether it has batch norm."""

    index: int
    shape: tuple[int, int, int, int]
    normed: bool = True


CFG = """[net]
width=32
height=32
channels=3
"""
CONV = "[convolutional]\nfilters={}\nsize={}\npad=1\ngroups={}\nbatch_normalize={}\nactivation=leaky\n"
PLAN = [  # options, or any other section; after the tenth, keys sorted as text are in another order
    (8, 3, 1, 1),
    "[maxpool]\nsize=2\nstride=2\n",
    (8, 3, 8, 1),
    (4, 1, 1, 1),
    (8, 1, 1, 1),
    "[shortcut]\nfrom=-3\nactivation=linear\n",
    (4, 3, 1, 0),
    (14, 1, 1, 0),
    "[yolo]\nmask=0,1\nanchors=3,4, 5,6, 7,8, 9,10\nclasses=2\nnum=4\n",
    "[route]\nlayers=-3\n",
    "[upsample]\nstride=2\n",
    (4, 3, 1, 1),
    (14, 1, 1, 0),
    "[yolo]\nmask=2,3\nanchors=3,4, 5,6, 7,8, 9,10\nclasses=2\nnum=4\n",
]
CONVS = [
    Conv(0, (8, 3, 3, 3)),
    Conv(2, (8, 1, 3, 3)),
    Conv(3, (4, 8, 1, 1)),
    Conv(4, (8, 4, 1, 1)),
    Conv(6, (4, 8, 3, 3), normed=False),
    Conv(7, (14, 4, 1, 1), normed=False),
    Conv(11, (4, 4, 3, 3)),
    Conv(12, (14, 4, 1, 1), normed=False),
]
STYLES = {"pytorchyolo": ("conv_{}", "batch_norm_{}"), "ultralytics": ("Conv2d", "BatchNorm2d")}
NORM = ("bias", "weight", "running_mean", "running_var")  # in Darknet's order

State = dict[str, torch.Tensor]


@pytest.fixture
def cfg(tmp_path: Path) -> Path:
    path = tmp_path / "net.cfg"
    path.write_text(CFG + "".join(CONV.format(*one) if isinstance(one, tuple) else one for one in PLAN))
    return path


def state_and_bytes(style: str, dtype: torch.dtype = torch.float32) -> tuple[State, bytes]:
    """A state dict with keys of that style, and Darknet's file of the same tensors after its header."""
    rng = np.random.default_rng(1)
    state: State = {}
    data = []

    def put(key: str, *shape: int) -> np.ndarray:
        state[key] = torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(dtype)
        return state[key].float().numpy()

    for conv in CONVS:
        conv_name, norm_name = (f"module_list.{conv.index}.{name.format(conv.index)}" for name in STYLES[style])
        kernel = put(f"{conv_name}.weight", *conv.shape)
        if conv.normed:
            data += [put(f"{norm_name}.{leaf}", conv.shape[0]) for leaf in NORM]
            state[f"{norm_name}.num_batches_tracked"] = torch.tensor(7)
        else:
            data.append(put(f"{conv_name}.bias", conv.shape[0]))
        data.append(kernel)
    if style == "pytorchyolo":
        state["module_list.8.yolo_8.anchors"] = torch.zeros(2, 2)
        state["module_list.8.yolo_8.anchor_grid"] = torch.zeros(1, 2, 1, 1, 2)
    return state, b"".join(one.astype("<f4").tobytes() for one in data)


def training(state: State, fitness: object = None) -> dict[str, object]:
    """What ultralytics' train.py saves."""
    momentum = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.01, "params": [0]}]}
    return {"epoch": 3, "best_fitness": fitness, "training_results": "0/3", "model": state, "optimizer": momentum}


def parallel(state: State) -> State:
    return {f"module.{key}": value for key, value in state.items()}


def halves(state: State) -> State:
    """The same modules as another program would keep them: the second half under numbers of its own."""
    keys = {key: int(key.split(".")[1]) for key in state}
    return {key if n < 6 else key.replace(f"module_list.{n}.", f"head.{n - 6}."): state[key] for key, n in keys.items()}


CASES = {
    "pytorchyolo": ("pytorchyolo", lambda state: state),
    "pytorchyolo, sorted as text": ("pytorchyolo", lambda state: {key: state[key] for key in sorted(state)}),
    "ultralytics": ("ultralytics", training),
    "ultralytics, best_fitness an array": ("ultralytics", lambda state: training(state, np.array([0.25]))),
    "ultralytics, best_fitness a number": ("ultralytics", lambda state: training(state, np.float64(0.25))),
    "ultralytics, of several GPUs": ("ultralytics", lambda state: training(parallel(state))),
    "in two containers that count": ("pytorchyolo", halves),
    "of several GPUs, sorted as text": (
        "pytorchyolo",
        lambda state: parallel({key: state[key] for key in sorted(state)}),
    ),
}


def convert(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.parametrize(("style", "wrap"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before PyTorch 1.6"])
def test_becomes_darknets_bytes(style, wrap, is_zip, cfg, tmp_path):
    state, expected = state_and_bytes(style)
    torch.save(wrap(state), tmp_path / "port.pt", _use_new_zipfile_serialization=is_zip)
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "out.weights").read_bytes() == Header(0, 2, 5, 0).pack() + expected
    assert ("add 1e-4" in result.stderr) == (style == "ultralytics")
    assert "letterbox" in result.stderr


def test_pickles_of_numpy_1(cfg, tmp_path):
    state, expected = state_and_bytes("ultralytics")
    torch.save(training(state, np.array([0.25])), tmp_path / "new.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "new.pt").read_bytes()
    old = data.replace(b"numpy._core.multiarray\n", b"numpy.core.multiarray\n")
    assert (old != data) == (np.lib.NumpyVersion(np.__version__) >= "2.0.0")
    (tmp_path / "old.pt").write_bytes(old)
    assert convert(cfg, tmp_path / "old.pt", tmp_path / "out.weights").exit_code == 0
    assert (tmp_path / "out.weights").read_bytes()[20:] == expected


def test_half_precision_is_told(cfg, tmp_path):
    state, expected = state_and_bytes("ultralytics", torch.float16)
    torch.save(training(state), tmp_path / "port.pt")
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert "float16 becomes float32" in result.stderr
    assert (tmp_path / "out.weights").read_bytes()[20:] == expected


def test_becomes_any_other_file(cfg, tmp_path):
    state, expected = state_and_bytes("ultralytics")
    torch.save(training(state), tmp_path / "port.pth")
    assert convert(tmp_path / "port.pth", cfg, tmp_path / "model.safetensors").exit_code == 0
    assert convert(tmp_path / "model.safetensors", tmp_path / "out.weights").exit_code == 0
    assert (tmp_path / "out.weights").read_bytes()[20:] == expected


@pytest.mark.parametrize("make", [Network, empty_network])
def test_fills_any_network(make, cfg, tmp_path):
    state, expected = state_and_bytes("pytorchyolo")
    torch.save(state, tmp_path / "port.pt")
    network = make(read_graph(cfg))
    ports.load(network, tmp_path / "port.pt")
    weights.save(network, tmp_path / "out.weights", Header())
    assert (tmp_path / "out.weights").read_bytes()[20:] == expected
    assert network.layers[0].norm.num_batches_tracked.item() == 0


def without(state: State, *keys: str) -> State:
    return {key: value for key, value in state.items() if key not in keys}


FIRST = "module_list.0.Conv2d.weight"
NORM_2 = "module_list.2.BatchNorm2d"
BAD = {
    "another shape": (
        lambda s: s | {FIRST: torch.zeros(16, 3, 3, 3)},
        r"Conv2d.weight \(16, 3, 3, 3\), where .*net.cfg:5: layer 0 \[convolutional\] wants weight \(8, 3, 3, 3\)",
    ),
    "as many values in another order": (
        lambda s: s | {FIRST: torch.zeros(3, 8, 3, 3)},
        r"module_list.0.Conv2d.weight \(3, 8, 3, 3\), where .* wants weight \(8, 3, 3, 3\)",
    ),
    "batch norm folded in": (
        lambda s: without(s, *(f"{NORM_2}.{leaf}" for leaf in NORM)) | {"module_list.2.Conv2d.bias": torch.zeros(8)},
        r"module_list.2.Conv2d.bias \(8,\), where .* layer 2 .* wants a batch norm's bias \(8,\)",
    ),
    "a bias beside batch norm": (
        lambda s: s | {"module_list.0.Conv2d.bias": torch.zeros(8)},
        r"module_list.0.Conv2d.bias \(8,\): .*net.cfg:5: layer 0 \[convolutional\] has no such tensor",
    ),
    "a tensor less": (
        lambda s: without(s, f"{NORM_2}.running_var"),
        r"layer 2 \[convolutional\] wants a batch norm's running_var \(8,\), Darknet's rolling_variance",
    ),
    "a layer less": (
        lambda s: without(s, "module_list.12.Conv2d.weight", "module_list.12.Conv2d.bias"),
        r"its end, where .* layer 12 \[convolutional\] wants weight \(14, 4, 1, 1\)",
    ),
    "a layer more": (
        lambda s: s | {"module_list.14.Conv2d.weight": torch.zeros(2, 2, 1, 1)},
        r"module_list.14.Conv2d.weight \(2, 2, 1, 1\): .*net.cfg has no layer left for it",
    ),
    "integers": (
        lambda s: s | {FIRST: torch.zeros(8, 3, 3, 3, dtype=torch.int8)},
        r"module_list.0.Conv2d.weight \(8, 3, 3, 3\) int8, where",
    ),
    "a weighted sum": (lambda s: s | {"module_list.5.w": torch.zeros(2)}, r"module_list.5.w \(2,\): .*sigmoid"),
    "no tensors": (lambda s: {"epoch": 3}, "no tensors; expected a state dict"),
    "a list": (lambda s: list(s.values()), "no tensors; expected a state dict"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD)
def test_names_what_does_not_fit(change, message, cfg, tmp_path):
    state, _ = state_and_bytes("ultralytics")
    torch.save(change(state), tmp_path / "port.pt")
    network = Network(read_graph(cfg))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(WeightsError, match=message):
        ports.load(network, tmp_path / "port.pt")
    assert all(tensor.equal(before[name]) for name, tensor in network.state_dict().items())
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / "out.weights").exists()


class Trap:
    """A pickle that makes a folder when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "before PyTorch 1.6"])
@pytest.mark.parametrize("wrap", [lambda trap: trap, lambda trap: {"model": {}, "x": trap}], ids=["alone", "inside"])
def test_runs_no_code_of_a_pickle(wrap, is_zip, cfg, tmp_path):
    torch.save(wrap(Trap(tmp_path / "sprung")), tmp_path / "port.pt", _use_new_zipfile_serialization=is_zip)
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert result.exit_code == 1
    assert f"a pickle that names {os.name}.mkdir" in result.stderr
    assert not (tmp_path / "sprung").exists()


def test_a_whole_model_is_refused(cfg, tmp_path):
    """As ultralytics' releases from 5 on save it."""
    torch.save({"model": torch.nn.Conv2d(1, 1, 1), "epoch": 3}, tmp_path / "port.pt")
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert result.exit_code == 1
    assert "names torch.nn.modules.conv.Conv2d" in result.stderr
    assert "expected a state dict" in result.stderr


@pytest.mark.parametrize("data", [b"", b"hello, world", b"PK\3\4 and no more", b"\x80\2}q\0."], ids=repr)
def test_what_is_no_checkpoint(data, cfg, tmp_path):
    (tmp_path / "port.pt").write_bytes(data)
    with pytest.raises(WeightsError, match=r"port.pt: (no PyTorch checkpoint|no tensors|damaged, or cut short)"):
        ports.read(tmp_path / "port.pt")
    assert convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights").exit_code == 1


@pytest.mark.parametrize(
    "read", [lambda _, path: ports.read(path), lambda graph, path: ports.load(Network(graph), path)]
)
def test_a_flipped_bit_is_found(read, cfg, tmp_path):
    """torch.load does not look at the checksums in the archive."""
    state, _ = state_and_bytes("pytorchyolo")
    torch.save(state, tmp_path / "port.pt")
    data = bytearray((tmp_path / "port.pt").read_bytes())
    data[data.index(state["module_list.0.conv_0.weight"].numpy().tobytes()) + 5] ^= 1
    (tmp_path / "port.pt").write_bytes(data)
    with pytest.raises(WeightsError, match=r"port.pt: damaged, in 'port/data/0'"):
        read(read_graph(cfg), tmp_path / "port.pt")
    result = convert(cfg, tmp_path / "port.pt", tmp_path / "out.weights")
    assert result.exit_code == 1
    assert "damaged" in result.stderr


def test_without_a_cfg(tmp_path):
    state, _ = state_and_bytes("pytorchyolo")
    torch.save(state, tmp_path / "port.pt")
    result = convert(tmp_path / "port.pt", tmp_path / "out.weights")
    assert result.exit_code == 1
    assert "without a cfg" in result.stderr
