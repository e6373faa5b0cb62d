"""A file is compared with the network that it was made of: in ONNX Runtime, and in OpenCV."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

import onnx_models
from darkparse.errors import DarkparseError
from darkparse.onnx import opencv, seal
from darkparse.onnx.differences import difference, rows_difference
from darkparse.onnx.session import Session
from darkparse.onnx.thresholds import middle_of_gap
from darkparse.onnx.trials import Trial, forward, resized
from darkparse.onnx.verify import compare, verify
from darkparse.sources import Source

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
TAILS = ("raw", "decode", "nms")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return onnx_models.source(tmp_path_factory.mktemp("net"), onnx_models.DETECTOR)


@pytest.fixture
def no_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV takes a second and is not what is tested."""
    monkeypatch.setattr(opencv, "answers", lambda *_: opencv.Answers("0", [], "not asked"))


@pytest.mark.parametrize("tail", TAILS)
def test_says_what_was_compared(tail: str, detector: Source, tmp_path: Path) -> None:
    first, second = verify(onnx_models.write(tmp_path / "a.onnx", detector, tail), detector, tail=tail)
    assert first.startswith("ONNX Runtime ")
    assert first.endswith(", on 1x3x64x64, 2x3x64x64, 2x3x48x32, 1x3x64x72")  # the coarsest head has cells of 8 px
    assert 0 < float(first.split("largest difference ")[1].split(",")[0]) < 1e-4
    assert second.startswith(f"OpenCV {cv2.__version__}: ")
    if cv2.__version__.startswith("5."):
        assert second.split(", on ")[1] == first.split(", on ")[1]
        assert float(second.split("largest difference ")[1].split(",")[0]) < 1e-4


def spoil(path: Path, name: str, change: float) -> None:
    """Change one number of an initializer."""
    model = onnx.load(path)
    one = next(one for one in model.graph.initializer if one.name == name)
    array = onnx.numpy_helper.to_array(one).copy()
    array.flat[-1] += change
    one.CopyFrom(onnx.numpy_helper.from_array(array, name))
    path.write_bytes(seal.sealed(model))


@pytest.mark.usefixtures("no_opencv")
@pytest.mark.parametrize("tail", TAILS)
def test_a_weight_that_is_off_is_found(tail: str, detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, tail)
    spoil(path, "001_convolutional.bias", 0.01)
    with pytest.raises(
        DarkparseError, match=r"a\.onnx: ONNX Runtime .* on 1x3x64x64 differs from the network by .*e-0"
    ):
        verify(path, detector, tail=tail)


@pytest.mark.usefixtures("no_opencv")
def test_where_rounding_decides_numbers_of_64_bits_count(
    detector: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two wrong by as much, neither is right: that of 64 bits tells which, or that the input is no measure."""
    path = onnx_models.write(tmp_path / "a.onnx", detector)
    spoil(path, "003_convolutional.bias", 0.01)
    session = Session(path)

    def as_the_file(trial: Trial, off: float = 0) -> list[torch.Tensor]:
        return [torch.from_numpy(raw + np.float32(off)) for raw in session.run(trial.steps[0]).values()]

    assert max(np.abs(a - b).max() for a, b in zip(*both(detector), strict=True)) < 1e-5
    monkeypatch.setattr(Trial, "exact", as_the_file)
    said = verify(path, detector, tail="raw")
    assert "largest difference 0.0e+00" in said[0]
    monkeypatch.setattr(Trial, "exact", lambda trial: as_the_file(trial, 0.005))
    with pytest.raises(DarkparseError, match=r"a\.onnx: cannot be compared .*: ONNX Runtime .* on 1x3x64x64 off"):
        verify(path, detector, tail="raw")


def both(source: Source) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """A network's answer in 32 and in 64 bits."""
    images = [np.random.default_rng(0).random((1, 3, 64, 64), np.float32)]
    trial = Trial(source.network, images, forward(source.network, images))
    return [raw.numpy() for raw in trial.raws], [raw.numpy() for raw in trial.exact()]


@pytest.mark.usefixtures("no_opencv")
@pytest.mark.parametrize("tail", ["decode", "nms"])
def test_an_anchor_that_is_off_is_found(tail: str, detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, tail, dynamic_size=False)
    wanted = np.array([[30, 24], [26, 40], [50, 50]], np.float32) / 64
    names = [
        one.name
        for one in onnx.load(path).graph.initializer
        if (array := onnx.numpy_helper.to_array(one)).shape == (3, 2) and np.allclose(array, wanted)
    ]
    spoil(path, names[0], 0.002)
    with pytest.raises(DarkparseError, match="differs from the network"):
        verify(path, detector, tail=tail)


@pytest.mark.usefixtures("no_opencv")
def test_suppression_that_is_off_is_found(detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, "nms")
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "NonMaxSuppression")
    node.attribute.append(onnx.helper.make_attribute("center_point_box", 1))
    onnx.save(model, path)
    with pytest.raises(DarkparseError, match="differs from the network by inf"):
        verify(path, detector, tail="nms")


