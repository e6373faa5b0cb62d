"""Processes that make things ahead of the one that uses them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from ..errors import DarkparseError

_AHEAD = 2  # things that each process may be ahead

Order = TypeVar("Order")
Thing = TypeVar("Thing")


class Ahead(Generic[Order, Thing]):
    """What `make` gives for each of `orders`, in order, made while what came before is used.

    Use it in a `with` statement, or close it, to end its processes.

    Args:
        make: it goes to the processes, and so do the orders; what it gives comes back, tensors in shared memory
        orders: gone through a little ahead of what is used
        workers: processes; 0: this one makes each thing when it is asked for
    Raises:
        DarkparseError: `make` raised it, or a process has died
    """

    def __init__(self, make: Callable[[Order], Thing], orders: Iterable[Order], workers: int) -> None:
        started: dict[str, Any] = {"multiprocessing_context": _start(), "prefetch_factor": _AHEAD} if workers else {}
        self._loader = partial(
            DataLoader,
            _Made(make),
            sampler=orders,
            batch_size=None,
            collate_fn=_as_it_is,
            num_workers=workers,
            worker_init_fn=_begin,
            **started,
        )
        self._things: Iterator[Thing | DarkparseError] | None = None

    def __iter__(self) -> Iterator[Thing]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores, as was asked
            self._things = iter(self._loader())
        try:
            for thing in self._things:
                if isinstance(thing, DarkparseError):
                    raise thing
                yield thing
        except RuntimeError as why:
            if "DataLoader worker (pid" not in str(why):
                raise
            raise DarkparseError(f"a process that loads images has died, perhaps for want of memory ({why})") from None
        finally:
            self.close()

    def close(self) -> None:
        """End the processes."""
        things, self._things = self._things, None
        if (shutdown := getattr(things, "_shutdown_workers", None)) is not None:
            shutdown()

    def __enter__(self) -> Ahead[Order, Thing]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Made(Dataset[Thing | DarkparseError], Generic[Order, Thing]):
    """What is made of an order, or why it cannot be; this goes to the processes."""

    def __init__(self, make: Callable[[Order], Thing]) -> None:
        self.make = make

    def __getitem__(self, order: Order) -> Thing | DarkparseError:
        try:
            return self.make(order)
        except DarkparseError as why:
            return why  # raised there, it would arrive with all of this process's stack in its message


def _as_it_is(thing: Thing) -> Thing:
    """Nothing is to be converted."""
    return thing


def _start() -> BaseContext:
    """How processes begin: from a fresh one, as a copy of this one may hang on what its threads held."""
    if os.name == "nt":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cv2", f"{__package__}.loader"])  # once, not in each process
    return context


def _begin(_: int) -> None:
    """Set up a process: its threads would fight for the cores, and Ctrl-C is for the one that uses what it makes."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _pass_over
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threading.Thread(target=_follow, daemon=True).start()


def _pass_over(*_: object) -> None:
    """Errors are raised where things are used; what is left are connections, as the other process ends."""


def _follow() -> None:
    """Die with the process that it is for: torch looks after its parent only, here the one they are copied of."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)
