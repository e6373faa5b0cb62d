"""Evaluating: a network over labelled images, as Darknet's `detector map` and `classifier valid` do."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boxes import Floats, Ints
from ..classification import Classification
from ..classify import TOP, Classifier, count_classes
from ..detect import Model, check_detector
from ..detections import Candidates, select
from ..errors import DarkparseWarning
from ..layout import Header
from ..loading import Ready, run_files
from ..metrics import Evaluation, Found, Truths, evaluation
from ..network import Network

Sample = tuple[str | Path, Floats]  # an image file, and its objects: (M, 5) of x, y, w, h (relative) and class
LEAST, NMS = 0.005, 0.45  # src/detector.c validate_detector_map: of what is a detection, and of suppression
NO_OBJECTS = np.zeros((0, 5), np.float32)
NOTHING = Candidates(*(np.zeros(shape, kind) for shape, kind in (((0, 4), "f4"), (0, "f4"), (0, "i8"), (0, "f4"))))


def evaluate(
    network: Network,
    samples: Iterable[Sample],
    *,
    batch: int = 8,
    iou_thresh: float = 0.5,
    points: int = 0,
    thresh: float = 0.25,
) -> Evaluation:
    """How well a network finds the objects of labelled images.

    The network runs as for detection and is left as it was, in training or not.  Images are stretched to its size, or
    letterboxed if the cfg says letter_box=1.  One that cannot be read is warned of, and its objects count as missed.

    Args:
        samples: read one after the other, `batch` at a time; objects of a class that the network lacks do not count
        iou_thresh, points, thresh: as for `metrics.evaluation`
    Raises:
        DarkparseError: it is no detector, or gives NaN
    Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)
    """
    graph = network.graph
    check_detector(graph)
    model = Model(network, Header(), (), letterbox=graph.net.letter_box > 0)
    objects: list[Floats] = []
    found: list[Candidates] = []

    def paths() -> Iterator[str]:
        for path, boxes in samples:
            rows = np.asarray(boxes, np.float32).reshape(-1, 5)
            objects.append(rows[(rows[:, 4] >= 0) & (rows[:, 4] < graph.classes)])
            yield str(path)

    def interpret(images: Sequence[Ready], raw: Sequence[Tensor]) -> list[Candidates]:
        decoded = model.decode(images, raw, LEAST, hier=0)
        return [select(listed(one, graph.classes), NMS, model.suppression) for one in decoded]

    with evaluating(network):
        for result in run_files(model, paths(), batch, interpret):
            if result.found is None:
                warnings.warn(result.error, DarkparseWarning, stacklevel=2)
            found.append(result.found or NOTHING)
    return evaluation(
        gather(found), gather_truths(objects), graph.classes, iou_thresh=iou_thresh, points=points, thresh=thresh
    )


class Accuracy(NamedTuple):
    """How often a classifier is right, 0..1: with its first guess, and with one of its first few."""

    first: float
    top: float


def accuracy(
    network: Network, samples: Iterable[tuple[str | Path, int]], *, top: int = TOP, batch: int = 8
) -> Accuracy:
    """How often a network knows what labelled images show.

    The network is left as it was.  It sees the middle of each image; one that cannot be read is warned of, and counts
    as mistaken.

    Args:
        samples: image files, each with its class; read `batch` at a time
        top: how many guesses it has
    Raises:
        DarkparseError: it is no classifier, or gives NaN
    Source: src/classifier.c validate_classifier_single (AlexeyAB 59596d7)
    """
    count_classes(network.graph)
    model = Classifier(network, Header(), (), "crop")
    labels: list[int] = []
    ranks: list[int] = []

    def paths() -> Iterator[str]:
        for path, label in samples:
            labels.append(label)
            yield str(path)

    def interpret(images: Sequence[Ready], raw: Sequence[Tensor]) -> list[Classification]:
        return model.interpret(images, raw, top)

    with evaluating(network):
        for number, result in enumerate(run_files(model, paths(), batch, interpret)):
            if result.found is None:
                warnings.warn(result.error, DarkparseWarning, stacklevel=2)
            else:
                ranks.extend(np.flatnonzero(result.found.labels == labels[number]).tolist())
    return Accuracy(ranks.count(0) / max(1, len(labels)), len(ranks) / max(1, len(labels)))


@contextmanager
def evaluating(network: Network) -> Iterator[None]:
    """The network in evaluation mode, without gradients; afterwards each of its modules is as before."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True
        network.reset()


def listed(found: Candidates, classes: int) -> Candidates:
    """The same in the order in which Darknet's suppression leaves it, on which its true positives depend.

    It sorts boxes by the score of each class in turn, so that the last class counts first.
    Source: src/box.c do_nms_sort, diounms_sort (AlexeyAB 59596d7)
    """
    if not len(found.scores):
        return found
    boxes, labels = found.boxes, found.labels
    begins = np.append(True, (boxes[1:] != boxes[:-1]).any(axis=1) | (labels[1:] <= labels[:-1]))
    box = np.cumsum(begins) - 1
    scores = np.zeros((classes, box[-1] + 1), np.float32)
    scores[labels, box] = found.scores
    place = np.empty(box[-1] + 1, np.int64)
    place[np.lexsort(-scores)] = np.arange(len(place))
    return found.keep(np.lexsort((labels, place[box])))


def gather(found: Sequence[Candidates]) -> Found:
    """The detections of several images, one after the other."""
    boxes, scores, labels, _ = (np.concatenate(parts) for parts in zip(NOTHING, *found, strict=True))
    return Found(numbers(len(one.scores) for one in found), labels, boxes, scores)


def gather_truths(objects: Sequence[Floats]) -> Truths:
    """The objects of several images, one after the other."""
    rows = np.concatenate([NO_OBJECTS, *objects])
    return Truths(numbers(map(len, objects)), rows[:, 4].astype(np.int64), rows[:, :4])


def numbers(counts: Iterable[int]) -> Ints:
    """The number of the image of each row, from how many rows each image has."""
    sizes = np.fromiter(counts, np.int64)
    return np.repeat(np.arange(len(sizes)), sizes)
