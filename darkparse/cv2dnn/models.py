"""OpenCV's models: a network, how images become its input, and what its output means.

Source: modules/dnn/src/model.cpp (OpenCV 4.14)
"""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from .errors import NetError
from .net import Net
from .reading import readNet

Frame = NDArray[Any]  # (height, width) or (height, width, channels), BGR
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
File = str | os.PathLike[str]
Scalar = float | Sequence[float]
Found = tuple[Ints, Floats, Ints] | tuple[tuple[()], tuple[()], tuple[()]]
Self = TypeVar("Self", bound="Model")

_ROWS = "Region"  # the type of layer that gives rows: cx cy w h, relative to the image; objectness; a score a class
_FIRST_SCORE = 5


class Model:
    """A network and the way images become its input."""

    def __init__(self, model: Net | File | None = None, config: File = "", *, network: Net | None = None) -> None:
        """A model of a network, or of a .cfg and a .weights file in either order.

        Raises:
            NetError: a file cannot be read, or one does not fit the other
        """
        given = model if network is None else network
        if not isinstance(given, Net | str | os.PathLike):
            what = type(given).__name__
            raise NetError(f"expected a network of readNetFromDarknet, or a .cfg and a .weights file, got {what}")
        network = given if isinstance(given, Net) else readNet(os.fspath(given), os.fspath(config))
        if not isinstance(network, Net):
            raise NetError(f"{given}: expected a .cfg and a .weights file; OpenCV's own class reads other formats")
        self._network = network
        self._outputs = list(self._network.getUnconnectedOutLayersNames())
        images = self._network._images
        self.setInputParams(size=(0, 0) if images is None else images.shape[:1:-1])

    def setInputParams(
        self,
        scale: float = 1.0,
        size: Sequence[int] = (0, 0),
        mean: Scalar = (0, 0, 0, 0),
        swapRB: bool = False,
        crop: bool = False,
    ) -> None:
        """Set how an image becomes the input, all of it: what is not given is set back.

        Args:
            scale: what pixels are multiplied by, after the mean is subtracted
            size: width and height of the input, px
            mean: a value a channel, in the order that the network reads
            swapRB: the image is BGR, the network reads RGB
            crop: keep the aspect ratio and take the middle, rather than stretch
        """
        self.setInputScale(scale)
        self.setInputSize(size)
        self.setInputMean(mean)
        self.setInputSwapRB(swapRB)
        self.setInputCrop(crop)

    def setInputSize(self: Self, size: Any = None, height: Any = None, *, width: Any = None) -> Self:
        """Set width and height of the input, px: as a pair or as two numbers."""
        first = size if width is None else width
        self._size = _size(first if height is None else (first, height))
        return self

    def setInputScale(self: Self, scale: Scalar) -> Self:
        """Set what pixels are multiplied by: one number, or one a channel."""
        numbers = _scalar("scale", scale)
        self._scale = numbers if any(numbers[1:]) else numbers[:1] * 4
        return self

    def setInputMean(self: Self, mean: Scalar) -> Self:
        """Set what is subtracted from pixels, one a channel; a number is for the first channel alone."""
        self._mean = _scalar("mean", mean)
        return self

    def setInputSwapRB(self: Self, swapRB: bool) -> Self:
        """Say whether the first and the last channel change places."""
        self._swap = bool(swapRB)
        return self

    def setInputCrop(self: Self, crop: bool) -> Self:
        """Say whether the middle of the image is taken, rather than all of it stretched."""
        self._crop = bool(crop)
        return self

    def setOutputNames(self: Self, outNames: Sequence[str]) -> Self:
        """Choose the layers whose outputs count; all of the last ones at first."""
        self._outputs = list(outNames)
        return self

    def setPreferableBackend(self: Self, backendId: int) -> Self:
        """As of the network."""
        self._network.setPreferableBackend(backendId)
        return self

    def setPreferableTarget(self: Self, targetId: int) -> Self:
        """As of the network."""
        self._network.setPreferableTarget(targetId)
        return self

    def enableWinograd(self: Self, useWinograd: bool) -> Self:
        """Nothing: PyTorch chooses how it convolves."""
        return self

    def predict(self, frame: Frame, outs: Any = None) -> tuple[Floats, ...]:
        """What the last layers give for an image.

        Raises:
            NetError: no size of the input was set, or the image is none, or does not suit the network
        """
        if min(self._size) <= 0:
            raise NetError("the size of the input is not set: call setInputSize or setInputParams")
        self._network.setInput(self._blob(_pixels(frame)))
        return tuple(self._network.forward(self._outputs))

    def _blob(self, pixels: Frame) -> Floats:
        params = cv2.dnn.Image2BlobParams()
        params.scalefactor, params.size, params.mean = self._scale, self._size, self._mean
        params.swapRB = self._swap
        params.paddingmode = cv2.dnn.DNN_PMODE_CROP_CENTER if self._crop else cv2.dnn.DNN_PMODE_NULL
        try:
            return np.asarray(cv2.dnn.blobFromImageWithParams(pixels, params), np.float32)
        except cv2.error as error:
            raise NetError(f"OpenCV cannot resize an image of shape {pixels.shape}, {pixels.dtype}: {error}") from None


