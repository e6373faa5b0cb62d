"""[yolo] and [Gaussian_yolo]: the heads since YOLOv3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import ignored, option
from ..registry import HeadDef, Likely, Predictions, Shape, section
from ..tree import read_map

if TYPE_CHECKING:
    from torch import Tensor, nn

IOU_LOSSES = ("mse", "iou", "giou", "diou", "ciou")
UNSET_ANCHOR = 0.5  # src/yolo_layer.c make_yolo_layer: the size of an anchor that the cfg leaves out


@dataclass(frozen=True, kw_only=True)
class AnchorHead(HeadDef):
    """What both have in common."""

    entries: ClassVar[int] = 5  # of a box, besides its classes: x, y, w, h, objectness

    classes: int = option(20, least=1)
    num: int = option(1, least=1)
    mask: tuple[int, ...] = option((), least=0)
    anchors: tuple[float, ...] = ()  # pairs of width and height, px of the network's input
    scale_x_y: float = 1.0
    nms_kind: str = option("default", choices=("default", "greedynms", "diounms", "cornersnms"))
    beta_nms: float = 0.6
    map: tuple[int, ...] = option((), read=read_map)
    # training alone
    max: int = option(200, least=1)
    jitter: float = 0.2
    resize: float = 1.0
    random: float = 0.0
    ignore_thresh: float = 0.5
    truth_thresh: float = 1.0
    iou_thresh: float = 1.0
    iou_loss: str = option("mse", choices=IOU_LOSSES)
    iou_thresh_kind: str = option("iou", choices=IOU_LOSSES[1:])
    iou_normalizer: float = 0.75
    obj_normalizer: float = 1.0
    cls_normalizer: float = 1.0
    delta_normalizer: float = 1.0
    max_delta: float = 3.4e38
    label_smooth_eps: float = 0.0
    objectness_smooth: bool = False
    counters_per_class: tuple[int, ...] = ()

    @property
    def suppression(self) -> tuple[str, float]:
        """`nms_kind` and `beta_nms`."""
        return self.nms_kind, self.beta_nms

    @property
    def boxes_per_cell(self) -> int:
        """One for each anchor of the mask."""
        return len(self.mask) or self.num

    @property
    def reads(self) -> int:
        """Channels: the entries and the classes of each box."""
        return self.boxes_per_cell * (self.entries + self.classes)

    @property
    def boxes(self) -> Sequence[int]:
        """The anchors that this head uses."""
        return self.mask or range(self.num)

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of the anchor of each box, px."""
        return self.sizes_of(self.boxes)

    def sizes_of(self, anchors: Iterable[int]) -> list[tuple[float, float]]:
        """Width and height of `anchors`, also of other heads', px."""
        given = dict(enumerate(self.anchors[: 2 * self.num]))
        return [(given.get(2 * i, UNSET_ANCHOR), given.get(2 * i + 1, UNSET_ANCHOR)) for i in anchors]

    def oddities(self) -> Iterator[str]:
        """Anchors that the mask names and the cfg does not give."""
        if (last := max(self.mask, default=self.num - 1)) >= (given := min(self.num, len(self.anchors) // 2)):
            yield f"mask: names anchor {last}, but num={self.num} and anchors= give {given}; {UNSET_ANCHOR} px is taken"

    def output(self, *inputs: Shape) -> Shape:
        """The same; it must have the right number of channels."""
        (x,) = inputs
        if x.c != (wanted := self.reads):
            raise ValueError(
                f"reads {wanted} channels ({self.boxes_per_cell} boxes x ({self.entries} + classes={self.classes})), "
                f"but the layer before gives {x.c}; expected filters={wanted} there"
            )
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on: the raw output leaves the network."""
        from torch import nn

        return nn.Identity()

    def locate(self, y: Tensor, cell: Tensor, grid: Tensor, image: Tensor) -> Tensor:
        """Boxes cxcywh, relative to the input, `(..., A, 4)`, of outputs `y`, `(..., A, E)`.

        Args:
            cell: column and row of each cell, `(..., 1, 2)`
            grid: `(2,)` columns and rows of the head
            image: `(2,)` width and height of the network's input, px
        """
        raise NotImplementedError


@section("yolo")
@dataclass(frozen=True, kw_only=True)
class Yolo(AnchorHead):
    """Source: src/parser.c parse_yolo, src/yolo_layer.c (AlexeyAB 59596d7)."""

    new_coords: bool = False
    # training alone
    focal_loss: bool = False
    show_details: int = 1
    # tracking in Darknet's video demo
    embedding_layer: int = ignored(999999)
    track_history_size: int = ignored(5)
    sim_thresh: float = ignored(0.8)
    dets_for_track: int = ignored(1)
    dets_for_show: int = ignored(1)
    track_ciou_norm: float = ignored(0.01)

    def activate(self, raw: Tensor) -> Tensor:
        """Logistic where Darknet has it, x and y stretched by `scale_x_y`."""
        from ..modules.yolo import activate_yolo

        return activate_yolo(self, raw)

    def locate(self, y: Tensor, cell: Tensor, grid: Tensor, image: Tensor) -> Tensor:
        """See `AnchorHead.locate`."""
        from ..modules.yolo import locate_yolo

        return locate_yolo(self, y, cell, grid, image)

    def decode(self, raw: Tensor, width: int, height: int, hier: float = 0.5) -> Predictions:
        """See `HeadDef.decode`; `hier` has no effect."""
        from ..modules.yolo import decode_yolo

        return decode_yolo(self, raw, width, height)

    def likely(self, raw: Tensor, width: int, height: int, thresh: float, hier: float = 0.5) -> Likely:
        """See `HeadDef.likely`; `hier` has no effect."""
        from ..modules.yolo import likely_yolo

        return likely_yolo(self, raw, width, height, thresh)


@section("Gaussian_yolo")
@dataclass(frozen=True, kw_only=True)
class GaussianYolo(AnchorHead):
    """Source: src/parser.c parse_gaussian_yolo, src/gaussian_yolo_layer.c (AlexeyAB 59596d7)."""

    entries: ClassVar[int] = 9  # x, y, w, h, each with its deviation, and objectness

    uc_normalizer: float = 1.0
    yolo_point: str = option("center", choices=("center", "left_top", "right_bottom"))

    def activate(self, raw: Tensor) -> Tensor:
        """Logistic on all but width and height."""
        from ..modules.yolo import activate_gaussian

        return activate_gaussian(self, raw)

    def locate(self, y: Tensor, cell: Tensor, grid: Tensor, image: Tensor) -> Tensor:
        """See `AnchorHead.locate`."""
        from ..modules.yolo import locate_gaussian

        return locate_gaussian(self, y, cell, grid, image)

    def decode(self, raw: Tensor, width: int, height: int, hier: float = 0.5) -> Predictions:
        """See `HeadDef.decode`; scores are lowered by the mean deviation."""
        from ..modules.yolo import decode_gaussian

        return decode_gaussian(self, raw, width, height)

    def likely(self, raw: Tensor, width: int, height: int, thresh: float, hier: float = 0.5) -> Likely:
        """See `HeadDef.likely`; `hier` has no effect."""
        from ..modules.yolo import likely_gaussian

        return likely_gaussian(self, raw, width, height, thresh)
