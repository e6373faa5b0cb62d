"""[yolo]'s loss against Darknet's own deltas, and its true gradient against the papers.

`data/darknet_yolo_loss.npz` holds small heads with random options, raw values and truths, and what AlexeyAB/darknet
59596d7 made of them: `NN.cfg` a cfg of the head alone behind one convolution, `NN.raw` the input of [yolo], `NN.truth`
`(B, max, 5)`, `NN.delta` its `l.delta`, `NN.cost` its `*l.cost`.  The C was built for a CPU with gcc -O2 in place of
-Ofast, under which the deltas of outputs of exactly 0 or 1 are not numbers; forward_yolo_layer was called on the last
layer of parse_network_cfg(cfg) with train = 1.
"""

import re
from math import pi
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from darkparse.cfg import parse
from darkparse.errors import GraphError
from darkparse.graph import Graph, resolve
from darkparse.losses import Moment, Scored, criterion, truth
from losses_goldens import Golden, assert_delta, cases, layers

RANDOM = np.load(Path(__file__).parent / "data" / "darknet_yolo_loss.npz")
NAMES = sorted({name.partition(".")[0] for name in RANDOM})
TERM = re.compile(r"(IOU|count|class_loss|iou_loss|total_loss)\W+([-\d.]+)")
HEAD = "mask=0,1 num=3 anchors=8,10,20,16,30,40 classes=2"


def graph_of(text: str) -> Graph:
    return resolve(list(parse(text, "net.cfg")), complain=lambda *_: None)


def head(options: str) -> Graph:
    """A [yolo] of 2 boxes in 3 x 2 cells of 16 px."""
    text = "[net]\nwidth=48\nheight=32\nchannels=3\n[convolutional]\nfilters=14\nsize=16\nstride=16\n[yolo]\n"
    return graph_of(text + f"{HEAD} {options}".replace(" ", "\n"))


def score(graph: Graph, raw: Tensor, boxes: Tensor, true_gradient: bool = False) -> Scored:
    (loss,) = criterion(graph, true_gradient=true_gradient).values()
    return loss(raw, boxes, Moment(graph.net.width, graph.net.height, 0))


def random_case(name: str) -> tuple[Graph, Tensor, Tensor, Tensor]:
    """Its graph, raw values, truth and deltas."""
    graph = graph_of(str(RANDOM[f"{name}.cfg"]))
    raw, delta = (torch.from_numpy(RANDOM[f"{name}.{what}"]) for what in ("raw", "delta"))
    shape = (graph.net.batch, *graph.nodes[-1].shape)
    return graph, raw.view(shape), torch.from_numpy(RANDOM[f"{name}.truth"]), delta.view(shape)


@pytest.mark.parametrize("name", cases("yolo"))
def test_deltas_and_display_are_darknets(name: str) -> None:
    golden = Golden(name)
    printed = [line for line in golden.record["builds"]["gpu"]["head_lines"][0] if line.startswith("v3")]
    losses, costs, boxes, rewritten = criterion(golden.graph), 0.0, 0, 0
    indices = layers(golden, "yolo")
    for part, moment in golden.moments():
        for index in indices:
            scored = losses[index](golden.tensor("in", index, part), golden.boxes(part), moment)
            assert_delta(scored.delta, golden.tensor("delta", index, part))
            line = printed.pop(0)
            assert f"Region {index} " in line
            wanted = {key.lower(): float(value) for key, value in TERM.findall(line)}
            near = 1e-6 * (1 + wanted["total_loss"])  # iou_loss is a difference of float32
            assert {key: float(scored.terms[key]) for key in wanted} == pytest.approx(wanted, rel=1e-5, abs=near)
            assert len(wanted) == 5
            costs += float(scored.cost) / len(indices)
            boxes += int(scored.terms["total_bbox"])
            rewritten += int(scored.terms["rewritten_bbox"])
    assert not printed
    assert costs / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)
    first = golden.record["builds"]["gpu"]["iterations"][0]
    # Darknet's threads, one an image, count in one variable without a lock: it can lose some
    assert first["total_bbox"] <= boxes <= first["total_bbox"] + 3
    assert rewritten == first["rewritten_bbox"]