@pytest.mark.usefixtures("no_opencv")
def test_a_file_of_one_size_and_number_of_images(detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, dynamic_size=False, batch=2)
    assert verify(path, detector, tail="raw")[0].endswith(", on 2x3x64x64")


def test_a_recurrent_network_goes_through_several_steps(tmp_path: Path) -> None:
    model = onnx_models.source(tmp_path, onnx_models.RECURRENT)
    path = onnx_models.write(tmp_path / "a.onnx", model)
    assert "OpenCV: not tried" in verify(path, model, tail="raw")[1]
    changed = onnx.load(path)  # the old state does not count
    for node in changed.graph.node:
        for number, name in enumerate(node.input):
            if name == "000_gru.state_in":
                node.input[number] = "zeros"
    changed.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((1, 6, 1, 1), np.float32), "zeros"))
    onnx.save(changed, path)
    with pytest.raises(DarkparseError, match="differs from the network"):
        verify(path, model, tail="raw")


def test_another_size_is_the_same_network(detector: Source) -> None:
    other = resized(detector, 96, 32)
    assert other is not None
    assert other.graph.net.shape == (3, 32, 96)
    for name, tensor in detector.network.state_dict().items():
        assert other.state_dict()[name].data_ptr() == tensor.data_ptr()
    assert resized(detector, 60, 32) is None  # no multiple of 8


def test_what_opencv_gives_counts(detector: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector)
    honest = opencv.answers

    def wrong(path: Path, inputs: list[np.ndarray]) -> opencv.Answers:
        found = honest(path, inputs)
        if found.outputs:
            found.outputs[-1]["009_yolo"] = found.outputs[-1]["009_yolo"] + np.float32(0.01)
        return found

    if honest(path, [np.zeros((1, 3, 64, 64), np.float32)]).reason:
        path = onnx_models.write(tmp_path / "a.onnx", detector, dynamic_size=False)  # OpenCV 4
    monkeypatch.setattr(opencv, "answers", wrong)
    with pytest.raises(DarkparseError, match=r"a\.onnx: OpenCV .* differs from the network by"):
        verify(path, detector, tail="raw")


def test_what_opencv_suppresses_otherwise_is_said(
    detector: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, "nms")
    files: list[Path] = []

    def lazy(model: Path, inputs: list[np.ndarray]) -> opencv.Answers:
        """ONNX Runtime as OpenCV, but that it loses a row."""
        files.append(model)
        found = Session(model).run(inputs[0])
        return opencv.Answers("9.9", [{**found, "detections": found["detections"][1:]}], "")

    monkeypatch.setattr(opencv, "answers", lazy)
    _, *said = verify(path, detector, tail="nms")
    assert said[0].startswith("OpenCV 9.9: largest difference")
    assert said[1] == "OpenCV 9.9: on 1x3x64x64 it suppresses otherwise; the detections differ by inf"
    assert len(files) == len(said) - 1 == 4


