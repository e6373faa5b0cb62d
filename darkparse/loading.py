"""What detecting and classifying share: from files to a network on its device, and images through it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from .dataset.reader import Fitting, Reader, Ready
from .deployment import PRECISIONS, Use, deploy
from .deployment.onednn import available
from .errors import DarkparseError
from .feed import Fit, feed_for
from .graph import Graph
from .layout import Header
from .network import Network
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
    image: np.ndarray | None  # (rows, columns, C) in the network's order; None: not wanted, or not read


class Runner:
    """A network with its names, on its device; several threads may use it at once.

    names: one a class; reader: what reads images for it; notes: what was decided, and why
    """

    def __init__(self, network: Network, header: Header, names: tuple[str, ...], fitting: Fitting) -> None:
        self.network, self.header, self.names = network, header, names
        self.graph: Graph = network.graph
        self.reader = Reader(network.graph.net.shape, fitting)
        self.notes: list[str] = []
        self.device, self.dtype = network.device, network.dtype
        self.in_turn = network.in_turn  # one image at a time, each with all of the processor's threads
        self._turn = threading.Lock() if network.is_recurrent else nullcontext()
        self._feed = feed_for(self.device, self.dtype, self.reader)

    @property
    def lanes(self) -> int:
        """Threads that may run batches at a time, on anything but a processor."""
        return self._feed.lanes

    def begin_lane(self) -> None:
        """What such a thread does first."""
        self._feed.begin_lane()

    def prepare(self, image: Image) -> Ready:
        """An image as `forward` takes it; see `Reader.ready`."""
        return self._feed.reader.ready(image)

    def forward(self, images: Sequence[Ready]) -> list[Tensor]:
        """The raw outputs of the network for a batch of prepared images."""
        return self.run([torch.from_numpy(image.pixels) for image in images], self._feed.fit)

    @torch.inference_mode()
    def run(self, pixels: Sequence[Tensor], fit: Fit = torch.stack) -> list[Tensor]:
        """The raw outputs of the network for a batch of images, `(C, H, W)` each; for none, none.

        Args:
            fit: what makes a batch of them, if they are not of that shape yet
        """
        if not pixels:
            return []
        with self._turn, told_plainly(self.device):
            batch = self._feed.batch(list(pixels), fit)
            self.network.reset()
            outputs = [raw.float() for raw in self.network(batch)]
        check_numbers(self.graph, outputs)
        return outputs


class Loaded(NamedTuple):
    """A deployed network with its weights."""

    network: Network
    header: Header  # of the weights
    notes: list[str]  # on what the file does not hold


def load_network(files: Files, device: str, precision: str, use: Use) -> Loaded:
    """The network that files hold, on its device, made ready for some use.

    Raises:
        WeightsError: the weights do not fit
        DarkparseError: there is no such device, or not enough memory
    """
    check_choice("precision", precision, PRECISIONS)
    if use.batch < 1 or (use.images is not None and use.images < 0):
        raise DarkparseError(f"expected batch of at least 1 and images of at least 0, got {use.batch} and {use.images}")
    place = choose_device(device)
    network, header, random = files.build()
    notes = []
    if place.type == "cpu" and PRECISIONS[precision] != torch.float32 and not available(PRECISIONS[precision]):
        notes.append(f"precision: {precision} is slow on this processor, which does not compute in it")
    if random:
        layers = ", ".join(str(index) for index in random)
        notes.append(f"random: layers {layers} have dontload=1, so their weights are random numbers")
    return Loaded(on_device(network, place, precision, use), header, notes)


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises DarkparseError where `value` is none of `choices`."""
    if value not in choices:
        raise DarkparseError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def on_device(network: Network, place: torch.device, precision: str, use: Use) -> Network:
    """The deployed network on `place`.  Raises DarkparseError where it has no room there."""
    with told_plainly(place):
        return deploy(network, place, precision, **use._asdict())


def check_numbers(graph: Graph, outputs: Sequence[Tensor]) -> None:
    """Raises DarkparseError where the network gives NaN: its weights, or what they were trained with, are broken."""
    if any(bool(output.sum().isnan()) and bool(output.isnan().any()) for output in outputs):  # the first is quick
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
