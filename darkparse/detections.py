"""What was detected in one image, and how it is chosen from what the heads say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from .boxes import Floats, Ints, cxcywh_to_xyxy, nms
from .errors import DarkparseError

if TYPE_CHECKING:
    import supervision

    from .registry import Predictions

HIDDEN = "dont_show"  # src/image.c get_actual_detections: classes named so are left out


class Detection(NamedTuple):
    """One row of `Detections`."""

    box: tuple[float, float, float, float]  # xyxy px
    score: float  # 0..1
    label: int
    name: str


@dataclass(frozen=True, eq=False, repr=False)
class Detections:
    """What was detected in one image.

    A box with two classes above the threshold stands here twice, as in Darknet's own lists.

    relative: `(N, 4)` float32, cxcywh relative to the image; scores: `(N,)` float32, 0..1; labels: `(N,)` int64;
    names: one a class; width, height: the image's, px
    """

    relative: Floats
    scores: Floats
    labels: Ints
    names: tuple[str, ...]
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        for box, score, label in zip(self.boxes.tolist(), self.scores.tolist(), self.labels.tolist(), strict=True):
            yield Detection(tuple(box), score, label, self.names[label])

    @property
    def boxes(self) -> Floats:
        """`(N, 4)` xyxy px; they may reach beyond the image."""
        scale = np.array([self.width, self.height] * 2, dtype=np.float32)
        return cxcywh_to_xyxy(self.relative) * scale

    @overload
    def __getitem__(self, chosen: int) -> Detection: ...

    @overload
    def __getitem__(self, chosen: Sequence[int] | Ints | NDArray[np.bool_] | slice) -> Detections: ...

    def __getitem__(self, chosen: int | Sequence[int] | Ints | NDArray[np.bool_] | slice) -> Detection | Detections:
        """A row by its number, or several by numbers, slice or mask."""
        if isinstance(chosen, int | np.integer):
            return next(iter(self[[int(chosen)]]))
        return Detections(
            self.relative[chosen], self.scores[chosen], self.labels[chosen], self.names, self.width, self.height
        )

    def __repr__(self) -> str:
        return f"<{len(self)} detections in {self.width}x{self.height} px>"

    def left_to_right(self) -> Detections:
        """Boxes by their left edge, each with its best class first: the order in which Darknet prints them."""
        lefts = self.relative[:, 0] - self.relative[:, 2] / 2
        box = self.box_numbers()
        best = np.zeros(len(self), dtype=np.float32)
        np.maximum.at(best, box, self.scores)
        return self[np.lexsort((self.labels, self.scores < best[box], box, lefts))]

    def box_numbers(self) -> Ints:
        """`(N,)` the same number for rows that are classes of the same box."""
        return np.unique(self.relative, axis=0, return_inverse=True)[1].reshape(-1)

    def best_of_each_box(self) -> Detections:
        """One row a box: the class that scores most."""
        order = np.argsort(-self.scores, kind="stable")
        _, first = np.unique(self.box_numbers()[order], return_index=True)
        return self[np.sort(order[first])]

    def to_supervision(self) -> supervision.Detections:
        """The same for the package supervision, which draws, tracks and counts; it is an extra.

        The names are in `data["class_name"]`.

        Raises:
            DarkparseError: it is not installed
        """
        try:
            import supervision
        except ImportError:
            raise DarkparseError("supervision is not installed: pip install 'darkparse[supervision]'") from None
        names = np.array([self.names[label] for label in self.labels.tolist()], dtype=str)
        return supervision.Detections(
            xyxy=self.boxes, confidence=self.scores, class_id=self.labels, data={"class_name": names}
        )

    def shown(self) -> Detections:
        """Without the classes whose names begin with "dont_show"."""
        hidden = np.array([name.startswith(HIDDEN) for name in self.names], dtype=bool)
        return self[np.flatnonzero(~hidden[self.labels])] if hidden.any() else self


class Candidates(NamedTuple):
    """Boxes of one image with a class each.

    boxes: `(N, 4)` cxcywh; scores, objectness: `(N,)`; labels: `(N,)`
    """

    boxes: Floats
    scores: Floats
    labels: Ints
    objectness: Floats

    def keep(self, rows: Ints) -> Candidates:
        """The rows given."""
        return Candidates(self.boxes[rows], self.scores[rows], self.labels[rows], self.objectness[rows])


def candidates(predictions: Sequence[Predictions], image: int, thresh: float) -> Candidates:
    """What the heads say of image number `image`: every class of every box that is above `thresh`.

    Source: src/yolo_layer.c get_yolo_detections (AlexeyAB 59596d7): the objectness must be above it, too
    """
    import torch

    parts = []
    for head in predictions:
        likely = head.likely(thresh, slice(image, image + 1))
        box, label = likely.classes(thresh)
        parts.append((likely.boxes[box], likely.scores[box, label], label, likely.objectness[box]))
    return Candidates(*(torch.cat(same).cpu().numpy() for same in zip(*parts, strict=True)))


def proposals(predictions: Sequence[Predictions], image: int, thresh: float) -> tuple[Floats, Floats]:
    """The boxes of image number `image` whose objectness is above `thresh`: `(N, 4)` cxcywh, and that, `(N,)`."""
    import torch

    boxes = torch.cat([head.boxes[image] for head in predictions])
    objectness = torch.cat(
        [torch.ones_like(one) if head.is_certain else one for head in predictions for one in [head.objectness[image]]]
    )
    rows = (objectness > thresh) & boxes.isfinite().all(1)
    return boxes[rows].cpu().numpy(), objectness[rows].cpu().numpy()


def select(found: Candidates, nms_thresh: float, suppression: tuple[str, float]) -> Candidates:
    """What is left of `found` after non-maximum suppression; without boxes that are not finite."""
    found = found.keep(np.flatnonzero(np.isfinite(found.boxes).all(axis=1)))
    kind, beta = suppression
    return found.keep(nms(found.boxes, found.scores, found.labels, nms_thresh, kind=kind, beta=beta))