def test_what_opencv_does_not_read_is_said(detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, dynamic_size=False)
    model = onnx.load(path)
    model.graph.node[0].op_type = "Bewitch"
    onnx.save(model, path)
    found = opencv.answers(path, [np.zeros((1, 3, 64, 64), np.float32)])
    assert found.outputs == []
    assert found.version == cv2.__version__
    assert found.reason.isprintable()
    assert 10 < len(found.reason) < 300


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (0, "", ""),
        (-8, "", "it crashes (signal 8)"),
        (1, "no such layer", "no such layer"),
        (1, "", "it ends with status 1"),
    ],
)
def test_how_opencv_may_end(status: int, said: str, reason: str) -> None:
    assert opencv.why(status, said) == reason


def test_opencv_says_what_matters() -> None:
    said = (
        "OpenCV(4.14.0) /io/opencv/onnx_importer.cpp:1064: error: (-2:Unspecified error) in function 'handleNode'\n"
        "> Node [NonMaxSuppression@ai.onnx]:(onnx_node!nms/NonMaxSuppression) parse error: OpenCV(4.14.0) "
        '/io/net_impl.hpp:108: error: (-2:Unspecified error) Can\'t create layer "x" of type "NonMaxSuppression" '
        "in function 'getLayerInstance'\n> "
    )
    assert opencv.plainly(said) == 'nms/NonMaxSuppression: Can\'t create layer "x" of type "NonMaxSuppression"'


def test_differences() -> None:
    inf = float("inf")
    assert difference(np.array([0.5, 0.25]), np.array([0.5, 0.5])) == 0.25
    assert difference(np.array([7.0, 0.0]), np.array([8.0, 0.0])) == 0.125
    assert difference(np.array([inf, np.nan, 1.0]), np.array([inf, np.nan, 2.0])) == 0.5
    assert difference(np.array([inf]), np.array([1.0])) == inf
    assert difference(np.array([np.nan]), np.array([1.0])) == inf
    assert difference(np.zeros((2, 3)), np.zeros((3, 2))) == inf
    assert difference(np.zeros((0, 3)), np.zeros((0, 3))) == 0


def test_rows_in_another_order() -> None:
    rows = np.random.default_rng(0).random((50, 7))
    rows[:, :2] = np.arange(50)[:, None] % 3
    assert rows_difference(rows[::-1], rows) == 0
    near = rows + 1e-5
    near[:, :2] = rows[:, :2]
    assert rows_difference(near, rows) == pytest.approx(1e-5)
    assert rows_difference(rows[1:], rows) == float("inf")
    relabelled = rows.copy()
    relabelled[7, 1] = 5
    assert rows_difference(relabelled, rows) == float("inf")
    other = rows.copy()
    other[7, 4] += 0.5
    assert rows_difference(other, rows) > 1e-3
    assert rows_difference(np.zeros(0), np.zeros((0, 7))) == 0


def test_the_widest_gap() -> None:
    assert middle_of_gap(np.array([0.1, 0.9, 0.2, 0.3])) == pytest.approx(0.6)
    assert middle_of_gap(np.array([0.1]), 0.45) == 0.45


@pytest.mark.parametrize(("gap", "rounding"), [(0.5, 3e-5), (1.3e-4, 3e-5), (1.1e-4, 0.0)])
def test_more_than_rounding_makes_is_refused(gap: float, rounding: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkparse.onnx.verify.apart", lambda *_: (gap, rounding))
    one = SimpleNamespace(trial=SimpleNamespace(size="1x3x32x32"))
    with pytest.raises(DarkparseError, match=r"x\.onnx: engine on 1x3x32x32 differs from the network by"):
        compare("x.onnx", "engine", [one], "raw")


def test_what_rounding_makes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("darkparse.onnx.verify.apart", lambda *_: (1.1e-4, 3e-5))
    one = SimpleNamespace(trial=SimpleNamespace(size="1x3x32x32"))
    told = compare("x.onnx", "engine", [one], "raw")
    assert told.lines == ["engine: on 1x3x32x32 off by 1.1e-04, where rounding alone makes 3.0e-05 in PyTorch"]
