"""Heads and what follows them in ONNX, by ONNX Runtime against PyTorch."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from darkparse.boxes import cxcywh_to_xyxy
from darkparse.detections import candidates, select
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.errors import DarkparseError
from darkparse.graph import Graph, read_graph
from darkparse.onnx.builder import Builder
from darkparse.onnx.session import Session
from darkparse.onnx.tails import add_tail, notes

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

WIDTH, HEIGHT = 96, 64
TREE = (
    "thing -1\nplant -1\nanimal 0\ntool 0\ncat 2\ndog 2\nbird 2\ntree 1\nherb 1\nhammer 3\n"  # groups of 2, 2, 3, 2, 1
)
YOLO = "[yolo]\nmask=0,2\nanchors=10,14, 23,27, 37,58\nnum=3\nclasses=3\n"
REGION = "[region]\nanchors=1.08,1.19, 3.42,4.41\nnum=2\nclasses=3\n"
TREED = "[region]\nanchors=1.08,1.19, 3.42,4.41\nnum=2\nclasses=10\ntree=small.tree\n"
HEADS = {
    "yolo": YOLO,
    "scale_x_y": YOLO + "scale_x_y=1.2\n",
    "new_coords": YOLO + "new_coords=1\nscale_x_y=2.0\n",
    "anchors missing": "[yolo]\nnum=2\nclasses=3\n",
    "Gaussian_yolo": YOLO.replace("yolo", "Gaussian_yolo") + "scale_x_y=1.1\n",
    "left_top": YOLO.replace("yolo", "Gaussian_yolo") + "yolo_point=left_top\n",
    "right_bottom": YOLO.replace("yolo", "Gaussian_yolo") + "yolo_point=right_bottom\n",
    "region": REGION,
    "region softmax": REGION + "softmax=1\n",
    "region classfix": REGION + "softmax=1\nclassfix=-1\n",
    "region tree": TREED,
    "detection": "[detection]\nclasses=3\ncoords=4\nside=3\nnum=2\nsqrt=1\n",
    "detection softmax": "[detection]\nclasses=3\ncoords=4\nside=3\nnum=2\nsoftmax=1\n",
}
CASES = [(name, ALEXEYAB) for name in HEADS] + [(name, PJREDDIE) for name in HEADS if name.startswith("region")]
IDS = [f"{name}, {dialect.name}" for name, dialect in CASES]


def graph_of(folder: Path, head: str, dialect, width: int = WIDTH, height: int = HEIGHT) -> Graph:
    """A layer of no matter what before the head."""
    (folder / "small.tree").write_text(TREE)
    body = "[connected]\noutput={0}\nactivation=linear\n" if "detection" in head else "[convolutional]\nfilters={0}\n"
    stride = "" if "detection" in head else "size=1\nstride=8\nactivation=linear\n"
    classes = int(re.search(r"classes=(\d+)", head)[1])
    boxes = 2 if "num=2" in head or "mask=0,2" in head else 1
    outputs = 9 * (classes + 2 * 5) if "detection" in head else boxes * ((9 if "Gauss" in head else 5) + classes)
    path = folder / "net.cfg"
    path.write_text(f"[net]\nwidth={WIDTH}\nheight={HEIGHT}\nchannels=3\n{body.format(outputs)}{stride}{head}")
    size = {} if (width, height) == (WIDTH, HEIGHT) else {"width": width, "height": height}
    return read_graph(path, **size, dialect=dialect, complain=lambda *_: None)


def model_of(graph: Graph, tail: str, path: Path, dynamic: bool) -> Session:
    """The tail alone: its inputs are the head's raw output and, for their size, the images."""
    to = Builder()
    images = to.input("images", ["batch", 3, "height", "width"])
    shape = graph.heads[0][1].reads, *graph.nodes[-1].shape[1:]
    raw = to.input("raw", ["batch", shape[0], "h", "w"])
    add_tail(tail, to, graph, [raw], images, dynamic_size=dynamic)
    onnx.checker.check_model(to.model, full_check=True)
    path.write_bytes(to.model.SerializeToString())
    return Session(path)


def run(session: Session, raw: torch.Tensor, graph: Graph, **options: float) -> dict[str, np.ndarray]:
    """As `Session.run`, which is for files with one input."""
    _, height, width = graph.net.shape
    given = {"images": np.zeros((len(raw), 3, height, width), np.float32), "raw": raw.numpy()}
    given |= {name: np.array([value], np.float32) for name, value in options.items()}
    known = {one.name for one in session._session.get_inputs()} | set(options)
    found = session._session.run(None, {name: one for name, one in given.items() if name in known})
    return dict(zip(session.outputs, found, strict=True))


