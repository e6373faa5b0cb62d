"""What a .weights file holds, from the cfg alone: headers, order of tensors, sizes, and what does not fit.

Orders are those of load_*_weights in src/parser.c (AlexeyAB 59596d7), sizes those of the published files.
"""

import json
import pickle
import re
import tarfile
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import ROOT, SHARED
from darkparse.cfg import parse
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.errors import NotWeights, Trailing, Truncated, WeightsError
from darkparse.graph import Graph, read_graph, resolve
from darkparse.layout import FLOAT, Header, fit, layout, read_header, size

CASES = SHARED / "conformance" / "cases"


def graph_of(layers: str, net: str = "width=8 height=8 channels=4") -> Graph:
    """A graph from options with blanks between them."""
    return resolve(list(parse("\n".join(f"[net] {net} {layers}".split()), "x.cfg")))


@pytest.mark.parametrize(
    ("major", "minor", "bytes_of_header"),
    [(0, 0, 16), (0, 1, 16), (0, 2, 20), (0, 3, 20), (1, 0, 20), (0, 1000, 20), (2000, 0, 20)],
)
def test_size_of_the_header(major, minor, bytes_of_header, tmp_path):
    (tmp_path / "x.weights").write_bytes(np.array([major, minor, 0, 7, 0], "<i4").tobytes())
    header = read_header(tmp_path / "x.weights")
    assert (header.size, header.seen) == (bytes_of_header, 7)
    assert len(header.pack()) == bytes_of_header


PLAIN, NORMED = ["biases", "weights"], ["biases", "scales", "rolling_mean", "rolling_variance", "weights"]
STEPS = ["input_layer", "self_layer", "output_layer"]
ORDERS = {
    "conv": ("[conv]", PLAIN, PLAIN),
    "conv with batch norm": ("[conv] batch_normalize=1", NORMED, NORMED),
    "conv with cbn": ("[conv] cbn=1", NORMED, NORMED),
    "blurred": ("[conv] batch_normalize=1 antialiasing=1", NORMED, NORMED),
    "xnor": ("[conv] batch_normalize=1 xnor=1 bin_output=1", NORMED, NORMED),
    "connected": ("[connected]", PLAIN, PLAIN),
    "connected with batch norm": ("[connected] batch_normalize=1", *[PLAIN + NORMED[1:4]] * 2),
    "crnn": ("[crnn] pad=1", *[[f"{step}.{name}" for step in STEPS for name in PLAIN]] * 2),
    "crnn with batch norm": (
        "[crnn] pad=1 batch_normalize=1",
        *[[f"{step}.{name}" for step in STEPS for name in NORMED]] * 2,
    ),
    "plain shortcut": ("[shortcut] from=-1", [], []),
    "weighted shortcut": ("[shortcut] from=-1 weights_type=per_feature weights_normalization=relu", *[["weights"]] * 2),
    "dontload": ("[conv] batch_normalize=1 dontload=1", NORMED, []),
    "dontloadscales": ("[conv] batch_normalize=1 dontloadscales=1", NORMED, PLAIN),
    "dontloadscales of connected": ("[connected] batch_normalize=1 dontloadscales=1", PLAIN + NORMED[1:4], PLAIN),
    "dontloadscales of crnn": (  # the option is the section's, and not one of its three convolutions reads it
        "[crnn] pad=1 batch_normalize=1 dontloadscales=1",
        *[[f"{step}.{name}" for step in STEPS for name in NORMED]] * 2,
    ),
    "no parameters": ("[max] [avg] [dropout] [softmax] [cost]", [], []),
}


@pytest.mark.parametrize(("layers", "saved", "loaded"), ORDERS.values(), ids=ORDERS)
def test_order_of_tensors(layers, saved, loaded):
    graph = graph_of(layers)
    assert [slot.stored.name for slot in layout(graph)] == saved
    assert [slot.stored.name for slot in layout(graph, loading=True)] == loaded


@pytest.mark.parametrize(
    ("layers", "shapes"),
    [
        ("[conv] filters=6 size=3 groups=2", [(6,), (6, 2, 3, 3)]),
        ("[conv] filters=6 size=3 groups=2 xnor=1", [(6,), (6, 4, 3, 3)]),
        ("[connected] output=5", [(5,), (5, 256)]),
        ("[shortcut] from=-1,-1 weights_type=per_channel weights_normalization=relu", [(3, 4)]),
        ("[shortcut] from=-1,-1 weights_type=per_feature weights_normalization=relu", [(3, 1)]),
        ("[crnn] hidden=2 output=3 size=1", [(2,), (2, 4, 1, 1), (2,), (2, 2, 1, 1), (3,), (3, 2, 1, 1)]),
    ],
    ids=["groups", "groups of xnor", "connected", "per channel", "per feature", "crnn"],
)
def test_shapes_of_tensors(layers, shapes):
    assert [slot.stored.shape for slot in layout(graph_of(layers))] == shapes


