"""The deployed network: the same as the plain one, by whichever way it computes."""

import shutil
import threading
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import darkparse
from conformance import HEADS, Kit
from conftest import SHARED
from darkparse import DarkparseError
from darkparse.benchmark.network import random_network
from darkparse.deployment import FEW, deploy, onednn, packed, traced
from darkparse.deployment import compiled as by_compiler
from darkparse.deployment.mish import mish_of_negative
from darkparse.deployment.network import Deployed
from darkparse.deployment.packed import PackedConv, PackedPointwise
from darkparse.deployment.pooling import Halved
from darkparse.deployment.winograd import POINTS, WinogradConv, matrices
from darkparse.errors import ignore
from darkparse.graph import read_graph
from darkparse.modules.activation import activation
from darkparse.modules.maxpool import WindowMaxPool
from darkparse.network import Network

FOLDER = SHARED / "conformance"
EXACT = {"rtol": 1e-4, "atol": 1e-4}

CONV = "[convolutional]\nfilters={}\nsize={}\nstride=1\npad=1\nbatch_normalize=1\nactivation={}\n"
SMALL = (
    "[net]\nwidth=32\nheight=32\nchannels=3\n"
    + CONV.format(16, 3, "leaky")
    + "[maxpool]\nsize=2\nstride=2\n"
    + CONV.format(32, 3, "mish")
    + CONV.format(16, 1, "swish")
    + CONV.format(16, 3, "linear")
    + "[shortcut]\nfrom=-2\nactivation=linear\n"
    + CONV.format(18, 1, "logistic")
)

needs_onednn = pytest.mark.skipif(not onednn.available(torch.float32), reason="no oneDNN here")


@pytest.fixture
def plain(cfg: Callable[..., Path]) -> Callable[[], Network]:
    """Makes the same small network each time."""
    graph = read_graph(cfg(SMALL))
    return lambda: random_network(graph)


def images_for(network: Network, batch: int = 1) -> Tensor:
    return torch.rand(batch, *network.graph.net.shape, generator=torch.Generator().manual_seed(1))


def by_winograd(found: list[Callable[[], nn.Module]], images: Tensor, key: object) -> nn.Module:
    """In place of a trial: the last way, which is Winograd's where that can be."""
    return found[-1]()


def detectors() -> list[str]:
    if not FOLDER.is_dir():
        return ["absent"]
    return [case.meta["name"] for case in Kit(FOLDER).cases(HEADS.split(","))]


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit(FOLDER)


