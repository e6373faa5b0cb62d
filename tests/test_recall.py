"""darkparse recall, against what `detector recall` of AlexeyAB 59596d7 prints; see test_map_goldens.py, too."""

import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conftest import SHARED
from darkparse.cli import main
from darkparse.evaluation.recall import Recall
from discs import CFG, WEIGHTS, make

DARKNET = """\
    0     2     2\tRPs/Img: 2.00\tIOU: 92.45%\tRecall:100.00%
    1     3     3\tRPs/Img: 1.50\tIOU: 92.90%\tRecall:100.00%
    2     3     6\tRPs/Img: 1.00\tIOU: 46.45%\tRecall:50.00%
    3     5     8\tRPs/Img: 1.50\tIOU: 48.09%\tRecall:62.50%
    4     5     8\tRPs/Img: 1.20\tIOU: 48.09%\tRecall:62.50%
    5     6     9\tRPs/Img: 1.50\tIOU: 50.47%\tRecall:66.67%
"""


def run(*arguments):
    result = CliRunner().invoke(main, ["recall", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_the_lines_are_darknets(tmp_path):
    result = run(CFG, make(tmp_path), WEIGHTS, "--batch", 4)
    assert (result.stdout, result.exit_code) == (DARKNET, 0)


def test_an_image_that_cannot_be_read_has_no_boxes(tmp_path):
    data = make(tmp_path)
    (tmp_path / "disc_11.png").write_bytes(b"")
    result = run(data, CFG, WEIGHTS)
    assert result.stdout.splitlines()[0] == "    0     0     2\tRPs/Img: 0.00\tIOU: 0.00%\tRecall:0.00%"
    assert result.exit_code == 1


def test_without_objects_c_prints_nan():
    row = Recall()
    row.add(np.zeros((3, 4), np.float32), np.zeros((0, 4), np.float32))
    assert str(row) == "    0     0     0\tRPs/Img: 3.00\tIOU: -nan%\tRecall:-nan%"


@pytest.mark.real
@pytest.mark.parametrize(
    ("version", "last"),
    [
        # what each Darknet prints; AlexeyAB's takes every objectness for 1
        ((0, 2, 5), "    3    11    15\tRPs/Img: 82.25\tIOU: 59.29%\tRecall:73.33%"),
        ((0, 1, 0), "    3    15    15\tRPs/Img: 51.75\tIOU: 66.37%\tRecall:100.00%"),
    ],
    ids=["alexeyab", "pjreddie"],
)
def test_boxes_of_region(version, last, tmp_path):
    models = SHARED / "real" / "models"
    stored = (models / "yolo-lite-trial3-nb.weights").read_bytes()
    seen = stored[12:16] + bytes(4 if version == (0, 2, 5) else 0)  # wider since version 0.2
    (tmp_path / "lite.weights").write_bytes(struct.pack("<3i", *version) + seen + stored[16:])
    images = sorted((SHARED / "real" / "images").glob("*_320x320.png"))
    for path in images:
        link = tmp_path / path.name
        link.symlink_to(path)
        labels = (SHARED / "training" / "map" / "labels" / f"{path.name.split('_')[0]}.txt").read_text().splitlines()
        link.with_suffix(".txt").write_text("".join(f"0 {line.split(maxsplit=1)[1]}\n" for line in labels))
    (tmp_path / "list.txt").write_text("".join(f"{tmp_path / path.name}\n" for path in images))
    Path(tmp_path / "lite.data").write_text(f"valid=list.txt\nnames={models / 'voc.names'}\n")
    result = run(tmp_path / "lite.data", models / "yolo-lite-trial3-nb.cfg", tmp_path / "lite.weights")
    assert result.stdout.splitlines()[-1] == last
