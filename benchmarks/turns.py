"""Timing of several things in turns, so that all of them see the same hours of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

WARM = 3  # calls before all rounds
ROUND = 0.1  # seconds of calls in a round, at least one call

Times = dict[str, list[float]]


def in_turns(calls: Mapping[str, Callable[[], object]], rounds: int) -> Times:
    """Milliseconds of a call of each, the median in each round; every other round the other way round.

    Args:
        calls: by name; each returns when its work is done, also that of a GPU
    """
    for call in calls.values():
        for _ in range(WARM):
            call()
    times: Times = {name: [] for name in calls}
    for number in range(rounds):
        for name in list(calls)[:: -1 if number % 2 else 1]:
            times[name].append(one_round(calls[name]))
    return times


def one_round(call: Callable[[], object]) -> float:
    """Milliseconds: the median of calls in a row, after one that finds the caches as another left them."""
    call()
    taken: list[float] = []
    while sum(taken) < ROUND:
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e3


def ratio(times: Times, slow: str, fast: str) -> float:
    """How many times as long `slow` takes: the median of the rounds' ratios."""
    return float(np.median(np.array(times[slow]) / np.array(times[fast])))
