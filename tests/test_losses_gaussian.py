"""[Gaussian_yolo]'s loss against Darknet's own deltas."""

import re

import pytest

from darkparse.losses.gaussian import GaussianYoloLoss
from losses_goldens import Golden, assert_delta, cases, layers


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
