"""COCO's twelve figures, by pycocotools, which is an extra."""

from __future__ import annotations

import importlib.util
import io
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..boxes import Floats, cxcywh_to_xyxy
from ..detections import Candidates
from ..errors import DarkparseError
from .listing import Size

LEAST, NMS, HIER = 0.001, 0.6, 0.5  # as `valid` writes them; src/detector.c validate_detector (AlexeyAB 59596d7)
MOST = 100  # detections that count, of an image and class
FIGURES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
NO_ROWS = np.zeros((0, 7))


class Summary(NamedTuple):
    """COCO's figures by their names, 0..1, or -1 where no object is of that size; and pycocotools' text of them."""

    figures: dict[str, float]
    lines: tuple[str, ...]


class Coco:
    """Takes the objects and detections of images, as the file of results has them, for COCO's own measure.

    Other than Darknet's mean, COCO's is over the classes that have objects.  Small, medium and large are by the area of
    an object's box, as labels have no outlines.

    Raises:
        DarkparseError: pycocotools is not installed
    """

    def __init__(self, classes: int) -> None:
        if importlib.util.find_spec("pycocotools") is None:
            raise DarkparseError(
                "COCO's figures need pycocotools, which is not installed: pip install 'darkparse[coco]'"
            )
        self.classes = classes
        self.sizes: list[Size] = []
        self.objects: list[NDArray[np.float64]] = []
        self.found: list[NDArray[np.float64]] = []

    def add(self, size: Size, boxes: Floats, found: Candidates) -> None:
        """One image.

        Args:
            size: of the image
            boxes: its objects, `(M, 5)` of x, y, w, h (relative) and class
            found: boxes in px
        """
        number = len(self.sizes) + 1
        self.sizes.append(size)
        known = boxes[(boxes[:, 4] >= 0) & (boxes[:, 4] < self.classes)].astype(np.float64)
        corners = cxcywh_to_xyxy(known[:, :4]) * (size * 2)  # type: ignore[arg-type]
        self.objects.append(rows_of(number, corners, known[:, 4]))
        best = np.argsort(-found.scores, kind="stable")
        kept = found.keep(np.sort(best[rank_in_class(found.labels[best]) < MOST]))
        self.found.append(rows_of(number, clipped(kept.boxes, size), kept.labels, kept.scores))

    def summary(self) -> Summary:
        """The figures of all images so far."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        truth, found = COCO(), COCO()
        with redirect_stdout(io.StringIO()):
            for one, rows in ((truth, self.objects), (found, self.found)):
                one.dataset = self.dataset(np.concatenate([NO_ROWS, *rows]))
                one.createIndex()
            measure = COCOeval(truth, found, "bbox")
            measure.evaluate()
            measure.accumulate()
        with redirect_stdout(io.StringIO()) as said:
            measure.summarize()
        figures = dict(zip(FIGURES, map(float, measure.stats), strict=True))
        return Summary(figures, tuple(said.getvalue().splitlines()))

    def dataset(self, rows: NDArray[np.float64]) -> dict[str, list[dict[str, Any]]]:
        """Objects or detections, rows as of `rows_of`, in COCO's format."""
        return {
            "images": [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(self.sizes, 1)],
            "categories": [{"id": label, "name": str(label)} for label in range(self.classes)],
            "annotations": [
                {"id": i, "image_id": int(image), "category_id": int(label), "iscrowd": 0,
                 "bbox": [x, y, w, h], "area": w * h, "score": score}
                for i, (image, x, y, w, h, score, label) in enumerate(rows.tolist(), 1)
            ],
        }  # fmt: skip


def rows_of(
    image: int, corners: NDArray[Any], labels: NDArray[Any], scores: Floats | float = 1.0
) -> NDArray[np.float64]:
    """`(N, 7)` of image, x, y, width, height, score and class, as pycocotools takes detections."""
    rows = np.empty((len(corners), 7))
    rows[:, 0], rows[:, 1:3], rows[:, 3:5] = image, corners[:, :2], corners[:, 2:] - corners[:, :2]
    rows[:, 5], rows[:, 6] = scores, labels
    return rows


def clipped(boxes: Floats, size: Size) -> Floats:
    """Boxes `(N, 4)` cxcywh, px, as corners inside an image of that size.

    Source: src/detector.c print_cocos (AlexeyAB 59596d7), where a box wholly outside has a size below 0
    """
    return np.clip(cxcywh_to_xyxy(boxes), 0, np.array(size * 2, np.float32))


def rank_in_class(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(N,)` how many of the same class come before each."""
    order = np.argsort(labels, kind="stable")
    begins = np.searchsorted(labels[order], labels[order], "left")
    result = np.empty(len(labels), np.int64)
    result[order] = np.arange(len(labels)) - begins
    return result
