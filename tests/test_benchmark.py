"""darkparse benchmark: what it counts, what it refuses, and that random networks are fit to be measured."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from conftest import ROOT
from darkparse.benchmark import clock, machine, run
from darkparse.benchmark.network import random_network
from darkparse.benchmark.run import benchmark
from darkparse.cli import main
from darkparse.errors import DarkparseError, ignore
from darkparse.graph import read_graph

CPU = torch.device("cpu")
CFG = """\
[net]
width=32
height=32
channels=3

[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters=18
size=1
activation=linear

[yolo]
mask=0,1,2
anchors=6,7, 9,12, 14,11
num=3
classes=1
"""
OPERATIONS = 2 * 16 * 16 * (3 * 3 * 3 * 8 + 8 * 18)  # a multiplication and an addition for each value of a kernel


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "SECONDS", 0.01)
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "CELLS", 8)


def cli(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["benchmark", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_figures_follow_from_the_times(cfg) -> None:
    path = cfg(CFG)
    report = benchmark(path, batches=(3, 1), device="cpu", layers=True)
    assert [one.images for one in report.batches] == [3, 1]
    assert report.operations == OPERATIONS
    for one in report.batches:
        seconds = one.times.median / 1e3
        assert one.throughput == pytest.approx(one.images / seconds)
        assert one.rate == pytest.approx(one.images * OPERATIONS / seconds / 1e9)
        assert one.times.low <= one.times.median <= one.times.high
    assert [layer.section for layer in report.layers] == ["convolutional", "convolutional", "yolo"]
    first = report.layers[0]
    assert first.rate == pytest.approx(3 * 2 * 16 * 16 * 3 * 3 * 3 * 8 / (first.milliseconds / 1e3) / 1e9)
    assert report.layers[2].rate == 0  # nothing that Darknet counts


def test_the_clock_reads_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.chain.from_iterable(
        (start, start + took) for start, took in enumerate([9, 9, *[0.001] * 4, 0.005])
    )
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(seconds))
    monkeypatch.setattr(clock, "SECONDS", 0)
    assert clock.timed(lambda: None, CPU) == pytest.approx((1, 1, 1))  # the two warm ones do not count


def test_the_peak_is_work_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "stopped", lambda call, _: call() is None or 2.0)
    peak = machine.measure_peak(CPU, torch.float32)
    assert peak.product == pytest.approx(2 * 64**3 / 2e-3 / 1e9)
    assert peak.convolution == pytest.approx(2 * 8 * 8 * 256 * 256 * 9 / 2e-3 / 1e9)
    assert machine.higher(peak, machine.Peak(1e6, 0)) == (1e6, peak.convolution)


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov2-tiny", "yolov4-tiny", "darknet53", "yolov4"])
def test_random_networks_have_values_of_a_trained_ones_size(name: str) -> None:
    graph = read_graph(ROOT / "cfg" / f"{name}.cfg", width=64, height=64, complain=ignore)
    network = random_network(graph)
    sizes: list[float] = []
    for layer in network.layers:
        layer.register_forward_hook(lambda _, __, out: sizes.append(float(out.abs().max())))
    with torch.inference_mode():
        network(torch.rand(1, *graph.net.shape))
    assert min(sizes[:-1]) > 1e-3, "a layer's values vanish"  # the last of darknet53 is [softmax], of 1000 classes
    assert max(sizes) < 1e3, "a layer's values grow"


def test_random_networks_are_the_same_every_time(cfg) -> None:
    graph = read_graph(cfg(CFG))
    one, other = (random_network(graph).state_dict() for _ in range(2))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_weights_of_a_file_are_what_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = run.deploy
    monkeypatch.setattr(
        run, "deploy", lambda network, *a, **k: seen.append(network.state_dict()) or real(network, *a, **k)
    )
    report = benchmark("shapes", ROOT / "weights" / "shapes.weights", batches=[1], device="cpu")
    values = np.fromfile(ROOT / "weights" / "shapes.weights", "<f4", offset=20)
    assert report.subject.weights.endswith("shapes.weights")
    key = next(name for name in seen[0] if name.endswith("conv.weight"))
    assert set(seen[0][key].ravel().tolist()) <= set(values.tolist())


def test_a_network_that_runs_as_one_has_no_layers_to_time(cfg, monkeypatch: pytest.MonkeyPatch) -> None:
    class Whole(torch.nn.Module):
        def __init__(self, network) -> None:
            super().__init__()
            self.layers, self.graph, self.reset = network.layers, network.graph, network.reset

        def forward(self, images):
            return [images]

    monkeypatch.setattr(run, "deploy", lambda network, *_, **__: Whole(network))
    with pytest.raises(DarkparseError, match=r"net\.cfg runs as one on cpu; they cannot be timed"):
        benchmark(cfg(CFG), batches=[1], device="cpu", layers=True)


def test_what_was_measured_before_memory_ran_out_is_told(cfg, monkeypatch: pytest.MonkeyPatch) -> None:
    def deploy(network, *arguments, batch: int, **options):
        if batch == 2:
            raise RuntimeError("out of memory: tried to allocate much\nand more")
        return real(network, *arguments, batch=batch, **options)

    real = run.deploy
    monkeypatch.setattr(run, "deploy", deploy)
    status, out, err = cli(cfg(CFG), "--device", "cpu", "--batch", "1,2,3")
    assert (status, err) == (1, "batch 2: device cpu: out of memory: tried to allocate much\n")
    assert [line.split()[0] for line in out.splitlines()[5:]] == ["1", "3"]
    status, out, err = cli(cfg(CFG), "--device", "cpu", "--batch", "2")
    assert (status, out) == (1, "")
    assert err == "Error: device cpu: out of memory: tried to allocate much\n"


def test_the_table(cfg, tmp_path: Path) -> None:
    path = cfg(CFG)
    status, out, err = cli(
        path, "--device", "cpu", "--batch", "1,4", "--layers", "--width", 64, "--json", tmp_path / "b.json"
    )
    assert (status, err) == (0, "")
    found = json.loads((tmp_path / "b.json").read_text())
    assert found["operations"] == 2 * OPERATIONS  # twice as wide
    assert found["input"] == [3, 32, 64]
    assert [one["batch"] for one in found["batches"]] == [1, 4]
    for one in found["batches"]:
        assert one["of_peak"] == pytest.approx(one["gflops"] / max(found["peak_gflops"].values()))
    assert [(one["index"], one["section"]) for one in found["layers"]] == [
        (0, "convolutional"),
        (1, "convolutional"),
        (2, "yolo"),
    ]
    lines = out.splitlines()
    assert lines[0].startswith(f"{path}: 3 layers, ")
    assert lines[0].endswith("; random weights")
    assert lines[1].endswith("; fp32")
    first = next(line for line in lines if line.startswith("    4 ")).split()
    assert float(first[1]) == pytest.approx(found["batches"][1]["median_ms"], abs=1e-3)
    assert any("3 x 3/ 2    64 x  32 x   3 ->   32 x  16 x   8" in line for line in lines)


def test_json_alone(cfg) -> None:
    status, out, _ = cli(cfg(CFG), "--device", "cpu", "--batch", "2", "--json", "-", "--precision", "bf16")
    assert status == 0
    assert json.loads(out)["precision"] == "bf16"


def test_an_input_is_not_overwritten(cfg) -> None:
    path = cfg(CFG)
    status, out, err = cli(path, "--device", "cpu", "--json", path)
    assert (status, out) == (1, "")
    assert "is one of the inputs" in err
    assert path.read_text() == CFG


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        pytest.param(["gone.cfg"], 1, "gone.cfg: No such file", id="no such cfg"),
        pytest.param(["yolov3", "a.weights", "b"], 2, "got b, too", id="one file too many"),
        pytest.param(["yolov3", "gone.weights"], 1, "gone.weights: No such file", id="no such weights"),
        pytest.param(["yolov3", "--batch", "1,x"], 2, "expected numbers from 1 to 65536", id="batch no number"),
        pytest.param(["yolov3", "--batch", "0"], 2, "expected numbers from 1 to 65536", id="batch 0"),
        pytest.param(["yolov3", "--width", "100"], 1, "expected a multiple of 32", id="width"),
        pytest.param(["yolov3", "--device", "abacus"], 1, "device 'abacus'", id="device"),
        pytest.param(["yolov3", "--layers", "--compile"], 1, "expected one or the other", id="layers of one compiled"),
        pytest.param(["yolov3", "--batch", "65536"], 1, "65536 images", id="beyond memory"),
    ],
)
def test_refusals(arguments: list[str], status: int, said: str) -> None:
    got, out, err = cli(*arguments)
    assert (got, out) == (status, "")
    assert said in err


@pytest.mark.cuda
def test_on_cuda(cfg) -> None:
    report = benchmark(cfg(CFG), batches=[1, 2], device="cuda", precision="fp16", layers=True)
    assert all(layer.milliseconds > 0 for layer in report.layers)
    assert "cuda" in next(itertools.islice(report.lines(), 1, None))
