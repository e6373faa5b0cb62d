"""The networks that engines are compared on, with random weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx

from darkparse.benchmark.network import random_network
from darkparse.errors import ignore
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.onnx.export import build
from darkparse.sources import Source
from darkparse.weights import save

COARSE = 8  # px; pictures have shapes, where noise would average out from layer to layer
CFGS = Path(__file__).parent.parent / "cfg"


class Targets(NamedTuple):
    """How many times as fast darkparse is to be."""

    peer: float  # fp32, than the faster of OpenCV and ONNX Runtime
    darknet: float  # fp32, than AlexeyAB's Darknet
    bf16: float  # bf16, than that peer


class Case(NamedTuple):
    """A network at a size; cfg: of those that come along, "" for `small_cfg`."""

    title: str
    cfg: str
    size: int  # px
    batch: int = 1
    targets: Targets | None = None


CASES = {
    "yolov3-608": Case("yolov3@608", "yolov3.cfg", 608, targets=Targets(1.5, 4, 2.9)),
    "yolov3-416": Case("yolov3@416", "yolov3.cfg", 416, targets=Targets(1.45, 3.8, 2.8)),
    "yolov4-608": Case("yolov4@608", "yolov4.cfg", 608, targets=Targets(1.6, 3.8, 2.6)),
    "tiny416": Case("yolov3-tiny@416", "yolov3-tiny.cfg", 416, targets=Targets(1.0, 3.3, 1.9)),
    "tiny416x8": Case("yolov3-tiny@416, batch 8", "yolov3-tiny.cfg", 416, batch=8),
    "fastest320": Case("yolo-fastest-shaped@320", "", 320, targets=Targets(1.0, 6, 1.25)),
}


def write_job(case: Case, folder: Path, threads: int) -> dict[str, Any]:
    """The files of a case, in `folder`, and all else that an engine has to know."""
    job: dict[str, Any] = {name: str(folder / f"net.{name}") for name in ("cfg", "weights", "onnx", "json")}
    job |= {"images": str(folder / "images.npy"), "picture": str(folder / "picture.png"), "batch": case.batch}
    job["threads"] = threads
    Path(job["cfg"]).write_text(cfg_text(case), encoding="utf-8")
    graph = read_graph(job["cfg"], complain=ignore)
    network = random_network(graph)
    header = Header(0, 2, 5, 0)
    save(network, job["weights"], header)
    model = build(Source(graph, network, header, (), "", {}), dynamic_size=False, batch=case.batch)
    onnx.save(model, job["onnx"])
    coarse = np.random.default_rng(0).integers(0, 256, (case.batch, COARSE, COARSE, 3), np.uint8)
    pixels = np.stack([cv2.resize(one, (case.size, case.size)) for one in coarse])
    np.save(job["images"], np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / 255)
    cv2.imwrite(job["picture"], pixels[0, ..., ::-1])
    job["heads"] = list(graph.outputs)
    Path(job["json"]).write_text(json.dumps(job), encoding="utf-8")
    return job


def cfg_text(case: Case) -> str:
    """The cfg, at the size of the case."""
    text = (CFGS / case.cfg).read_text(encoding="utf-8") if case.cfg else small_cfg()
    for side in ("width", "height"):
        text, found = re.subn(rf"(?m)^{side} *=.*$", f"{side}={case.size}", text)
        assert found == 1
    return text


# (channels inside a block, channels that it gives, stride of its first, how many)
STAGES = [(8, 4, 1, 2), (32, 8, 2, 3), (48, 8, 2, 3), (96, 16, 1, 5), (136, 24, 2, 5), (224, 48, 2, 6)]
ANCHORS = "12,18, 37,49, 52,132, 115,73, 119,199, 242,238"
CLASSES = 80


def small_cfg() -> str:
    """A cfg like those of Yolo-Fastest: narrow inverted residuals with depthwise convolutions, and two heads.

    A detector for phones, bound by the cost of a layer more than by arithmetic.  Source of the form: MobileNetV2,
    Sandler et al. 2018, arXiv 1801.04381; EfficientNet-lite's widths, scaled down.
    """
    cfg = Writer()
    cfg.add("net", batch=1, width=320, height=320, channels=3)
    cfg.convolution(8, size=3, stride=2)
    ends = [cfg.stage(*stage) for stage in STAGES]
    pools = [cfg.last]
    for size in (3, 5, 9):
        pools.append(cfg.add("maxpool", size=size, stride=1))
        cfg.add("route", layers=pools[0])
    cfg.add("route", layers=",".join(map(str, reversed(pools))))
    neck = cfg.convolution(96)
    cfg.head(96, mask="3,4,5")
    cfg.add("route", layers=neck)
    cfg.add("upsample", stride=2)
    cfg.add("route", layers=f"-1,{ends[-2]}")
    cfg.head(96 + STAGES[-2][1], mask="0,1,2")
    return cfg.text


class Writer:
    """A cfg that grows; `last` is the index of its last layer."""

    def __init__(self) -> None:
        self.text, self.last = "", -2

    def add(self, section: str, **entries: object) -> int:
        """Append a section; its index."""
        lines = "".join(f"{key}={value}\n" for key, value in entries.items())
        self.text += f"[{section}]\n{lines}\n"
        self.last += 1
        return self.last

    def convolution(self, filters: int, *, activation: str = "leaky", size: int = 1, **more: object) -> int:
        norm = {"batch_normalize": 1, "filters": filters, "size": size, "pad": 1, "activation": activation}
        return self.add("convolutional", **{"stride": 1, **norm, **more})

    def stage(self, inside: int, out: int, stride: int, count: int) -> int:
        """Blocks: wider by a 1x1 convolution, filtered channel by channel, narrower again; all but the first add."""
        for number in range(count):
            before = self.last
            self.convolution(inside)
            self.convolution(inside, size=3, groups=inside, stride=1 if number else stride)
            self.convolution(out, activation="linear")
            if number:
                self.add("dropout", probability=0.15)
                self.add("shortcut", **{"from": before, "activation": "linear"})
        return self.last

    def head(self, channels: int, mask: str) -> None:
        for _ in range(2):
            self.convolution(channels, size=5, groups=channels)
            self.convolution(channels, activation="linear")
        self.add("convolutional", size=1, stride=1, pad=1, filters=3 * (5 + CLASSES), activation="linear")
        self.add("yolo", mask=mask, anchors=ANCHORS, classes=CLASSES, num=6, scale_x_y=1.0)
