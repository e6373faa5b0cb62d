"""OpenCV with its importer of Darknet models: a script has `from darkparse.cv2dnn import cv2` for `import cv2`.

Everything is OpenCV's own but what reads or runs a Darknet model.
"""

from typing import Any

import cv2

from .. import cv2dnn as dnn

dnn_ClassificationModel, dnn_DetectionModel = dnn.ClassificationModel, dnn.DetectionModel
dnn_Model, dnn_Net = dnn.Model, dnn.Net


def __getattr__(name: str) -> Any:
    return getattr(cv2, name)
