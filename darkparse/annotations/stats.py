"""What a data set is made of, in numbers: images, boxes, classes, and how large a network sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..data import Data
from ..dataset.index import Index, index_boxes, listed
from ..errors import first_of
from ..graph import Graph
from ..guard import note_read
from . import SPLITS
from .data_faults import MOST_CLASSES, class_count, names_of

QUANTILES = (10, 50, 90)  # percent
USUAL_SIZE, USUAL_STRIDE = 416, 8  # px; of most of Darknet's cfgs, and of the finest head of those that are not tiny
RARE = 10  # times fewer boxes than the most frequent class: worth a hint
FEW = 100  # boxes, of which a class can hardly be learnt
MOST_NAMES = 12  # of classes in a hint

Floats = NDArray[np.float64]


class View(NamedTuple):
    """How a network sees images: its width and height, px, whether it keeps their proportions, the cells of its heads.

    strides: px of a cell of each head, the finest first; none where there is no cfg; source: where this is from
    """

    width: int = USUAL_SIZE
    height: int = USUAL_SIZE
    letterbox: bool = False
    strides: tuple[int, ...] = ()
    source: str = "the usual size, as neither a cfg nor a width is given"

    @classmethod
    def of(cls, graph: Graph) -> View:
        """As a cfg has it."""
        net = graph.net
        cells = [getattr(head, "side", graph.nodes[index].shape.w) for index, head in graph.heads]
        strides = tuple(sorted({max(1, net.width // count) for count in cells}))
        return cls(net.width, net.height, net.letter_box > 0, strides, graph.file)

    @property
    def cell(self) -> int:
        """Px of a cell of the finest head."""
        return self.strides[0] if self.strides else USUAL_STRIDE

    def scaled(self, sizes: Floats, boxes: Floats) -> Floats:
        """Width and height of boxes, `(T, 2)`, px of the network, of images of `sizes`, `(T, 2)`, px."""
        net = np.array([self.width, self.height], np.float64)
        across = np.minimum(*(net / sizes).T)[:, None] * sizes if self.letterbox else net
        return boxes * across


@dataclass(frozen=True, eq=False)
class Split:
    """The images of a split that training can use, and their boxes, cut at the edges of the images.

    centres: `(T, 2)`, relative to the image; pixels: `(T, 2)`, width and height, px of the network; labels: `(T,)`
    owners: `(T,)`, the number of the image of each box; sizes: `(N, 2)`, px, of the images
    unusable: how many images, and lines of labels, are left out
    """

    classes: int
    sizes: NDArray[np.int32]
    centres: Floats
    pixels: Floats
    labels: NDArray[np.int64]
    owners: NDArray[np.int64]
    unusable: tuple[int, int] = (0, 0)

    @classmethod
    def of(cls, index: Index, images: int, classes: int, view: View) -> Split:
        """From an index of `images` images that are listed."""
        boxes = index.boxes.astype(np.float64)
        low = np.clip(boxes[:, :2] - boxes[:, 2:4] / 2, 0, 1)
        high = np.clip(boxes[:, :2] + boxes[:, 2:4] / 2, 0, 1)
        owners = np.repeat(np.arange(len(index)), np.diff(index.ends, prepend=0))
        pixels = view.scaled(index.sizes[owners].astype(np.float64), high - low)
        left_out = images - len(index), len(index.bad_labels)
        return cls(classes, index.sizes, (low + high) / 2, pixels, boxes[:, 4].astype(np.int64), owners, left_out)

    @cached_property
    def per_class(self) -> list[int]:
        """Boxes of each class."""
        return list(map(int, np.bincount(self.labels, minlength=self.classes)))

    @cached_property
    def images_with(self) -> list[int]:
        """Images with a box of each class."""
        pairs = np.unique(np.stack([self.owners, self.labels]), axis=1)
        return list(map(int, np.bincount(pairs[1], minlength=self.classes)))

    @cached_property
    def per_image(self) -> NDArray[np.int64]:
        """Boxes of each image, `(N,)`."""
        return np.bincount(self.owners, minlength=len(self.sizes))

    @cached_property
    def image_sizes(self) -> list[tuple[tuple[int, int], int]]:
        """Width and height, px, and how many images have them, the most frequent first."""
        return Counter(map(tuple, self.sizes.tolist())).most_common()

    @property
    def sides(self) -> dict[str, Floats]:
        """Widths, heights, and the sides of squares of the same area; px of the network, `(T,)` each."""
        return {"width": self.pixels[:, 0], "height": self.pixels[:, 1], "side": np.sqrt(self.pixels.prod(axis=1))}

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Which boxes are below 1 px wide or high, `(T,)`.  Source: src/data.c fill_truth_detection."""
        return np.asarray((self.pixels < 1).any(axis=1))

    def hard(self, cell: int) -> NDArray[np.bool_]:
        """Which of the others are smaller than a cell, by area, `(T,)`."""
        return np.asarray((self.sides["side"] < cell) & ~self.lost)


