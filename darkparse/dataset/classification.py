"""Training sets of classifiers: images, each with its class in its path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..images import Floats, Pixels, resize
from ..net import Net
from ..tree import NOT_MEANT, Tree
from .augment import Augmentation, draw_colour, draw_scale, recolour
from .draws import Place
from .effects import gaussian
from .index import Index, index_images
from .mix import draw_cut, draw_patch, mixup
from .samples import Picker, Sample

_BLUR_EVERY = 4  # src/data.c load_data_augment
_BLUR = 15  # px, for blur=1


class Turn(NamedTuple):
    """Which part of an image a square of `size` px shows.

    centre: of the image, px; scale: px of the square for one of the image; angle: radians; shift: px of the square;
    aspect: pixels of the image are that much narrower in the square; flip: mirrored
    """

    size: int
    centre: tuple[float, float]
    scale: float
    angle: float
    shift: tuple[float, float]
    aspect: float
    flip: bool

    @property
    def matrix(self) -> NDArray[np.float64]:
        """`(2, 3)`: from a pixel of the square to the image's.  Source: src/image.c rotate_crop_image."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        across = np.array([[cos * self.aspect, -sin], [sin * self.aspect, cos]]) / self.scale
        offset = across @ (np.array(self.shift) - self.size / 2) + self.centre
        return np.column_stack([across, offset])

    def apply(self, image: Pixels) -> Floats:
        """That part of an image (rows, columns, channels), black around it: (channels, size, size), 0..1.

        Interpolated bilinearly between pixels, from the nearest 32nd of a pixel.
        """
        import cv2

        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        whole = resize(image, image.shape[1], image.shape[0])
        parts = [cv2.warpAffine(channel, self.matrix, (self.size, self.size), flags=flags) for channel in whole]
        result: Floats = np.stack([part[:, ::-1] for part in parts] if self.flip else parts).astype(
            np.float32, copy=False
        )
        return result


def draw_turn(random: np.random.Generator, size: tuple[int, int], net: Net, place: Place) -> Turn:
    """A part of an image of `size` (width, height, px) as Darknet draws it.

    Source: src/image.c random_augment_image (AlexeyAB 59596d7)
    """
    width, height = size
    side = max(place.net)
    aspect = draw_scale(random, net.aspect or 1.0)
    least, most = sorted((net.min_crop or net.width, net.max_crop or 2 * net.width))
    scale = int(random.integers(least, most, endpoint=True)) / max(1, int(min(height, width * aspect)))
    angle = math.radians(net.angle * (2 * random.random() - 1))
    room = max(0.0, (width * scale / aspect - side) / 2), max(0.0, (height * scale - side) / 2)
    shift = room[0] * (2 * random.random() - 1), room[1] * (2 * random.random() - 1)
    flip = bool(random.integers(2)) if net.flip > 0 else False
    return Turn(side, (width / 2, height / 2), scale, angle, shift, aspect, flip)


