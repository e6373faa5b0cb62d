"""How images become a batch on the network's device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from .dataset.reader import Fitting, Reader
from .deployment import preprocessing
from .deployment.cuda import Sender
from .images import Pixels, Placement, letterbox
from .network import FLOAT

Fit = Callable[[list[Tensor]], Tensor]  # images -> (B, C, H, W)


class Feed:
    """Images are fitted to the network's input where they are read.

    reader: what reads them; fit: what makes a batch of what it reads; lanes: how many batches may be on their way
    """

    lanes: ClassVar[int] = 1

    def __init__(self, device: torch.device, dtype: torch.dtype, reader: Reader) -> None:
        self.device, self.dtype, self.reader = device, dtype, reader
        self.fit: Fit = torch.stack

    def batch(self, images: list[Tensor], fit: Fit) -> Tensor:
        """A batch on the device, for whatever comes next there."""
        return fit(images).to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)

    def begin_lane(self) -> None:
        """What a thread that runs batches while others do does first."""


class CudaFeed(Feed):
    """Images are sent to a GPU as they were read, if it knows how to fit them."""

    lanes = 2

    def __init__(self, device: torch.device, dtype: torch.dtype, reader: Reader) -> None:
        super().__init__(device, dtype, reader)
        self._sender = Sender(device, dtype)
        if there := preprocessing.FITTINGS.get(reader.fitting):
            _, height, width = reader.shape
            self.reader = replace(reader, fitting=Later(reader.fitting))
            self.fit = lambda images: torch.stack([there(image, width, height) for image in images])

    def batch(self, images: list[Tensor], fit: Fit) -> Tensor:
        """See `Feed.batch`."""
        return self._sender.send(images, fit).take()

    def begin_lane(self) -> None:
        """Waiting for the results of a batch is then no waiting for the next one."""
        torch.cuda.set_stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]


class Later:
    """A fitting that is put off until the image is on the device, unless it has less to send then."""

    def __init__(self, fitting: Fitting) -> None:
        self.fitting = fitting

    def __call__(self, image: Pixels, width: int, height: int) -> Pixels:
        """The image, (rows, columns, channels): as it is, or of the size asked for, so that nothing is left to do.

        Raises ImageError where it cannot be fitted.
        """
        rows, columns, channels = image.shape
        if image.nbytes > FLOAT * width * height * channels:
            fitted: Pixels = self.fitting(image, width, height).transpose(1, 2, 0)
            return fitted
        Placement.of(columns, rows, width, height, self.fitting is letterbox)
        whole: Pixels = np.require(image, requirements=["C", "W"])  # torch takes no other
        return whole


def feed_for(device: torch.device, dtype: torch.dtype, reader: Reader) -> Feed:
    """What feeds a network on that device with the images of `reader`."""
    return FEEDS.get(device.type, Feed)(device, dtype, reader)


FEEDS: dict[str, type[Feed]] = {"cuda": CudaFeed}
