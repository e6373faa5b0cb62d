"""Detecting: from images and a cfg with its weights to `Detections`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import torch
from torch import Tensor

from . import weights as weights_file
from .data import find_cfg, names_for
from .deploy import deploy
from .detections import Detections, candidates, select
from .errors import DarkparseError, ImageError, refuse, warn
from .graph import Graph, read_graph
from .images import Placement, as_network_order, letterbox, read_image, resize
from .layout import Header, fit, read_header
from .network import Network, check_memory, empty_network

Image = str | Path | np.ndarray
Images = Sequence[Path] | Sequence[np.ndarray] | list[str] | tuple[str, ...] | list[Image] | tuple[Image, ...]

BATCHED = 4  # dimensions of an array of several images
RESIZES = ("auto", "stretch", "letterbox")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Ready(NamedTuple):
    """An image as the network reads it."""

    pixels: np.ndarray  # (C, H, W) float32, 0..1
    placement: Placement
    image: np.ndarray  # (rows, columns, C) as read, in the network's order


class Model:
    """A network with its names, ready to detect; several threads may use it at once.

    names: one a class; letterbox: whether images keep their proportions; notes: what was decided, and why
    """

    def __init__(self, network: Network, header: Header, names: tuple[str, ...], letterbox: bool) -> None:
        self.network, self.header, self.names, self.letterbox = network, header, names, letterbox
        self.graph: Graph = network.graph
        self.notes: list[str] = []
        parameter = next(network.parameters(), torch.empty(0))
        self.device, self.dtype = parameter.device, parameter.dtype
        self._turn = threading.Lock() if network.is_recurrent else nullcontext()

    @overload
    def detect(self, image: Image, *, thresh: float = ..., nms: float = ..., hier: float = ...) -> Detections: ...

    @overload
    def detect(
        self, image: Images, *, thresh: float = ..., nms: float = ..., hier: float = ...
    ) -> list[Detections]: ...

    def detect(
        self, image: Image | Images, *, thresh: float = 0.25, nms: float = 0.45, hier: float = 0.5
    ) -> Detections | list[Detections]:
        """What is in an image, or in each of several.

        Args:
            image: a path, or an array as OpenCV has it: `(H, W, 3)` BGR or `(H, W)` grey, uint8 or uint16, or
                float32 0..1; several of those, or an array `(N, H, W, C)`, are one batch
            thresh: least objectness and score, 0..1
            nms: overlap above which the weaker box of a class goes, 0..1
            hier: how sure a node of a class tree must be to be preferred to its parent, 0..1
        Raises:
            ImageError: an image cannot be read, or has the wrong number of channels
        """
        if isinstance(image, str | Path) or (isinstance(image, np.ndarray) and image.ndim != BATCHED):
            return self.infer([self.prepare(image)], thresh, nms, hier)[0]
        return self.infer([self.prepare(one) for one in image], thresh, nms, hier)

    def prepare(self, image: Image) -> Ready:
        """Read, put in order and resize an image.

        Raises:
            ImageError: it cannot be read, or has the wrong number of channels
        """
        channels, height, width = self.graph.net.shape
        pixels = as_network_order(image, channels) if isinstance(image, np.ndarray) else read_image(image, channels)
        try:
            fitted = (letterbox if self.letterbox else resize)(pixels, width, height)
        except ImageError as why:
            raise ImageError(f"{image}: {why}" if isinstance(image, str | Path) else str(why)) from None
        rows, columns = pixels.shape[:2]
        return Ready(fitted, Placement.of(columns, rows, width, height, self.letterbox), pixels)

    def infer(self, images: Sequence[Ready], thresh: float, nms: float, hier: float) -> list[Detections]:
        """Detections in prepared images, as one batch."""
        raw = self.forward(images)
        return self.interpret(images, raw, thresh, nms, hier)

    @torch.inference_mode()
    def forward(self, images: Sequence[Ready]) -> list[Tensor]:
        """The raw outputs of the heads for a batch of prepared images."""
        if not images:
            return []
        batch = torch.from_numpy(np.stack([image.pixels for image in images]))
        batch = batch.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        with self._turn, told_plainly(self.device):
            self.network.reset()
            return [raw.float() for raw in self.network(batch)]

    @torch.inference_mode()
    def interpret(
        self, images: Sequence[Ready], raw: Sequence[Tensor], thresh: float, nms: float, hier: float
    ) -> list[Detections]:
        """Decode and suppress what the heads gave for prepared images."""
        heads = [head for _, head in self.graph.heads]
        _, height, width = self.graph.net.shape
        predictions = [head.decode(one, width, height, hier) for head, one in zip(heads, raw, strict=bool(images))]
        results = []
        for index, image in enumerate(images):
            found = candidates(predictions, index, thresh)
            found = found._replace(boxes=image.placement.undo(found.boxes))  # before nms, whose distances depend on it
            kept = select(found, nms, heads[-1].suppression)
            rows, columns = image.image.shape[:2]
            results.append(Detections(kept.boxes, kept.scores, kept.labels, self.names, columns, rows))
        return results


def load(
    cfg: str | Path,
    weights: str | Path,
    *,
    names: str | Path | None = None,
    data: str | Path | None = None,
    width: int | None = None,
    height: int | None = None,
    resize: str = "auto",
    device: str = "auto",
    precision: str = "fp32",
    strict: bool = False,
) -> Model:
    """A model from a cfg and its weights.

    Args:
        cfg: a file, or the name of a cfg that comes with darkparse
        weights: a .weights file that fits it exactly
        names, data: a .names file, or a .data file that names one; else one is looked for
        width, height: another size of the network's input than the cfg's, px
        resize: "stretch", "letterbox", or "auto": as the cfg's letter_box says, else as who wrote the weights does
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps"
        precision: "fp32", "bf16" or "fp16"
        strict: take oddities of the cfg for errors
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the weights do not fit
        DataError: the names do not fit
        DarkparseError: there is no such device, or not enough memory
    """
    check_choice("resize", resize, RESIZES)
    check_choice("precision", precision, PRECISIONS)
    header = read_header(weights)
    path = find_cfg(str(cfg))
    graph = read_graph(path, width=width, height=height, dialect=header.dialect, complain=refuse if strict else warn)
    header, _ = fit(graph, weights)
    found, source = names_for(graph, names, data)
    keeps_proportions, why = choose_resize(resize, graph, header)
    network = empty_network(graph)
    if random := [str(node.index) for node in graph.nodes if node.layer.dontload and node.tensors]:
        network = Network(graph)
    weights_file.load(network, weights)
    place = choose_device(device)
    model = Model(on_device(network, place, precision), header, found, keeps_proportions)
    model.notes = [f"resize: {why}", f"names: {source}"]
    if random:
        model.notes.append(f"random: layers {', '.join(random)} have dontload=1, so their weights are random numbers")
    return model


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Raises DarkparseError where `value` is none of `choices`."""
    if value not in choices:
        raise DarkparseError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


