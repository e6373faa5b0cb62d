"""Training data: lists of images and their labels, indexed once, drawn and augmented as Darknet does."""

from ..data import Data, given_names
from ..graph import Graph
from ..layers.softmax import Softmax
from .augment import Augmentation
from .classification import ClassSamples, index_classes
from .detection import MOST_BOXES, BoxSamples
from .index import index_boxes, listed
from .samples import Samples

__all__ = ["Samples", "class_words", "open_samples"]


def open_samples(graph: Graph, data: Data) -> tuple[Samples, list[str]]:
    """The training set that a .data file names, for a network; and what to tell the user of it, a line each.

    Raises:
        DataError: a file is missing or wrong, or nothing in it is usable
    """
    images, reports = listed(data)
    options, channels = Augmentation.of(graph), graph.net.channels
    if graph.heads:
        index = index_boxes(images, channels, graph.classes)
        most: int = getattr(graph.heads[-1][1], "max", MOST_BOXES)
        return BoxSamples(index, options, channels, most), [*reports, *index.reports]
    names, source = class_words(graph, data)
    tree = next((node.layer.tree for node in graph.nodes if isinstance(node.layer, Softmax)), None)
    index, labels = index_classes(images, names, channels)
    samples = ClassSamples(index, labels, len(names), graph.net, options, tree)
    return samples, [*reports, f"labels from {source}, found in the paths of the images"]


def class_words(graph: Graph, data: Data) -> tuple[tuple[str, ...], str]:
    """What the paths of the images of each class contain, and which file says so.

    Raises:
        DataError: it is missing or wrong, or has another number of words than there are classes
    """
    return given_names(graph.file, graph.last.shape.size, None, data.file, ["labels", "names"]) or ((), "")
