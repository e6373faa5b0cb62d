"""What `darkparse inspect` says of a .weights file."""

import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from darkparse.cli import main
from darkparse.errors import DarkparseError, NotWeights, WeightsError
from darkparse.graph import Graph, read_graph
from darkparse.inspection import fitting, head, tensors
from darkparse.layout import Header

NET = "[net] width=8 height=8 channels=3"
DETECTOR = "[conv] filters=2 [max] [conv] filters={} [yolo] mask=0 num=1 anchors=1,1 classes={}"
ONE_CLASS, TEN = DETECTOR.format(6, 1), DETECTOR.format(15, 10)
FLOATS = 2 + 6 + 6 + 12  # biases and weights of both convolutions


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_cfg(layers: str, path: str = "x.cfg") -> Graph:
    Path(path).write_text("\n".join(f"{NET} {layers}".split()))
    return read_graph(path)


def write_weights(values, header: Header) -> None:
    Path("x.weights").write_bytes(header.pack() + np.asarray(values, "<f4").tobytes())


@pytest.mark.parametrize(
    ("header", "writer", "seen"),
    [
        (Header(0, 1, 0, 640, False), "pjreddie's Darknet before 2017", "640 images (10"),
        (Header(0, 2, 0, 639), "pjreddie's Darknet", "639 images (9"),
        (Header(0, 2, 5, 2**33), "AlexeyAB's Darknet or a fork of it", "8,589,934,592 images (134,217,728"),
        (Header(1001, 2, 3, 0), "an unknown program", "0 images (0"),
    ],
    ids=["0.1.0", "0.2.0", "0.2.5", "1001.2.3"],
)
def test_head(header, writer, seen):
    write_weights(range(1000), header)
    assert list(head("x.weights")) == [
        f"x.weights: {4000 + header.size:,} bytes",
        f"version {header.version}: {writer}; header of {header.size} bytes",
        f"seen {seen} batches of 64)",
        "1,000 floats",
    ]


@pytest.mark.parametrize(("data", "line"), [(b"", "0 floats"), (b"123456", "1 floats and 2 bytes that are none")])
def test_floats_and_a_rest(data, line):
    Path("x.weights").write_bytes(Header().pack() + data)
    assert list(head("x.weights"))[-1] == line


NAN, INF = float("nan"), float("inf")


def line(layer: str, shape: str, values: str) -> str:
    return f"{layer:48s} {shape:>18s}  {values}"


@pytest.mark.parametrize(
    ("biases", "expected"),
    [
        ([-1, 2.5], "         -1 .. 2.5        "),
        ([0, 1e-20], "          0 .. 1e-20      "),
        ([NAN, 3], "          3 .. 3            1 NaN, 0 infinite"),
        ([INF, -INF], "       -inf .. inf          0 NaN, 2 infinite"),
        ([NAN, NAN], "        nan .. nan          2 NaN, 0 infinite"),
    ],
    ids=["plain", "small", "NaN", "infinite", "all NaN"],
)
def test_range_of_a_tensor(biases, expected):
    write_weights([*biases, *range(6)], Header())
    graph = write_cfg("[conv] filters=2")
    assert list(tensors("x.weights", graph)) == [
        "fits x.cfg: all 1 layers",
        line("layer 0 [convolutional] biases", "2", expected),
        line("layer 0 [convolutional] weights", "2x3x1x1", "          0 .. 5          "),
    ]


@pytest.mark.parametrize(
    ("floats", "fits", "lines"),
    [(FLOATS, "all 4 layers", 4), (8, "the first 1 of 4 layers", 2)],
    ids=["whole", "part"],
)
def test_tensors_of_what_the_file_holds(floats, fits, lines):
    write_weights(range(floats), Header())
    first, *rest = tensors("x.weights", write_cfg(ONE_CLASS))
    assert first == f"fits x.cfg: {fits}"
    assert len(rest) == lines


def test_a_network_without_tensors():
    write_weights([], Header())
    assert list(tensors("x.weights", write_cfg("[max] [avg]"))) == ["fits x.cfg: all 2 layers"]


def test_tensors_of_a_file_that_does_not_fit():
    write_weights(range(FLOATS + 1), Header())
    with pytest.raises(WeightsError, match="4 bytes too long"):
        list(tensors("x.weights", write_cfg(ONE_CLASS)))


def test_which_cfgs_of_a_folder_fit():
    write_weights(range(FLOATS), Header())
    os.mkdir("cfgs")
    write_cfg(ONE_CLASS, "cfgs/a.cfg")
    write_cfg(TEN, "cfgs/b.cfg")
    write_cfg("[conv] filters=2", "cfgs/c.cfg")
    write_cfg(f"{ONE_CLASS} [conv]", "cfgs/d.cfg")
    Path("cfgs/e.cfg").write_text("[avg]\n")
    Path("cfgs/f.cfg").mkdir()
    Path("cfgs/g.txt").write_text("not a cfg")
    assert list(fitting("x.weights", "cfgs")) == [
        "a.cfg: fits",
        "b.cfg: no; it would with classes=1: filters=6 before each [yolo]",
        "c.cfg: no",
        "d.cfg: its first 3 of 5 layers",
        "e.cfg: not read: cfgs/e.cfg:1: [avg]: expected [net] to be the first section",
        "f.cfg: not read: cfgs/f.cfg: Is a directory",
    ]


def test_a_folder_without_a_cfg():
    write_weights([], Header())
    with pytest.raises(DarkparseError) as caught:
        list(fitting("x.weights", "."))
    assert str(caught.value) == ".: no .cfg in it"


@pytest.mark.parametrize(
    "look", [head, lambda path: tensors(path, write_cfg(ONE_CLASS)), lambda path: fitting(path, ".")]
)
def test_other_files(look):
    Path("x.weights").write_bytes(b"<html></html>")
    with pytest.raises(NotWeights):
        list(look("x.weights"))


@pytest.mark.parametrize(
    ("arguments", "lines", "status"),
    [
        (["x.weights"], 4, 0),
        (["x.weights", "x.cfg"], 9, 0),
        (["x.weights", "."], 5, 0),
        (["x.weights", "none.cfg"], 4, 1),
        (["none.weights"], 0, 1),
    ],
    ids=["alone", "with a cfg", "with a folder", "with no such cfg", "no such file"],
)
def test_the_command(arguments, lines, status):
    write_weights(range(FLOATS), Header())
    write_cfg(ONE_CLASS)
    result = CliRunner().invoke(main, ["inspect", *arguments])
    assert (len(result.stdout.splitlines()), result.exit_code) == (lines, status)
    assert result.stderr.startswith("Error: none." if status else "")
    assert len(result.stderr.splitlines()) == status
