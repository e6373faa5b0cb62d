"""Classifying: from images and a cfg with its weights to `Classification`s."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torch import Tensor

from .boxes import Floats, Ints
from .classification import Classification
from .data import known_names, tree_of
from .dataset.reader import Ready
from .deployment import Use
from .errors import DarkparseError, ImageError
from .graph import Graph
from .images import Pixels, letterbox, resize
from .jobs import run_files
from .layout import Header
from .loading import Image, Images, Result, Runner, as_batch, check_choice, load_network
from .modules.region import cumulative
from .network import Network
from .sources import open_files
from .tree import Tree

TOP = 5
LONGEST = 1 << 16  # px of an image's longer side, once its shorter one is as long as the network is wide


def crop(image: Pixels, width: int, height: int) -> Floats:
    """The middle of the image, resized in proportion: (channels, height, width), 0..1.

    Its shorter side becomes `width` px, even where the network is higher than wide: the last row is repeated there.
    Takes what `images.resize` takes.  Raises ImageError where that does, and for an image too thin.
    Source: src/classifier.c predict_classifier, src/image.c resize_min, crop_image (AlexeyAB 59596d7)
    """
    rows, columns = image.shape[:2]
    inner = (width, rows * width // columns) if columns < rows else (columns * width // rows, width)
    if max(inner) > LONGEST:
        raise ImageError(f"{columns} x {rows} px is too thin to crop; expected at most 1:{LONGEST // width}")
    left, top = int((inner[0] - width) / 2), int((inner[1] - height) / 2)  # towards 0, as in C
    down = np.clip(np.arange(height) + top, 0, inner[1] - 1)
    return np.ascontiguousarray(resize(image, *inner)[:, down, left : left + width])


FITTINGS = {"crop": crop, "letterbox": letterbox, "stretch": resize}


class Classifier(Runner):
    """A network with its names, ready to classify; several threads may use it at once.

    names: one a class; resize: "crop", "letterbox" or "stretch"; tree: whose nodes the classes are, if any;
    notes: what was decided, and why
    """

    def __init__(self, network: Network, header: Header, names: tuple[str, ...], resize: str) -> None:
        super().__init__(network, header, names, FITTINGS[resize])
        self.resize, self.tree = resize, tree_of(network.graph)

    @overload
    def classify(self, image: Image, *, top: int = ..., hier: float | None = ...) -> Classification: ...

    @overload
    def classify(self, image: Images, *, top: int = ..., hier: float | None = ...) -> list[Classification]: ...

    def classify(
        self, image: Image | Images, *, top: int = TOP, hier: float | None = None
    ) -> Classification | list[Classification]:
        """What an image shows, or each of several.

        Args:
            image: as for `Model.detect`; a list is one batch
            top: how many classes, at most
            hier: in place of the `top` classes give one, as far down the class tree as it is likelier than this, 0..1
        Raises:
            ImageError: an image cannot be read, or has the wrong number of channels
            DarkparseError: `hier` without a class tree
        """
        several, alone = as_batch(image)
        found = self.interpret(self.forward([self.prepare(one) for one in several]), top, hier)
        return found[0] if alone else found

    @torch.inference_mode()
    def interpret(self, raw: Sequence[Tensor], top: int = TOP, hier: float | None = None) -> list[Classification]:
        """The likeliest classes, from what the network gave for some images.

        Source: src/classifier.c predict_classifier, src/tree.c hierarchy_predictions (AlexeyAB 59596d7; pjreddie
        f6afaab, where of a tree only the leaves count)
        """
        if top < 1 or (hier is not None and not 0 <= hier <= 1):
            raise DarkparseError(f"expected top >= 1 and hier from 0 to 1, got top={top} and hier={hier}")
        if hier is not None and self.tree is None:
            raise DarkparseError(f"{self.graph.file}: hier={hier:g}, but the network has no class tree")
        if not raw:
            return []
        scores = raw[0].flatten(1)
        if self.tree is None:
            return [Classification(*best(row, top), self.names) for row in scores.cpu().numpy()]
        parents, found = self.tree.parents, []
        for row in cumulative(self.tree, scores).cpu().numpy():
            if hier is None:
                counting = np.where(self.tree.children < 0, row, 0) if self.graph.dialect.leaves_only else row
                found.append(Classification(*best(counting, top), self.names, parents))
            else:
                node = np.array([walk(self.tree, row, hier)])
                found.append(Classification(row[node], node, self.names, parents))
        return found


def best(scores: Floats, top: int) -> tuple[Floats, Ints]:
    """The `top` highest of `scores`, `(N,)`, and their indices; of equal ones the first; without those not finite.

    Source: src/utils.c top_k (AlexeyAB 59596d7)
    """
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])][:top]
    return scores[order], order


def walk(tree: Tree, scores: Floats, hier: float) -> int:
    """The node where the walk from the root, always to the likeliest child, ends for lack of one above `hier`.

    Args:
        scores: `(N,)` probability of each node; at least the likeliest below the root is taken
    Source: src/tree.c hierarchy_top_prediction (AlexeyAB 59596d7)
    """
    group, above = 0, -1
    while True:
        first = int(tree.offsets[group])
        node = first + int(scores[first : first + int(tree.sizes[group])].argmax())
        if scores[node] <= hier:
            return above if group else node
        if tree.children[node] < 0:
            return node
        group, above = int(tree.children[node]), node


def load_classifier(
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
) -> Classifier:
    """A classifier from a cfg and its weights, or from one file that holds both.

    Args:
        names, data: a .names file, or a .data file that names one (`names=`, or else `labels=`); else one is looked for
        resize: "crop", "letterbox", "stretch", or "auto": as who wrote the weights does
        cfg, weights, width, height, device, precision, batch, images, compiled, strict: as for `load`
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the weights do not fit
        DataError: the names do not fit
        DarkparseError: it is no classifier, there is no such device, or not enough memory
    """
    check_choice("resize", resize, ["auto", *FITTINGS])
    files = open_files(cfg, weights, width=width, height=height, strict=strict)
    classes = count_classes(files.graph)
    network, header, notes = load_network(files, device, precision, Use(batch, images, compiled))
    found, source = class_names(files.graph, classes, names, data, files.names)
    kind, why = choose_fitting(resize, header)
    model = Classifier(network, header, found, kind)
    model.notes = [f"resize: {kind}, {why}", f"names: {source}", *notes]
    return model


def count_classes(graph: Graph) -> int:
    """Number of classes.  Raises DarkparseError where the network is no classifier of images."""
    file, shape = graph.file, graph.nodes[-1].shape
    if graph.heads:
        section = graph.heads[-1][1].section
        raise DarkparseError(f"{file}: a detector, with a [{section}]; use darkparse detect (darkparse.load)")
    if not graph.net.width * graph.net.height * graph.net.channels:
        raise DarkparseError(
            f"{file}: reads {graph.net.inputs} values, not images; character networks run with darkparse generate"
        )
    if shape.h * shape.w != 1:
        raise DarkparseError(f"{file}: no classifier: its last layer gives {shape}; expected 1x1, a value a class")
    return shape.c


def class_names(
    graph: Graph, classes: int, names: str | Path | None, data: str | Path | None, own: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], str]:
    """The names of the classes, and where they are from; see `data.known_names`."""
    return known_names(graph, names, data, own) or (tuple(f"class_{i}" for i in range(classes)), "none found")


def choose_fitting(resize: str, header: Header) -> tuple[str, str]:
    """How images become the network's size, and why.

    Source: src/classifier.c (AlexeyAB 59596d7), examples/classifier.c (pjreddie f6afaab) predict_classifier
    """
    if resize != "auto":
        return resize, "as asked for"
    kind = "crop" if header.dialect.crops_for_classes else "letterbox"
    return kind, f"by version {header.version} of the weights: {header.writer}"


def classify_files(
    model: Classifier, paths: Iterable[str], *, top: int = TOP, hier: float | None = None, batch: int = 1
) -> Generator[Result[Classification]]:
    """Classify image files; see `run_files`."""

    def interpret(_: Sequence[Ready], raw: Sequence[Tensor]) -> list[Classification]:
        return model.interpret(raw, top, hier)

    return run_files(model, paths, batch, interpret, pictures=False)