def on_device(network: Network, place: torch.device, precision: str) -> Network:
    """The deployed network on `place`.  Raises DarkparseError where it has no room there."""
    with told_plainly(place):
        return deploy(network, place, PRECISIONS[precision])


@contextmanager
def told_plainly(place: torch.device) -> Iterator[None]:
    """Turn what torch says of missing memory or a missing kernel into one line."""
    try:
        yield
    except (RuntimeError, MemoryError) as why:
        raise DarkparseError(f"device {place}: {(str(why) or 'out of memory').splitlines()[0]}") from None


def choose_resize(resize: str, graph: Graph, header: Header) -> tuple[bool, str]:
    """Whether to letterbox, and why.

    Source: src/detector.c (AlexeyAB 59596d7), examples/detector.c (pjreddie f6afaab), test_detector of both
    """
    if resize != "auto":
        return resize == "letterbox", f"{resize}, as asked for"
    if graph.net.letter_box >= 0:
        kind = "letterbox" if graph.net.letter_box else "stretch"
        return kind == "letterbox", f"{kind}, by letter_box={graph.net.letter_box} of the cfg"
    kind = header.dialect.resize
    return kind == "letterbox", f"{kind}, by version {header.version} of the weights: {header.writer}"


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


class Result(NamedTuple):
    """What became of one image of a list."""

    path: str
    detections: Detections | None  # None: it could not be read
    error: str
    milliseconds: float  # in the network
    image: np.ndarray | None  # (rows, columns, C) in the network's order


def detect_files(
    model: Model, paths: Iterable[str], *, thresh: float = 0.25, nms: float = 0.45, hier: float = 0.5, batch: int = 1
) -> Iterator[Result]:
    """Detect in image files, `batch` at a time; an image that cannot be read is reported in its place."""
    check_memory(model.graph, images=batch)
    waiting = iter(paths)
    while chunk := list(islice(waiting, batch)):
        ready: dict[int, Ready] = {}
        errors: dict[int, str] = {}
        for index, path in enumerate(chunk):
            try:
                ready[index] = model.prepare(path)
            except ImageError as why:
                errors[index] = str(why)
        images = list(ready.values())
        start = time.perf_counter()
        raw = model.forward(images)
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
        each = (time.perf_counter() - start) * 1e3 / max(1, len(images))
        found = dict(zip(ready, model.interpret(images, raw, thresh, nms, hier), strict=True))
        for index, path in enumerate(chunk):
            image = ready[index].image if index in ready else None
            yield Result(path, found.get(index), errors.get(index, ""), each, image)
