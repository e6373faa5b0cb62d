"""[region]'s loss against Darknet's own deltas."""

import pytest

from darkparse.losses.region import RegionLoss
from losses_goldens import Golden, assert_delta, cases, layers


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