@pytest.mark.parametrize(
    ("cfg", "layers", "header", "published"),
    [
        ("yolov3", None, Header(), 248_007_048),
        ("yolov3-tiny", None, Header(), 35_434_956),
        ("yolov4", None, Header(), 257_717_640),
        ("yolov4-tiny", None, Header(), 24_251_276),
        ("yolov2", None, Header(0, 1, 0, 0, False), 203_934_260),
        ("yolov3", 75, Header(), 162_482_580),  # darknet53.conv.74
        ("darknet53", 75, Header(), 162_482_580),
        ("yolov4", 137, Header(), 170_038_676),  # yolov4.conv.137
        ("yolov4-tiny", 29, Header(), 19_789_716),  # yolov4-tiny.conv.29
        ("yolov2", 23, Header(0, 1, 0, 0, False), 79_327_120),  # darknet19_448.conv.23
    ],
)
def test_published_sizes(cfg, layers, header, published):
    graph = read_graph(ROOT / "cfg" / f"{cfg}.cfg", complain=lambda *_: None)
    floats = [slot.stop for slot in layout(graph) if layers is None or slot.node.index < layers]
    assert header.size + FLOAT * floats[-1] == published
    if layers is None:
        assert size(graph, header) == published


def graph_of_case(meta: dict) -> Graph:
    """The graph of a conformance case; its overrides come first, where they count."""
    path = CASES.parent / meta["cfg"]
    extra = "".join(f"\n{key}={value}" for key, value in meta["overrides"].items())
    text = re.sub(r"^\[.*", rf"\g<0>{extra}", path.read_text("latin-1"), count=1, flags=re.MULTILINE)
    sections = parse(text, str(path), lambda *_: None)
    dialect = PJREDDIE if meta["fork"] == "pj" else ALEXEYAB
    return resolve(list(sections), dialect=dialect, complain=lambda *_: None)


@pytest.mark.kit
@pytest.mark.parametrize("path", sorted(CASES.glob("*.npz")), ids=lambda path: path.stem)
def test_the_layout_is_what_darknet_read_back(path):
    with np.load(path) as case:
        meta = json.loads(str(case["meta"]))
    graph = graph_of_case(meta)
    found = [(slot.node.index, slot.stored.name, [*slot.stored.shape]) for slot in layout(graph)]
    assert found == [(one["layer"], one["name"], one["shape"]) for one in meta["layout"]]
    version = meta["version"]
    assert size(graph, Header(*version, long_seen=version[0] * 10 + version[1] >= 2)) == meta["weights_bytes"]


DETECTOR = "[conv] filters=4 size=3 pad=1 batch_normalize=1 {} [yolo] mask=0,1,2 num=3 anchors=1,1,2,2,3,3 classes={}"
ONE_CLASS, EIGHTY = DETECTOR.format("[conv] filters=18", 1), DETECTOR.format("[conv] filters=255", 80)
TWO_HEADS = f"{ONE_CLASS} [route] layers=0 [conv] filters=12 [yolo] mask=0,1 num=2 anchors=1,1,2,2 classes=1"
POOLED = DETECTOR.format("[conv] filters=18 [max]", 1)
NET = "width=8 height=8 channels=3"
FITS = 20 + FLOAT * (16 + 108 + 18 + 72)


def misfit(layers: str, length: int, header: Header) -> tuple[type, str]:
    Path("x.weights").write_bytes(header.pack() + b"\1" * (length - header.size))
    with pytest.raises(WeightsError) as caught:
        fit(graph_of(layers, NET), "x.weights")
    return caught.type, str(caught.value)


def short(missing: str, layer: str, wanted: str, have: int) -> tuple[type, str]:
    place = f"layer {layer} wants {wanted}, but the file ends after {have}"
    return Truncated, f"x.weights: {missing} bytes too short for x.cfg: {place}"


def long(extra: str, end: str = "876") -> tuple[type, str]:
    return Trailing, f"x.weights: {extra} bytes too long for x.cfg: {end} bytes end its last layer"


def hint(classes: int, filters: str) -> str:
    return f"; the file fits this cfg with classes={classes}: filters={filters} before each [yolo]"


