"""Times YOLOv3 beside torchvision's RetinaNet and SSD on a GPU, from a batch in its memory to boxes in the processor's.

Usage: python benchmarks/detectors.py [--weights yolov3.weights] [--batch 1] [--precision fp16] [--rounds 9]

YOLOv3's paper says that at 320 px it is as accurate as SSD and three times as fast, and at 608 px as RetinaNet with
ResNet-101 at 800 px and 3.8 times as fast.  SSD here is torchvision's, with VGG-16 at 300 px; the paper's was with
ResNet-101 at 321 px.  Weights are random but for --weights; YOLOv3's heads then have the bias of RetinaNet's paper,
with which about one box in a hundred counts.  Needs torchvision (pip install torchvision), and CUDA unless --device
says otherwise.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from darkparse import Model
from darkparse.benchmark.network import random_network
from darkparse.data import find_cfg, names_for
from darkparse.dataset.reader import Ready
from darkparse.deployment import PRECISIONS, deploy
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network
from darkparse.sources import open_files
from turns import Times, in_turns, ratio

PRIOR = 0.01  # Lin et al. 2017, Focal Loss for Dense Object Detection, arXiv 1708.02002: a box's probability at first
THRESH, NMS = 0.25, 0.45
CLASSES = 91  # torchvision's of COCO
Call = Callable[[], Any]

OURS = {"YOLOv3-320": 320, "YOLOv3-416": 416, "YOLOv3-608": 608}  # px
THEIRS = {"SSD300": (300, 300), "RetinaNet-R50-FPN": (800, 1067), "RetinaNet-R101-FPN": (800, 1067)}  # height, width
CLAIMS = [("YOLOv3-320", "SSD300", 3), ("YOLOv3-608", "RetinaNet-R101-FPN", 3.8)]  # of the paper: times as fast


def ours(size: int, weights: str, device: torch.device, precision: str, batch: int) -> Call:
    """YOLOv3 of that size."""
    cfg = find_cfg("yolov3")
    if weights:
        network = open_files(cfg, weights, width=size, height=size).build().network
    else:
        network = random_network(read_graph(cfg, width=size, height=size))
        calm(network)
    network = deploy(network, device, precision, batch=batch)
    model = Model(network, Header(0, 2, 5, 0), names_for(network.graph)[0], letterbox=False)
    images = torch.rand(batch, 3, size, size).to(device, PRECISIONS[precision])
    images = images.contiguous(memory_format=torch.channels_last)
    ready = [Ready(np.empty(0, np.float32), np.empty((size, size, 3), np.uint8))] * batch

    @torch.inference_mode()
    def call() -> Any:
        return model.interpret(ready, [raw.float() for raw in model.network(images)], THRESH, NMS, 0.5)

    return call


@torch.no_grad()
def calm(network: Network) -> None:
    """Let one box in a hundred count."""
    for index, head in network.graph.heads:
        before: Any = network.layers[index - 1]
        before.conv.bias.view(head.boxes_per_cell, -1)[:, 4] = -math.log(1 / PRIOR - 1)


def theirs(name: str, device: torch.device, precision: str, batch: int) -> Call:
    """A network of torchvision's."""
    model = build(name).eval().to(device, memory_format=torch.channels_last)
    images = list(torch.rand(batch, 3, *THEIRS[name], device=device))
    kind = PRECISIONS[precision]

    @torch.inference_mode()
    def call() -> list[dict[str, Tensor]]:
        with torch.autocast(device.type, kind, enabled=precision != "fp32"):
            return [{key: value.cpu() for key, value in found.items()} for found in model(images)]

    return call


def build(name: str) -> Any:
    """A network of torchvision's with random weights."""
    detection = import_module("torchvision.models.detection")
    nothing = {"weights": None, "weights_backbone": None}
    if name == "SSD300":
        return detection.ssd300_vgg16(**nothing)
    if name == "RetinaNet-R50-FPN":
        return detection.retinanet_resnet50_fpn(**nothing)
    pyramid = import_module("torchvision.ops.feature_pyramid_network").LastLevelP6P7(256, 256)
    make = import_module("torchvision.models.detection.backbone_utils").resnet_fpn_backbone
    backbone = make(backbone_name="resnet101", weights=None, returned_layers=[2, 3, 4], extra_blocks=pyramid)
    return detection.RetinaNet(backbone, CLASSES)


def table(times: Times, batch: int) -> Iterator[str]:
    """A row for each detector, then the claims."""
    yield "| detector | ms a batch | images/s |"
    yield "|---|---|---|"
    for name, taken in times.items():
        each = float(np.median(taken))
        yield f"| {name} | {each:.2f} | {batch * 1e3 / each:.1f} |"
    yield ""
    for fast, slow, claim in CLAIMS:
        yield f"{fast} is {ratio(times, slow, fast):.2f} times as fast as {slow}; the paper's ratio: {claim:g}"


def unfit(device: str) -> str:
    """Why it cannot be measured; "" if it can."""
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError) as why:  # "operator does not exist": it was built for another torch
        return f"no torchvision that works with torch {torch.__version__} ({why}): pip install torchvision"
    if device.startswith("cuda") and not torch.cuda.is_available():
        return "no CUDA device; --device cpu to try it on the processor"
    return ""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="", help="yolov3.weights")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=sorted(PRECISIONS), default="fp16")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args(arguments)
    if why := unfit(options.device):
        print(why, file=sys.stderr)
        return 1
    device, how = torch.device(options.device), (options.precision, options.batch)
    calls = {name: ours(size, options.weights, device, *how) for name, size in OURS.items()}
    calls |= {name: theirs(name, device, *how) for name in THEIRS}
    times = in_turns(calls, options.rounds)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else options.device
    print(f"{where}, {options.precision}, batch {options.batch}, torch {torch.__version__}:\n")
    print("\n".join(table(times, options.batch)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
