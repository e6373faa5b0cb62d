"""The learning rate, and the size of the network, at each iteration."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from functools import reduce
from itertools import takewhile

from ..net import Net

RESIZE_EVERY = 10  # iterations; src/detector.c train_detector
LAST = 100  # iterations, at the largest size; there
PI = 3.14159265  # src/network.c get_current_rate (AlexeyAB 59596d7)
USUAL = 1.4  # what random=1 means; there


def rate(net: Net, n: int, draw: float = 0.0) -> float:
    """The learning rate of the `n`-th batch, from 1: Darknet's number to the last bit, as its options are floats.

    Args:
        draw: a random number, 0..1, for policy=random
    Source: src/network.c get_current_rate (AlexeyAB 59596d7)
    """
    if n < net.burn_in:
        return _single(_single(net.learning_rate) * _single(n / net.burn_in) ** _single(net.power))
    return _single(_POLICIES.get(net.policy, _constant)(net, n, draw))


def _single(x: float) -> float:
    """The float of C that is nearest."""
    nearest: float = struct.unpack("f", struct.pack("f", x))[0]
    return nearest


def _constant(net: Net, n: int, draw: float) -> float:
    return net.learning_rate


def _step(net: Net, n: int, draw: float) -> float:
    return _single(net.learning_rate) * _single(net.scale) ** (n // net.step)


def _steps(net: Net, n: int, draw: float) -> float:
    reached = takewhile(lambda step: step[0] <= n, zip(net.steps, net.scales, strict=False))
    factors = (scale for _, scale in reached)
    return reduce(lambda rate, factor: _single(rate * _single(factor)), factors, _single(net.learning_rate))


def _exp(net: Net, n: int, draw: float) -> float:
    return _single(net.learning_rate) * _single(net.gamma) ** n


def _poly(net: Net, n: int, draw: float) -> float:
    left = _single(1 - _single(n / net.max_batches))
    return _single(net.learning_rate) * math.pow(left, _single(net.power))


def _sigmoid(net: Net, n: int, draw: float) -> float:
    return _single(net.learning_rate) / (1 + math.exp(_single(_single(net.gamma) * (n - net.step))))


def _random(net: Net, n: int, draw: float) -> float:
    return _single(net.learning_rate) * math.pow(draw, _single(net.power))


def _sgdr(net: Net, n: int, draw: float) -> float:
    start, cycle = 0, net.sgdr_cycle or net.max_batches
    while start + cycle < n:
        start, cycle = start + cycle, cycle * net.sgdr_mult
    low, high = _single(net.learning_rate_min), _single(net.learning_rate)
    return low + 0.5 * _single(high - low) * (1 + math.cos((n - start) * PI / cycle))


_POLICIES: dict[str, Callable[[Net, int, float], float]] = {
    "step": _step,
    "steps": _steps,
    "exp": _exp,
    "poly": _poly,
    "sigmoid": _sigmoid,
    "random": _random,
    "sgdr": _sgdr,
}


def size(net: Net, random: float, iteration: int, draw: float) -> tuple[int, int]:
    """Width and height, px, of the network's input in an iteration, from 1.

    Args:
        random: of the last head; 0: the cfg's size, always
        draw: a random number, 0..1, that all iterations of one `period` share
    Source: src/detector.c train_detector, src/utils.c rand_scale (AlexeyAB 59596d7)
    """
    cfg = net.width, net.height
    if not random:
        return cfg
    most = USUAL if random == 1 else random
    if period(iteration) == 0 or period(iteration) * RESIZE_EVERY > net.max_batches - LAST:
        return _pair(_scaled(net, n, most) for n in cfg)
    larger = 1 + (most - 1) * (2 * draw % 1)  # one half of the draws divides, the other multiplies
    factor = larger if draw >= 1 / 2 else 1 / larger
    sizes = _pair(_scaled(net, n, factor) for n in cfg)
    if factor < 1 and (sizes[0] > net.width or sizes[1] > net.height):
        sizes = cfg
    return _pair(max(n, int(net.resize_step)) for n in sizes)


def period(iteration: int) -> int:
    """Which stretch of iterations of one size this one belongs to, from 0."""
    return (iteration - 1) // RESIZE_EVERY


def _scaled(net: Net, n: int, factor: float) -> int:
    step = int(net.resize_step)
    return math.floor(factor * n / step + 1 + 0.5) * step


def _pair(sizes: Iterable[int]) -> tuple[int, int]:
    width, height = sizes
    return width, height
