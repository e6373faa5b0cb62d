"""Updates against Darknet's rules, written out a number at a time, and what the goldens do not reach."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch

from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.network import Network
from darkparse.training.ema import Ema
from darkparse.training.initial import initialise
from darkparse.training.model import Trainable
from darkparse.training.optimiser import Optimiser
from darkparse.training.trainable import check_trainable

NET = "[net]\nwidth=4\nheight=4\nchannels=2\nmomentum=.9\ndecay=.01\nmax_batches=4000\n"
CONV = "[convolutional]\nfilters=3\nsize=3\npad=1\nactivation=linear\n"
COST = "[cost]\n"


@pytest.fixture
def build(cfg: Any) -> Any:
    """A seeded network from the text of a cfg, ready to be trained."""

    def make(text: str) -> tuple[Network, Trainable, Optimiser]:
        network = Network(read_graph(cfg(text)))
        initialise(network, torch.Generator().manual_seed(1))
        return network, Trainable(network), Optimiser(network)

    return make


def weight_of(network: Network, index: int) -> torch.nn.Parameter:
    """The kernels of a convolution."""
    return network.get_parameter(f"layers.{index}.conv.weight")


def give(network: Network, seed: int) -> list[torch.Tensor]:
    """Gradients of a kind, in the order of parameters."""
    generator = torch.Generator().manual_seed(seed)
    for one in network.parameters():
        one.grad = torch.randn(one.shape, generator=generator)
    return [one.grad.clone() for one in network.parameters() if one.grad is not None]


def test_momentum_and_decay(build: Any) -> None:
    network, _, optimiser = build(NET + CONV + "learning_rate=.5\n" + COST)
    weight, bias = (p.detach().clone() for p in network.parameters())
    u, v = torch.zeros_like(weight), torch.zeros_like(bias)
    for iteration in (1, 2, 3):
        of_weight, of_bias = give(network, iteration)
        u, v = u - of_weight - 0.01 * 8 * weight, v - of_bias  # README section 2: u += -decay B w; w += lr/B u; u *= m
        weight, bias = weight + 0.1 * 0.5 / 8 * u, bias + 0.1 * 0.5 / 8 * v
        u, v = 0.9 * u, 0.9 * v
        optimiser.step(0.1, 8, iteration)
    ours = list(network.parameters())
    torch.testing.assert_close(ours[0].detach(), weight)
    torch.testing.assert_close(ours[1].detach(), bias)


def test_adam_counts_the_batches_of_the_whole_run(build: Any) -> None:
    network, _, optimiser = build(NET + "adam=1\nB1=.8\nB2=.9\neps=.01\n" + CONV + COST)
    weight = weight_of(network, 0).detach().clone()
    m = v = torch.zeros_like(weight)
    for iteration in (101, 102):  # weights that had seen 100 batches
        gradient = -give(network, iteration)[0] - 0.01 * 8 * weight
        m, v = 0.8 * m + 0.2 * gradient, 0.9 * v + 0.1 * gradient**2
        weight = weight + 0.1 * m / (1 - 0.8**iteration) / ((v / (1 - 0.9**iteration)).sqrt() + 0.01)
        optimiser.step(0.1, 8, iteration)
    torch.testing.assert_close(weight_of(network, 0).detach(), weight)


def test_what_is_not_due_adds_up(build: Any) -> None:
    network, _, optimiser = build(NET + "burn_in=2\n" + CONV + "dont_update=2\n" + CONV + "burnin_update=1\n" + COST)
    start = [weight_of(network, i).detach().clone() for i in (0, 1)]
    gradients = []
    for iteration in (1, 2, 3):
        given = give(network, iteration)
        gradients.append((given[0], given[2]))
        optimiser.step(0.1, 8, iteration)
        changed = [not torch.equal(weight_of(network, i), start[i]) for i in (0, 1)]
        assert changed == [
            iteration > 2,
            iteration >= 2,
        ]  # dont_update < iteration; burnin_update * burn_in <= iteration
    total = sum(first for first, _ in gradients) + 0.01 * 8 * start[0]
    torch.testing.assert_close(weight_of(network, 0).detach(), start[0] - 0.1 / 8 * total)


def test_shared_weights_are_updated_once_for_each_that_uses_them(build: Any) -> None:
    network, _, optimiser = build(NET + CONV.replace("filters=3", "filters=2") * 2 + "share_index=0\n" + COST)
    weight = weight_of(network, 0).detach().clone()
    gradient = give(network, 1)[0]
    u = -gradient - 0.01 * 8 * weight
    weight = weight + 0.1 / 8 * u
    u = 0.9 * u - 0.01 * 8 * weight
    weight = weight + 0.1 / 8 * u
    optimiser.step(0.1, 8, 1)
    torch.testing.assert_close(weight_of(network, 0).detach(), weight)


def test_clip_and_centred_gradients(build: Any) -> None:
    text = NET.replace("channels=2", "channels=32").replace("decay=.01", "decay=0")
    network, _, optimiser = build(text + CONV + "batch_normalize=1\ngrad_centr=1\nclip=.05\n" + COST)
    before = weight_of(network, 0).detach().clamp(-0.05, 0.05)
    with torch.no_grad():
        weight_of(network, 0).copy_(before)
    gradient = give(network, 1)[0]
    optimiser.step(0.001, 1, 1)
    centred = gradient - gradient.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(weight_of(network, 0).detach(), (before - 0.001 * centred).clamp(-0.05, 0.05))


@pytest.mark.parametrize("extra", ["", "adam=1\n"])
def test_a_saved_optimiser_goes_on_bit_by_bit(build: Any, extra: str) -> None:
    text = NET + extra + CONV + "dont_update=3\n" + CONV + COST
    (one, _, going), (other, _, saved) = build(text), build(text)
    for iteration in (1, 2):
        for network, optimiser in ((one, going), (other, saved)):
            give(network, iteration)
            optimiser.step(0.1, 8, iteration)
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    resumed = Optimiser(other)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    for iteration in (3, 4, 5):
        for network, optimiser in ((one, going), (other, resumed)):
            give(network, iteration)
            optimiser.step(0.1, 8, iteration)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def changed_by_a_step(network: Any, model: Any, optimiser: Any) -> set[str]:
    """The names of the tensors that one iteration on random numbers changes."""
    before = {name: one.clone() for name, one in network.state_dict().items()}
    (output,) = model(torch.rand(2, 2, 4, 4)).values()
    output.backward(torch.randn_like(output))
    optimiser.step(0.1, 2, 1)
    return {name for name, one in network.state_dict().items() if not torch.equal(one, before[name])}


def test_frozen_layers_keep_all_they_have(build: Any) -> None:
    normed = CONV + "batch_normalize=1\n"
    network, model, optimiser = build(NET + normed + normed + "stopbackward=1\n" + normed + COST)
    changed = changed_by_a_step(network, model, optimiser)
    assert not {name for name in changed if name.startswith("layers.0.")}
    assert {"layers.1.conv.weight", "layers.1.norm.running_var", "layers.2.norm.bias"} <= changed
    assert "layers.1.norm.weight" not in changed  # without a gradient only weights change: they decay


def test_stopbackward_of_more_than_1_ends_after_that_iteration(build: Any) -> None:
    network, model, _ = build(NET + CONV + CONV + "stopbackward=3\n" + CONV + COST)
    for iteration, reached in ((1, False), (3, False), (4, True)):
        network.zero_grad()
        (output,) = model(torch.rand(2, 2, 4, 4), iteration).values()
        output.backward(torch.ones_like(output))
        assert [weight_of(network, i).grad is not None for i in range(3)] == [reached, reached, True]


def test_train_only_bn_changes_running_statistics_alone(build: Any) -> None:
    normed = CONV + "batch_normalize=1\n"
    network, model, optimiser = build(NET + normed + normed + "train_only_bn=1\n" + normed + COST)
    changed = {name for name in changed_by_a_step(network, model, optimiser) if "tracked" not in name}
    running = {f"layers.{i}.norm.running_{what}" for i in (0, 1) for what in ("mean", "var")}
    assert {name for name in changed if name[7] in "01"} == running


def test_reorg_overwrites_the_gradient_of_later_readers(build: Any) -> None:
    network, model, _ = build(
        NET + CONV.replace("filters=3", "filters=4") + "[reorg]\nstride=2\n" + "[route]\nlayers=0\n" + COST
    )
    (output,) = model(torch.rand(2, 2, 4, 4)).values()  # of the layer that [reorg] reads, too, but later
    output.backward(torch.ones_like(output))
    assert weight_of(network, 0).grad is None


def test_dropout_drops_for_later_readers_of_its_source_too(build: Any) -> None:
    text = NET + CONV + "[dropout]\nprobability=.5\n[route]\nlayers=0\n" + COST
    _, model, _ = build(text)
    (output,) = model(torch.rand(8, 2, 4, 4)).values()
    assert 0.3 < float((output == 0).float().mean()) < 0.7


def test_dropblock_grows_and_keeps_the_sum(cfg: Any) -> None:
    text = "[dropout]\ndropblock=1\nprobability=.2\ndropblock_size_abs=4\n"
    model = Trainable(Network(read_graph(cfg(NET.replace("=4\n", "=16\n") + text + COST))))
    ones = torch.ones(64, 2, 16, 16)
    torch.manual_seed(0)
    (begin,) = model(ones, 1).values()
    assert torch.equal(begin, ones)  # nothing is dropped at first
    (late,) = model(ones, 3900).values()
    holes = (late == 0).sum((2, 3))
    assert set(holes.unique().tolist()) == {0, 16}
    # each of 256 cells begins a block with .2 / 16, and a channel has one at most
    assert float((holes > 0).float().mean()) == pytest.approx(1 - (1 - 0.2 / 16) ** 256, abs=0.06)
    torch.testing.assert_close(late.sum((1, 2, 3)), torch.full((64,), 512.0))


def test_ema_begins_at_half_and_ends_1000_before_the_end(build: Any) -> None:
    network, _, _ = build(NET + "ema_alpha=.5\n" + CONV + COST)
    ema, weight = Ema(network), weight_of(network, 0)
    ema.step(1999)
    assert not ema.averages
    with torch.no_grad():
        weight.fill_(1)
        ema.step(2000)
        weight.fill_(3)
        ema.step(2001)
    assert torch.equal(ema.averages[-1].unique(), torch.tensor([2.0]))
    with ema.applied():
        assert torch.equal(weight.detach().unique(), torch.tensor([2.0]))
    assert torch.equal(weight.detach().unique(), torch.tensor([3.0]))
    ema.step(3000)
    assert torch.equal(weight.detach().unique(), torch.tensor([2.0]))


def test_initial_values(build: Any) -> None:
    text = NET + CONV.replace("filters=3", "filters=64") + "batch_normalize=1\n[connected]\noutput=50\n" + COST
    network, _, _ = build(text)
    state = network.state_dict()
    for name, inputs in (("layers.0.conv.weight", 2 * 9), ("layers.1.linear.weight", 64 * 16)):
        assert 0.98 * (2 / inputs) ** 0.5 < float(state[name].abs().max()) <= (2 / inputs) ** 0.5
        assert float(state[name].std()) == pytest.approx((2 / inputs / 3) ** 0.5, rel=0.05)
    assert not state["layers.0.norm.running_var"].any()
    assert not state["layers.0.norm.bias"].any()
    assert torch.equal(state["layers.0.norm.weight"], torch.ones(64))
    same = build(text)[0].state_dict()
    assert all(torch.equal(one, same[name]) for name, one in state.items())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (CONV, "no layer has a loss"),
        (
            CONV + CONV.replace("filters=3", "filters=3\nstopbackward=1\ntrain_only_bn=1") + COST,
            "no layer has weights to train",
        ),
        (CONV + "sway=1\n" + COST, "sway: not supported in training"),
        ("[gru]\noutput=3\n" + COST, "recurrent layers are not supported"),
        ("track=1\n" + CONV + COST, "track: not supported in training"),
    ],
)
def test_what_training_refuses(cfg: Any, text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(DarkparseError, match=why):
        check_trainable(read_graph(cfg(NET + text)))


def test_what_training_leaves_out_is_said(cfg: Any) -> None:
    with pytest.warns(UserWarning, match="equidistant_point: has no effect"):
        check_trainable(read_graph(cfg(NET + "equidistant_point=10\n" + CONV + COST)))