LAST, PART = (
    ("1 [convolutional] weights", "72 floats (18, 4, 1, 1)", 71),
    "a partial file, the first 1 of 3 layers of x.cfg",
)
MISFITS = {
    "4 short": (ONE_CLASS, FITS - 4, short("4", *LAST), ""),
    "1 short": (ONE_CLASS, FITS - 1, short("1", *LAST), ""),
    "4 long": (ONE_CLASS, FITS + 4, long("4"), ""),
    "1 long": (ONE_CLASS, FITS + 1, long("1"), ""),
    "header alone": (ONE_CLASS, 20, short("856", "0 [convolutional] biases", "4 floats (4,)", 0), ""),
    "smaller": (ONE_CLASS, 220, short("656", "0 [convolutional] weights", "108 floats (4, 3, 3, 3)", 34), ""),
    "larger": (ONE_CLASS, 4020, long("3,144"), ""),
    "part": (ONE_CLASS, 516, (Truncated, f"x.weights: {PART}; expected 360 bytes more"), ""),
    "80 for 1": (ONE_CLASS, 5616, long("4,740"), hint(80, "255")),
    "1 for 80": (
        EIGHTY, FITS, short("4,740", "1 [convolutional] biases", "255 floats (255,)", 90), hint(1, "18")
    ),
    "two heads": (TWO_HEADS, FITS + 240 + 100, long("100", "1,116"), hint(2, "14 or 21")),
    "no convolution before the head": (POOLED, FITS + 60, long("60"), ""),
}  # fmt: skip


@pytest.mark.parametrize(("layers", "length", "expected", "advice"), MISFITS.values(), ids=MISFITS)
def test_what_does_not_fit(layers, length, expected, advice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kind, message = expected
    assert misfit(layers, length, Header()) == (kind, message + advice)


def test_length_counts_from_the_header_there_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert misfit(ONE_CLASS, FITS, Header(0, 1, 0, 5, False)) == long("4", "872")


def bytes_of(write: Callable[[BytesIO], object]) -> bytes:
    write(file := BytesIO())
    return file.getvalue()


def zipped(file: BytesIO) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("yolov3.weights", "x")


def tarred(file: BytesIO) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.add(__file__, "yolov3.weights")


TENSORS = {"a": torch.zeros(3)}
PICKLE = "a pickled PyTorch checkpoint (.pt)"
ZIP = "a zip archive or a PyTorch checkpoint (.pt)"
HTML = "an HTML page"
OTHERS = {
    "empty": (b"", "an empty file"),
    "html": (b"<!DOCTYPE html><html><title>Not found</title></html>", HTML),
    "html after blanks": (b"\xef\xbb\xbf\r\n  <html></html>", HTML),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 248007048\n",
        "a Git LFS pointer, a note in place of the file",
    ),
    "zip": (bytes_of(zipped), ZIP),
    "pytorch": (bytes_of(lambda file: torch.save(TENSORS, file)), ZIP),
    "old pytorch": (bytes_of(lambda file: torch.save(TENSORS, file, _use_new_zipfile_serialization=False)), PICKLE),
    **{f"pickle {n}": (pickle.dumps({"a": [1.5] * 9}, n), PICKLE) for n in (2, 3, 4, 5)},
    "tar": (bytes_of(tarred), "a tar archive"),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(30), "a gzip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(30), "a 7-Zip archive"),
    "rar": (b"Rar!\x1a\x07\x00" + bytes(30), "a RAR archive"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(30), "an HDF5 file (Keras)"),
    "safetensors": (b"\x40\0\0\0\0\0\0\0" + b'{"a":{"dtype":"F32","shape":[3]}}', "a safetensors file"),
    "cfg": (b"[net]\nwidth=416\n[convolutional]\n", "a cfg file"),
    "json": (b'{"message": "Not Found"}', "a JSON text"),
    "comment": (b"# see https://example.org", "text"),
    "text": (b"404: Not Found, try again later", "text"),
    "short text": (b"Not Found", "text"),
    "negative": (b"\xff" * 40, "begins with a version of -1.-1.-1"),
}


@pytest.mark.parametrize(("data", "name"), OTHERS.values(), ids=OTHERS)
def test_other_files_are_named(data, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.weights").write_bytes(data)
    with pytest.raises(NotWeights) as caught:
        read_header("x.weights")
    assert str(caught.value).startswith(f"x.weights: {name}; expected ")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\0\0\0", "3 bytes; expected a header of 16 or 20 and then the weights"),
        (Header().pack()[:16], "16 bytes; expected a header of 20 and then the weights"),
    ],
)
def test_not_even_a_header(data, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x.weights").write_bytes(data)
    with pytest.raises(Truncated) as caught:
        read_header("x.weights")
    assert str(caught.value) == f"x.weights: {expected}"


@pytest.mark.parametrize(("path", "why"), [("none", "No such file or directory"), (".", "Is a directory")])
def test_no_file(path, why, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError) as caught:
        read_header(path)
    assert str(caught.value) == f"{path}: {why}"