@pytest.mark.parametrize("name", NAMES)
def test_deltas_of_random_options_are_darknets(name: str) -> None:
    graph, raw, boxes, delta = random_case(name)
    scored = score(graph, raw, boxes)
    assert_delta(scored.delta, delta)
    assert float(scored.cost) == pytest.approx(float(RANDOM[f"{name}.cost"][0]), rel=1e-4)


@pytest.mark.cuda
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("truth_on", ["cpu", "cuda"])
def test_deltas_on_cuda_are_darknets(name: str, truth_on: str) -> None:
    graph, raw, boxes, delta = random_case(name)
    scored = score(graph, raw.cuda(), boxes.to(truth_on))
    assert {t.device.type for t in (scored.delta, scored.cost, *scored.terms.values())} == {"cuda"}
    assert_delta(scored.delta.cpu(), delta)


def test_boxes_and_truths_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(truth, "PAIRS", 1)
    graph, raw, boxes, delta = random_case(NAMES[0])
    assert_delta(score(graph, raw, boxes).delta, delta)


def test_truths_beyond_max_are_not_read() -> None:
    full = [case for case in map(random_case, NAMES) if case[2][:, -1, 0].all()]
    assert full
    for graph, raw, boxes, delta in full:
        assert_delta(score(graph, raw, torch.cat([boxes, boxes.flip(1)], 1)).delta, delta)


def test_map_names_the_class_that_is_learnt(tmp_path: Path) -> None:
    (tmp_path / "m.map").write_text("1\n0\n")
    torch.manual_seed(0)
    raw = torch.randn(2, 14, 2, 3)
    boxes = torch.rand(2, 6, 5) * 0.9 + 0.05
    boxes[..., 4] = torch.randint(2, (2, 6))
    other = boxes.clone()
    other[..., 4] = 1 - other[..., 4]
    mapped = score(head(f"iou_thresh=.2 map={tmp_path / 'm.map'}"), raw, boxes)
    assert torch.equal(mapped.delta, score(head("iou_thresh=.2"), raw, other).delta)


@pytest.mark.parametrize("kind", ["mse", "iou", "giou", "diou", "ciou"])
def test_values_that_are_no_numbers_stay_in_their_boxes(kind: str) -> None:
    graph = head(f"iou_loss={kind} iou_thresh=.1 truth_thresh=.5")
    torch.manual_seed(1)
    raw = torch.randn(1, 14, 2, 3)
    boxes = torch.tensor([[[0.5, 0.5, 0.4, 0.4, 1.0], [0.1, 0.2, 0.2, 0.3, 0.0], [1.0, 1.0, 0.3, 0.3, 0.0]]])
    sound = score(graph, raw, boxes).delta.view(2, 7, 2, 3)
    raw.view(2, 7, 2, 3)[:, :, 0, 0] = float("nan")
    raw.view(2, 7, 2, 3)[:, 2:4, 1, 1] = 200.0  # a box of infinite size
    broken = score(graph, raw, boxes).delta.view(2, 7, 2, 3)
    assert sound.isfinite().all()
    assert torch.equal(broken[:, :, :, 2], sound[:, :, :, 2])
    assert torch.equal(broken[:, :, 1, 0], sound[:, :, 1, 0])


def test_no_truth_at_all() -> None:
    raw = torch.zeros(2, 14, 2, 3)
    for boxes in (torch.zeros(2, 0, 5), torch.zeros(2, 4, 5)):
        scored = score(head("iou_loss=giou"), raw, boxes)
        assert scored.delta.view(2, 2, 7, 2, 3)[:, :, 4].eq(-0.5).all()
        assert float(scored.cost) == 2 * 2 * 6 * 0.25
        assert int(scored.terms["total_bbox"]) == 0


