"""benchmarks/peers.py: its networks, its engines as processes, and the tables that it makes."""

import sys
from pathlib import Path

import numpy as np
import pytest

import environments
import peers
from darkparse.graph import read_graph
from engines import Broken, Darknet, Peer
from nets import CASES, small_cfg, write_job
from opencv4 import CannotInstall
from results import Run, Timed, markdown

# What both Darknets do in `detector test`: src/detector.c (AlexeyAB), examples/detector.c (pjreddie).
FAKE_DARKNET = """\
#!{python}
import sys
assert sys.argv[1:3] == ["detector", "test"], sys.argv
assert open(sys.argv[3]).read().split() == ["classes=80", "names=obj.names"]
assert len(open("obj.names").readlines()) == 80
{check}
while True:
    print("Enter Image Path: ", end="", flush=True)
    name = sys.stdin.readline().strip()
    if not name:
        break
    open(name).close()
    print(name + ": Predicted in {time}.")
"""


@pytest.fixture
def darknet(tmp_path: Path):
    """Writes a program that talks as Darknet does, and gives its path."""

    def write(time: str, check: str = "") -> Path:
        path = tmp_path / "bin" / "darknet"
        path.parent.mkdir()
        path.write_text(FAKE_DARKNET.format(python=sys.executable, time=time, check=check))
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def job(tmp_path: Path):
    (tmp_path / "picture.png").write_bytes(b"")
    names = {name: str(tmp_path / f"net.{name}") for name in ("cfg", "weights")}
    return {**names, "picture": str(tmp_path / "picture.png"), "batch": 1, "threads": 1}


def test_the_small_network_is_like_yolo_fastest(cfg) -> None:
    graph = read_graph(cfg(small_cfg()))  # an oddity would be a warning, and so an error
    assert [graph.nodes[index].shape for index in graph.outputs] == [(255, 10, 10), (255, 20, 20)]
    assert 0.23e9 < sum(node.operations for node in graph.nodes) < 0.29e9  # yolo-fastest-1.1: 0.252 BFLOPs
    depthwise = [node for node in graph.nodes if getattr(node.layer, "groups", 1) == node.shape.c > 1]
    assert len(depthwise) == 24 + 4


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        pytest.param("120.250000 milli-seconds", 120.25, id="AlexeyAB"),
        pytest.param("0.150000 seconds", 150, id="pjreddie"),
    ],
)
def test_darknet_tells_its_own_time(darknet, job, tmp_path: Path, time: str, milliseconds: float) -> None:
    engine = Darknet(darknet(time), job, tmp_path)
    try:
        assert engine.round() == pytest.approx(milliseconds)
        if Path("/proc/self/status").exists():
            assert engine.peak_memory() > 1e6
    finally:
        engine.close()


@pytest.mark.parametrize("knows", [True, False])
def test_darknet_gets_the_options_that_it_knows(darknet, job, tmp_path: Path, knows: bool) -> None:
    check = f"assert ('-dont' '_show' in sys.argv) == {knows}" + "  # -dont_show" * knows
    Darknet(darknet("1 seconds", check), job, tmp_path).close()


@pytest.mark.parametrize(
    ("time", "check", "said"),
    [
        pytest.param("1 fortnight", "", "said nothing of its time", id="no time"),
        pytest.param("1 seconds", "sys.exit('cannot allocate')", "cannot allocate", id="it ends"),
        pytest.param("1 seconds", "sys.exit(3)", "ended with status 3", id="it ends without a word"),
    ],
)
def test_a_darknet_that_fails_is_told_of(darknet, job, tmp_path: Path, time: str, check: str, said: str) -> None:
    with pytest.raises(Broken, match=said):
        Darknet(darknet(time, check), job, tmp_path)


def test_darknet_takes_one_image(darknet, job, tmp_path: Path) -> None:
    with pytest.raises(Broken, match="one image at a time"):
        Darknet(darknet("1 seconds"), {**job, "batch": 8}, tmp_path)


def test_an_engine_that_cannot_run_says_why(job, tmp_path: Path) -> None:
    with pytest.raises(Broken, match="gone"):
        Peer(sys.executable, "eager", {**job, "cfg": "gone.cfg", "weights": "gone.weights"}, tmp_path)


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(environments.sys, "executable", "false")
    with pytest.raises(CannotInstall, match="failed"):
        environments.environment("nothing==1")
    assert list((tmp_path / "darkparse" / "peers").iterdir()) == []


