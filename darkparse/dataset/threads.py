"""Threads that make things ahead of the one that uses them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Order = TypeVar("Order")
Thing = TypeVar("Thing")


def ahead(
    make: Callable[[Order], Thing],
    orders: Iterable[Order],
    threads: int,
    depth: int,
    begin: Callable[[], object] | None = None,
) -> Generator[Thing]:
    """What `make` gives for each of `orders`, in order, made by threads while what came before is used.

    The thread that uses the things goes through the orders.  What `make` raises is raised in its place.  Closed early,
    it waits for what is being made; the rest is never begun.

    Args:
        threads: 0: each thing is made when it is asked for, and no order is taken before
        depth: so many things, at most, are made or being made ahead of the one that is used
        begin: what each thread does first
    """
    if not threads:
        yield from map(make, orders)
        return
    with ThreadPoolExecutor(threads, initializer=begin) as pool:
        waiting: deque[Future[Thing]] = deque()
        try:
            for order in orders:
                waiting.append(pool.submit(make, order))
                if len(waiting) > depth or waiting[0].done():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
