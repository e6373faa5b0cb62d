"""Published models as ONNX: the same boxes as darkparse and Darknet have; and what OpenCV makes of them."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import onnx_models
from darkparse.boxes import xyxy_to_cxcywh
from darkparse.detections import Candidates, Detections, select
from darkparse.images import Placement
from darkparse.onnx import opencv
from darkparse.onnx.differences import largest, rows_difference
from darkparse.onnx.session import Session
from darkparse.sources import Source, read_source
from test_real import LISTED, NAMES, REAL, as_array, expected, model_of, unmatched

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")]
TAILS = ("raw", "decode", "nms")
IMAGES = ["dog.jpg", "eagle.jpg", "giraffe.jpg", "horses.jpg", "kite.jpg", "person.jpg", "scream.jpg"]


@pytest.fixture(scope="module", params=NAMES)
def source(request: pytest.FixtureRequest) -> tuple[str, Source]:
    models = REAL / "models"
    return request.param, read_source(models / f"{request.param}.cfg", models / f"{request.param}.weights")


@pytest.fixture(scope="module")
def sessions(source: tuple[str, Source], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    folder = tmp_path_factory.mktemp("real")
    return {tail: Session(onnx_models.write(folder / f"{tail}.onnx", source[1], tail)) for tail in TAILS}


@pytest.fixture(scope="module")
def looked(source: tuple[str, Source]) -> list[tuple[Any, Any, list[torch.Tensor]]]:
    """Every image by either rule: the model, the image as it reads it, and what the network gives."""
    models = [model_of(source[0], rule) for rule in ("stretch", "letterbox")]
    ready = [(model, model.prepare(REAL / "images" / name)) for model in models for name in IMAGES]
    return [(model, image, model.forward([image])) for model, image in ready]


def by_onnx(session: Session, tail: str, model: Any, ready: Any) -> Detections:
    """What a file of that tail finds; suppressed here where it does not do that itself."""
    found = session.run(ready.pixels[None], {"thresh": LISTED} if tail == "nms" else {})
    if tail == "raw":
        raws = [torch.from_numpy(array) for array in found.values()]
        return model.interpret([ready], raws, LISTED, 0.45, 0.5)[0]
    if tail == "decode":
        (box, label), scores = np.nonzero(found["scores"][0] > LISTED), found["scores"][0]
        rows = Candidates(xyxy_to_cxcywh(found["boxes"][0][box]), scores[box, label], label, scores[box, label])
    else:
        rows = found["detections"]
        rows = Candidates(xyxy_to_cxcywh(rows[:, 3:]), rows[:, 2], rows[:, 1].astype(np.int64), rows[:, 2])
    _, height, width = model.graph.net.shape
    rows = rows._replace(boxes=Placement.of(*ready.size, width, height, model.letterbox).undo(rows.boxes))
    kept = select(rows, 0.45, model.suppression) if tail == "decode" else rows
    return Detections(kept.boxes, kept.scores, kept.labels, model.names, *ready.size)


def in_order(found: Candidates | Detections) -> np.ndarray:
    """Rows that can be compared."""
    boxes = found.relative if isinstance(found, Detections) else found.boxes
    return np.column_stack([found.labels, found.scores, boxes])[np.lexsort((-found.scores, found.labels))]


@pytest.mark.parametrize("tail", TAILS)
def test_the_same_boxes_as_darkparse(tail: str, looked: list[Any], sessions: dict[str, Session]) -> None:
    total = 0
    for model, ready, raws in looked:
        (wanted,) = model.decode([ready.size], raws, LISTED, 0.5)
        kind = ("default", 0.6) if tail == "nms" else model.suppression  # ONNX knows overlap alone
        found = by_onnx(sessions[tail], tail, model, ready)
        np.testing.assert_allclose(in_order(found), in_order(select(wanted, 0.45, kind)), atol=1e-5)
        total += len(found)
    assert total > 10


@pytest.mark.parametrize("tail", ["raw", "decode"])
def test_the_same_boxes_as_darknet(tail: str, source: tuple[str, Source], sessions: dict[str, Session]) -> None:
    """As tests/test_real.py: confidence and box to 1e-3, nothing missing, nothing extra."""

    def same(found: Any, i: int, thing: dict[str, Any]) -> bool:
        near = np.abs(found.relative[i] - as_array(thing)).max() < 1e-3
        return bool(near and abs(found.scores[i] - thing["confidence"]) < 1e-3)

    model = model_of(source[0], "stretch")
    for frame in expected(source[0], "png"):
        found = by_onnx(sessions[tail], tail, model, model.prepare(REAL / "images" / frame["filename"]))
        assert unmatched(frame, found, same) == ([], [])


def test_inside_they_are_named_as_the_cfg_has_them(source: tuple[str, Source], sessions: dict[str, Session]) -> None:
    heads = [f"{index:03}_{head.section}" for index, head in source[1].graph.heads]
    assert list(sessions["raw"].outputs) == heads


def asked(source: tuple[str, Source], tail: str, dynamic: bool, folder: Path) -> tuple[opencv.Answers, float]:
    """What OpenCV makes of a file, and how far it is from ONNX Runtime."""
    name, model = source
    path = onnx_models.write(folder / "a.onnx", model, tail, dynamic_size=dynamic)
    runner = model_of(name, "stretch")
    pixels = [runner.prepare(REAL / "images" / one).pixels for one in ("person.jpg", "scream.jpg")]
    inputs = [np.stack(pixels), pixels[0][None], np.zeros_like(pixels[0])[None]]  # in the last one nothing is found
    answers = opencv.answers(path, inputs)
    session, worst = Session(path), 0.0
    for images, found in zip(inputs, answers.outputs, strict=False):
        wanted = session.run(images)
        apart = rows_difference(found["detections"], wanted["detections"]) if tail == "nms" else largest(wanted, found)
        worst = max(worst, apart)
    return answers, worst


@pytest.mark.skipif(not cv2.__version__.startswith("5."), reason="this is OpenCV 4")
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_opencv_5_runs_all(source: tuple[str, Source], tail: str, dynamic: bool, tmp_path: Path) -> None:
    answers, worst = asked(source, tail, dynamic, tmp_path)
    assert (answers.reason, len(answers.outputs)) == ("", 3)
    assert worst < 1e-4


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_opencv_4_runs_what_has_one_size_and_no_suppression(
    source: tuple[str, Source],
    tail: str,
    dynamic: bool,
    opencv4: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes sizes that vary for 1 as it reads, so that what was scaled up fits nothing; it knows no such layers."""
    monkeypatch.setenv("PYTHONPATH", str(opencv4))
    answers, worst = asked(source, tail, dynamic, tmp_path)
    assert answers.version == "4.14.0"
    plain = source[0] == "yolo-lite-trial3-nb"  # has nothing scaled up
    if dynamic and not (plain and tail == "raw"):
        assert ("/Shape:" if plain else "_route/Concat: Inconsistent shape") in answers.reason
    elif tail == "nms":
        assert 'of type "NonMaxSuppression"' in answers.reason
    else:
        assert (answers.reason, len(answers.outputs)) == ("", 3)
        assert worst < 1e-4
