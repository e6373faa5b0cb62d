"""[region]'s loss against Darknet's own deltas."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from darkparse.dialect import PJREDDIE
from darkparse.errors import GraphError
from darkparse.layers.region import Region
from darkparse.losses import Moment
from darkparse.losses.region import RegionLoss
from losses_goldens import Golden, assert_delta, assert_recorded, cases, layers, recorded, score

HEAD = "[region]\nclasses=2\nnum=2\nanchors=1,1,2,2\n"
LATE = Moment(96, 64, 20000)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", cases("region"))
def test_the_deltas_are_darknets(name: str) -> None:
    golden = Golden(name)
    (index,) = layers(golden, "region")
    loss, total = RegionLoss(golden.graph.nodes[index].layer), 0.0
    for part, moment in golden.moments():
        scored = loss(golden.tensor("in", index, part), golden.boxes(part), moment)
        assert_delta(scored.delta, golden.tensor("delta", index, part))
        total += float(scored.cost)
    assert total / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)


def unactivated(out: Tensor, layer: Region) -> Tensor:
    """What pjreddie's fork made `out` of; with softmax=1 a constant in the classes does not matter."""
    y = out.view(len(out), layer.num, -1, *out.shape[2:]).double()
    classes = y[:, :, 5:].log() if layer.softmax else y[:, :, 5:].logit()
    raw = torch.cat([y[:, :, :2].logit(), y[:, :, 2:4], y[:, :, 4:5].logit(), classes], 2)
    return raw.float().view(out.shape)


@pytest.mark.parametrize("name", cases("region", "pj"))
def test_the_deltas_and_the_lines_are_pjreddies(name: str) -> None:
    golden = Golden(name, "pj", PJREDDIE)
    (index,) = layers(golden, "region")
    loss, total = RegionLoss(golden.graph.nodes[index].layer), 0.0
    for (part, moment), line in zip(golden.moments(), golden.record["builds"]["pj"]["head_lines"][0], strict=True):
        raw = unactivated(golden.tensor("out", index, part), loss.layer)
        scored = loss(raw, golden.boxes(part), moment)
        assert_delta(scored.delta, golden.tensor("delta", index, part))
        total += float(scored.cost)
        shown = dict(re.findall(r"(Avg IOU|count): ([\d.]+)", line))
        assert float(scored.terms["count"]) == float(shown["count"])
        assert float(scored.terms["iou"]) == pytest.approx(float(shown["Avg IOU"]), abs=1e-5)
    assert total / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)


@pytest.mark.parametrize("name", recorded("region"))
def test_random_heads_learn_what_darknets_learn(name: str) -> None:
    assert_recorded(name)


@pytest.mark.parametrize("name", recorded("pjreddie"))
def test_random_heads_learn_what_pjreddies_learn(name: str) -> None:
    assert_recorded(name, PJREDDIE)


@pytest.mark.cuda
@pytest.mark.parametrize("name", recorded("region"))
def test_on_a_gpu(name: str) -> None:
    assert_recorded(name, device="cuda")


def test_an_image_without_truth_learns_that_nothing_is_there() -> None:
    raw = torch.randn(1, 14, 2, 3)
    scored = score(HEAD, raw, torch.zeros(1, 0, 5), LATE)
    o = raw.view(1, 2, 7, 2, 3)[:, :, 4].sigmoid()
    wanted = torch.zeros(1, 2, 7, 2, 3)
    wanted[:, :, 4] = -o * o * (1 - o)
    torch.testing.assert_close(scored.delta, wanted.view(1, 14, 2, 3))
    assert float(scored.terms["count"]) == 0


def test_a_centre_on_the_far_edge_is_in_the_last_cell() -> None:
    scored = score(HEAD, torch.zeros(1, 14, 2, 3), torch.tensor([[[1.0, 1.0, 0.2, 0.2, 1.0]]]), LATE)
    assert scored.delta.view(1, 2, 7, 2, 3)[0, :, 6].nonzero().tolist() == [[0, 1, 2]]


def test_numbers_that_are_none_do_not_stop_it() -> None:
    truth = torch.tensor([[[0.5, 0.5, 0.2, 0.2, 1.0]]])
    scored = score(HEAD, torch.full((1, 14, 2, 3), float("nan")), truth, LATE)
    assert scored.delta.isnan().any()
    assert scored.cost.isnan()


@pytest.mark.parametrize("label", [80.0, -1.0])
def test_a_class_beyond_the_map_is_skipped(label: float) -> None:
    Path("m.map").write_text("1\n0\n")
    raw = torch.zeros(1, 7 * 90, 2, 3)
    head = f"[region]\nclasses=85\nnum=7\nanchors={','.join('1' * 14)}\nmap=m.map\n"
    scored = score(head, raw, torch.tensor([[[0.5, 0.5, 0.2, 0.2, label]]]), LATE)
    assert float(scored.terms["count"]) == 0


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("focal_loss=1", "focal_loss=1 takes the logarithm of raw values where softmax=0; expected softmax=1"),
        ("map=m.map", "map has 0 to 7; expected 0 to 1"),
    ],
)
def test_what_cannot_be_learnt_is_refused(option: str, message: str) -> None:
    Path("m.map").write_text("0\n7\n")
    with pytest.raises(GraphError, match=re.escape(message)):
        score(HEAD + option + "\n", torch.zeros(1, 14, 2, 3), torch.zeros(1, 0, 5), LATE)
