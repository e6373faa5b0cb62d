"""What detecting and classifying share: from files to a network on its device, and images through it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from .dataset.reader import Fitting, Reader, Ready
from .deployment import PRECISIONS, deploy
from .errors import DarkparseError, ImageError
from .graph import Graph
from .layout import Header
from .network import Network, check_memory
from .sources import Files

Image = str | Path | np.ndarray
Images = Sequence[Path] | Sequence[np.ndarray] | list[str] | tuple[str, ...] | list[Image] | tuple[Image, ...]
Found = TypeVar("Found")

BATCHED = 4  # dimensions of an array of several images


def as_batch(image: Image | Images) -> tuple[list[Image], bool]:
    """The images, and whether it was one alone; an array of several has four dimensions."""
    if isinstance(image, str | Path) or (isinstance(image, np.ndarray) and image.ndim != BATCHED):
        return [image], True
    return list(image), False


@dataclass(frozen=True)
class Result(Generic[Found]):
    """What became of one image of a list."""

    path: str
    found: Found | None  # None: it could not be read
    error: str  # why not
    milliseconds: float  # in the network
    image: np.ndarray | None  # (rows, columns, C) in the network's order


class Runner:
    """A network with its names, on its device; several threads may use it at once.

    names: one a class; reader: what reads images for it; notes: what was decided, and why
    """

    def __init__(self, network: Network, header: Header, names: tuple[str, ...], fitting: Fitting) -> None:
        self.network, self.header, self.names = network, header, names
        self.graph: Graph = network.graph
        self.reader = Reader(network.graph.net.shape, fitting)
        self.notes: list[str] = []
        parameter = next(network.parameters(), torch.empty(0))
        self.device, self.dtype = parameter.device, parameter.dtype
        self._turn = threading.Lock() if network.is_recurrent else nullcontext()

    def prepare(self, image: Image) -> Ready:
        """See `Reader.ready`."""
        return self.reader.ready(image)

    def forward(self, images: Sequence[Ready]) -> list[Tensor]:
        """The raw outputs of the network for a batch of prepared images."""
        return self.run([torch.from_numpy(image.pixels) for image in images])

    @torch.inference_mode()
    def run(self, pixels: Sequence[Tensor]) -> list[Tensor]:
        """The raw outputs of the network for a batch of images, `(C, H, W)` each; for none, none."""
        if not pixels:
            return []
        batch = torch.stack(list(pixels))
        batch = batch.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        with self._turn, told_plainly(self.device):
            self.network.reset()
            outputs = [raw.float() for raw in self.network(batch)]
        check_numbers(self.graph, outputs)
        return outputs


class Loaded(NamedTuple):
    """A deployed network with its weights."""

    network: Network
    header: Header  # of the weights
    notes: list[str]  # on what the file does not hold


def load_network(files: Files, device: str, precision: str) -> Loaded:
    """The network that files hold, on its device.

    Raises:
        WeightsError: the weights do not fit
        DarkparseError: there is no such device, or not enough memory
    """
    check_choice("precision", precision, PRECISIONS)
    network, header, random = files.build()
    notes = []
    if random:
        layers = ", ".join(str(index) for index in random)
        notes = [f"random: layers {layers} have dontload=1, so their weights are random numbers"]
    return Loaded(on_device(network, choose_device(device), precision), header, notes)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises DarkparseError where `value` is none of `choices`."""
    if value not in choices:
        raise DarkparseError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def on_device(network: Network, place: torch.device, precision: str) -> Network:
    """The deployed network on `place`.  Raises DarkparseError where it has no room there."""
    with told_plainly(place):
        return deploy(network, place, precision)


def check_numbers(graph: Graph, outputs: Sequence[Tensor]) -> None:
    """Raises DarkparseError where the network gives NaN: its weights, or what they were trained with, are broken."""
    if any(bool(output.isnan().any()) for output in outputs):
        raise DarkparseError(f"{graph.file}: the network gives NaN; are there any in the weights (darkparse inspect)?")


@contextmanager
def told_plainly(place: torch.device) -> Iterator[None]:
    """Turn what torch says of missing memory or a missing kernel into one line."""
    try:
        yield
    except (RuntimeError, MemoryError) as why:
        raise DarkparseError(f"device {place}: {(str(why) or 'out of memory').splitlines()[0]}") from None


def choose_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        DarkparseError: there is none
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as why:
        raise DarkparseError(f"device {name!r}: {str(why).splitlines()[0]}") from None
    return device


def run_files(
    runner: Runner,
    paths: Iterable[str],
    batch: int,
    interpret: Callable[[Sequence[Ready], Sequence[Tensor]], Sequence[Found]],
) -> Iterator[Result[Found]]:
    """Run image files through the network, `batch` at a time; one that cannot be read is reported in its place.

    Args:
        interpret: what the raw outputs for prepared images mean, one an image
    """
    check_memory(runner.graph, images=batch)
    waiting = iter(paths)
    while chunk := list(islice(waiting, batch)):
        ready: dict[int, Ready] = {}
        errors: dict[int, str] = {}
        for index, path in enumerate(chunk):
            try:
                ready[index] = runner.prepare(path)
            except ImageError as why:
                errors[index] = str(why)
        images = list(ready.values())
        start = time.perf_counter()
        raw = runner.forward(images)
        if runner.device.type == "cuda":
            torch.cuda.synchronize(runner.device)
        each = (time.perf_counter() - start) * 1e3 / max(1, len(images))
        found = dict(zip(ready, interpret(images, raw), strict=True))
        for index, path in enumerate(chunk):
            image = ready[index].image if index in ready else None
            yield Result(path, found.get(index), errors.get(index, ""), each, image)
