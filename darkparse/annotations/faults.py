"""What is wrong with a data set in Darknet's layout."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..data import Data
from ..dataset.detection import MOST_BOXES
from ..dataset.labels import label_files
from ..findings import ERROR, NOTE, WARNING, Finding
from ..graph import Graph
from . import SPLITS
from .data_faults import class_count, data_faults, names_faults, names_of, unused
from .image_folder import ALEXEYAB
from .label_faults import Sizes, label_faults
from .repeats import repeated
from .survey import Seen, Survey, look, read_label_lines

RGB = 3  # channels of an image, where no cfg says otherwise
OF_MANY = "darknet-labels"  # the rule that is told of at one image, but goes for many


class Network(NamedTuple):
    """What decides which images and boxes a network can use.

    classes: how many; size: width and height of the input, px, below 1 px of which boxes are told of
    most: boxes of an image that training takes; channels: of the input
    """

    classes: int | None = None
    size: tuple[int, int] | None = None
    most: int = MOST_BOXES
    channels: int = RGB

    @classmethod
    def of(cls, graph: Graph) -> "Network":
        """As a cfg has it."""
        net, classes, most = graph.net, None, None
        if graph.heads:
            classes, most = graph.classes, getattr(graph.heads[-1][1], "max", None)
        elif graph.last.layer.gives_probabilities:
            classes = graph.last.shape.size
        size = (net.width, net.height) if net.width and net.height else None
        return cls(classes, size, most or MOST_BOXES, net.channels or RGB)


def find(
    data: Data,
    classes: int | None = None,
    *,
    size: tuple[int, int] | None = None,
    most: int = MOST_BOXES,
    channels: int = RGB,
    quick: bool = False,
) -> Iterator[Finding]:
    """What is wrong with the lists, images, labels and names that a .data file leads to.

    Args:
        classes: how many the network has; else as many as there are names, else `classes=`
        size: width and height of the network's input, px, below 1 px of which boxes are told of
        most: boxes of an image that training takes; `max=` of the last head
        channels: of the network's input
        quick: do not decode images, but look at their first bytes
    """
    return judge(look(data, channels=channels, quick=quick), classes, size, most)


def judge(
    survey: Survey, classes: int | None = None, size: tuple[int, int] | None = None, most: int = MOST_BOXES
) -> Iterator[Finding]:
    """What is wrong with a data set that was looked through; see `find`."""
    count = class_count(survey.data, classes)
    yield from data_faults(survey.data)
    yield from names_faults(survey.data, classes)
    yield from survey.problems
    for split in SPLITS:
        images = survey.split(split)
        labelled = any(image.labels for image in images)
        yield from _elsewhere(images) if labelled else _unlabelled(images, survey.data)
        for image in images:
            yield from _of_image(image, labelled)
            yield from _of_labels(image, most)
            for fault in label_faults(image.lines, count, Sizes(image.size, size)):
                yield Finding(fault.rule, fault.severity, image.label_file, fault.line.number, *fault[3:])
    yield from repeated(survey.images)
    yield from _shared(survey.images)
    yield from unused(survey, count)


def _shared(images: Sequence[Seen]) -> Iterator[Finding]:
    """Images whose names differ in the suffix alone, so that they have one file of labels."""
    first: dict[str, Seen] = {}
    for image in images:
        other = first.setdefault(image.label_file, image) if image.label_file else image
        if os.path.realpath(other.path) != os.path.realpath(image.path):
            message = f"{image.path}: has the labels of {other.path}, {image.label_file}"
            yield Finding("shared-labels", WARNING, *image.place, message, "give each image a name of its own")


def _unlabelled(images: Sequence[Seen], data: Data) -> Iterator[Finding]:
    """A split without any labels: a classifier's, whose classes are words in the paths, or a mistake."""
    words = names_of(data) if "labels" in data.values else ()
    if images and not words:
        looked = ", ".join(file for file, _ in label_files(images[0].path))
        message = f"none of {len(images)} images has labels; for the first, looked for {looked}"
        yield Finding("no-labels", ERROR, images[0].listing, 0, message)
        return
    for image in images:
        found = [word for word in words if word in image.path]
        if len(found) != 1:
            message = f"{image.path}: expected one label in the path, found {', '.join(found) or 'none'}"
            yield Finding("path-label", WARNING, *image.place, message)


def _elsewhere(images: Sequence[Seen]) -> Iterator[Finding]:
    """Labels that AlexeyAB's Darknet does not find, a note for each rule that leads to them."""
    found = defaultdict(list)
    for image in images:
        wanted = next(label_files(image.path))[0]
        if image.labels and image.label_file != wanted:
            found[image.labels[0][1]].append((image, wanted))
        elif image.labels and Path(image.path).suffix not in ALEXEYAB:
            found[f"for {Path(image.path).suffix or 'no suffix'}"].append((image, "no label of such images"))
    for rule, some in found.items():
        image, wanted = some[0]
        message = f"labels of {len(some)} images are found {rule}; AlexeyAB's Darknet looks for {wanted}"
        yield Finding(OF_MANY, NOTE, *image.place, message)


def _of_image(image: Seen, labelled: bool) -> Iterator[Finding]:
    """What is wrong with an image by itself, but for the lines of its labels."""
    if image.bytes < 0:
        slashes = image.path.replace("\\", "/")
        remedy = f"write {slashes}, which is there" if slashes != image.path and os.path.exists(slashes) else ""
        yield Finding("missing-image", ERROR, *image.place, f"{image.path}: {image.why}", remedy)
        return
    if image.size is None:
        yield Finding("unreadable-image", ERROR, image.path, 0, image.why, "left out of training")
    if image.turned:
        message = (
            "EXIF says that it is to be turned, which Darknet with OpenCV does; labels drawn without that are wrong"
        )
        yield Finding("exif", NOTE, image.path, 0, message)
    if labelled and not image.labels:
        looked = ", ".join(file for file, _ in label_files(image.path))
        message = f"no file of labels, so it trains as an image without objects; looked for {looked}"
        yield Finding("no-labels", WARNING, image.path, 0, message)


def _of_labels(image: Seen, most: int) -> Iterator[Finding]:
    """What is wrong with a file of labels as a whole."""
    if image.unread:
        yield Finding("unreadable-labels", ERROR, image.label_file, 0, image.unread, "left out of training")
    if (count := len(image.rows)) > most:
        message = f"{count} boxes, of which training takes any {most} at a time, as max= of the last head says"
        yield Finding("many-boxes", WARNING, image.label_file, 0, message)
    for other, rule in image.labels[1:]:
        same = read_label_lines(other)[0] == image.lines
        says = "says the same" if same else "says something else"
        message = f"there is also {other}, {rule}, which {says}; {image.label_file} counts"
        yield Finding("two-label-files", NOTE if same else WARNING, image.label_file, 0, message)
