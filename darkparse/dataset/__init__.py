"""Training data: lists of images and their labels, indexed once, drawn and augmented as Darknet does."""

from ..data import Data
from ..graph import Graph
from .augment import Augmentation
from .detection import BoxSamples
from .index import index_boxes, listed
from .loader import Batch, Loader
from .samples import Samples

__all__ = ["Batch", "Loader", "Samples", "open_samples"]


def open_samples(graph: Graph, data: Data) -> tuple[Samples, list[str]]:
    """The training set that a .data file names, for a network; and what to tell the user of it, a line each.

    Raises:
        DataError: a file is missing or wrong, or nothing in it is usable
    """
    images, reports = listed(data)
    channels = graph.net.channels
    index = index_boxes(images, channels, graph.classes)
    head = graph.heads[-1][1]
    return BoxSamples(index, Augmentation.of(graph), channels, getattr(head, "max", 200)), [*reports, *index.reports]
