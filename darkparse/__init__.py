"""darkparse runs Darknet models (.cfg and .weights) in PyTorch.

    import darkparse
    model = darkparse.load("yolov4-tiny.cfg", "yolov4-tiny.weights")
    for box, score, label, name in model.detect("dog.jpg"):
        print(name, score, box)
    model = darkparse.load("yolov4-tiny.safetensors")  # one file that holds both, of darkparse convert

Names are imported when first used, so that what needs no torch starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import CfgError, DarkparseError, DarkparseWarning, DataError, ImageError, WeightsError

if TYPE_CHECKING:
    from . import cv2dnn as cv2dnn
    from .classification import Classification as Classification
    from .classify import Classifier as Classifier
    from .classify import load_classifier as load_classifier
    from .deployment import deploy as deploy
    from .detect import Model as Model
    from .detect import load as load
    from .detections import Detections as Detections
    from .graph import Graph as Graph
    from .graph import read_graph as read_graph
    from .layout import Header as Header
    from .network import Network as Network
    from .training.train import train as train
    from .weights import load as load_weights
    from .weights import save as save_weights

_WHERE = {
    "Classification": ("classification", "Classification"),
    "Classifier": ("classify", "Classifier"),
    "Detections": ("detections", "Detections"),
    "Graph": ("graph", "Graph"),
    "Header": ("layout", "Header"),
    "Model": ("detect", "Model"),
    "Network": ("network", "Network"),
    "deploy": ("deployment", "deploy"),
    "load": ("detect", "load"),
    "load_classifier": ("classify", "load_classifier"),
    "load_weights": ("weights", "load"),
    "read_graph": ("graph", "read_graph"),
    "save_weights": ("weights", "save"),
    "train": ("training.train", "train"),
}

__version__ = "0.1.0"
__all__ = [
    "CfgError",
    "Classification",
    "Classifier",
    "DarkparseError",
    "DarkparseWarning",
    "DataError",
    "Detections",
    "Graph",
    "Header",
    "ImageError",
    "Model",
    "Network",
    "WeightsError",
    "cv2dnn",
    "deploy",
    "load",
    "load_classifier",
    "load_weights",
    "read_graph",
    "save_weights",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "cv2dnn":
        return import_module(f".{name}", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(import_module(f".{module}", __name__), attribute)
