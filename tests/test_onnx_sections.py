"""What sections and activations are in ONNX: ONNX Runtime gives what the network gives, and what Darknet gave."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import test_arithmetic_more
from arithmetic import Case, assert_agrees, expected, normalize_as_pjreddie_cpu, section_of
from conformance import Kit
from conftest import SHARED
from darkparse import weights
from darkparse.activations import NAMES
from darkparse.cfg import parse
from darkparse.errors import DarkparseError
from darkparse.graph import Graph, resolve
from darkparse.layout import Header
from darkparse.network import Network, empty_network
from darkparse.onnx.builder import Inexpressible
from darkparse.onnx.export import build, reads_any_size
from darkparse.sources import Source

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ALL = test_arithmetic_more.ALL
TOLERANCE = 1e-4
WITHOUT_LAST = {"contrastive"}  # it does nothing, behind a head, so that it has no tensor
ONE_SIZE = ("connected", "local", "crop", "detection", "rnn", "crnn", "gru", "lstm", "conv_lstm")
SMALL = ("ab__cifar", "ab__gru", "crnn.train", "go", "pj__tiny", "yolov3-tiny", "yolov3-tiny_xnor", "yolov4-tiny")


def source_of(case: Case, graph: Graph | None = None) -> Source:
    network = Network(graph or case.graph).eval().requires_grad_(False)
    weights.load(network, case.weights)
    if case.fork == "pj":
        normalize_as_pjreddie_cpu(network)
    return Source(network.graph, network, Header(), (), "", {})


def made(text: str) -> Source:
    """A network of a cfg's text, with the weights that training begins with."""
    torch.manual_seed(1)
    graph = resolve(list(parse(text, "net.cfg")), complain=lambda *_: None)
    return Source(graph, Network(graph).eval().requires_grad_(False), Header(), (), text, {})


def opened(model: onnx.ModelProto, *more: str) -> onnxruntime.InferenceSession:
    """The checked model in ONNX Runtime, which gives some `more` of its tensors."""
    onnx.checker.check_model(model, full_check=True)
    for name in more:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def last(source: Source, model: onnx.ModelProto) -> list[str]:
    """The last layer's tensor, where it has one that is no output of the model."""
    node = source.graph.nodes[-1]
    given = {name for one in model.graph.node for name in one.output} - {one.name for one in model.graph.output}
    return [name for name in [f"{node.index:03d}_{node.layer.section}"] if name in given]


def run(session: onnxruntime.InferenceSession, steps: np.ndarray) -> list[dict[str, np.ndarray]]:
    """Every step's outputs; states begin as zeros."""
    batch, names = steps.shape[1], [one.name for one in session.get_outputs()]
    states = {one.name: np.zeros([batch, *one.shape[1:]], np.float32) for one in session.get_inputs()[1:]}
    results = []
    for images in steps:
        result = dict(zip(names, session.run(None, {"images": images, **states}), strict=True))
        states = {name: result.pop(f"{name.removesuffix('_in')}_out") for name in states}
        results.append(result)
    return results


@torch.inference_mode()
def run_network(network: Network, steps: np.ndarray) -> list[np.ndarray]:
    """What the last step gives."""
    network.reset()
    for images in steps:
        outputs = network(torch.from_numpy(images))
    return [output.numpy() for output in outputs]


def assert_same(got: dict[str, np.ndarray], want: list[np.ndarray]) -> None:
    for a, b in zip(list(got.values())[: len(want)], want, strict=True):
        assert a.shape == b.shape
        assert np.array_equal(np.isnan(a), np.isnan(b))
        assert np.nanmax(np.abs(a - b)) / max(1, np.nanmax(np.abs(b))) < TOLERANCE


def random_images(case: Case, batch: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(case.steps, batch, *shape)).astype(np.float32)


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")
@pytest.mark.parametrize("name", ALL)
def test_as_the_network_and_as_darknet(name: str, tmp_path: Path) -> None:
    """One image, where Darknet's own numbers are known, and a batch of three."""
    case = Case(ALL[name], tmp_path)
    source = source_of(case)
    model, node = build(source, dynamic_size=False), source.graph.nodes[-1]
    session = opened(model, *last(source, model))
    results = run(session, case.images)
    assert_same(results[-1], run_network(source.network, case.images))
    if name not in WITHOUT_LAST:
        given = [torch.from_numpy(result[f"{node.index:03d}_{node.layer.section}"]) for result in results]
        given = [node.head.stored(one) for one in given] if node.head else given
        assert_agrees(np.concatenate([one.flatten().numpy() for one in given]), expected(name))
    images = random_images(case, 3, case.shape)
    assert_same(run(session, images)[-1], run_network(source.network, images))


