"""What a `Net` raises, an error of darkparse that is one of OpenCV, too; and what it warns of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from ..errors import DarkparseError, DarkparseWarning


class NetError(DarkparseError, cv2.error):
    """A `DarkparseError` that `except cv2.error` catches, too; its cause is the error that it stands for."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code, self.err, self.msg = cv2.Error.StsError, message, message
        self.file, self.func, self.line = "", "", 0


class OpenCVDiffers(DarkparseWarning):
    """OpenCV 4 took the cfg for another network than Darknet does; what it gave was something else."""


@contextmanager
def as_opencv() -> Iterator[None]:
    """Turn every DarkparseError into a NetError."""
    try:
        yield
    except NetError:
        raise
    except DarkparseError as why:
        raise NetError(str(why)) from why
