"""The cfgs that ship with darkparse: the same networks as the official files."""

import warnings
from dataclasses import fields, replace
from pathlib import Path

import pytest

from conftest import ROOT, SHARED
from darkparse.data import read_data, read_names, shipped
from darkparse.errors import DarkparseWarning
from darkparse.graph import Graph, read_graph
from darkparse.layout import Header, size

OFFICIAL = {
    "yolov3": ("ab__yolov3", 248_007_048),
    "yolov3-tiny": ("yolov3-tiny", 35_434_956),
    "yolov3-spp": ("yolov3-spp", 252_209_544),
    "yolov4": ("yolov4", 257_717_640),
    "yolov4-tiny": ("yolov4-tiny", 24_251_276),
    "yolov2": ("ab__yolov2", 203_934_264),
    "yolov2-tiny": ("ab__yolov2-tiny", 44_948_600),
    "darknet19": ("ab__darknet19", 83_427_124),
    "darknet53": ("darknet53", 166_582_580),
    "resnet101": ("pj__resnet101", 167_481_012),
    "resnet152": ("pj__resnet152", 230_239_924),
}
OLD_HEADER = Header(0, 1, 0, long_seen=False)


def quiet(path: Path) -> Graph:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DarkparseWarning)
        return read_graph(path)


@pytest.mark.kit
@pytest.mark.parametrize("name", OFFICIAL)
def test_same_graph_and_net_as_the_official_file(name: str) -> None:
    own = quiet(ROOT / "cfg" / f"{name}.cfg")
    official = quiet(SHARED / "conformance" / "cfg" / f"{OFFICIAL[name][0]}.cfg")
    assert [f.name for f in fields(own.net) if getattr(own.net, f.name) != getattr(official.net, f.name)] == []
    assert len(own.nodes) == len(official.nodes)
    for a, b in zip(own.nodes, official.nodes, strict=True):
        assert replace(a, where=b.where) == b


@pytest.mark.parametrize("name", OFFICIAL)
def test_size_of_its_weights(name: str) -> None:
    assert size(read_graph(ROOT / "cfg" / f"{name}.cfg")) == OFFICIAL[name][1]


def test_yolov2_was_published_with_the_old_header() -> None:
    assert size(read_graph(ROOT / "cfg" / "yolov2.cfg"), OLD_HEADER) == 203_934_260


@pytest.mark.parametrize("path", sorted((ROOT / "cfg").glob("*.cfg")), ids=lambda path: path.stem)
def test_nothing_odd_in_it(path: Path) -> None:
    read_graph(path)  # warnings are errors here


@pytest.mark.parametrize(
    ("name", "count"), [("coco.names", 80), ("voc.names", 20), ("shapes.names", 3), ("digits.names", 10)]
)
def test_names(name: str, count: int) -> None:
    assert len(read_names(shipped() / name)) == count


def test_coco_data_finds_its_names() -> None:
    path = read_data(ROOT / "cfg" / "coco.data").path("names")
    assert path is not None
    assert path.samefile(ROOT / "cfg" / "coco.names")


def test_all_of_it_is_installed() -> None:
    assert {path.name for path in shipped().iterdir()} >= {path.name for path in (ROOT / "cfg").iterdir()}