@dataclass(frozen=True)
class ClassSamples:
    """A training set of a classifier, as AlexeyAB's Darknet loads it.

    index: its images; labels: `(N,)` the classes of each; classes: how many there are; tree: which is a kind of which
    Source: src/data.c load_data_augment (AlexeyAB 59596d7)
    """

    THREADS: ClassVar[int] = 32  # src/classifier.c train_classifier

    index: Index
    labels: Sequence[tuple[int, ...]]
    classes: int
    net: Net
    options: Augmentation
    tree: Tree | None = None

    def sample(self, place: Place) -> Sample:
        """The training image for a place in a run; see `Samples`."""
        picker = Picker(self.index, self.net.channels, place.random())
        options = self.options
        if (options.mixup or options.cutmix or options.mosaic) and place.is_mixed(self.THREADS):
            image, truth = self._mixed(picker, place)
        else:
            image, truth = self._one(picker, place)
        if options.blur and not picker.random.integers(_BLUR_EVERY):
            image = gaussian(image, _BLUR if options.blur == 1 else options.blur // 2 * 2 + 1)
        return Sample(image, truth, picker.paths, picker.notes)

    def truth(self, labels: Sequence[int]) -> NDArray[np.float32]:
        """Of an image of these classes, `(K,)`.  Source: src/data.c fill_truth_smooth, fill_hierarchy."""
        smooth = self.net.label_smooth_eps
        truth = np.full(self.classes, smooth / max(self.classes - 1, 1), np.float32)
        truth[list(labels)] = 1 - smooth
        return truth if self.tree is None else with_ancestors(truth, self.tree)

    def _one(self, picker: Picker, place: Place) -> tuple[Floats, NDArray[np.float32]]:
        """One augmented image; one that cannot be read is replaced by the next that is drawn."""
        while True:
            number = picker.draw()
            size = self.index.sizes[number]
            turn = draw_turn(picker.random, (int(size[0]), int(size[1])), self.net, place)
            reduction = picker.reduction(number, 1 / turn.scale)
            if (pixels := picker.read(number, reduction)) is not None:
                break
        if reduction > 1:
            centre = pixels.shape[1] / 2, pixels.shape[0] / 2
            turn = turn._replace(scale=turn.scale * reduction, centre=centre)
        image = recolour(turn.apply(pixels), draw_colour(picker.random, self.options))
        if place.width != place.height:
            image = resize(image.transpose(1, 2, 0), *place.net)
        return image, self.truth(self.labels[number])

    def _mixed(self, picker: Picker, place: Place) -> tuple[Floats, NDArray[np.float32]]:
        random, options, (width, height) = picker.random, self.options, place.net
        parts = [self._one(picker, place) for _ in range(4 if options.mosaic else 2)]
        images, truths = zip(*parts, strict=True)
        if options.mixup:
            return mixup(images), (truths[0] + truths[1]) / 2
        result = images[0].copy()
        if options.mosaic and not (options.cutmix and random.integers(2)):
            x, y = draw_cut(random, width, height)
            result[:, :y, x:], result[:, y:, :x], result[:, y:, x:] = (
                images[1][:, :y, x:], images[2][:, y:, :x], images[3][:, y:, x:]
            )  # fmt: skip
            areas = [x * y, (width - x) * y, x * (height - y), (width - x) * (height - y)]
        else:
            left, top, w, h = draw_patch(random, width, height)
            result[:, top : top + h, left : left + w] = images[1][:, top : top + h, left : left + w]
            areas = [width * height - w * h, w * h]
        share = np.array(areas, np.float32)[:, None] / (width * height)
        return result, (np.stack(truths[: len(areas)]) * share).sum(axis=0).astype(np.float32)


def with_ancestors(truth: NDArray[np.float32], tree: Tree) -> NDArray[np.float32]:
    """The truth, `(K,)`, also of what its classes are kinds of; NOT_MEANT in groups that it says nothing of.

    Source: src/data.c fill_hierarchy (AlexeyAB 59596d7)
    """
    result = truth.copy()
    for node in np.flatnonzero(truth).tolist():
        while (node := tree.parents[node]) >= 0:
            result[node] = 1
    told = np.bincount(tree.groups, weights=result != 0) > 0
    return np.asarray(np.where(told[np.array(tree.groups)], result, NOT_MEANT), np.float32)


def index_classes(images: Sequence[str], labels: Sequence[str], channels: int) -> tuple[Index, list[tuple[int, ...]]]:
    """Look through images, and in their paths for labels; the index, and the classes of each image in it.

    An image with no label in its path, or with several, is used as Darknet uses it, and listed.

    Raises:
        DataError: no image is usable, or none has a label in its path
    Source: src/data.c fill_truth_smooth (AlexeyAB 59596d7)
    """
    index = index_images(images, channels)
    found = [labels_in(path, labels) for path in index.images]
    if not any(found):
        raise nothing_labelled(index.images[0], labels)
    bad = [line for path, classes in zip(index.images, found, strict=True) for line in doubtful(path, classes, labels)]
    return replace(index, bad_labels=bad), found


def labels_in(path: str, labels: Sequence[str]) -> tuple[int, ...]:
    """The classes whose labels are in the path of an image."""
    return tuple(number for number, label in enumerate(labels) if label in path)


def doubtful(path: str, classes: Sequence[int], labels: Sequence[str]) -> Iterator[str]:
    """A line on an image that has no label in its path, or several."""
    if len(classes) != 1:
        yield f"{path}: expected one label in the path, found {', '.join(labels[i] for i in classes) or 'none'}"


def nothing_labelled(path: str, labels: Sequence[str]) -> DataError:
    """Why images, such as that, cannot be used."""
    return DataError(f"no label is in the path of an image, such as {path}; expected one, such as {labels[0]}")
