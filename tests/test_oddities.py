"""Odd input that once crashed, or passed without a word."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from darkparse import report
from darkparse.boxes import nms
from darkparse.cfg import parse
from darkparse.data import find_cfg, read_data
from darkparse.detections import Detections
from darkparse.errors import CfgError, DarkparseError, OddValue
from darkparse.graph import read_graph, resolve
from darkparse.inputs import images
from darkparse.summary import line

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
CONV = "[convolutional]\nfilters=18\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NET + CONV + "[route]\nlayers=-2\n",
         "7: [route]: layer 1 reads -2, a layer before the first; expected one from 0 to 0"),
        (NET + CONV * 3 + "[shortcut]\nfrom=-4\n",
         "11: [shortcut]: layer 3 reads -4, a layer before the first; expected one from 0 to 2"),
        (NET + "[shortcut]\nfrom=-3\n",
         "5: [shortcut]: layer 0 reads -3, a layer before the first; expected none, as it is the first"),
        (NET + CONV + "[yolo]\nclasses=1\nnum=300000000\n",
         "7: [yolo]: reads 1800000000 channels (300000000 boxes x (5 + classes=1)), but the layer before gives 18; "
         "expected filters=1800000000 there"),
        ("[net]\nwidth=32\nheight=32\n" + CONV,
         "1: [net]: expected width, height and channels (or else inputs), each at least 1"),
        (NET + "[convolutional]\npad=0.5\n", "6: [convolutional] pad: expected 0 or 1, got '0.5'"),
        (NET + "[convolutional]\nfilters=3000000000\n",
         "6: [convolutional] filters: expected an integer from -2147483647 to 2147483647, got '3000000000'"),
        (NET + "[MAXPOOL]\n", "5: [MAXPOOL]: no such section; did you mean [maxpool]?"),
        (NET + CONV + "[convolutional]\nfilters=18\n[convolutional]\nfilters=18\nbatch_normalize=1\nshare_index=1\n",
         "9: [convolutional]: layer 1 [convolutional] has no batch norm to share"),
        (NET + "[softmax]\ntree=" + "a" * 300, f"6: [softmax] tree: no file '{'a' * 300}' here, in . or above it"),
    ],
)  # fmt: skip
def test_cfgs(text, message):
    with pytest.raises(CfgError) as why:
        resolve(list(parse(text, "net.cfg")))
    assert str(why.value) == f"net.cfg:{message}"


def test_a_leading_comma_is_told():
    with pytest.warns(OddValue):
        resolve(list(parse(NET + CONV + "[route]\nlayers=,0\n")))


def test_a_comma_behind_a_single_number_is_only_an_error():
    with pytest.raises(CfgError):  # no warning besides
        resolve(list(parse(NET + "[convolutional]\nfilters=16,\n")))


def test_the_stride_does_not_depend_on_the_size_of_the_cfg(cfg):
    pools = "[maxpool]\nsize=2\nstride=2\n" * 5
    head = "[yolo]\nclasses=1\nmask=0,1,2\nnum=3\nanchors=1,2,3,4,5,6\n"
    path = cfg(NET.replace("32", "300") + pools + CONV + head)
    assert read_graph(path, width=416, height=416).nodes[-1].shape == (18, 13, 13)


@pytest.mark.parametrize("name", ["", "/", ".", "yolov3.weights", "yolov3.jpg", "a" * 300])
def test_names_that_are_no_cfgs_of_ours(name):
    assert find_cfg(name) == Path(name)


def test_an_empty_value_in_a_data_file_is_passed_over(tmp_path):
    (tmp_path / "a.data").write_text("names =\nnames = b.names\nbackup=\n")
    assert read_data(tmp_path / "a.data").values == {"names": "b.names"}


def test_names_too_long_for_a_file(tmp_path):
    (tmp_path / "list.txt").write_text("a" * 300)
    assert list(images(["a" * 300, str(tmp_path / "list.txt")], [])) == ["a" * 300] * 2
    (tmp_path / "a.data").write_text(f"names = {'a' * 300}")
    with pytest.raises(DarkparseError):
        read_data(tmp_path / "a.data").path("names")


def one(score=0.5, box=(0.5, 0.5, 0.25, 0.25)):
    found = np.array([box], np.float32), np.array([score], np.float32), np.array([0])
    return Detections(*found, ("dog",), 10, 10)


def test_percents_are_rounded_as_c_does():  # printf("%.0f%%", 0.985f * 100)
    assert list(report.lines(one(0.985))) == ["dog: 98%"]


def test_file_names_that_are_no_utf_8():
    name = b"a\xff.jpg".decode(errors="surrogateescape")
    for text in (report.json_line(name, one()), report.json_line(name, None, name), report.predicted(name, 1)):
        text.encode()


@pytest.mark.parametrize(("side", "beta"), [(1e20, 0.6), (2, -1.0)])
def test_boxes_of_any_size_are_suppressed_in_silence(side, beta):
    boxes = np.array([[0, 0, side, side]] * 2, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nms(boxes, np.array([0.9, 0.8], np.float32), np.array([0, 0]), 0.45, kind="diounms", beta=beta)


def test_route_of_the_layer_before_names_it():
    node = resolve(list(parse(NET + CONV + "[route]\nlayers=-1\ngroups=2\n"))).nodes[-1]
    assert " ".join(line(node, 0.0).split()) == "1 route 0 0/2 32 x 32 x 18 -> 32 x 32 x 9"


def test_a_negative_deviation_of_implicit_spreads_as_its_absolute_value():
    from darkparse.network import Network

    text = f"{NET}[convolutional]\nfilters=4\n[implicit]\nfilters=400\nmean=1\nstd=-2\n"
    values = Network(resolve(parse(text, "x.cfg"))).layers[1].weight
    assert -1 <= values.min() < 0
    assert 2 < values.max() <= 3