class DetectionModel(Model):
    """Finds objects with a network of [yolo] and [region] heads."""

    def __init__(self, model: Net | File | None = None, config: File = "", *, network: Net | None = None) -> None:
        """As `Model`; from now on the rows of the network's heads are before non-maximum suppression."""
        super().__init__(model, config, network=network)
        self._network._cuts = {index: replace(cut, nms_threshold=0.0) for index, cut in self._network._cuts.items()}
        self._across = False

    def setNmsAcrossClasses(self, value: bool) -> DetectionModel:
        """Say whether objects of different classes suppress each other, too."""
        self._across = bool(value)
        return self

    def getNmsAcrossClasses(self) -> bool:
        """Whether objects of different classes suppress each other, too."""
        return self._across

    def detect(self, frame: Frame, confThreshold: float = 0.5, nmsThreshold: float = 0.0) -> Found:
        """Objects in an image: class ids `(N,)`, confidences `(N,)` and boxes `(N, 4)`: left, top, width, height in px.

        Three empty tuples where there are none.  With suppression they come by class, in each the likeliest first;
        across classes the likeliest first; without it in the order of the rows.

        Args:
            confThreshold: least confidence; below it, that of the head counts (`thresh=` of the cfg: .2 for [yolo])
            nmsThreshold: overlap above which the less likely object goes; 0 for no suppression
        Raises:
            NetError: as of `predict`; or the network has no head
        Source: DetectionModel::detect
        """
        outputs = self.predict(frame)
        height, width = _pixels(frame).shape[:2]
        heads = [rows for name, rows in zip(self._outputs, outputs, strict=True) if self._gives_rows(name)]
        if not heads:
            raise NetError(f"detect: expected a network with [yolo] or [region] at its end, got {self._outputs}")
        found = [_likely(rows, confThreshold, width, height) for rows in heads]
        classes, confidences, boxes = (np.concatenate(part) for part in zip(*found, strict=True))
        if nmsThreshold:
            groups = [np.arange(len(classes))] if self._across else _by_class(classes)
            kept = [group[_suppress(boxes[group], confidences[group], confThreshold, nmsThreshold)] for group in groups]
            chosen = np.concatenate([np.empty(0, int), *kept])
            classes, confidences, boxes = classes[chosen], confidences[chosen], boxes[chosen]
        return (classes, confidences, boxes) if len(classes) else ((), (), ())

    def _gives_rows(self, name: str) -> bool:
        return bool(self._network.getLayer(self._network.getLayerId(name)).type == _ROWS)


class ClassificationModel(Model):
    """Names the class of an image."""

    _softmax = False

    def setEnableSoftmaxPostProcessing(self, enable: bool) -> ClassificationModel:
        """Say whether a softmax follows the network."""
        self._softmax = bool(enable)
        return self

    def getEnableSoftmaxPostProcessing(self) -> bool:
        """Whether a softmax follows the network."""
        return self._softmax

    def classify(self, frame: Frame) -> tuple[int, float]:
        """The likeliest class of an image, and its score.

        Raises:
            NetError: as of `predict`; or the network has several outputs
        Source: ClassificationModel_Impl::classify
        """
        outputs = self.predict(frame)
        if len(outputs) != 1:
            raise NetError(f"classify: expected a network with one output, got {', '.join(self._outputs)}")
        scores = outputs[0].ravel()
        if self._softmax:
            powers = np.exp(scores - scores.max())
            scores = powers / powers.sum()
        best = int(scores.argmax())
        return best, float(scores[best])


def _likely(rows: Floats, threshold: float, width: int, height: int) -> tuple[Ints, Floats, Ints]:
    """Classes, confidences and boxes of the rows whose best score is not below the threshold."""
    scores = rows[:, _FIRST_SCORE:]
    best = scores.argmax(1).astype(np.int32)
    confidences = scores[np.arange(len(rows)), best]
    likely = ~(confidences < np.float32(threshold))
    return best[likely], confidences[likely], _boxes(rows[likely], width, height)


def _boxes(rows: Floats, width: int, height: int) -> Ints:
    """Left, top, width and height in px, inside the image; each number of a row is cut off to px first."""
    scale = np.array([width, height], np.float32)
    with np.errstate(invalid="ignore"):  # a width may be infinite
        centre, size = ((rows[:, at : at + 2] * scale).astype(np.int32) for at in (0, 2))
    corner = np.clip(centre - size // 2, 0, scale.astype(np.int32) - 1)
    size = np.clip(size, 1, np.array([width, height]) - corner)
    return np.concatenate([corner, size], axis=1).astype(np.int32)


def _by_class(classes: Ints) -> list[NDArray[np.intp]]:
    return [np.flatnonzero(classes == one) for one in np.unique(classes)]


def _suppress(boxes: Ints, confidences: Floats, threshold: float, overlap: float) -> NDArray[np.intp]:
    """Indices of the boxes that stay, the likeliest first."""
    try:
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), confidences.tolist(), threshold, overlap)
    except cv2.error as error:
        raise NetError(f"detect: cannot suppress with thresholds {threshold} and {overlap}: {error}") from None
    return np.array(kept, np.intp).reshape(-1)


def _pixels(frame: Any) -> Frame:
    """The image as an array."""
    pixels = frame.get() if isinstance(frame, cv2.UMat) else frame
    if not isinstance(pixels, np.ndarray) or pixels.ndim not in (2, 3) or not pixels.size:
        what = f"an array of shape {pixels.shape}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise NetError(f"expected an image, an array of (height, width, channels), got {what}")
    return pixels


def _size(value: Any) -> tuple[int, int]:
    try:
        width, height = (operator.index(side) for side in value)
    except (TypeError, ValueError):
        raise NetError(f"size: expected width and height, two integers, got {value!r}") from None
    return width, height


def _scalar(name: str, value: Scalar) -> list[float]:
    """Four numbers, of which those that are not given are 0."""
    try:
        given = [float(value)] if np.isscalar(value) else [float(number) for number in value]  # type: ignore[arg-type, union-attr]
    except (TypeError, ValueError):
        given = []
    if not 1 <= len(given) <= 4:
        raise NetError(f"{name}: expected one to four numbers, got {value!r}")
    return given + [0.0] * (4 - len(given))
