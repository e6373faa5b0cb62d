"""Mini-batches, made by processes of their own while the network trains."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import DarkparseError
from .draws import Place
from .samples import Sample, Samples

_AHEAD = 2  # mini-batches that each process may be ahead

Size = Callable[[int], tuple[int, int]]


class Batch(NamedTuple):
    """A mini-batch.

    images: `(m, C, h, w)`, 0..1; truth: `(m, M, 5)` boxes, rows behind the last 0, or `(m, K)` classes;
    paths: the files that each image is made of; notes: what went wrong, a line for bad.list each
    """

    images: Tensor
    truth: Tensor
    paths: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Order:
    """Which mini-batches a loader makes, as the places of their images; see `Loader`."""

    seed: int
    batch: int
    subdivisions: int
    size: Size
    start: int
    stop: int
    rank: int
    world: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start) * self.subdivisions

    def __iter__(self) -> Iterator[list[Place]]:
        each = self.batch // self.subdivisions
        for iteration in range(self.start + 1, self.stop + 1):
            size = self.size(iteration)
            for first in range(0, each * self.subdivisions, each):
                own = range(first + self.rank, first + each, self.world)
                yield [Place(self.seed, iteration, i, each * self.subdivisions, *size) for i in own]


class _Batches(Dataset[Batch | DarkparseError]):
    """The mini-batch of some places, or why there is none; it goes to the processes that make them."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, places: Sequence[Place]) -> Batch | DarkparseError:
        try:
            return gathered([self.samples.sample(place) for place in places])
        except DarkparseError as why:
            return why  # raised there, it would arrive with all of this process's stack in its message


class Loader:
    """The mini-batches of iterations `start` + 1 to `stop`, in order; which images they hold depends on `seed` alone.

    Use it in a `with` statement, or close it, to end its processes.

    Args:
        batch, subdivisions: as in [net]; a mini-batch has batch // subdivisions images
        size: width and height of the network's input in an iteration, px
        workers: processes; 0: this one makes them when they are asked for; None: one for each core
        rank, world: this is one of `world` processes that share each mini-batch; image i goes to i % world
    Raises:
        DarkparseError: a mini-batch has fewer images than there are processes
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch: int,
        subdivisions: int,
        size: Size,
        stop: int,
        start: int = 0,
        seed: int = 0,
        workers: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        check_shares(batch, subdivisions, world)
        order = Order(seed, batch, subdivisions, size, start, stop, rank, world)
        workers = min(cores() if workers is None else workers, len(order))
        started: dict[str, Any] = {"multiprocessing_context": _start(), "prefetch_factor": _AHEAD} if workers else {}
        self._loader = partial(
            DataLoader,
            _Batches(samples),
            sampler=order,
            batch_size=None,
            num_workers=workers,
            worker_init_fn=_begin,
            **started,
        )
        self._batches: Iterator[Batch | DarkparseError] | None = None

    def __iter__(self) -> Iterator[Batch]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This DataLoader will create")  # more processes than cores, as was asked
            self._batches = iter(self._loader())
        try:
            for batch in self._batches:
                if isinstance(batch, DarkparseError):
                    raise batch
                yield batch
        except RuntimeError as why:
            if "DataLoader worker (pid" not in str(why):
                raise
            raise DarkparseError(f"a process that loads images has died, perhaps for want of memory ({why})") from None
        finally:
            self.close()

    def close(self) -> None:
        """End the processes."""
        batches, self._batches = self._batches, None
        if (shutdown := getattr(batches, "_shutdown_workers", None)) is not None:
            shutdown()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_shares(batch: int, subdivisions: int, world: int) -> None:
    """Raises DarkparseError where a mini-batch has fewer images than there are processes to share it."""
    if batch // subdivisions < world:
        each = f"batch={batch} subdivisions={subdivisions} make mini-batches of {batch // subdivisions}"
        raise DarkparseError(f"{each}; expected at least an image for each of {world} processes")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gathered(samples: Sequence[Sample]) -> Batch:
    """The samples as one mini-batch."""
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))
    notes = [note for sample in samples for note in sample.notes]
    truths = [sample.truth for sample in samples]
    if truths[0].ndim == 2:  # boxes, of some images more than of others
        truth = np.zeros((len(truths), max(1, *map(len, truths)), 5), np.float32)
        for row, boxes in zip(truth, truths, strict=True):
            row[: len(boxes)] = boxes
    else:
        truth = np.stack(truths)
    return Batch(images, torch.from_numpy(truth), [", ".join(sample.paths) for sample in samples], notes)


def _start() -> BaseContext:
    """How processes begin: from a fresh one, as a copy of this one may hang on what its threads held."""
    if os.name == "nt":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cv2", __name__])  # once, not in each process
    return context


def _begin(_: int) -> None:
    """Set up a process: its threads would fight for the cores, and Ctrl-C is for the process that trains."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.excepthook = _pass_over
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    threading.Thread(target=_follow, daemon=True).start()


def _pass_over(*_: object) -> None:
    """Errors of samples are raised where they are used; what is left are connections, as the other process ends."""


def _follow() -> None:
    """Die with the process that trains: torch looks after its parent only, which here is the one they are copied of."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
    os._exit(1)
