"""The rows that OpenCV 4 makes of what a head gives: one a box, centre, size, objectness and a score a class.

Source: modules/dnn/src/layers/region_layer.cpp RegionLayerImpl, modules/dnn/src/darknet/darknet_io.cpp (OpenCV 4.14)
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..boxes import Floats
from ..cfg import Section
from ..errors import ignore
from ..graph import Graph
from ..layers.region import Region
from ..options import option, read_options
from ..registry import HeadDef


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Which scores are worth nothing: two options of [yolo] and the like that OpenCV alone knows.

    thresh: scores must be above it; nms_threshold: the overlap above which the weaker box of a class goes, 0 for none
    """

    thresh: float = 0.2
    nms_threshold: float = option(0.0, least=0)


@dataclass(frozen=True, kw_only=True)
class RegionCut(Cut):
    """The same of [region]: OpenCV takes Darknet's `thresh`, one of training, for its own, and no nms_threshold."""

    thresh: float = 0.001


REGION_NMS = 0.4


def cuts(graph: Graph) -> dict[int, Cut]:
    """What OpenCV cuts off at each head, by the index of its layer.

    Raises:
        OptionError: a value does not read
    """
    return {index: cut_of(head, graph.sections[1 + index]) for index, head in graph.heads}  # behind [net]


def cut_of(head: HeadDef, section: Section) -> Cut:
    """What OpenCV cuts off at a head."""
    if isinstance(head, Region):
        return read_options(RegionCut, section, ignore, nms_threshold=REGION_NMS)
    return read_options(Cut, section, ignore)


def rows(head: HeadDef, raw: Tensor, width: int, height: int, cut: Cut) -> Floats:
    """The rows for the `raw` output of a head, in order of rows of cells, columns and anchors.

    Args:
        raw: `(B, C, h, w)`
        width, height: of the network's input, px
    Returns:
        `(N, 5 + classes)`, of several images `(B, N, 5 + classes)`: cx, cy, w, h relative to the input, objectness,
        objectness x class probability
    """
    found = head.decode(raw, width, height)
    scores = torch.where(found.scores > cut.thresh, found.scores, 0.0)
    result: Floats = torch.cat([found.boxes, found.objectness[..., None], scores], 2).cpu().numpy()
    if cut.nms_threshold > 0:
        for image in result:
            suppress(image, cut)
    return result[0] if len(result) == 1 else result


def suppress(image: Floats, cut: Cut) -> None:
    """Set the scores of weaker boxes to 0, class by class, in the rows of one image, `(N, 5 + classes)`."""
    boxes = image[:, :4].astype(np.float64)
    boxes[:, :2] -= boxes[:, 2:] / 2
    for column in 5 + np.flatnonzero((image[:, 5:] > 0).sum(0) > 1):
        some = np.flatnonzero(image[:, column])
        scores = image[some, column]
        kept = cv2.dnn.NMSBoxes(boxes[some].tolist(), scores.tolist(), cut.thresh, cut.nms_threshold)
        image[np.delete(some, np.asarray(kept, dtype=int).ravel()), column] = 0
