"""DetectionModel and ClassificationModel answer as OpenCV 4.14's own, value by value and type by type."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from conftest import ROOT, SHARED
from darkparse.cv2dnn.errors import NetError
from darkparse.cv2dnn.models import ClassificationModel, DetectionModel, Model
from opencv4 import CHANGE, Script

TRIES = ROOT / "tests/data/opencv_models.py"
DIGITS = ROOT / "cfg/digits.cfg", ROOT / "weights/digits.weights", ROOT / "tests/data/digits.jpg"
REAL = {
    "yolo-fastest-1.1": 320,
    "MobileNetV2-YOLOv3-Nano-voc": 320,
    "yolo-lite-trial3-nb": 224,
    "yoloface-500k-v2": 320,
}
PICTURE = np.zeros((5, 5, 3), np.uint8)
PHOTOGRAPHS = ("dog.jpg", "kite.jpg")

DETECTIONS = {
    "plain": "detector().detect(image)",
    "suppressed": "detector().detect(image, 0.5, 0.4)",
    "by name": "detector().detect(frame=image, confThreshold=0.3, nmsThreshold=0.2)",
    "little overlap": "detector().detect(image, 0.2, 0.05)",
    "nothing found": "detector().detect(image, 1.0)",
    "nothing found, suppressed": "detector().detect(image, 1.0, 0.4)",
    "every row": "detector().detect(image, 0)",
    "every row, suppressed": "detector().detect(image, 0, 0.4)",
    "overlap that never is": "detector().detect(image, 0.5, 1.1)",
    "negative overlap": "detector().detect(image, 0.5, -0.1)",
    "across classes": "[m := detector(), m.setNmsAcrossClasses(True), m.detect(image, 0.1, 0.1)]",
    "across classes, asked": "[m := detector(), m.setNmsAcrossClasses(True), m.getNmsAcrossClasses()]",
    "by class at first": "detector().getNmsAcrossClasses()",
    "another size": "detector((416, 256)).detect(image, 0.5, 0.4)",
    "size as two numbers": "detector().setInputSize(288, 224)",
    "size as a pair": "[m := detector(), m.setInputSize((288, 224)), m.detect(image, 0.5, 0.4)]",
    "size by names": "[m := detector(), m.setInputSize(height=224, width=288), m.detect(image, 0.5, 0.4)]",
    "size as an array": "[m := detector(), m.setInputSize(np.array([288, 224])), m.detect(image, 0.5, 0.4)]",
    "size of floats": "detector().setInputSize((320.0, 320.0))",
    "size of three": "detector().setInputSize((3, 320, 320))",
    "no size": "[m := detector(), m.setInputParams(1 / 255), m.detect(image)]",
    "no size at first": "cv2.dnn.DetectionModel(cfg, weights).detect(image)",
    "negative size": "[m := detector(), m.setInputSize(-1, 320), m.detect(image)]",
    "params give nothing": "detector().setInputParams(1 / 255, (320, 320), (0, 0, 0), True, False)",
    "params set back": "[m := detector(), m.setInputParams(1 / 300, (320, 320)), m.predict(image)]",
    "cropped": "[m := detector(), m.setInputCrop(True), m.detect(image, 0.5, 0.4)]",
    "red and blue as they are": "[m := detector(), m.setInputSwapRB(False), m.predict(image)]",
    "scale of three": "[m := detector(), m.setInputScale((1 / 255, 1 / 255, 1 / 255)), m.predict(image)]",
    "scale of two": "[m := detector(), m.setInputScale((1 / 255, 1 / 200)), m.predict(image)]",
    "scale of a word": "detector().setInputScale('one')",
    "mean of one": "[m := detector(), m.setInputMean(60), m.predict(image)]",
    "mean of three": "[m := detector(), m.setInputMean((60, 10, 20)), m.predict(image)]",
    "mean of five": "detector().setInputMean((1, 2, 3, 4, 5))",
    "backend and target": "[m := detector(), m.setPreferableBackend(3), m.setPreferableTarget(0), m.detect(image)]",
    "outputs": "detector().predict(image)",
    "one output": "[m := detector(), m.setOutputNames(network(cfg, weights).getLayerNames()[-1:]), m.detect(image)]",
    "unknown output": "[m := detector(), m.setOutputNames(['none']), m.detect(image)]",
    "size of the last input": "[detector((96, 64)).detect(image), LATE.predict(image)[0].shape]",
    "of a network": "type(cv2.dnn.DetectionModel(cv2.dnn.readNetFromDarknet(cfg, weights))).__name__",
    "of a named network": "type(cv2.dnn.DetectionModel(network=cv2.dnn.readNet(cfg, weights))).__name__",
    "weights first": "type(cv2.dnn.DetectionModel(weights, cfg)).__name__",
    "named files": "type(cv2.dnn.DetectionModel(model=weights, config=cfg)).__name__",
    "old name": "type(cv2.dnn_DetectionModel(weights, cfg)).__name__",
    "of nothing": "cv2.dnn.DetectionModel()",
    "of a number": "cv2.dnn.DetectionModel(3)",
    "no such file": "cv2.dnn.DetectionModel('none.cfg', 'none.weights')",
    "no image": "detector().detect(None)",
    "empty image": "detector().detect(image[:0])",
    "list of images": "detector().detect([image])",
    "grey image": "detector().detect(image[..., 0])",
    "tiny image": "detector().detect(image[:5, :7], 0.1)",
    "strided image": "detector().detect(image[::2, ::-1], 0.4, 0.4)",
    "image of floats": "detector().detect(image.astype(np.float32), 0.5, 0.4)",
    "UMat": "detector().detect(cv2.UMat(image), 0.5, 0.4)",
}
CLASSES = {
    "class": "classifier().classify(image)",
    "softmax": "[m := classifier(), m.setEnableSoftmaxPostProcessing(True), m.classify(image)]",
    "no softmax at first": "classifier().getEnableSoftmaxPostProcessing()",
    "outputs": "classifier().predict(image)",
    "not a detector": "detector((40, 32)).detect(image)",
    "not a detector, outputs": "detector((40, 32)).predict(image)",
    "no size": "cv2.dnn.ClassificationModel(cfg, weights).classify(image)",
}


@pytest.fixture(scope="module")
def sides(opencv4: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Script, Script]]:
    """OpenCV 4.14 and darkparse, ready to be tried."""
    changed = tmp_path_factory.mktemp("tries") / "changed.py"
    changed.write_text(TRIES.read_text().replace(*CHANGE))
    there, here = Script(TRIES, opencv4), Script(changed)
    assert there.version == "4.14.0"
    assert here.version == cv2.__version__
    yield there, here
    there.close()
    here.close()


def assert_same(here: Any, there: Any) -> None:
    """The same types and shapes, confidences to 1e-3 and whole numbers to 1: of boxes they are cut off."""
    if not isinstance(there, list):
        assert type(here) is type(there)
        assert here == there if isinstance(there, str | bool | None) else here == pytest.approx(there, abs=1e-3)
    elif there[:1] == ["array"]:
        assert here[:3] == there[:3]
        is_box = there[1] == "int32" and len(there[2]) == 2
        np.testing.assert_allclose(here[3], there[3], rtol=0 if is_box else 1e-3, atol=1 if is_box else 1e-3)
    else:
        assert len(here) == len(there), f"{here!s:.200} instead of {there!s:.200}"
        for a, b in zip(here, there, strict=True):
            assert_same(a, b)


@pytest.mark.parametrize("name", DETECTIONS)
def test_detects_as_opencv(name: str, sides: tuple[Script, Script]) -> None:
    call = DETECTIONS[name].replace("LATE", "cv2.dnn.DetectionModel(network(cfg, weights))")
    there, here = (json.loads(side(*DIGITS, call)) for side in sides)
    assert_same(here, there)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Seven classes from a convolution with random weights."""
    folder = tmp_path_factory.mktemp("classifier")
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(
        "[net]\nwidth=40\nheight=32\nchannels=3\n[convolutional]\nfilters=7\nsize=3\npad=1\nactivation=leaky\n[avgpool]\n[softmax]\n"
    )
    values = np.random.default_rng(3).normal(size=7 + 7 * 3 * 3 * 3).astype("<f4")
    weights.write_bytes(np.array([0, 2, 5, 0, 0], "<i4").tobytes() + values.tobytes())
    return cfg, weights


