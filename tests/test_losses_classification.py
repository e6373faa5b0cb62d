"""[softmax]'s and [cost]'s losses against Darknet's own deltas."""

import re
from pathlib import Path

import pytest
import torch

from darkparse.errors import DarkparseError, GraphError
from darkparse.losses import Moment
from darkparse.losses.classification import CostLoss, SoftmaxLoss
from losses_goldens import Golden, assert_delta, assert_recorded, cases, layers, recorded, score

NOW = Moment(1, 1, 1)


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


@pytest.mark.parametrize("name", [*recorded("softmax"), *recorded("cost")])
def test_random_layers_learn_what_darknets_learn(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name)


@pytest.mark.cuda
@pytest.mark.parametrize("name", [*recorded("softmax"), *recorded("cost")])
def test_on_a_gpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_recorded(name, device="cuda")


RAW, TRUTH = torch.tensor([[3.0, -1.0, 0.5, 0.001]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    ("options", "delta", "cost"),  # by hand, from src/cost_layer.c forward_cost_layer_gpu (pjreddie f6afaab)
    [
        ("type=L1", [-1, 1, -1, -1], 3.501),
        ("type=seg\nnoobj=.5", [-2, 0.5, -0.25, -0.0005], 4 + 0.5 * (1 + 0.25 + 1e-6)),
        ("thresh=2.1", [-2, 1, 0, 0], 5.250001),
        ("scale=3", [-6, 3, -1.5, -0.003], 5.250001),
        ("ratio=.5", [-2, 1, -0.5, -0.001], 5.250001),
    ],
)
def test_options_of_a_cost(options: str, delta: list[float], cost: float) -> None:
    scored = score(f"[cost]\n{options}\n", RAW.view(1, 4, 1, 1), TRUTH, NOW)
    torch.testing.assert_close(scored.delta.flatten(), torch.tensor(delta, dtype=torch.float32))
    assert float(scored.cost) == pytest.approx(cost)


def test_a_softmax_without_loss_adds_nothing() -> None:
    scored = score("[softmax]\nnoloss=1\n", RAW.view(1, 4, 1, 1), TRUTH, NOW)
    assert not scored.delta.any()
    assert float(scored.cost) == 0


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    """Else the iteration would be skipped, though all its gradients are good."""
    scored = score("[softmax]\n", torch.tensor([0.0, 200, 0, 0]).view(1, 4, 1, 1), torch.tensor([[1.0, 0, 0, 0]]), NOW)
    assert scored.delta.flatten().tolist() == [1, -1, 0, 0]
    assert 80 < float(scored.cost) < 104  # of the smallest positive float32, and of the smallest that is not denormal


def test_what_cannot_be_learnt_is_refused() -> None:
    with pytest.raises(GraphError, match=re.escape("[cost]: type=wgan compares two networks")):
        score("[cost]\ntype=wgan\n", RAW.view(1, 4, 1, 1), TRUTH, NOW)
    wanted = "[softmax]: gives 4 values for an image, but the truth has 3 classes; expected as many"
    with pytest.raises(DarkparseError, match=re.escape(wanted)):
        score("[softmax]\n", RAW.view(1, 4, 1, 1), TRUTH[:, :3], NOW)
