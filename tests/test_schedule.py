"""The learning rate and the network's size against what Darknet printed, and what its source says."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from conftest import SHARED
from darkparse.net import Net
from darkparse.training.schedule import period, rate, size

POLICIES = SHARED / "training" / "lr_policies.json"


def as_net(options: Mapping[str, Any]) -> Net:
    """[net] of options as a cfg has them."""
    lists = {"steps": int, "scales": float}
    values = {k: tuple(map(lists[k], v.split(","))) if k in lists else v for k, v in options.items()}
    return Net(**values)


@pytest.mark.skipif(not POLICIES.is_file(), reason=f"no {POLICIES}; set DARKPARSE_SHARED")
def test_every_policy_gives_darknets_rate_to_the_last_bit() -> None:
    for case in json.loads(POLICIES.read_text()):
        net = as_net(case["net"])
        ours = [np.float32(rate(net, n)) for n in range(len(case["rate"]))]
        assert ours == [np.float32(one) for one in case["rate"]], case["net"]


def test_random_policy_raises_the_draw_to_the_power() -> None:
    net = Net(policy="random", learning_rate=0.5, power=2)
    assert rate(net, 7, draw=0.5) == 0.125
    assert rate(net, 7, draw=1.0) == 0.5


def test_a_step_behind_a_later_one_waits_for_that() -> None:
    # src/network.c get_current_rate: the first step that is not reached ends the loop
    net = Net(policy="steps", learning_rate=1.0, steps=(54, 48), scales=(0.5, 0.25))
    assert [rate(net, n) for n in (50, 60)] == [1.0, 0.125]


NET = Net(width=416, height=320, max_batches=1000)


def test_without_random_the_size_is_the_cfgs() -> None:
    assert size(NET, 0, 500, 0.3) == (416, 320)


@pytest.mark.parametrize("iteration", [1, 10, 911, 1000])
def test_largest_size_at_the_beginning_and_the_end(iteration: int) -> None:
    # src/detector.c: round(1.4 * 416 / 32 + 1) * 32 = round(19.2) * 32, round(1.4 * 320 / 32 + 1) * 32 = 15 * 32
    assert size(NET, 1, iteration, 0.1) == (608, 480)


def test_between_them_the_size_follows_the_draw() -> None:
    assert size(NET, 1, 11, 0.5) == (448, 352)  # factor 1: Darknet adds 1 before it rounds
    assert size(NET, 1, 11, 0.75) == (17 * 32, 13 * 32)  # 1.2: round(16.6), round(13)
    assert size(NET, 1, 11, 0.25) == (12 * 32, 9 * 32)  # 1 / 1.2: round(11.83), round(9.33)
    assert size(NET, 2, 11, 0.999) == (27 * 32, 21 * 32)  # nearly 2: round(26.97), round(20.98)


def test_a_smaller_factor_never_gives_a_larger_size() -> None:
    assert size(NET, 1, 11, 0.001) == (416, 320)  # 1 / 1.0008 would round up to 448 x 352


def test_the_size_changes_every_ten_iterations_at_most() -> None:
    assert [period(iteration) for iteration in (1, 10, 11, 20, 21)] == [0, 0, 1, 1, 2]
    sizes = {size(NET, 1, iteration, 0.3) for iteration in range(11, 901)}
    assert len(sizes) == 1


def test_no_smaller_than_a_step() -> None:
    assert size(Net(width=32, height=64, max_batches=1000, resize_step=64.0), 8, 11, 0.49)[0] >= 64
