"""darkparse convert to .torchscript and .pt2: they run without darkparse, and give what Darknet gives."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from conformance import Kit
from conftest import ROOT, SHARED
from darkparse import exported
from darkparse.cli import main
from darkparse.graph import read_graph
from darkparse.layout import FLOAT, Header, count

KIT = SHARED / "conformance"
SHAPES = (ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights")
SUFFIXES = (".torchscript", ".pt2")
RUN = """
import json, sys
import numpy as np
import torch
images = torch.from_numpy(np.load("images.npy"))
for suffix in sys.argv[1:]:
    about = {"cfg": "", "names": "", "resize": "", "width": ""}
    if suffix == ".pt2":
        run = torch.export.load("x.pt2", extra_files=about).module()
    else:
        run = torch.jit.load("x.torchscript", _extra_files=about)
    about = {key: text.decode() if isinstance(text, bytes) else text for key, text in about.items()}
    with torch.no_grad():
        result = run(images)
    assert isinstance(result, tuple)
    np.savez(f"x{suffix}.npz", *(one.numpy() for one in result), about=json.dumps(about))
assert not any(name.startswith("darkparse") for name in sys.modules)
"""


def convert(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def run_alone(folder: Path, images: np.ndarray) -> list[tuple[list[np.ndarray], dict[str, str]]]:
    """The outputs of both files of a folder, in a process that knows PyTorch alone, and the texts in them."""
    np.save(folder / "images.npy", images)
    subprocess.run([sys.executable, "-c", RUN, *SUFFIXES], check=True, cwd=folder)
    result = []
    for suffix in SUFFIXES:
        with np.load(folder / f"x{suffix}.npz") as found:
            outputs = [found[name] for name in found.files if name != "about"]
            result.append((outputs, json.loads(str(found["about"]))))
    return result


@pytest.mark.kit
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
@pytest.mark.parametrize("name", ["yolov4-tiny", "ab__tiny"], ids=["detector", "classifier"])
def test_gives_darknets_numbers(name, tmp_path):
    """The layers before the heads, whose output is raw, or the last that does something; for each image of a batch."""
    kit = Kit(KIT)
    case = kit.check.Case.load(KIT / "cases" / f"{name}.npz")
    kit.make.write_weights(case.meta["layout"], case.meta["seed"], tmp_path / "x.weights", case.meta["version"])
    sizes = [f"--{key}={value}" for key, value in case.meta["overrides"].items()]
    for suffix in SUFFIXES:
        result = convert(KIT / case.meta["cfg"], tmp_path / "x.weights", tmp_path / f"x{suffix}", *sizes)
        assert result.exit_code == 0, result.stderr
        assert "differs from the network by" in result.stderr
    (image,) = kit.make.make_input(case.meta["input"], case.meta["seed"], 1).reshape(1, 1, *case.meta["input"])
    layers = case.meta["layers"]
    raw = [index - 1 for index, layer in enumerate(layers) if layer["section"] == "yolo"]
    raw = raw or [max(index for index, layer in enumerate(layers) if layer["section"] == "softmax")]
    for outputs, _ in run_alone(tmp_path, np.concatenate([image, image * 0, image])):
        assert len(outputs) == len(raw)
        for index, output in zip(raw, outputs, strict=True):
            agrees = [kit.check.compare_layer(case, index, one).ok for one in output]
            assert agrees == [True, False, True]  # the second is another image
    for path in tmp_path.iterdir():
        path.unlink()


def test_holds_what_is_known(tmp_path):
    graph = read_graph(SHAPES[0])
    names = [f"Form {number} ☃" for number in range(graph.classes)]
    (tmp_path / "my.names").write_text("\n".join(names), encoding="utf-8")
    for suffix in SUFFIXES:
        assert convert(*SHAPES, tmp_path / "my.names", tmp_path / f"x{suffix}", "--width", 96).exit_code == 0
    for _, about in run_alone(tmp_path, np.zeros((1, 3, graph.net.height, 96), np.float32)):
        assert about["cfg"] == SHAPES[0].read_text()
        assert json.loads(about["names"]) == names
        assert (about["resize"], about["width"]) == ("stretch", "96")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_refuses_networks_with_a_state(suffix, tmp_path):
    (tmp_path / "x.cfg").write_text("[net]\ninputs=4\n[rnn]\noutput=4\nhidden=4\n")
    (tmp_path / "x.weights").write_bytes(Header().pack() + bytes(FLOAT * count(read_graph(tmp_path / "x.cfg"))))
    result = convert(tmp_path / "x.cfg", tmp_path / "x.weights", tmp_path / f"x{suffix}")
    assert result.exit_code == 1
    assert "x.cfg: has recurrent layers" in result.stderr
    assert not (tmp_path / f"x{suffix}").exists()


class Off(exported.Raw):
    """Answers a little otherwise."""

    def forward(self, images):
        return tuple(raw + 1e-3 * raw.abs().max() for raw in super().forward(images))


class Broken(exported.Raw):
    """Gives NaN in one place."""

    def forward(self, images):
        return tuple(torch.where(raw == raw.max(), torch.nan, raw) for raw in super().forward(images))


class First(exported.Raw):
    """Forgets all images but the first."""

    def forward(self, images):
        return tuple(raw[:1] for raw in super().forward(images))


class Branch(exported.Raw):
    """Cannot be traced: what it does depends on the values."""

    def forward(self, images):
        return super().forward(images) if bool(images.sum() > 1e9) else super().forward(images * 2)


WRONG = [
    (".torchscript", Off, "differs from the network by 0.00"),
    (".pt2", Off, "differs from the network by 0.00"),
    (".torchscript", Broken, "differs from the network by nan"),
    (".torchscript", First, "gives (1, "),
    (".pt2", First, "gives (1, "),
    (".torchscript", Branch, "differs from the network by"),
    (".pt2", Branch, "torch.export cannot express this network: "),
]


@pytest.mark.parametrize(
    ("suffix", "kind", "message"), WRONG, ids=[f"{kind.__name__}{suffix}" for suffix, kind, _ in WRONG]
)
def test_a_file_that_answers_otherwise_does_not_appear(suffix, kind, message, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "Raw", kind)
    result = convert(*SHAPES, tmp_path / f"x{suffix}")
    assert result.exit_code == 1
    assert f"Error: {tmp_path}/x{suffix}: {message}" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
