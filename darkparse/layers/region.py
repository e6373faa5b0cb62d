"""[region]: the head of YOLOv2 and YOLO9000."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..options import option, unsupported
from ..registry import HeadDef, Predictions, Shape, section
from ..tree import Tree, read_map, read_tree
from .yolo import UNSET_ANCHOR

if TYPE_CHECKING:
    from torch import Tensor, nn


@section("region")
@dataclass(frozen=True, kw_only=True)
class Region(HeadDef):
    """Source: src/parser.c parse_region, src/region_layer.c (AlexeyAB 59596d7, pjreddie f6afaab by dialect)."""

    classes: int = option(20, least=1)
    num: int = option(1, least=1)
    coords: int = option(4, choices=(4,))
    anchors: tuple[float, ...] = ()  # pairs of width and height, cells
    softmax: bool = False
    background: bool = unsupported(False)  # pjreddie
    tree: Tree | None = option(None, read=read_tree)
    map: tuple[int, ...] = option((), read=read_map)
    classfix: int = 0
    # training alone
    max: int = option(200, least=1)
    log: bool = False
    sqrt: bool = False
    jitter: float = 0.2
    resize: float = 1.0
    random: float = 0.0
    rescore: bool = False
    thresh: float = 0.5
    absolute: bool = False
    focal_loss: bool = False
    bias_match: bool = False
    object_scale: float = 1.0
    noobject_scale: float = 1.0
    class_scale: float = 1.0
    coord_scale: float = 1.0
    mask_scale: float = 1.0

    @property
    def boxes_per_cell(self) -> int:
        """`num`."""
        return self.num

    @property
    def reads(self) -> int:
        """Channels: the entries and the classes of each box."""
        return self.num * (self.coords + 1 + self.classes)

    @property
    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of the anchor of each box, in cells."""
        given = [*self.anchors[: 2 * self.num], *[UNSET_ANCHOR] * (2 * self.num)]
        return [(given[2 * i], given[2 * i + 1]) for i in range(self.num)]

    def output(self, *inputs: Shape) -> Shape:
        """The same; it must have the right number of channels."""
        (x,) = inputs
        if x.c != (wanted := self.reads):
            raise ValueError(
                f"reads {wanted} channels ({self.num} boxes x (5 + classes={self.classes})), "
                f"but the layer before gives {x.c}; expected filters={wanted} there"
            )
        if self.tree and len(self.tree) != self.classes:
            raise ValueError(f"tree has {len(self.tree)} nodes, but classes={self.classes}")
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on: the raw output leaves the network."""
        from torch import nn

        return nn.Identity()

    def activate(self, raw: Tensor) -> Tensor:
        """Logistic, softmax or softmax by groups, as the dialect has them."""
        from ..modules.region import activate_region

        return activate_region(self, raw)

    def stored(self, raw: Tensor) -> Tensor:
        """See `HeadDef.stored`; AlexeyAB's fork keeps the entries of a box together."""
        y = self.activate(raw)
        return (y if self.dialect.planar_region else y.permute(0, 3, 4, 1, 2)).reshape(raw.shape)

    def decode(self, raw: Tensor, width: int, height: int, hier: float = 0.5) -> Predictions:
        """See `HeadDef.decode`; the network's size has no effect."""
        from ..modules.region import decode_region

        return decode_region(self, raw, hier)
