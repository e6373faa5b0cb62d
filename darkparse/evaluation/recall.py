"""Recall of a detector's boxes, whatever their class: Darknet's `detector recall`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..boxes import Floats, iou, nms
from ..detect import Model
from ..detections import proposals
from .evaluate import warn_of
from .listing import Size
from .report import two
from .running import enough, run
from .samples import Sample

LEAST, NMS, IOU_THRESH = 0.001, 0.4, 0.5  # src/detector.c validate_detector_recall
NO_BOXES = np.zeros((0, 4), np.float32)


@dataclass
class Recall:
    """How it stands after so many images.

    correct: objects that a box overlaps by more than half; total: all objects; proposals: boxes;
    overlap: sum of the best overlap of each object
    """

    images: int = 0
    correct: int = 0
    total: int = 0
    proposals: int = 0
    overlap: np.float32 = np.float32(0)

    def add(self, boxes: Floats, objects: Floats) -> None:
        """One image: `(N, 4)` and `(M, 4)`, cxcywh relative to it."""
        self.images += 1
        self.total += len(objects)
        self.proposals += len(boxes)
        for one in objects:
            best = iou(one, boxes).max(initial=0)
            self.overlap += best
            self.correct += int(best > np.float32(IOU_THRESH))

    def __str__(self) -> str:
        """Darknet's line."""
        with np.errstate(invalid="ignore"):
            overlap = self.overlap * np.float32(100) / np.float32(self.total)
        found = 100 * self.correct / self.total if self.total else np.nan
        each = np.float32(self.proposals) / np.float32(self.images)
        counts = f"{self.images - 1:5d} {self.correct:5d} {self.total:5d}"
        return f"{counts}\tRPs/Img: {each:.2f}\tIOU: {two(overlap)}%\tRecall:{two(found)}%"


def recall(
    model: Model,
    samples: Iterable[Sample],
    *,
    batch: int = 8,
    workers: int | None = 0,
    failed: Callable[[str], None] = warn_of,
) -> Iterator[Recall]:
    """How many of the objects of images have a box; after each image what it is of all so far, always the same object.

    Boxes count whose objectness is above .001, less those that a box of higher objectness overlaps by more than .4.
    For [region] AlexeyAB's Darknet takes every objectness for 1.

    Args:
        samples, batch, workers, failed: as for `evaluate`; an image that cannot be read has no boxes
    Source: src/detector.c validate_detector_recall, src/box.c do_nms_obj (AlexeyAB 59596d7)
    """

    def interpret(sizes: Sequence[Size], raw: Sequence[Tensor]) -> list[Floats]:
        found = []
        predictions = model.predict(raw)
        for image in range(len(sizes)):
            boxes, objectness = proposals(predictions, image, LEAST)
            found.append(boxes[nms(boxes, objectness, np.zeros(len(boxes), np.int64), NMS)])
        return found

    so_far = Recall()
    for sample, result in run(model, samples, interpret, batch, enough(samples, workers)):
        if result.found is None:
            failed(result.error)
        so_far.add(NO_BOXES if result.found is None else result.found, sample.boxes[:, :4])
        yield so_far
