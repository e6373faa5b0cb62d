"""Mini-batches, made by processes of their own while the network trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import DarkparseError
from .draws import Place
from .processes import Ahead
from .samples import Sample, Samples
from .threads import cores

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


class Loader(Ahead[list[Place], Batch]):
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
        super().__init__(partial(minibatch, samples), order, workers)


def minibatch(samples: Samples, places: Sequence[Place]) -> Batch:
    """The mini-batch of some places."""
    return gathered([samples.sample(place) for place in places])


def check_shares(batch: int, subdivisions: int, world: int) -> None:
    """Raises DarkparseError where a mini-batch has fewer images than there are processes to share it."""
    if batch // subdivisions < world:
        each = f"batch={batch} subdivisions={subdivisions} make mini-batches of {batch // subdivisions}"
        raise DarkparseError(f"{each}; expected at least an image for each of {world} processes")


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