@dataclass(frozen=True, eq=False)
class Stats:
    """What a data set is made of; splits: by name, those that there are."""

    names: Sequence[str]
    view: View
    splits: dict[str, Split]

    @property
    def counters(self) -> str:
        """What Darknet's `calc_anchors` prints of the classes, to be put into each [yolo]."""
        return f"counters_per_class = {', '.join(map(str, self.splits['train'].per_class))}"

    @property
    def hints(self) -> Iterator[str]:
        """What stands in the way of learning the rarest classes, a line a kind."""
        counts = list(zip(self.names, self.splits["train"].per_class, strict=True))
        name, most = max(counts, key=lambda item: item[1])
        if absent := [name for name, count in counts if not count]:
            yield f"no box in train, so nothing to learn from: {first_of(absent, MOST_NAMES)}"
        if rare := [f"{name} ({count}, 1 to {most / count:.0f})" for name, count in counts if 0 < count * RARE <= most]:
            remedy = (
                "more images of them help most; counters_per_class= in each [yolo], with max_delta=, weighs them more"
            )
            yield f"rare beside {name} ({most}): {first_of(rare, MOST_NAMES)}; {remedy}"
        if few := [f"{name} ({count})" for name, count in counts if most / RARE < count < FEW]:
            yield f"few boxes to learn from: {first_of(few, MOST_NAMES)}"


def measure(data: Data, classes: int | None = None, view: View | None = None) -> Stats:
    """The numbers of a data set, of what training can use of it.

    Args:
        classes: how many the network has; else as many as there are names, else as the labels need
        view: the network's; else `View()`
    Raises:
        DataError: `train=` is missing or wrong, or nothing in it is usable
    """
    view, count = view or View(), class_count(data, classes)
    indices = {key: _index(data, key, count) for key in SPLITS if key in data.values}
    if "train" not in indices:
        indices["train"] = _index(data, "train", count)
    count = count or 1 + int(max(index.boxes[:, 4].max() for index, _ in indices.values()))
    names = names_of(data)[:count]
    splits = {key: Split.of(index, images, count, view) for key, (index, images) in indices.items()}
    return Stats([*names, *(f"class_{i}" for i in range(len(names), count))], view, splits)


def _index(data: Data, key: str, classes: int | None) -> tuple[Index, int]:
    images, _ = listed(data, key)
    for image in images:
        note_read(image)
    return index_boxes(images, 3, classes or MOST_CLASSES), len(images)


def as_dict(stats: Stats) -> dict[str, Any]:
    """All of it, for JSON; sizes of boxes are px of the network."""
    view = stats.view._asdict()
    splits = {name: _split_dict(stats, split) for name, split in stats.splits.items()}
    counters = stats.splits["train"].per_class
    return {"network": view, **splits, "counters_per_class": counters, "hints": list(stats.hints)}


def _split_dict(stats: Stats, split: Split) -> dict[str, Any]:
    rows = zip(stats.names, split.per_class, split.images_with, strict=True)
    return {
        "images": len(split.sizes),
        "images_without_objects": int((split.per_image == 0).sum()),
        "unusable": {"images": split.unusable[0], "labels": split.unusable[1]},
        "boxes": len(split.labels),
        "boxes_per_image": _quantiles(split.per_image, {"min": 0, "median": 50, "max": 100}),
        "image_sizes": [{"width": w, "height": h, "images": count} for (w, h), count in split.image_sizes],
        "box_sizes": {name: _quantiles(side, {f"p{q}": q for q in QUANTILES}) for name, side in split.sides.items()},
        "below_1_px": int(split.lost.sum()),
        "smaller_than_a_cell": int(split.hard(stats.view.cell).sum()),
        "classes": [{"name": name, "boxes": boxes, "images": images} for name, boxes, images in rows],
    }


def _quantiles(values: NDArray[Any], wanted: dict[str, int]) -> dict[str, float]:
    return {name: round(float(np.percentile(values, q)), 3) for name, q in wanted.items()} if len(values) else {}
