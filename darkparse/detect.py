"""Detecting: from images and a cfg with its weights to `Detections`."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from .data import names_for
from .dataset.reader import Ready
from .deployment import Use
from .detections import Candidates, Detections
from .errors import DarkparseError
from .graph import Graph
from .images import Placement, letterbox, resize
from .jobs import run_files
from .layout import Header
from .loading import Image, Images, Result, Runner, as_batch, check_choice, load_network
from .network import Network
from .registry import Predictions
from .selection import by_image, rows_of, suppress, undo
from .sources import open_files

RESIZES = ("auto", "stretch", "letterbox")
FITTINGS = {False: resize, True: letterbox}  # by whether images keep their proportions


class Model(Runner):
    """A network with its names, ready to detect; several threads may use it at once.

    names: one a class; letterbox: whether images keep their proportions; notes: what was decided, and why
    """

    def __init__(self, network: Network, header: Header, names: tuple[str, ...], letterbox: bool) -> None:
        super().__init__(network, header, names, FITTINGS[letterbox])
        self.letterbox = letterbox

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
        several, alone = as_batch(image)
        images = [self.prepare(one) for one in several]
        found = self.interpret(images, self.forward(images), thresh, nms, hier)
        return found[0] if alone else found

    @torch.inference_mode()
    def interpret(
        self, images: Sequence[Ready], raw: Sequence[Tensor], thresh: float, nms: float, hier: float
    ) -> list[Detections]:
        """Decode and suppress what the heads gave for prepared images."""
        sizes = [image.size for image in images]
        kept = by_image(suppress(self.rows(sizes, raw, thresh, hier), nms, self.suppression), len(sizes))
        return [
            Detections(found.boxes, found.scores, found.labels, self.names, *size)
            for size, found in zip(sizes, kept, strict=True)
        ]

    @property
    def suppression(self) -> tuple[str, float]:
        """`nms_kind` and `beta_nms`: those of the last head count."""
        return self.graph.heads[-1][1].suppression

    def predict(self, raw: Sequence[Tensor], hier: float = 0.5) -> list[Predictions]:
        """What the heads gave for some images, relative to the network's input; nothing for none."""
        _, height, width = self.graph.net.shape
        heads = zip(self.graph.heads, raw, strict=bool(raw))
        return [head.decode(one, width, height, hier) for (_, head), one in heads]

    def decode(
        self, sizes: Sequence[tuple[int, int]], raw: Sequence[Tensor], thresh: float, hier: float
    ) -> list[Candidates]:
        """What the heads gave for each of some images, relative to the image, before suppression.

        Args:
            sizes: width and height of each image, px
        """
        return by_image(self.rows(sizes, raw, thresh, hier), len(sizes))

    def rows(self, sizes: Sequence[tuple[int, int]], raw: Sequence[Tensor], thresh: float, hier: float) -> Tensor:
        """The same for all images as one tensor, where the raw outputs are; see `selection`."""
        _, height, width = self.graph.net.shape
        heads = zip(self.graph.heads, raw, strict=bool(raw))
        rows = rows_of([head.likely(one, width, height, thresh, hier) for (_, head), one in heads], thresh)
        places = [Placement.of(*size, width, height, self.letterbox) for size in sizes]
        return undo(rows, places)  # before suppression, as distances depend on it


def load(
    cfg: str | Path,
    weights: str | Path = "",
    *,
    names: str | Path | None = None,
    data: str | Path | None = None,
    width: int | None = None,
    height: int | None = None,
    resize: str = "auto",
    device: str = "auto",
    precision: str = "fp32",
    batch: int = 1,
    images: int | None = None,
    compiled: bool = False,
    strict: bool = False,
) -> Model:
    """A model from a cfg and its weights, or from one file that holds both.

    Args:
        cfg: a file, or the name of a cfg that comes with darkparse; or a .pt or .safetensors of darkparse convert
        weights: a .weights file that fits it exactly; none for a .pt or .safetensors
        names, data: a .names file, or a .data file that names one; else one is looked for
        width, height: another size of the network's input than the cfg's, px
        resize: "stretch", "letterbox", or "auto": as the cfg's letter_box says, else as who wrote the weights does
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1", "mps"
        precision: "fp32", "bf16" or "fp16"
        batch: images at a time that it is made fast for; others work
        images: how many will come, if that is known: the network is made faster only where that pays
        compiled: by torch.compile too, which takes up to a minute; used where it is quicker
        strict: take oddities of the cfg for errors
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the weights do not fit
        DataError: the names do not fit
        DarkparseError: there is no such device, or not enough memory
    """
    check_choice("resize", resize, RESIZES)
    files = open_files(cfg, weights, width=width, height=height, strict=strict)
    graph = files.graph
    check_detector(graph)
    network, header, notes = load_network(files, device, precision, Use(batch, images, compiled))
    found, source = names_for(graph, names, data, files.names)
    keeps_proportions, why = choose_resize(resize, graph, header)
    model = Model(network, header, found, keeps_proportions)
    model.notes = [f"resize: {why}", f"names: {source}", *notes]
    return model


def check_detector(graph: Graph) -> None:
    """Raises DarkparseError where no section gives boxes."""
    if not graph.heads:
        raise DarkparseError(
            f"{graph.file}: no section that gives boxes ([yolo], [Gaussian_yolo], [region], [detection]), so this "
            "is no detector; if it is a classifier, use darkparse classify (darkparse.load_classifier)"
        )


def choose_resize(resize: str, graph: Graph, header: Header) -> tuple[bool, str]:
    """Whether to letterbox, and why.

    Source: src/detector.c (AlexeyAB 59596d7), examples/detector.c (pjreddie f6afaab), test_detector of both
    """
    if resize != "auto":
        return resize == "letterbox", f"{resize}, as asked for"
    if graph.net.letter_box >= 0:
        kind = "letterbox" if graph.net.letter_box else "stretch"
        return kind == "letterbox", f"{kind}, by letter_box={graph.net.letter_box} of the cfg"
    if any(head.stretched for _, head in graph.heads):
        return False, f"stretch, as both Darknets do for [{graph.heads[-1][1].section}]"
    kind = header.dialect.resize
    return kind == "letterbox", f"{kind}, by version {header.version} of the weights: {header.writer}"


def detect_files(
    model: Model,
    paths: Iterable[str],
    *,
    thresh: float = 0.25,
    nms: float = 0.45,
    hier: float = 0.5,
    batch: int = 1,
    pictures: bool = True,
) -> Generator[Result[Detections]]:
    """Detect in image files; see `run_files`."""

    def interpret(images: Sequence[Ready], raw: Sequence[Tensor]) -> list[Detections]:
        return model.interpret(images, raw, thresh, nms, hier)

    return run_files(model, paths, batch, interpret, pictures)