def larger(case: Case) -> Graph:
    """Its network, at twice the size."""
    sections = list(parse(case.cfg.read_text(), str(case.cfg)))
    _, h, w = case.shape
    return resolve(sections, dialect=case.graph.dialect, width=2 * w, height=2 * h, complain=lambda *_: None)


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")
@pytest.mark.parametrize("name", ALL)
def test_other_sizes(name: str, tmp_path: Path) -> None:
    """A model that takes images of any size gives what the network of a cfg with that size gives."""
    case = Case(ALL[name], tmp_path)
    source = source_of(case)
    model = build(source)
    dims = [dim.dim_param or dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    if not reads_any_size(case.graph):
        assert dims == ["batch", *case.shape]
        return
    assert dims == ["batch", case.shape[0], "height", "width"]
    session, graph = opened(model), larger(case)
    assert_same(run(session, case.images)[-1], run_network(source.network, case.images))
    images = random_images(case, 2, graph.net.shape)
    assert_same(run(session, images)[-1], run_network(source_of(case, graph).network, images))


def test_most_sections_take_any_size(tmp_path: Path) -> None:
    """All but what is made for one size, and what keeps a state of it."""
    for name, text in ALL.items():
        sections = {section_of(part.split()) for part in text.split(" | ")[1:]}
        is_fixed = not sections.isdisjoint(ONE_SIZE) or name == "reorg-extra"
        assert reads_any_size(Case(text, tmp_path).graph) != is_fixed, name
    assert not reads_any_size(made("[net]\ninputs=5\n[connected]\noutput=2\n").graph)  # no image at all


@pytest.mark.parametrize("name", NAMES)
def test_activations_far_from_zero(name: str) -> None:
    """Where they bend, and where single precision ends."""
    grid = np.array([*np.arange(-12, 12.5, 0.5), -80, -5.3, 5.3, 60, 80], np.float32)
    if "softmax" in name:
        grid = np.clip(grid, -40, 40)
    source = made(f"[net]\nchannels={len(grid)}\nheight=1\nwidth=1\n[activation]\nactivation={name}\n")
    images = grid.reshape(1, 1, -1, 1, 1)
    (got,) = run(opened(build(source)), images)
    (want,) = run_network(source.network, images)
    np.testing.assert_allclose(got["000_activation"], want, rtol=1e-6, atol=1e-6)


def test_a_state_that_is_no_number_becomes_zero(tmp_path: Path) -> None:
    """As in Darknet, so that one bad image does not spoil a sequence."""
    case = Case(ALL["conv_lstm"], tmp_path)
    source = source_of(case)
    steps = np.repeat(case.images[:1], 2, axis=0)
    steps[0, 0, 0, 0, 0] = np.inf
    steps[0, 0, 1, 2, 2] = np.nan
    first, second = run(opened(build(source)), steps)
    assert_same(first, run_network(source.network, steps[:1]))
    assert_same(second, run_network(source.network, steps))


def test_names(tmp_path: Path) -> None:
    """Of layer and section; what does nothing leaves no node; weights that are shared are there once."""
    conv = "[convolutional]\nfilters=4\nbatch_normalize=1\nactivation=leaky\n"
    text = (
        f"[net]\nchannels=4\nheight=4\nwidth=4\n{conv}[dropout]\n[route]\nlayers=-1\n{conv}share_index=0\n[shortcut]\n"
    )
    model = build(made(f"{text}from=-2\n[empty]\n"))
    outputs = [name for node in model.graph.node for name in node.output]
    assert [name for name in outputs if "/" not in name] == [
        "000_convolutional",
        "003_convolutional",
        "004_shortcut",
        "005_empty",
    ]
    assert {one.name for one in model.graph.initializer} == {"000_convolutional.weight", "000_convolutional.bias"}
    assert [node.name for node in model.graph.node] == [
        "000_convolutional/Conv", "000_convolutional/LeakyRelu", "003_convolutional/Conv",
        "003_convolutional/LeakyRelu", "004_shortcut/Add", "005_empty/Identity",
    ]  # fmt: skip
    (output,) = model.graph.output
    dims = [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
    assert (output.name, dims) == ("005_empty", ["batch", 4, "005_empty.height", "005_empty.width"])
    assert (model.ir_version, [one.version for one in model.opset_import]) == (6, [11])


def test_a_fixed_batch() -> None:
    source = made("[net]\nchannels=3\nheight=4\nwidth=6\n[maxpool]\nstride=2\n")
    model = build(source, dynamic_size=False, batch=2)
    sizes = [
        [dim.dim_value for dim in one.type.tensor_type.shape.dim] for one in (*model.graph.input, *model.graph.output)
    ]
    assert sizes == [[2, 3, 4, 6], [2, 3, 2, 3]]


def test_what_onnx_cannot_express_is_refused_with_its_place() -> None:
    text = "[net]\nchannels=3\nheight=8\nwidth=8\n[local_avgpool]\nsize=2\nstride=2\npadding=5\n"
    with pytest.raises(Inexpressible, match=r"^net.cfg:5: \[local_avgpool\]: padding=5: .* expected less than 3$"):
        build(made(text))


def test_what_is_too_large_for_a_file_is_refused_at_once() -> None:
    text = "[net]\ninputs=30000\n[connected]\noutput=30000\n"
    graph = resolve(list(parse(text, "net.cfg")))
    source = Source(graph, empty_network(graph, memory=1 << 40), Header(), (), text, {})
    with pytest.raises(DarkparseError, match=r"^net.cfg: 900,030,000 parameters; an .onnx file holds at most 535,"):
        build(source)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    source = made("[net]\nchannels=3\nheight=4\nwidth=6\n[maxpool]\n")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DarkparseError, match=r"pip install 'darkparse\[onnx\]'"):
        build(source)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    """Weights that are off by a thousandth are found."""
    case = Case(ALL["convolutional-groups"], tmp_path)
    source = source_of(case)
    session = opened(build(source))
    source.network.layers[0].conv.weight.data *= 1.001
    with pytest.raises(AssertionError):
        assert_same(run(session, case.images)[-1], run_network(source.network, case.images))


@pytest.mark.kit
@pytest.mark.parametrize("name", SMALL)
def test_kit(name: str, tmp_path: Path) -> None:
    """benchmarks/onnx_zoo.py does all."""
    from onnx_zoo import Exported, line

    kit = Kit(SHARED / "conformance")
    case = kit.check.Case.load(kit.folder / "cases" / f"{name}.npz")
    text, *near = line(Exported(kit, case, tmp_path))
    (tmp_path / "case.onnx").unlink()
    assert all(near), text
