# ruff: noqa: T201
"""Tries OpenCV 4's models: each line of standard input is a JSON list of a cfg, its weights, an image and a call.

It is answered by what the call gives.
"""

import json
import sys
from functools import cache

import cv2
import numpy as np


def described(value):
    """A value with all its types; of an error only that it is one."""
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), list(value.shape), value.ravel().tolist()]
    if isinstance(value, tuple | list):
        return [type(value).__name__, *map(described, value)]
    if hasattr(value, "predict"):
        return ["model"]
    return [type(value).__name__, value]


def result(call):
    try:
        return described(eval(call, globals()))
    except Exception:
        return ["error"]


@cache
def network(*files):
    return cv2.dnn.readNetFromDarknet(*files)


def detector(size=(320, 320)):
    model = cv2.dnn.DetectionModel(network(cfg, weights))
    model.setInputParams(scale=1 / 255, size=size, swapRB=True)
    return model


def classifier():
    model = cv2.dnn.ClassificationModel(cfg, weights)
    model.setInputParams(1 / 255, (40, 32))
    return model


print(cv2.__version__, flush=True)
for line in sys.stdin:
    cfg, weights, picture, call = json.loads(line)
    image = cv2.imread(picture)
    print(json.dumps(result(call)), flush=True)
