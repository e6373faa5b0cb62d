"""[detection]'s loss against Darknet's own deltas."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from darkparse.losses import Moment
from darkparse.losses.detection import DetectionLoss
from losses_goldens import Golden, assert_delta, assert_recorded, cases, layers, recorded, score

HEAD = "[detection]\nclasses=2\ncoords=4\nnum=2\nside=3\n"
SIZE = 9 * (2 + 2 * 5)


def as_boxes(rows: Tensor, side: int, classes: int) -> Tensor:
    """`(m, side^2 (5 + classes))`, Darknet's truth of cells, as `(m, side^2, 5)`, x, y, w, h, class; 0 where none."""
    cells = rows.view(len(rows), side, side, 5 + classes)
    where = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="xy"), -1)
    centre = (cells[..., 1 + classes : 3 + classes] + where) / side
    label = cells[..., 1 : 1 + classes].argmax(-1, keepdim=True)
    return (torch.cat([centre, cells[..., 3 + classes :], label], -1) * cells[..., :1]).flatten(1, 2)


@pytest.mark.parametrize("name", cases("detection"))
def test_the_deltas_are_darknets(name: str) -> None:
    golden = Golden(name)
    (index,) = layers(golden, "detection")
    layer, total = golden.graph.nodes[index].layer, 0.0
    for part, moment in golden.moments():
        truth = as_boxes(golden.rows(part), layer.side, layer.classes)
        scored = DetectionLoss(layer)(golden.tensor("in", index, part), truth, moment)
        assert_delta(scored.delta, golden.tensor("delta", index, part))
        total += float(scored.cost)
    assert total / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)


@pytest.mark.parametrize("name", recorded("detection"))
def test_random_heads_learn_what_darknets_learn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name)


@pytest.mark.cuda
@pytest.mark.parametrize("name", recorded("detection"))
def test_on_a_gpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name, device="cuda")


def boxes_with_objects(head: str, seen: int) -> Tensor:
    """Which of two boxes learn an object in each of nine cells, all with one: `(9, 2)`."""
    where = torch.stack(torch.meshgrid(torch.arange(3), torch.arange(3), indexing="xy"), -1).flatten(0, 1)
    truth = torch.cat([(where + 0.5) / 3, torch.full((9, 2), 0.2), torch.ones(9, 1)], 1)[None]
    scored = score(head, torch.zeros(1, SIZE, 1, 1), truth, Moment(1, 1, seen))
    return scored.delta.flatten()[18:36].view(9, 2) > 0


def test_random_boxes_are_drawn_while_few_images_were_seen() -> None:
    early, again, other = (boxes_with_objects(HEAD + "random=1\n", seen) for seen in (64, 64, 128))
    assert (early.sum(1) == 1).all()
    assert torch.equal(early, again)
    assert early.any(0).all()
    assert not torch.equal(early, other)
    assert boxes_with_objects(HEAD + "random=1\n", 64000)[:, 0].all()


def test_of_two_objects_in_a_cell_the_first_counts_and_specks_do_not() -> None:
    truth = torch.tensor([[[0.5, 0.5, 0.0005, 0.2, 0], [0.51, 0.5, 0.2, 0.2, 1], [0.5, 0.5, 0.2, 0.2, 0]]])
    scored = score(HEAD, torch.zeros(1, SIZE, 1, 1), truth, Moment(1, 1, 1))
    assert scored.delta.flatten()[:18].nonzero().tolist() == [[9]]
    assert float(scored.terms["count"]) == 1


def test_no_truth_and_numbers_that_are_none_do_not_stop_it() -> None:
    scored = score(HEAD, torch.full((1, SIZE, 1, 1), float("nan")), torch.zeros(1, 0, 5), Moment(1, 1, 1))
    assert float(scored.terms["count"]) == 0
    assert scored.cost.isnan()
