"""Lists of image files through a network, in order, by as many threads as that is worth."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from .dataset.reader import Ready
from .dataset.threads import ahead, cores
from .errors import DarkparseError, ImageError
from .graph import Graph
from .loading import Found, Result, Runner
from .network import check_memory

LONG = 8  # images from which it pays to start threads
MOST_LANES = 4  # each has its own memory

Interpret = Callable[[Sequence[Ready], Sequence[Tensor]], Sequence[Found]]
One = TypeVar("One")


def run_files(
    runner: Runner, paths: Iterable[str], batch: int, interpret: Interpret[Found], pictures: bool = True
) -> Generator[Result[Found]]:
    """Run image files through the network, `batch` at a time; one that cannot be read is reported in its place.

    Of many, threads read some, or run them, ahead of the one that is used.  Close it to end them early.

    Args:
        interpret: what the raw outputs for prepared images mean, one an image
        pictures: whether the results are to have the images themselves, too
    """
    check_memory(runner.graph, images=batch)
    shares = Shares.of(runner, paths, batch)
    lanes = max(1, shares.lanes)
    job = Job(runner, interpret, pictures, lanes)
    source: Generator[Any] = (path for path in paths)
    if shares.readers:
        source = ahead(job.read, paths, shares.readers, 2 * batch)
    make: Callable[[Any], list[Result[Found]]] = job.run if shares.readers else job.read_and_run

    def begin() -> None:
        torch.set_num_threads(shares.threads)
        runner.begin_lane()

    chunks = in_chunks(source, batch)
    with same_threads(), closing(source), closing(ahead(make, chunks, shares.lanes, 2 * lanes, begin)) as done:
        for results in done:
            yield from results


class Shares(NamedTuple):
    """How the images of a job are shared out.  Without readers and lanes, all is done one after the other."""

    readers: int  # threads that read images; 0: the lanes do
    lanes: int  # threads that run the network
    threads: int  # of PyTorch, in each lane

    @classmethod
    def of(cls, runner: Runner, paths: Iterable[str], batch: int) -> Shares:
        """What is best for so many images, `batch` at a time.

        A processor's cores each take images of their own, from file to result: at work on one image, all of them wait
        for each other at each layer, and for a core that reads.  A GPU runs a batch while the next is sent, and the one
        before interpreted.  Where nobody knows what comes next, as on standard input, or one image needs the state that
        another leaves, there is one thing at a time.
        """
        threads = torch.get_num_threads()
        if not isinstance(paths, Sized) or len(paths) < LONG:
            return cls(0, 0, threads)
        if runner.device.type != "cpu":
            return cls(cores(), 1 if runner.in_turn else runner.lanes, threads)
        lanes = min(threads, MOST_LANES)
        if runner.in_turn or not has_room(runner.graph, batch * lanes):
            return cls(0, 0, threads)
        return cls(0, lanes, threads // lanes)


@dataclass(frozen=True)
class Job(Generic[Found]):
    """What is done with each image; see `run_files`."""

    runner: Runner
    interpret: Interpret[Found]
    pictures: bool
    lanes: int

    def read(self, path: str) -> tuple[str, Ready | ImageError]:
        """An image, or why it cannot be read."""
        try:
            ready = self.runner.prepare(path)
        except ImageError as why:
            return path, why
        return path, ready if self.pictures else ready.without_picture()

    def run(self, chunk: Sequence[tuple[str, Ready | ImageError]]) -> list[Result[Found]]:
        """The results of some."""
        images = [image for _, image in chunk if isinstance(image, Ready)]
        start = time.perf_counter()
        raw = self.runner.forward(images)
        if self.runner.device.type == "cuda":
            torch.cuda.current_stream(self.runner.device).synchronize()
        each = (time.perf_counter() - start) * 1e3 / max(1, len(images)) / self.lanes
        found = iter(self.interpret(images, raw))
        return [
            Result(path, None, str(image), each, None)
            if isinstance(image, ImageError)
            else Result(path, next(found), "", each, image.image if self.pictures else None)
            for path, image in chunk
        ]

    def read_and_run(self, paths: Sequence[str]) -> list[Result[Found]]:
        """The results of some, from their files."""
        return self.run([self.read(path) for path in paths])


def has_room(graph: Graph, images: int) -> bool:
    """Whether the machine has the memory for so many images at a time."""
    try:
        check_memory(graph, images=images)
    except DarkparseError:
        return False
    return True


def in_chunks(things: Iterator[One], size: int) -> Iterator[list[One]]:
    """So many at a time."""
    while chunk := list(islice(things, size)):
        yield chunk


@contextmanager
def same_threads() -> Iterator[None]:
    """Afterwards PyTorch has as many threads as before, whatever other threads were told."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
