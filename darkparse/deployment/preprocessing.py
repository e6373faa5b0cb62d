"""Images to the network's input where the network is: `darkparse.images` in torch, to the last bit.

Images are (rows, columns, C) of uint8, uint16 (as parts of 65535) or float32 0..1, with the channels in the network's
order.  Each sum and product is an operation of its own, as fused ones would round once less; and white is a tensor, as
CUDA multiplies with the inverse of a number in place of dividing by it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .. import images
from ..images import LETTERBOX_FILL, Placement

WHITE = {torch.uint8: 255, torch.uint16: 65535, torch.float32: 1}

Fitting = Callable[[Tensor, int, int], Tensor]
Neighbours = tuple[Tensor, Tensor, Tensor]


def resize(image: Tensor, width: int, height: int) -> Tensor:
    """The image stretched to `width` x `height` px: `(C, height, width)` float32, 0..1; see `images.resize`."""
    rows, columns, _ = image.shape
    white = torch.full((), WHITE[image.dtype], dtype=torch.float32, device=image.device)
    image = image.float() if image.dtype is torch.uint16 else image  # few operations take it
    if (rows, columns) == (height, width):
        return image.permute(2, 0, 1) / white
    left, right, to_right = neighbours(columns, width, image.device)
    left[-1], to_right[-1] = right[-1], 0
    upper, lower, to_lower = (one[:, None, None] for one in neighbours(rows, height, image.device))
    weight_upper = 1 - to_lower
    to_lower[-1] = 0  # but its counterpart stays, hence Darknet's dark last row
    strips = image[torch.cat([upper, lower]).flatten()]
    part = strips[:, left] * ((1 - to_right) / white)[:, None]
    part += strips[:, right] * (to_right / white)[:, None]
    result = part[:height] * weight_upper
    result += part[height:] * to_lower
    return result.permute(2, 0, 1)


def letterbox(image: Tensor, width: int, height: int) -> Tensor:
    """The image, in proportion, in the middle of `width` x `height` px of grey; see `images.letterbox`."""
    rows, columns, channels = image.shape
    place = Placement.of(columns, rows, width, height, letterbox=True)
    result = torch.full((channels, height, width), LETTERBOX_FILL, device=image.device)
    inside = result[:, place.top : place.top + place.height, place.left : place.left + place.width]
    inside.copy_(resize(image, place.width, place.height))
    return result


def neighbours(size: int, target: int, device: torch.device) -> Neighbours:
    """Of each of `target` samples along `size` pixels, `(target,)`: the pixel before, the one after, and how far it is
    towards that."""
    position = torch.full((1,), size - 1.0, device=device)
    if target > 1:
        step = np.float32(size - 1) / np.float32(target - 1)
        position = torch.arange(target, dtype=torch.float32, device=device) * float(step)
    before = position.long()
    return before, (before + 1).clamp(max=size - 1), position - before.float()


FITTINGS: dict[object, Fitting] = {images.resize: resize, images.letterbox: letterbox}