def test_ratios_are_of_rounds_in_turn() -> None:
    timed = Timed(CASES["yolov3-608"])
    timed.runs["fp32"] = Run("torch", 200_000_000, [100, 200, 100], 700_000_000, 1e-6)
    timed.runs["bf16"] = Run("torch", 200_000_000, [50, 100, 40], 600_000_000, 1e-2)
    timed.runs["opencv"] = Run("cv", 40_000_000, [200, 600, 210], 1_900_000_000)
    timed.runs["onnxruntime"] = Run("ort", 40_000_000, [150, 320, 160], 900_000_000, 1e-6)
    timed.runs["darknet"] = Run("AB", None, [900, 1000, 1000], 800_000_000)
    timed.failed["compiled"] = "no compiler"
    assert timed.best_peer() == "onnxruntime"
    assert timed.ratio("fp32", "onnxruntime") == pytest.approx(1.6)  # the median of 1.5, 1.6, 1.6
    assert timed.ratio("bf16", "onnxruntime") == pytest.approx(3.2)  # of 3, 3.2, 4
    assert timed.ratio("fp32", "darknet") == pytest.approx(9)  # of 9, 5, 10
    assert timed.ratio("compiled", "darknet") is None
    text = markdown([timed], 3, 2)
    assert "| yolov3@608 | ONNX Runtime | 1.60 | 1.5 | 3.20 | 2.9 | - | 9.00 | 4 | - |" in text
    assert "| OpenCV DNN, boxes decoded | 210.0 |" in text
    assert "| darkparse | 700 (200) |" in text
    assert "| Darknet | 800 |" in text
    assert "- darkparse, compiled, yolov3@608: no compiler" in text


def test_tables_without_peers() -> None:
    timed = Timed(CASES["tiny416x8"], {"fp32": Run("torch", None, [1.0])}, {"opencv": "offline"})
    assert "| yolov3-tiny@416, batch 8 | - | - | - | - | - | - | - | - | - |" in markdown([timed], 1, 1)


def test_wrong_outputs_have_no_time(tmp_path: Path) -> None:
    right = np.linspace(0, 2, 9, dtype=np.float32)
    timed = Timed(CASES["tiny416"], {name: Run("") for name in ("eager", "fp32", "compiled", "bf16")})
    for name, wrong in (("eager", 0), ("fp32", 1e-6), ("compiled", 1e-2), ("bf16", 1e-2)):
        np.savez(tmp_path / f"{name}.npz", right * (1 + wrong))
    peers.compare(timed, tmp_path)
    assert set(timed.runs) == {"eager", "fp32", "bf16"}  # bf16 is expected to differ
    assert timed.runs["bf16"].distance == pytest.approx(1e-2, rel=1e-3)
    assert "differ from the plain network's by 1.0e-02" in timed.failed["compiled"]


@pytest.mark.parametrize(
    "arguments", [pytest.param(["--nets", "yolov5"], id="net"), pytest.param(["--engines", "fp32,tpu"], id="engine")]
)
def test_unknown_names_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        peers.main(arguments)
    assert f"no {arguments[1].split(',')[-1]!r}; expected some of" in capsys.readouterr().err


@pytest.mark.slow
def test_engines_in_processes_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DARKNET", raising=False)
    out = tmp_path / "RESULTS.md"
    arguments = ["--nets", "fastest320", "--engines", "fp32,eager,darknet", "--rounds", "2", "--threads", "1"]
    assert peers.main([*arguments, "--out", str(out)]) == 0
    text = out.read_text(encoding="utf-8")
    assert "2 rounds in turns, threads: 1, on " in text
    assert "| plain PyTorch (the network as trained) |" in text
    assert "Darknet, yolo-fastest-shaped@320: the variable DARKNET names no binary" in text
    assert "fp32 " in capsys.readouterr().out


def test_the_job_has_all_that_engines_read(tmp_path: Path) -> None:
    job = write_job(CASES["fastest320"], tmp_path, 1)
    for name in ("cfg", "weights", "onnx", "images", "picture"):
        assert Path(job[name]).stat().st_size > 1000
    assert job["heads"] == [122, 131]
    assert "width=320" in Path(job["cfg"]).read_text()