def raw_of(graph: Graph, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    head, shape = graph.heads[0][1], graph.nodes[-1].shape
    dims = (head.reads, 1, 1) if head.section == "detection" else tuple(shape)
    raw = torch.randn(2, *dims) * 2
    if head.section != "detection":
        return raw.sigmoid() if getattr(head, "new_coords", False) else raw
    classes = head.side**2 * head.classes
    first = raw[:, :classes] * 2 if head.softmax else raw[:, :classes].sigmoid()
    return torch.cat([first, raw[:, classes:].sigmoid()], 1)


@pytest.mark.parametrize(("name", "dialect"), CASES, ids=IDS)
@pytest.mark.parametrize("dynamic", [False, True], ids=["fixed", "dynamic"])
def test_decode_is_what_the_head_decodes(name: str, dialect, dynamic: bool, tmp_path: Path) -> None:
    graph = graph_of(tmp_path, HEADS[name], dialect)
    session = model_of(graph, "decode", tmp_path / "tail.onnx", dynamic)
    sizes = [(WIDTH, HEIGHT), (32, 128)] if dynamic and "detection" not in name else [(WIDTH, HEIGHT)]
    for size in sizes:
        graph = graph_of(tmp_path, HEADS[name], dialect, *size)
        raw = raw_of(graph, 3)
        wanted = graph.heads[0][1].decode(raw, *size)
        found = run(session, raw, graph)
        boxes = cxcywh_to_xyxy(wanted.boxes.reshape(-1, 4).numpy()).reshape(wanted.boxes.shape)
        np.testing.assert_allclose(found["boxes"], boxes, rtol=1e-5, atol=1e-5)
        scores = wanted.scores
        if name == "region tree" and dialect is ALEXEYAB:
            scores = torch.minimum(scores, wanted.objectness[..., None])
            assert (wanted.scores > 0).any()
        np.testing.assert_allclose(found["scores"], scores.numpy(), rtol=1e-5, atol=1e-6)
        for image in range(2):  # one threshold chooses what darkparse detects
            chosen = candidates([wanted], image, 0.25)
            _, label = np.nonzero(found["scores"][image] > 0.25)
            assert sorted(label) == sorted(chosen.labels)
            assert len(chosen.labels)


@pytest.mark.parametrize(("name", "dialect"), CASES, ids=IDS)
@pytest.mark.parametrize("thresh", [None, 0.1, 0.6], ids=["default", "low", "high"])
def test_nms_is_what_darkparse_detects(name: str, dialect, thresh: float | None, tmp_path: Path) -> None:
    graph = graph_of(tmp_path, HEADS[name], dialect)
    session = model_of(graph, "nms", tmp_path / "tail.onnx", dynamic=True)
    assert session.options == ("thresh", "nms")
    raw = raw_of(graph, 4)
    options = {} if thresh is None else {"thresh": thresh, "nms": 0.2}
    found = run(session, raw, graph, **options)["detections"]
    predictions = graph.heads[0][1].decode(raw, WIDTH, HEIGHT)
    before = after = 0
    for image in range(2):
        all_of_them = candidates([predictions], image, options.get("thresh", 0.25))
        wanted = select(all_of_them, options.get("nms", 0.45), ("default", 0.6))
        rows = found[found[:, 0] == image]
        order, ours = np.lexsort((-wanted.scores, wanted.labels)), np.lexsort((-rows[:, 2], rows[:, 1]))
        np.testing.assert_array_equal(rows[ours, 1], wanted.labels[order])
        np.testing.assert_allclose(rows[ours, 2], wanted.scores[order], rtol=1e-5)
        np.testing.assert_allclose(rows[ours, 3:], cxcywh_to_xyxy(wanted.boxes[order]), rtol=1e-5, atol=1e-5)
        before, after = before + len(all_of_them.scores), after + len(wanted.scores)
    assert 0 < after <= before


def test_boxes_that_are_not_finite_do_not_come_out(tmp_path: Path) -> None:
    graph = graph_of(tmp_path, YOLO, ALEXEYAB)
    session = model_of(graph, "nms", tmp_path / "tail.onnx", dynamic=False)
    raw = torch.zeros(1, *graph.nodes[-1].shape)
    raw[:, 2] = 200  # a width of e^200 is infinite
    assert len(run(session, raw, graph, thresh=0.1)["detections"]) > 0
    assert np.isfinite(run(session, raw, graph, thresh=0.1)["detections"]).all()


def test_classes_above_one_do_not_bring_in_boxes_without_objectness(tmp_path: Path) -> None:
    """As in Darknet, with new_coords behind a layer that is not logistic."""
    graph = graph_of(tmp_path, HEADS["new_coords"], ALEXEYAB)
    raw = torch.full((1, *graph.nodes[-1].shape), 0.2)
    raw[:, 5:8] = 3.0
    assert len(candidates([graph.heads[0][1].decode(raw, WIDTH, HEIGHT)], 0, 0.25).scores) == 0
    found = run(model_of(graph, "decode", tmp_path / "a.onnx", dynamic=False), raw, graph)
    assert not (found["scores"] > 0.25).any()
    assert len(run(model_of(graph, "nms", tmp_path / "b.onnx", dynamic=False), raw, graph)["detections"]) == 0


def test_several_heads_stand_one_behind_the_other(tmp_path: Path) -> None:
    path = tmp_path / "net.cfg"
    conv = "[convolutional]\nfilters=8\nsize=1\nstride={}\nactivation=linear\n"
    one = "[yolo]\nmask={}\nanchors=10,14, 23,27\nnum=2\nclasses=3\n"
    path.write_text(
        f"[net]\nwidth=32\nheight=32\nchannels=3\n{conv.format(8)}{one.format(0)}{conv.format(2)}{one.format(1)}"
    )
    graph = read_graph(path)
    raws = [torch.randn(1, *graph.nodes[index].shape) for index, _ in graph.heads]
    to = Builder()
    names = [to.input(f"raw{i}", ["batch", 8, *raw.shape[2:]]) for i, raw in enumerate(raws)]
    add_tail("decode", to, graph, names, "images", dynamic_size=False)
    (tmp_path / "tail.onnx").write_bytes(to.model.SerializeToString())
    session = Session(tmp_path / "tail.onnx")._session
    (boxes, scores) = session.run(None, {name: raw.numpy() for name, raw in zip(names, raws, strict=True)})
    wanted = [head.decode(raw, 32, 32) for (_, head), raw in zip(graph.heads, raws, strict=True)]
    assert boxes.shape == (1, 4 * 4 + 2 * 2, 4)
    np.testing.assert_allclose(scores, torch.cat([one.scores for one in wanted], 1).numpy(), rtol=1e-5, atol=1e-6)


def test_says_what_it_cannot(tmp_path: Path) -> None:
    path = tmp_path / "net.cfg"
    path.write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[avgpool]\n")
    with pytest.raises(DarkparseError, match=r"net\.cfg: no section that gives boxes"):
        add_tail("nms", Builder(), read_graph(path), ["raw"], "images", dynamic_size=False)
    conv = "[convolutional]\nfilters={}\nsize=1\nactivation=linear\n"
    path.write_text(
        "[net]\nwidth=8\nheight=8\nchannels=3\n"
        + conv.format(6)
        + "[yolo]\nclasses=1\n"
        + conv.format(7)
        + "[yolo]\nclasses=2\n"
    )
    graph = read_graph(path, complain=lambda *_: None)
    with pytest.raises(DarkparseError, match=r"net\.cfg:15: \[yolo\]: classes=2, but the first head has 1"):
        add_tail("decode", Builder(), graph, ["a", "b"], "images", dynamic_size=False)
    with pytest.raises(DarkparseError, match="raw, decode, nms, got 'best'"):
        add_tail("best", Builder(), graph, ["a", "b"], "images", dynamic_size=False)


@pytest.mark.parametrize(
    ("kind", "tail", "said"),
    [
        ("greedynms", "nms", 1),
        ("diounms", "nms", 1),
        ("cornersnms", "nms", 0),
        ("default", "nms", 0),
        ("diounms", "raw", 0),
    ],
)
def test_says_where_suppression_differs(kind: str, tail: str, said: int, tmp_path: Path) -> None:
    found = list(notes(tail, graph_of(tmp_path, f"{YOLO}nms_kind={kind}\n", ALEXEYAB)))
    assert len(found) == said
    assert all(kind in note for note in found)
