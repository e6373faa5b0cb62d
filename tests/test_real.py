"""Published models detect what Darknet detects."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import SHARED
from darkparse.boxes import iou

REAL = SHARED / "real"
NAMES = {
    "yolo-fastest-1.1": "coco",
    "MobileNetV2-YOLOv3-Nano-voc": "voc",
    "yolo-lite-trial3-nb": "voc",
    "yoloface-500k-v2": "face",
}
LISTED = 0.1  # the threshold of the expected files

# The expected files were made with Darknet's own JPEG decoder, which differs from OpenCV's by up to 3 grey levels.
# This object, of .2214, is .2419 here and also in Darknet built with OpenCV: .0004 more than the tolerance allows.
BEYOND_DECODER_TOLERANCE = {("MobileNetV2-YOLOv3-Nano-voc", "stretch", "scream.jpg", "person")}

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")]


def model_of(name: str, resize: str) -> Any:
    import darkparse

    models = REAL / "models"
    return darkparse.load(
        models / f"{name}.cfg", models / f"{name}.weights", names=models / f"{NAMES[name]}.names", resize=resize
    )


def expected(name: str, kind: str) -> list[dict[str, Any]]:
    return json.loads((REAL / "expected" / f"{name}.{kind}.json").read_text())


def as_array(thing: dict[str, Any]) -> np.ndarray:
    box = thing["relative_coordinates"]
    return np.array([box[key] for key in ("center_x", "center_y", "width", "height")], dtype=np.float32)


def unmatched(frame: dict[str, Any], found: Any, same: Any) -> tuple[list[str], list[float]]:
    """Objects of Darknet that have no row of ours, as names with confidence; and scores of ours that are left."""
    left = set(range(len(found)))
    missing = []
    for thing in sorted(frame["objects"], key=lambda thing: -thing["confidence"]):
        rows = [i for i in left if found.labels[i] == thing["class_id"] and same(found, i, thing)]
        if rows:
            left.remove(max(rows, key=lambda i: iou(as_array(thing), found.relative[[i]])[0]))
        else:
            missing.append((thing["name"], thing["confidence"]))
    return missing, [float(found.scores[i]) for i in left]


@pytest.mark.parametrize("name", NAMES)
def test_png_box_for_box(name: str) -> None:
    """Already at the network's size: confidence and box to 1e-3, nothing missing, nothing extra."""

    def same(found: Any, i: int, thing: dict[str, Any]) -> bool:
        near = np.abs(found.relative[i] - as_array(thing)).max() < 1e-3
        return bool(near and abs(found.scores[i] - thing["confidence"]) < 1e-3)

    model = model_of(name, "stretch")
    for frame in expected(name, "png"):
        found = model.detect(REAL / "images" / frame["filename"], thresh=LISTED)
        assert unmatched(frame, found, same) == ([], []), frame["filename"]


@pytest.mark.parametrize("kind", ["stretch", "letterbox"])
@pytest.mark.parametrize("name", NAMES)
def test_jpeg(name: str, kind: str) -> None:
    """Another JPEG decoder: confidence within .02, IoU above .97, nothing above .15 missing or extra."""

    def same(found: Any, i: int, thing: dict[str, Any]) -> bool:
        overlap = iou(as_array(thing), found.relative[[i]])[0]
        return bool(overlap > 0.97 and abs(found.scores[i] - thing["confidence"]) <= 0.02)

    model, wrong = model_of(name, kind), set()
    for frame in expected(name, kind):
        file = frame["filename"]
        found = model.detect(REAL / "images" / file, thresh=LISTED)
        missing, extra = unmatched(frame, found, same)
        wrong |= {(name, kind, file, what) for what, confidence in missing if confidence > 0.15}
        allowed = sum(entry[:3] == (name, kind, file) for entry in wrong & BEYOND_DECODER_TOLERANCE)
        assert sum(score > 0.15 for score in extra) <= allowed, file
    assert wrong <= BEYOND_DECODER_TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_resize_is_chosen_by_who_wrote_the_weights(name: str) -> None:
    """0.2.5 is AlexeyAB's, which stretches; 0.1.0 is pjreddie's, which letterboxes."""
    assert model_of(name, "auto").letterbox == (name == "yolo-lite-trial3-nb")


def test_partial_file_is_told_from_a_whole_one() -> None:
    from darkparse import WeightsError, load

    models = REAL / "models"
    with pytest.raises(WeightsError, match="a partial file, the first 57 of"):
        load(models / "MobileNetV2-YOLO-Fastest-voc.cfg", models / "MobileNetV2-YOLO-Fastest.conv.57")


def test_deployed_equals_plain() -> None:
    """Folding batch norm changes raw outputs by no more than rounding does."""
    import torch

    from darkparse.graph import read_graph
    from darkparse.network import empty_network
    from darkparse.weights import load

    path = Path(REAL / "models" / "yolo-fastest-1.1")
    plain = empty_network(read_graph(path.with_name(path.name + ".cfg"))).eval()
    load(plain, path.with_name(path.name + ".weights"))
    model = model_of(path.name, "stretch")
    ready = model.prepare(REAL / "images" / "dog_320x320.png")
    with torch.inference_mode():
        for a, b in zip(plain(torch.from_numpy(ready.pixels)[None]), model.forward([ready]), strict=True):
            assert (a - b).abs().max() < 1e-4 * a.std()
