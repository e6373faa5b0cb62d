"""[detection]'s loss against Darknet's own deltas."""

import pytest
import torch
from torch import Tensor

from darkparse.losses.detection import DetectionLoss
from losses_goldens import Golden, assert_delta, cases, layers


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
