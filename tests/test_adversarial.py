"""Images moved towards a truth without objects, against Darknet's rule for a single cell."""

from typing import Any

import pytest
import torch

from darkparse.graph import read_graph
from darkparse.losses import Moment, criterion
from darkparse.net import Net
from darkparse.network import Network
from darkparse.training.adversarial import is_wanted, moved, overlooking
from darkparse.training.initial import initialise
from darkparse.training.model import Trainable

NET = "[net]\nwidth=32\nheight=32\nchannels=3\nadversarial_lr=.5\nmax_batches=100\n"
HEAD = "[yolo]\nclasses=2\nmask=0\nnum=1\nanchors=8,8\nobj_normalizer=.4\n"
CONV = "[convolutional]\nfilters=7\nsize=3\nstride=8\npad=1\nbatch_normalize=1\nactivation=leaky\n"


def test_when() -> None:
    net = Net(adversarial_lr=0.1, burn_in=10)
    assert [is_wanted(net, n, draw) for n, draw in ((11, 0.1), (12, 0.1), (12, 0.6))] == [False, True, False]
    assert not is_wanted(Net(), 100, 0.1)


@pytest.mark.parametrize("section", ["yolo", "Gaussian_yolo"])
def test_the_delta_of_one_cell(cfg: Any, section: str) -> None:
    extra = 4 if section == "Gaussian_yolo" else 0
    text = NET + f"[convolutional]\nfilters={7 + extra}\nsize=1\nactivation=linear\n" + HEAD.replace("yolo", section)
    ((_, head),) = read_graph(cfg(text)).heads
    raw = torch.zeros(1, 7 + extra, 1, 1)
    raw[0, -3], raw[0, -2], raw[0, -1] = 3.0, 2.0, -2.0  # objectness and the first class are sure, the second is not
    o, first, second = torch.tensor([3.0, 2.0, -2.0]).sigmoid().tolist()
    delta = overlooking(head, raw, Moment(32, 32, 0)).flatten().tolist()
    scale = 8 / 32  # sqrt(w h) of a box of the anchor's size
    wanted = [-scale * 0.4 * o, -scale * first, scale * (1 - second) if section == "yolo" else 0.0]
    assert delta[-3:] == pytest.approx(wanted)
    assert delta[:4] == pytest.approx([-scale * 0.5, -scale * 0.5, 0.0, 0.0] if section == "yolo" else [0.0] * 4)


def test_the_network_sees_less_and_learns_nothing(cfg: Any) -> None:
    network = Network(read_graph(cfg(NET + CONV + HEAD)))
    initialise(network, torch.Generator().manual_seed(2))
    model, losses = Trainable(network), criterion(network.graph)
    images, truth = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3)), torch.zeros(2, 5, 5)
    model(images)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    after = moved(model, losses, images, truth, (Moment(32, 32, 2), 51))
    assert not torch.equal(after, images)
    assert 0 <= float(after.min()) <= float(after.max()) <= 1
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())
    assert all(one.grad is None for one in network.parameters())
    assert network.layers[0].norm.training
    network.eval().requires_grad_(False)
    sure = [float(raw[:, 4].sigmoid().mean()) for one in (images, after) for raw in network(one)]
    assert sure[1] < sure[0]


def test_too_little_memory_for_it_leaves_the_network_in_training(cfg: Any, monkeypatch: Any) -> None:
    network = Network(read_graph(cfg(NET + CONV + HEAD)))
    model, images = Trainable(network), torch.rand(1, 3, 32, 32)

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "forward", full)
    with pytest.raises(torch.OutOfMemoryError):
        moved(model, {}, images, torch.zeros(1, 5, 5), (Moment(32, 32, 2), 51))
    assert network.layers[0].norm.training