def test_options_that_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "m.map").write_text("1\n2\n")
    for options, message in (
        ("counters_per_class=1,2,3", "counters_per_class: expected 2 values, one a class, got 3"),
        (f"map={tmp_path / 'm.map'}", "map: expected 2 or more lines, each from 0 to 1"),
    ):
        with pytest.raises(GraphError) as caught:
            criterion(head(options))
        assert str(caught.value) == f"net.cfg:9: [yolo]: {message}"


def textbook(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """IoU, GIoU (arXiv:1902.09630), DIoU and CIoU (arXiv:1911.08287) of `(4,)` cxcywh."""
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    zero = torch.zeros_like(ax)
    wide = torch.minimum(ax + aw / 2, bx + bw / 2) - torch.maximum(ax - aw / 2, bx - bw / 2)
    high = torch.minimum(ay + ah / 2, by + bh / 2) - torch.maximum(ay - ah / 2, by - bh / 2)
    common = torch.maximum(wide, zero) * torch.maximum(high, zero)
    union = aw * ah + bw * bh - common
    hull_w = torch.maximum(ax + aw / 2, bx + bw / 2) - torch.minimum(ax - aw / 2, bx - bw / 2)
    hull_h = torch.maximum(ay + ah / 2, by + bh / 2) - torch.minimum(ay - ah / 2, by - bh / 2)
    result = common / union
    if kind == "giou":
        return result - (hull_w * hull_h - union) / (hull_w * hull_h)
    if kind == "iou":
        return result
    distance = ((ax - bx) ** 2 + (ay - by) ** 2) / (hull_w**2 + hull_h**2)
    if kind == "diou":
        return result - distance
    v = 4 / pi**2 * (torch.atan(bw / bh) - torch.atan(aw / ah)) ** 2
    return result - distance - v / (1 - result + v) * v


@pytest.mark.parametrize("new_coords", [0, 1])
@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
@pytest.mark.parametrize("box", [(0.55, 0.3, 0.3, 0.4), (0.4, 0.4, 0.1, 0.5), (0.65, 0.02, 0.2, 0.6)])
def test_true_gradient_is_that_of_the_papers(kind: str, new_coords: int, box: tuple[float, ...]) -> None:
    graph = head(f"iou_loss={kind} iou_normalizer=.7 scale_x_y=1.2 new_coords={new_coords}")
    torch.manual_seed(2)
    raw = torch.rand(1, 14, 2, 3)
    label = torch.tensor([[[*box, 1.0]]])
    ours = score(graph, raw, label, true_gradient=True).delta.view(2, 7, 2, 3)
    (taught,) = (ours[:, 5:] != 0).any(1).nonzero()
    which, row, column = taught.tolist()
    size = torch.tensor([(8.0, 10.0), (20.0, 16.0)][which], dtype=torch.double) / torch.tensor([48, 32])

    z = raw.view(2, 7, 2, 3)[which, :4, row, column].double().requires_grad_()
    x, y = (z[:2] if new_coords else 1 / (1 + torch.exp(-z[:2]))) * 1.2 - 0.1
    w, h = ((2 * z[2:]) ** 2 if new_coords else torch.exp(z[2:])) * size
    loss = 0.7 * (1 - textbook(kind, torch.stack([(column + x) / 3, (row + y) / 2, w, h]), torch.tensor(box).double()))
    loss.backward()
    assert torch.allclose(ours[which, :4, row, column].double(), -z.grad, rtol=1e-4, atol=1e-6)
    assert z.grad.any()
    darknets = score(graph, raw, label).delta.view(2, 7, 2, 3)
    assert torch.equal(darknets[:, 4:], ours[:, 4:])
    assert not torch.allclose(darknets[which, :4, row, column], ours[which, :4, row, column], rtol=0.01)
