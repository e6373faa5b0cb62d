"""Small .onnx files for several test modules."""

from pathlib import Path

import numpy as np
import torch

from darkparse.onnx import metadata
from darkparse.onnx.export import build
from darkparse.onnx.seal import sealed
from darkparse.sources import Source, read_source

CONV = "[convolutional]\nbatch_normalize=1\nfilters={}\nsize=3\nstride={}\npad=1\nactivation=leaky\n"
YOLO = "[yolo]\nmask={}\nanchors=4,6, 9,8, 14,20, 30,24, 26,40, 50,50\nnum=6\nclasses=3\n"
HEAD = "[convolutional]\nfilters=24\nsize=1\nactivation=linear\n" + YOLO
DETECTOR = (
    "[net]\nwidth=64\nheight=64\nchannels=3\n"
    + CONV.format(8, 2)
    + CONV.format(8, 2)
    + CONV.format(16, 2)
    + HEAD.format("3,4,5")
    + "[route]\nlayers=-3\n[upsample]\nstride=2\n[route]\nlayers=-1,1\n"
    + HEAD.format("0,1,2")
)
RECURRENT = "[net]\ninputs=5\n[gru]\noutput=6\n[connected]\noutput=4\nactivation=logistic\n"


def source(folder: Path, cfg: str, name: str = "net") -> Source:
    """A network with random weights, whose boxes are of some size."""
    from darkparse import weights
    from darkparse.graph import read_graph
    from darkparse.layout import Header
    from darkparse.network import Network

    path = folder / f"{name}.cfg"
    path.write_text(cfg)
    torch.manual_seed(5)
    network = Network(read_graph(path)).eval()
    for one in network.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.running_mean.normal_(0, 0.1)
            one.running_var.uniform_(0.5, 1.5)
    weights.save(network, folder / f"{name}.weights", Header())
    return read_source(path, folder / f"{name}.weights")


def write(path: Path, found: Source, tail: str = "raw", **options: object) -> Path:
    """What `darkparse convert` writes, unverified."""
    model = build(found, tail=tail, **options)
    metadata.attach(model, metadata.describe(found, tail=tail, resize="stretch"))
    path.write_bytes(sealed(model))
    return path


def plain(path: Path) -> np.ndarray:
    """A file that darkparse did not write: 2 x + 1, of any size; gives an input."""
    from onnx import TensorProto, helper, numpy_helper, save

    two, one = (numpy_helper.from_array(np.float32(value), name) for value, name in ((2, "two"), (1, "one")))
    nodes = [helper.make_node("Mul", ["x", "two"], ["m"]), helper.make_node("Add", ["m", "one"], ["y"])]
    sizes = ["n", 3, "h", "w"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes) for name in "xy"]
    graph = helper.make_graph(nodes, "plain", values[:1], values[1:], [two, one])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), path)
    return np.random.default_rng(0).random((1, 3, 4, 5), np.float32)
