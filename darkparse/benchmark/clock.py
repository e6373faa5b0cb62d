"""How long calls take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

WARM = 2  # calls that do not count, at least: the first ones get memory and choose algorithms
LEAST, MOST = 5, 1000  # calls that count
SECONDS = 1.0  # that they take together, about


class Times(NamedTuple):
    """Milliseconds a call: the median, and between which a half of all calls is."""

    median: float
    low: float
    high: float


def finish(device: torch.device) -> None:
    """Wait until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def stopped(call: Callable[[], Any], device: torch.device) -> float:
    """Milliseconds of one call, to the end of what it started on the device."""
    finish(device)
    start = time.perf_counter()
    call()
    finish(device)
    return (time.perf_counter() - start) * 1e3


def timed(call: Callable[[], Any], device: torch.device) -> Times:
    """The times of some calls in a row, once they are warm."""
    times: list[float] = []
    for _ in range(WARM):
        stopped(call, device)
    while len(times) < LEAST or (sum(times) < SECONDS * 1e3 and len(times) < MOST):
        times.append(stopped(call, device))
    low, median, high = np.percentile(times, [25, 50, 75])
    return Times(float(median), float(low), float(high))
