"""`darkparse check` on the official cfgs: only what is really wrong with them, each finding looked up in the file."""

import re
from pathlib import Path

import pytest

from conftest import ROOT, SHARED
from darkparse.check.project import Project, check
from darkparse.findings import ERROR, NOTE, WARNING

KIT = sorted((SHARED / "conformance" / "cfg").glob("*.cfg"))
OWN = sorted((ROOT / "cfg").glob("*.cfg"))

HEADS_OF_P7 = (2350, 2409, 2468, 2527)  # whose masks name anchors below num=16
UNUSED = "masks 3,4,5 and 1,2,3: anchor 0 of 6 is in none"
ODD = {  # errors and warnings: file, line, rule, severity, and what the file says there
    "Gaussian_yolov3_BDD": {(24, "unknown-option", WARNING): "max_epochs = 300; neither Darknet reads that"},
    "cspx-p7-mish": {
        **{(line, "num", WARNING): "num=16 with 20 anchors" for line in HEADS_OF_P7},
        (2586, "num", ERROR): "num=16 with mask = 16,17,18,19: beyond the end of Darknet's array",
    },
    "cspx-p7-mish_hp": {
        (line, "no-comma", WARNING): "`61,45    61,45` and two more such gaps: 31 values for 16 anchors"
        for line in (2351, 2417, 2482, 2547, 2612)
    },
    "efficientnet-lite3": {(34, "repeated-option", WARNING): "decay=0.00005, but line 20 has 0.0005"},
    "efficientnet_b0": {(26, "repeated-option", WARNING): "decay=0.00005, but line 12 has 0.0005"},
    "enet-coco": {(1014, "unused-anchor", WARNING): UNUSED},
    "resnet152_trident": {
        (1478, "anchors-differ", WARNING): "59,119, 80,80 where the other two heads have 64,64, 59,119"
    },
    "writing": {(10, "unknown-option", WARNING): "seen=0"},
    "yolov3-openimages": {
        (6, "repeated-option", WARNING): "batch=64 below batch=1, meant to replace it",
        (7, "repeated-option", WARNING): "subdivisions=16 below subdivisions=1",
    },
    "yolov3-tiny-prn": {(142, "unused-anchor", WARNING): UNUSED},
    "yolov4-sam-mish-csp-reorg-bfm": {
        (line, "unknown-option", WARNING): "uc_normalizer and beta1, which [Gaussian_yolo] and no head has"
        for line in (1156, 1160, 1290, 1294, 1424, 1428)
    },
    "yolov4-tiny": {(228, "unused-anchor", WARNING): UNUSED},
}
SHORT = {"tiny-yolo": 15, "tiny-yolo_xnor": 15, "yolo.2.0": 15}  # fewer than 2000 iterations for each of 80 classes
TWICE = {"ab__yolo9000": (8, 9), "pj__yolo9000": (8, 9), "efficientnet-lite3": (33,), "efficientnet_b0": (25,)}


def places(path: Path) -> list[tuple[int, str, str]]:
    found = check(Project(path))
    assert {one.file for one in found} <= {str(path)}
    return [(one.line, one.rule, one.severity) for one in found]


def for_detection(path: Path) -> list[tuple[int, str, str]]:
    """The note on batch=1 in a cfg for images that has a plan to train by, where its line is."""
    lines = ["".join(line.split()) for line in path.read_text(encoding="latin-1").split("\n")]
    net = lines[: next(n for n, line in enumerate(lines) if line.startswith("[") and "net" not in line)]
    given = {
        key: [n for n, line in enumerate(net, 1) if re.match(f"{key}=", line)]
        for key in ("batch", "max_batches", "channels")
    }
    one = given["batch"] and net[given["batch"][0] - 1] == "batch=1"
    return [(given["batch"][0], "batch", NOTE)] if one and given["max_batches"] and given["channels"] else []


@pytest.mark.kit
@pytest.mark.parametrize("path", KIT, ids=lambda path: path.stem)
def test_what_is_found_in_an_official_cfg(path: Path) -> None:
    name = path.stem
    notes = [(SHORT[name], "iterations", NOTE)] if name in SHORT else []
    notes += [(line, "repeated-option", NOTE) for line in TWICE.get(name, ())]
    assert places(path) == sorted([*ODD.get(name, ()), *notes, *for_detection(path)])


@pytest.mark.kit
def test_how_much_is_found_in_all() -> None:
    found = [one for path in KIT for one in places(path)]
    assert len(KIT) == 126
    assert [sum(severity == kind for _, _, severity in found) for kind in (ERROR, WARNING)] == [1, 25]


OWN_ODD = {
    "yolov4-tiny": {(309, "unused-anchor", WARNING)},  # as the official one
    "digits": {(51, "iterations", NOTE)},  # 7000; 2000 for each of 10 classes would be 20,000
}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_what_is_found_in_a_cfg_that_comes_along(path: Path) -> None:
    assert places(path) == sorted([*OWN_ODD.get(path.stem, ()), *for_detection(path)])
