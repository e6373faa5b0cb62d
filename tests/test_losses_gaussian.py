"""[Gaussian_yolo]'s loss against Darknet's own deltas."""

import re
from pathlib import Path

import pytest
import torch

from darkparse.cfg import parse
from darkparse.graph import resolve
from darkparse.losses import Moment
from darkparse.losses.gaussian import GaussianYoloLoss
from losses_goldens import Golden, assert_delta, assert_recorded, cases, layers, recorded, score


@pytest.mark.parametrize("name", cases("Gaussian_yolo"))
def test_the_deltas_and_the_lines_are_darknets(name: str) -> None:
    golden = Golden(name)
    lines = iter(golden.record["builds"][golden.build]["head_lines"][0])
    heads = layers(golden, "Gaussian_yolo")
    total = 0.0
    for part, moment in golden.moments():
        for index in heads:
            loss = GaussianYoloLoss(golden.graph.nodes[index].layer)
            scored = loss(golden.tensor("in", index, part), golden.boxes(part), moment)
            assert_delta(scored.delta, golden.tensor("delta", index, part))
            total += float(scored.cost) / len(heads)
            said = {name: float(value) for name, value in re.findall(r"([\w ]+?) ?[:=] (-?[\d.]+)", next(lines))}
            assert float(scored.terms["count"]) == said[" count"]
            assert float(scored.terms["iou"]) == pytest.approx(said[f"Region {index} Avg IOU"], abs=1e-4)
            for term in ("class_loss", "iou_loss", "uc_loss", "total_loss"):
                assert float(scored.terms[term]) == pytest.approx(said[f" {term}"], abs=0.006)
    assert total / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)


@pytest.mark.parametrize("name", recorded("gaussian"))
def test_random_heads_learn_what_darknets_learn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name)


@pytest.mark.cuda
@pytest.mark.parametrize("name", recorded("gaussian"))
def test_on_a_gpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name, device="cuda")


def test_an_object_of_a_class_that_the_head_lacks_is_of_none() -> None:
    head = "[Gaussian_yolo]\nclasses=2\nnum=1\nmask=0\nanchors=16,16\n"
    truth = torch.tensor([[[0.5, 0.5, 0.5, 0.5, 5.0]]])
    delta = score(head, torch.zeros(1, 11, 1, 1), truth, Moment(32, 32, 1)).delta.flatten()
    assert delta[8:].tolist() == [0.5, -0.5, -0.5]


@pytest.mark.parametrize("point", ["center", "left_top", "right_bottom"])
def test_true_gradient_is_that_of_the_overlap(point: str) -> None:
    head = f"[Gaussian_yolo]\nclasses=1\nnum=1\nmask=0\nanchors=16,16\niou_loss=iou\nyolo_point={point}\n"
    box = torch.tensor([0.45, 0.5, 0.55, 0.4])
    raw = torch.tensor([[0.3, 0.1, -0.2, 0.2, 0.1, 0.3, -0.1, 0.4, 0.5, 0.6]]).view(1, 10, 1, 1).requires_grad_()
    graph = resolve(list(parse(f"[net]\nchannels=10\nheight=1\nwidth=1\n{head}", "net.cfg")))
    said = graph.nodes[0].layer.decode(raw, 32, 32).boxes[0, 0]
    low = torch.maximum(said[:2] - said[2:] / 2, box[:2] - box[2:] / 2)
    high = torch.minimum(said[:2] + said[2:] / 2, box[:2] + box[2:] / 2)
    shared = (high - low).clamp(min=0).prod()
    (0.75 * shared / (said[2:].prod() + box[2:].prod() - shared)).backward()
    truth = torch.cat([box, torch.zeros(1)]).view(1, 1, 5)
    scored = score(head, raw.detach(), truth, Moment(32, 32, 1), true_gradient=True)
    means = [0, 2, 4, 6]
    assert raw.grad is not None
    assert raw.grad.flatten()[means].all()
    torch.testing.assert_close(scored.delta.flatten()[means], raw.grad.flatten()[means])
