"""Images through a network: read by processes ahead of it, and on a GPU interpreted while the next ones run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ..dataset.processes import Ahead
from ..dataset.reader import Read
from ..dataset.threads import cores
from ..loading import Result, Runner
from ..network import Network, check_memory

FEW = 64  # images that are read before processes for that have started

Found = TypeVar("Found")
Done = TypeVar("Done")
Interpret = Callable[[Sequence[tuple[int, int]], Sequence[Tensor]], Sequence[Found]]


class HasPath(Protocol):
    """A sample: an image file, with whatever else is known of it."""

    @property
    def path(self) -> str | Path:
        """The file."""


Sample = TypeVar("Sample", bound=HasPath)


def run(
    runner: Runner, samples: Iterable[Sample], interpret: Interpret[Found], batch: int, workers: int
) -> Iterator[tuple[Sample, Result[Found]]]:
    """Run the images of samples through a network; each with what became of it, in order, however many there are.

    Args:
        interpret: what the raw outputs mean for images of these sizes (width, height, px), one an image
        batch: how many images the network takes at a time
        workers: processes that read images; 0: this one does
    """
    check_memory(runner.graph, images=batch)
    waiting: deque[Sample] = deque()

    def paths() -> Iterator[str]:
        for sample in samples:
            waiting.append(sample)
            yield str(sample.path)

    with Ahead(runner.reader.read, paths(), workers) as images:
        for result in _results(runner, iter(images), interpret, batch):
            yield waiting.popleft(), result


def enough(samples: Iterable[Any], workers: int | None) -> int:
    """As many processes as asked for; else one for each core, unless too few images are to be worth their start."""
    if workers is not None:
        return workers
    return 0 if isinstance(samples, Sized) and len(samples) < FEW else cores()


def _results(
    runner: Runner, images: Iterator[Read], interpret: Interpret[Found], batch: int
) -> Iterator[Result[Found]]:
    """One behind the other: a GPU runs a batch while that before is interpreted."""

    @torch.inference_mode()
    def results(read: list[Read], raw: list[Tensor]) -> list[Result[Found]]:
        found = iter(interpret([one.size for one in read if not one.error], raw))
        return [Result(one.path, None if one.error else next(found), one.error, 0.0, None) for one in read]

    with executor_for(runner.device) as behind:
        before: Future[list[Result[Found]]] | None = None
        while chunk := list(islice(images, batch)):
            raw = runner.run([one.pixels for one in chunk if one.pixels is not None])
            if before is not None:
                yield from before.result()
            before = behind.submit(results, [one._replace(pixels=None) for one in chunk], raw)
        if before is not None:
            yield from before.result()


class AtOnce(Executor):
    """Does what it is given before it goes on."""

    def submit(self, do: Callable[..., Done], /, *given: Any, **named: Any) -> Future[Done]:
        """The result, in the end."""
        done: Future[Done] = Future()
        done.set_result(do(*given, **named))
        return done


def executor_for(device: torch.device) -> Executor:
    """Where results are interpreted: beside a GPU a thread does; the processor has no time to spare for one."""
    return AtOnce() if device.type == "cpu" else ThreadPoolExecutor(1)


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """The network in evaluation mode, without gradients; afterwards each of its modules is as before."""
    training = [module for module in network.modules() if getattr(module, "training", False)]  # what is packed has none
    if training:
        network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True
        network.reset()
