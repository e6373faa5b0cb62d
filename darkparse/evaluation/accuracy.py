"""Accuracy: a classifier over labelled images, as Darknet's `classifier valid` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..classification import Classification
from ..classify import TOP, Classifier, count_classes
from ..data import Data
from ..dataset import class_words
from ..dataset.classification import doubtful, labels_in, nothing_labelled
from ..graph import Graph
from ..layout import Header
from ..network import Network
from .evaluate import warn_of
from .listing import Size
from .running import enough, evaluating, run
from .samples import shortened, validation_images

NO_CLASS = -1  # of an image without label: always mistaken


class Accuracy(NamedTuple):
    """How often a classifier is right, 0..1: with its first guess, and with one of its first few."""

    first: float
    top: float


class Labelled(NamedTuple):
    """An image file and the class that it shows."""

    path: str | Path
    label: int


def accuracy(
    network: Network,
    samples: Iterable[Labelled | tuple[str | Path, int]],
    *,
    top: int = TOP,
    batch: int = 8,
    workers: int | None = 0,
    failed: Callable[[str], None] = warn_of,
) -> Accuracy:
    """How often a network knows what labelled images show.

    The network is left as it was.  It sees the middle of each image; one that cannot be read counts as mistaken.

    Args:
        samples: image files, each with its class; gone through once
        top: how many guesses it has
        batch, workers, failed: as for `evaluate`
    Raises:
        DarkparseError: it is no classifier, or gives NaN
    Source: src/classifier.c validate_classifier_single (AlexeyAB 59596d7)
    """
    count_classes(network.graph)
    model = Classifier(network, Header(), (), "crop")
    seen, ranks = 0, np.zeros(top, np.int64)

    def interpret(_: Sequence[Size], raw: Sequence[Tensor]) -> list[Classification]:
        return model.interpret(raw, top)

    with evaluating(network):
        for sample, result in run(
            model, (Labelled(*one) for one in samples), interpret, batch, enough(samples, workers)
        ):
            seen += 1
            if result.found is None:
                failed(result.error)
            else:
                ranks[np.flatnonzero(result.found.labels == sample.label)] += 1
    return Accuracy(int(ranks[0]) / max(1, seen), int(ranks.sum()) / max(1, seen))


def labelled_images(graph: Graph, data: Data, valid_list: str | Path | None = None) -> tuple[list[Labelled], list[str]]:
    """The images of `valid=` of a .data file, or else of `train=`, each with its class, and what to report.

    The class is the first whose name is in the path; an image without one counts as mistaken.

    Args:
        valid_list: another list of images, or folder
    Raises:
        DataError: there is no list of images, or none of them has a label
    """
    images, reports = validation_images(data, valid_list)
    words, source = class_words(graph, data)
    labels = [labels_in(path, words) for path in images]
    if not any(labels):
        raise nothing_labelled(images[0], words)
    bad = [line for path, found in zip(images, labels, strict=True) for line in doubtful(path, found, words)]
    samples = [Labelled(path, (*found, NO_CLASS)[0]) for path, found in zip(images, labels, strict=True)]
    return samples, [*reports, f"labels from {source}, found in the paths of the images", *shortened(bad)]