@pytest.mark.parametrize("name", CLASSES)
def test_classifies_as_opencv(name: str, sides: tuple[Script, Script], classifier: tuple[Path, Path]) -> None:
    there, here = (json.loads(side(*classifier, DIGITS[2], CLASSES[name])) for side in sides)
    assert_same(here, there)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """64 cells, each with two boxes that overlap those of its neighbours."""
    folder = tmp_path_factory.mktemp("region")
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    cfg.write_text(
        "[net]\nwidth=64\nheight=64\nchannels=3\n[convolutional]\nfilters=14\nsize=8\nstride=8\nactivation=linear\n"
        "[region]\nanchors=2,3, 3,2\nclasses=2\nnum=2\nsoftmax=1\nthresh=.1\n"
    )
    values = np.random.default_rng(5).normal(scale=0.1, size=14 + 14 * 3 * 8 * 8).astype("<f4")
    weights.write_bytes(np.array([0, 2, 5, 0, 0], "<i4").tobytes() + values.tobytes())
    return cfg, weights


def test_rows_of_a_region_are_not_suppressed_for_a_model(
    region: tuple[Path, Path], sides: tuple[Script, Script]
) -> None:
    """Those of the network are, until a model is made of it; then the overlap is the model's."""
    net = "network(cfg, weights)"
    run = f"{net}.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (64, 64))), {net}.forward()"
    model = f"cv2.dnn.DetectionModel({net})"
    detect = f"[m := {model}, m.setInputParams(1 / 255, (64, 64)), m.detect(image, 0.2), m.detect(image, 0.2, 0.5)]"
    there, here = (json.loads(side(*region, DIGITS[2], f"[{run}, {model}, {run}, {detect}]")) for side in sides)
    assert_same(here, there)
    before, after = (np.array(there[at][3]).reshape(there[at][2])[:, 5:] > 0 for at in (2, 5))
    assert 0 < before.sum() < after.sum()


