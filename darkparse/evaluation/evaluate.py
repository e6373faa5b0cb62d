"""Mean average precision: a network over labelled images, as Darknet's `detector map` does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from .. import metrics
from ..boxes import Floats
from ..detect import Model, check_detector
from ..detections import Candidates
from ..errors import DarkparseWarning
from ..layout import Header
from ..metrics import Evaluation, Tally
from ..network import Network
from . import coco as of_coco
from .coco import Coco
from .listing import NOTHING, Size, as_found, as_truths, found_in
from .running import enough, evaluating, run
from .samples import Sample

LEAST, NMS = 0.005, 0.45  # src/detector.c validate_detector_map: of what is a detection, and of suppression


class Seen(NamedTuple):
    """What was detected in an image.

    size: of the image; found: as `detector map` has it; for_coco: in px, as COCO's figures take it, if asked for
    """

    size: Size
    found: Candidates = NOTHING
    for_coco: Candidates = NOTHING


def warn_of(error: str) -> None:
    """Report an image that cannot be read."""
    warnings.warn(error, DarkparseWarning, stacklevel=3)


def evaluate(
    network: Network,
    samples: Iterable[Sample | tuple[str | Path, Floats]],
    *,
    batch: int = 8,
    workers: int | None = 0,
    iou_thresh: float = metrics.IOU_THRESH,
    points: int = 0,
    thresh: float = metrics.THRESH,
    coco: Coco | None = None,
    failed: Callable[[str], None] = warn_of,
) -> Evaluation:
    """How well a network finds the objects of labelled images.

    The network runs as for detection and is left as it was, in training or not.  Images are stretched to its size, or
    letterboxed if the cfg says letter_box=1.  The objects of one that cannot be read count as missed.  Of images only
    some batches are held at a time, of a detection nine bytes.

    Args:
        samples: image files, each with its objects, `(M, 5)` of x, y, w, h (relative) and class; gone through once;
            objects of a class that the network lacks do not count
        batch: how many images the network takes at a time
        workers: processes that read images; 0: this one does; None: one for each core, unless there are few images
        iou_thresh, points, thresh: as for `metrics.evaluation`
        coco: takes all objects and detections, too
        failed: called with the reason for each image that cannot be read; by default it warns
    Raises:
        DarkparseError: it is no detector, or gives NaN
    Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)
    """
    graph = network.graph
    check_detector(graph)
    model = Model(network, Header(), (), letterbox=graph.net.letter_box > 0)
    tally = Tally(graph.classes, iou_thresh=iou_thresh, thresh=thresh)

    def interpret(sizes: Sequence[Size], raw: Sequence[Tensor]) -> list[Seen]:
        parts = [sizes, found_in(model, sizes, raw, least=LEAST, nms=NMS, hier=0)]
        if coco:
            least, nms, hier = of_coco.LEAST, of_coco.NMS, of_coco.HIER
            parts.append(found_in(model, sizes, raw, least=least, nms=nms, hier=hier, in_pixels=True))
        return [Seen(*one) for one in zip(*parts, strict=True)]

    with evaluating(network):
        for sample, result in run(model, (Sample(*one) for one in samples), interpret, batch, enough(samples, workers)):
            if result.found is None:
                failed(result.error)
            seen = result.found or Seen((graph.net.width, graph.net.height))
            truths, difficult = (as_truths(rows, graph.classes) for rows in (sample.boxes, sample.difficult))
            tally.add(as_found(seen.found), truths, difficult)
            if coco:
                coco.add(seen.size, sample.boxes, seen.for_coco)
    return tally.evaluation(points)
