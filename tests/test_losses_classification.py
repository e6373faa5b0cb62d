"""[softmax]'s and [cost]'s losses against Darknet's own deltas."""

import pytest
import torch

from darkparse.losses.classification import CostLoss, SoftmaxLoss
from losses_goldens import Golden, assert_delta, cases, layers


@pytest.mark.parametrize("name", cases("softmax"))
def test_the_deltas_are_darknets(name: str) -> None:
    golden = Golden(name)
    ((index,), costs) = layers(golden, "softmax"), layers(golden, "cost")
    total = 0.0
    for part, moment in golden.moments():
        node = golden.graph.nodes[index]
        output = node.layer.build(*node.inputs)(golden.tensor("in", index, part))
        scored = [SoftmaxLoss(node.layer)(output, golden.rows(part), moment)]
        for cost in costs:
            scored.append(CostLoss(golden.graph.nodes[cost].layer)(output, golden.rows(part), moment))
            assert_delta(scored[-1].delta, golden.tensor("delta", cost, part))
        assert_delta(torch.stack([one.delta for one in scored]).sum(0), golden.tensor("delta", index, part))
        total += float(torch.stack([one.cost for one in scored]).mean())
    assert total / golden.graph.net.batch == pytest.approx(golden.loss, rel=1e-5)