@pytest.mark.real
@pytest.mark.parametrize("image", PHOTOGRAPHS)
@pytest.mark.parametrize("name", REAL)
def test_real_models_detect_as_in_opencv(name: str, image: str, sides: tuple[Script, Script]) -> None:
    """Two sizes; suppressed and not."""
    files = [SHARED / "real" / path for path in (f"models/{name}.cfg", f"models/{name}.weights", f"images/{image}")]
    size = REAL[name]
    for call in (
        f"detector(({size}, {size})).detect(image, 0.3, 0.4)",
        f"detector(({size + 96}, {size})).detect(image, 0.4)",
    ):
        there, here = (json.loads(side(*files, call)) for side in sides)
        assert_same(here, there)


@pytest.fixture
def model() -> DetectionModel:
    return DetectionModel(str(DIGITS[0]), str(DIGITS[1]))


def rows_of(monkeypatch: pytest.MonkeyPatch, *rows: list[float]) -> None:
    """The network gives these rows: cx, cy, w, h, objectness and two classes."""
    monkeypatch.setattr(Model, "predict", lambda model, frame: [np.array(rows, np.float32)] * len(model._outputs))


def test_boxes_are_cut_off_and_inside(model: DetectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """For 100 x 50 px: cx .299 is 29, w .159 is 15, of which half is 7: left 22; cy .59 is 29, h .5 is 25: top 17."""
    model.setOutputNames(model._outputs[:1])
    rows_of(
        monkeypatch,
        [0.299, 0.59, 0.159, 0.5, 1, 0.5, 0.75],
        [0.02, 0.5, 0.2, 2.0, 1, 0.9, 0.0],  # left -8 is 0, top 25 - 50 is 0, height 100 is 50
        [
            0.98,
            1.5,
            0.001,
            0.5,
            1,
            0.5,
            0.5,
        ],  # width 0 is 1; top 75 - 12 is 49, of which one row is left; a tie: the first
        [0.5, 0.5, 0.5, 0.5, 1, 0.49, 0.0],
    )
    classes, confidences, boxes = model.detect(np.zeros((50, 100, 3), np.uint8))
    assert classes.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(confidences, np.array([0.75, 0.9, 0.5], np.float32))
    assert boxes.tolist() == [[22, 17, 15, 25], [0, 0, 20, 50], [98, 49, 1, 1]]
    assert (classes.dtype, confidences.dtype, boxes.dtype) == (np.int32, np.float32, np.int32)


def test_suppression_is_by_class_unless_across(model: DetectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Boxes of 40 x 40 px, 4 px apart, overlap by 36 / 44 = .82; class 1 is the likeliest but comes second."""
    model.setOutputNames(model._outputs[:1])
    rows_of(
        monkeypatch,
        [0.50, 0.5, 0.4, 0.4, 1, 0.0, 0.9],
        [0.54, 0.5, 0.4, 0.4, 1, 0.8, 0.0],
        [0.46, 0.5, 0.4, 0.4, 1, 0.7, 0.0],
        [0.58, 0.5, 0.4, 0.4, 1, 0.0, 0.6],
    )
    frame = np.zeros((100, 100, 3), np.uint8)
    assert [part.tolist() for part in model.detect(frame, 0.1, 0.6)][0::2] == [
        [0, 1],
        [[34, 30, 40, 40], [30, 30, 40, 40]],
    ]
    assert model.setNmsAcrossClasses(True).detect(frame, 0.1, 0.6)[0].tolist() == [1]
    assert model.detect(frame, 0.1)[0].tolist() == [1, 0, 0, 1]


def test_a_likely_box_without_end_is_one_pixel(model: DetectionModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(monkeypatch, [0.5, 0.5, np.inf, 0.5, 1, 0.9, 0.0])
    assert model.detect(np.zeros((50, 100, 3), np.uint8))[2].shape == (len(model._outputs), 4)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda _: DetectionModel(), "expected a network of readNetFromDarknet, or a .cfg .*, got NoneType"),
        (lambda _: DetectionModel(3), "got int"),
        (lambda _: DetectionModel(network=cv2.dnn.Net()), "got Net"),
        (lambda _: DetectionModel("none.cfg", "none.weights"), "none"),
        (lambda model: model.setInputSize(320), "size: expected width and height, two integers, got 320"),
        (lambda model: model.setInputMean("x"), "mean: expected one to four numbers, got 'x'"),
        (lambda model: model.setInputParams((1, 2, 3, 4, 5)), "scale: expected one to four numbers"),
        (lambda model: model.detect(PICTURE), "the size of the input is not set"),
        (lambda model: model.setInputSize(64, 64).detect(None), "expected an image, .* got NoneType"),
        (lambda model: model.setInputSize(64, 64).detect(PICTURE[0, :, 0]), r"got an array of shape \(5,\)"),
        (lambda model: model.setInputSize(64, 64).detect(PICTURE.astype(bool)), "OpenCV cannot"),
        (lambda model: model.setInputSize(64, 64).detect(PICTURE, 0, -1), "cannot suppress with .* 0 and -1"),
        (lambda _: classifier_of_boxes().classify(PICTURE), "expected a network with one output, got yolo_.*, yolo_"),
    ],
)
def test_what_is_wrong_is_told(wrong: Any, message: str, model: DetectionModel) -> None:
    with pytest.raises(NetError, match=message):
        wrong(model)


def classifier_of_boxes() -> ClassificationModel:
    return ClassificationModel(str(DIGITS[0]), str(DIGITS[1])).setInputSize(64, 64)


def test_blobs_and_suppression_are_the_same_in_opencv_4_and_5(opencv4: Path, tmp_path: Path) -> None:
    """They stay OpenCV's own: what a script makes with them does not change with its version."""
    script = tmp_path / "script.py"
    script.write_text(
        "import json\nimport cv2\nimport numpy as np\n"
        "rng = np.random.default_rng(0)\n"
        "image = rng.integers(0, 256, (100, 77, 3), dtype=np.uint8)\n"
        "boxes, scores = rng.random((300, 4)) * 100, rng.random(300)\n"
        "found = [cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.3, 0.4)]\n"
        "for crop in (False, True):\n"
        "    for size in ((64, 32), (90, 111)):\n"
        "        found.append(cv2.dnn.blobFromImage(image, 1 / 255, size, (1, 2, 3), True, crop))\n"
        "print(json.dumps([[list(a.shape), str(a.dtype), a.ravel().tolist()] for a in found]))\n"
    )
    sides = [Script(script, opencv4), Script(script)]
    there, here = (json.loads(side.version) for side in sides)
    for side in sides:
        side.close()
    assert [one[:2] for one in there] == [one[:2] for one in here]
    for a, b in zip(here, there, strict=True):
        np.testing.assert_allclose(a[2], b[2], rtol=0, atol=1e-6)
