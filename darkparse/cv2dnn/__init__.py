"""What OpenCV 5 took out of cv2.dnn: Darknet's networks, read and asked as OpenCV 4 did, run by PyTorch.

    net = darkparse.cv2dnn.readNetFromDarknet("yolov4.cfg", "yolov4.weights")  # was: cv2.dnn.readNetFromDarknet
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, (416, 416), swapRB=True))
    outputs = net.forward(net.getUnconnectedOutLayersNames())

All else that cv2.dnn has, such as its constants, is here, too, and OpenCV's own.
"""

from typing import Any

from cv2 import dnn as _dnn

from .errors import NetError, OpenCVDiffers
from .models import ClassificationModel, DetectionModel, Model
from .net import Net
from .reading import readNet, readNetFromDarknet

__all__ = [
    "ClassificationModel",
    "DetectionModel",
    "Model",
    "Net",
    "NetError",
    "OpenCVDiffers",
    "readNet",
    "readNetFromDarknet",
]


def __getattr__(name: str) -> Any:
    return getattr(_dnn, name)