@pytest.mark.kit
@pytest.mark.parametrize("name", detectors())
def test_every_detector_gives_the_same(kit: Kit, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Winograd's algorithm wherever that can be; where single precision itself is farther off, as in double."""
    monkeypatch.setattr(packed, "trial", by_winograd)
    monkeypatch.setattr(packed, "_chosen", {})
    case = kit.check.Case.load(FOLDER / "cases" / f"{name}.npz").meta
    kit.make.write_weights(case["layout"], case["seed"], tmp_path / "net.weights", case["version"])
    size = {key: case["overrides"].get(key) for key in ("width", "height")}
    graph = read_graph(kit.folder / case["cfg"], complain=ignore, **size)
    network = Network(graph).eval().requires_grad_(False)
    darkparse.load_weights(network, tmp_path / "net.weights")
    (tmp_path / "net.weights").unlink()
    inputs = kit.make.make_input(case["input"], case["seed"], case["steps"])
    images = torch.from_numpy(inputs.reshape(case["steps"], 1, *graph.net.shape)[0])
    plain = network(images)
    network.reset()
    exact = [one.float() for one in deepcopy(network).double()(images.double())]
    network.reset()
    found = deploy(network)(images)
    assert [one.shape for one in found] == [one.shape for one in plain]
    assert all(map(close, found, plain)) or all(map(close, found, exact))


def close(one: Tensor, other: Tensor) -> bool:
    return bool(((one - other).abs() <= 1e-4 * other.abs().clamp(min=1)).all())


@needs_onednn
@pytest.mark.parametrize("cells", POINTS)
@pytest.mark.parametrize("values", [2_000, 8_000_000])
@pytest.mark.parametrize(
    "activation",
    [nn.LeakyReLU(0.1), nn.Mish(), nn.SiLU(), nn.ReLU(), nn.Identity(), nn.Tanh(), activation("normalize_channels")],
    ids=repr,
)
def test_winograd_is_a_convolution(
    activation: nn.Module, values: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For the inputs that it was made for, and for others: fewer and more images, other sizes."""
    monkeypatch.setattr("darkparse.deployment.winograd.VALUES", values)
    weight, bias = torch.randn(24, 8, 3, 3), torch.randn(24)
    module = WinogradConv(weight, bias, activation, (4, 8, 13, 18), cells)
    for shape in [(4, 8, 13, 18), (1, 8, 13, 18), (9, 8, 12, 16), (2, 8, 1, 1), (1, 8, 40, 70)]:
        images = torch.randn(shape)
        expected = activation(F.conv2d(images.double(), weight.double(), bias.double(), padding=1)).float()
        torch.testing.assert_close(module(images), expected, **EXACT)


def test_the_transforms_of_winograd_are_exact() -> None:
    """1, 2, 3, 4, 5, 6 with 1, 2, 3: 14, 20, 26, 32, by hand."""
    tiles, kernel, back = matrices(POINTS[4])
    found = back @ ((kernel @ [1, 2, 3]) * (tiles @ [1, 2, 3, 4, 5, 6]))
    assert found == pytest.approx([14, 20, 26, 32])


def test_mish() -> None:
    x = torch.linspace(-120, 120, 1 << 20).reshape(2, 16, 128, -1)
    mine = -x
    mish_of_negative(mine)
    torch.testing.assert_close(mine, F.mish(x), **EXACT)


@pytest.mark.parametrize("size", [(8, 6), (7, 6), (8, 5), (1, 1)])
def test_halving(size: tuple[int, int]) -> None:
    images = torch.randn(2, 5, *size).contiguous(memory_format=torch.channels_last)
    plain = WindowMaxPool(2, (2, 2), 1)
    assert torch.equal(Halved(plain)(images), plain(images))


@needs_onednn
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_each_way_is_taken(plain: Callable[[], Network], precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if precision == "bf16" and not onednn.available(torch.bfloat16):
        pytest.skip("no bf16 here")
    monkeypatch.setattr(packed, "trial", by_winograd)
    monkeypatch.setattr("darkparse.deployment.is_light", lambda *_: False)
    deployed = deploy(plain(), precision=precision)
    kinds = {type(layer) for layer in deployed.layers}
    assert {PackedConv, PackedPointwise, WinogradConv, Halved} <= kinds
    images = images_for(deployed)
    (expected,) = plain()(images)
    (found,) = deployed(images.to(deployed.dtype))
    torch.testing.assert_close(
        found.float(), expected, **(EXACT if precision == "fp32" else {"rtol": 0.1, "atol": 0.1})
    )


def test_few_images_are_not_prepared_for(plain: Callable[[], Network]) -> None:
    deployed = deploy(plain(), images=FEW - 1)
    assert not any(isinstance(layer, PackedConv | WinogradConv) for layer in deployed.layers)
    torch.testing.assert_close(deployed(images_for(deployed)), plain()(images_for(deployed)), **EXACT)


@pytest.mark.parametrize("missing", ["operator", "argument", "answer"])
def test_without_the_private_operators(
    missing: str, plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another PyTorch: they are not there, want other arguments, or mean something else."""

    def other(*_: object) -> Tensor:
        raise TypeError("expected other arguments")

    wrong = {"argument": other, "answer": lambda x, weight, *_: x.new_zeros(1, 5, 4, 4)}
    if missing == "operator":
        monkeypatch.setattr(onednn, "_operators", lambda: torch.ops.no_such_namespace)
    else:
        monkeypatch.setattr(onednn.Convolution, "__call__", lambda self, x: wrong[missing](x, None))
    onednn.available.cache_clear()
    try:
        assert not onednn.available(torch.float32)
        deployed = deploy(plain())
        assert not any(isinstance(layer, PackedConv | WinogradConv) for layer in deployed.layers)
        torch.testing.assert_close(deployed(images_for(deployed)), plain()(images_for(deployed)), **EXACT)
    finally:
        onednn.available.cache_clear()


@needs_onednn
def test_other_batches_and_sizes_than_foreseen(plain: Callable[[], Network]) -> None:
    deployed = deploy(plain(), batch=2)
    for shape in [(2, 3, 32, 32), (1, 3, 32, 32), (5, 3, 32, 32), (1, 3, 48, 64)]:
        images = torch.rand(shape)
        torch.testing.assert_close(deployed(images), plain()(images), **EXACT)


@needs_onednn
def test_several_threads_at_once(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "trial", by_winograd)
    deployed = deploy(plain())
    images = [torch.rand(1, *deployed.graph.net.shape) for _ in range(8)]
    expected = [deployed(one)[0] for one in images]
    wrong = []

    def run(number: int) -> None:
        for _ in range(20):
            if not torch.equal(deployed(images[number])[0], expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@needs_onednn
def test_light_networks_are_one_graph(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is quicker; whoever watches a layer gets them one by one."""
    monkeypatch.setattr("darkparse.deployment.taken", lambda module, images: float(isinstance(module, Deployed)))
    deployed = deploy(plain())
    assert deployed.whole is not None
    images = images_for(deployed)
    torch.testing.assert_close(deployed(images), plain()(images), **EXACT)
    seen = []
    deployed.layers[2].register_forward_hook(lambda *_: seen.append(True))
    torch.testing.assert_close(deployed(images), plain()(images), **EXACT)
    assert seen == [True]


@needs_onednn
@pytest.mark.parametrize("channels", [1, 3])
def test_one_graph_reads_images_wherever_they_are(
    channels: int, cfg: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order in memory, and with a layer (a blurred one) whose weights are put into another order afterwards."""
    monkeypatch.setattr("darkparse.deployment.taken", lambda module, images: float(isinstance(module, Deployed)))
    text = (
        f"[net]\nwidth=37\nheight=24\nchannels={channels}\n"
        + CONV.format(18, 3, "swish")
        + CONV.format(24, 2, "loggy")
        + CONV.format(32, 3, "hard_mish")
        + "antialiasing=1\n"
        + CONV.format(7, 5, "loggy")
    )
    graph = read_graph(cfg(text))
    network = random_network(graph).eval()
    plain = deepcopy(network)
    deployed = deploy(network, batch=2)
    images = torch.rand(2, channels, 24, 37)
    apart = torch.zeros(2, channels, 24, 74)[..., ::2].copy_(images)
    expected = plain(images)
    for one in (images, images.contiguous(memory_format=torch.channels_last), apart):
        torch.testing.assert_close(deployed(one), expected, **EXACT)


@pytest.mark.parametrize("fault", [RuntimeError("no such thing"), AttributeError("no such thing"), None])
def test_without_torchscript(
    fault: Exception | None, plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone, or what it made gives something else."""

    def trace(*_: object, **__: object) -> Callable[[Tensor], tuple[Tensor, ...]]:
        if fault:
            raise fault
        return lambda images: (torch.zeros(1, 18, 16, 16),)

    monkeypatch.setattr(torch.jit, "trace", trace)
    monkeypatch.setattr(torch.jit, "freeze", lambda module: module)
    deployed = deploy(plain())
    assert deployed.whole is None
    torch.testing.assert_close(deployed(images_for(deployed)), plain()(images_for(deployed)), **EXACT)


def test_recurrent_networks_run_layer_by_layer(cfg: Callable[..., Path]) -> None:
    network = Network(read_graph(cfg("[net]\ninputs=4\n[rnn]\noutput=3\nhidden=5\nactivation=tanh\n")))
    assert not traced.is_light(network, 1)
    assert deploy(network, compiled=True).whole is None  # which would not forget when the network is told to


def test_random_numbers_are_left_to_others(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_chosen", {})
    network = plain()
    state = torch.get_rng_state()
    deploy(network)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_compiled(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkparse.deployment.trace_whole", lambda *_: None)
    monkeypatch.setattr("darkparse.deployment.taken", lambda module, images: float(isinstance(module, Deployed)))
    if not (shutil.which("g++") or shutil.which("clang++")):
        pytest.skip("no C++ compiler")
    deployed = deploy(plain(), compiled=True)
    assert deployed.whole is not None
    torch.testing.assert_close(deployed(images_for(deployed)), plain()(images_for(deployed)), **EXACT)


def test_the_whole_is_compiled(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    compile = torch.compile

    def strictly(function: Callable[..., object], **_: object) -> object:
        return compile(function, dynamic=False, backend="eager", fullgraph=True)  # fails where the graph ends early

    monkeypatch.setattr(by_compiler.torch, "compile", strictly)
    network = plain()
    for kept in ("steps", "outputs"):
        vars(network.graph).pop(kept, None)  # as in a network that has not run yet
    assert deploy(network, images=1, compiled=True).whole is not None


def test_what_cannot_be_compiled_is_told(plain: Callable[[], Network], monkeypatch: pytest.MonkeyPatch) -> None:
    def compile(*_: object, **__: object) -> object:
        raise RuntimeError("\nno compiler\nmore of it")

    monkeypatch.setattr(by_compiler.torch, "compile", compile)
    with pytest.raises(DarkparseError, match=r"^torch\.compile: no compiler; expected"):
        deploy(plain(), compiled=True)
