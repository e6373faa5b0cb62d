"""[detection]: the head of YOLOv1, behind a dense layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..options import option, unsupported
from ..registry import HeadDef, Predictions, Shape, section

if TYPE_CHECKING:
    from torch import Tensor, nn


@section("detection")
@dataclass(frozen=True, kw_only=True)
class Detection(HeadDef):
    """Source: src/parser.c parse_detection, src/detection_layer.c (AlexeyAB 59596d7)."""

    stretched: ClassVar[bool] = True  # src/yolo.c (AlexeyAB), examples/yolo.c (pjreddie) test_yolo

    classes: int = option(1, least=1)
    coords: int = option(1, least=1)
    num: int = option(1, least=1)
    side: int = option(7, least=1)
    softmax: bool = False
    sqrt: bool = False
    reorg: bool = unsupported(False)
    # training alone
    max: int = option(200, least=1)
    rescore: bool = False
    forced: bool = False
    coord_scale: float = 1.0
    object_scale: float = 1.0
    noobject_scale: float = 1.0
    class_scale: float = 1.0
    jitter: float = 0.2
    resize: float = 1.0
    random: float = 0.0

    @property
    def boxes_per_cell(self) -> int:
        """`num`."""
        return self.num

    @property
    def reads(self) -> int:
        """Values: the classes of each cell, and the entries of its boxes."""
        return self.side**2 * (self.classes + self.num * (1 + self.coords))

    def output(self, *inputs: Shape) -> Shape:
        """The same; it must have the right number of values."""
        (x,) = inputs
        if self.coords != 4:
            raise ValueError(f"coords={self.coords} (by default Darknet takes 1); only coords=4 is supported")
        if x.size != (wanted := self.reads):
            each = f"{self.side}x{self.side} cells x (classes={self.classes} + num={self.num} x 5)"
            raise ValueError(
                f"reads {wanted} values ({each}), but the layer before gives {x.size}; expected output={wanted} there"
            )
        return x

    def build(self, *inputs: Shape) -> nn.Module:
        """Passes its input on: the raw output leaves the network."""
        from torch import nn

        return nn.Identity()

    def activate(self, raw: Tensor) -> Tensor:
        """Softmax of the classes of each cell, if asked for: `(B, values)`."""
        from ..modules.detection import activate_detection

        return activate_detection(self, raw)

    def decode(self, raw: Tensor, width: int, height: int, hier: float = 0.5) -> Predictions:
        """See `HeadDef.decode`; neither size nor `hier` has an effect."""
        from ..modules.detection import decode_detection

        return decode_detection(self, raw)
