"""Small models for tests of checkpoints, each a cfg with its .weights, names and whatever the cfg names."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from conftest import ROOT
from darkparse.graph import read_graph
from darkparse.layout import Header, count
from darkparse.sources import Source, read_source

NET = "[net]\nwidth=16\nheight=16\nchannels=3\n"
CONV = "[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\nstride=2\npad=1\nactivation=leaky\n"
YOLO = "[convolutional]\nfilters=14\nsize=1\nactivation=linear\n[yolo]\nmask=0,1\nanchors=2,3, 8,9\nclasses=2\nnum=2\n"
VOC = tuple((ROOT / "cfg" / "voc.names").read_text().split())
TREE = "thing -1\nplant -1\ndog 0\ncat 0\n"
SHARED = f"{CONV}{CONV}[convolutional]\nbatch_normalize=1\nfilters=4\nsize=3\npad=1\nshare_index=1\nactivation=linear\n"
REGION = "[convolutional]\nfilters=9\nsize=1\nactivation=linear\n[region]\nnum=1\nclasses=4\nanchors=1,1\nsoftmax=1\n"


class Model(NamedTuple):
    """What a small model is made of.

    files: beside the cfg; names: that a user gets of it
    """

    cfg: str
    names: tuple[str, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    header: Header = Header(seen=7)


MODELS = {
    "detector": Model(NET + CONV + YOLO, ("cat", "dög"), (("net.names", "cat\ndög\n"),)),
    "no-names": Model(NET + CONV + YOLO),
    "crlf": Model((NET + CONV + "# a comment, é\n\n" + YOLO).replace("\n", "\r\n") + "   "),
    "shared": Model(NET + SHARED + YOLO),
    "classifier": Model(NET + CONV + "[avg]\n[softmax]\n", ("a", "b", "c", "d"), (("obj.names", "a\nb\nc\nd\n\n"),)),
    "class-tree": Model(
        NET + CONV + "[avg]\n[softmax]\ntree=x.tree\n", ("thing", "plant", "dog", "cat"), (("x.tree", TREE),)
    ),
    "tree-and-map": Model(
        NET + REGION + "tree=data/y.tree\nmap=data/y.map\n",
        ("thing", "plant", "dog", "cat"),
        (
            ("data/y.tree", TREE),
            ("data/y.map", "3\n2\n"),
        ),
    ),
    "voc": Model(NET + CONV + YOLO.replace("=14", "=50").replace("classes=2", "classes=20"), VOC),
    "old-header": Model(NET + CONV + YOLO, header=Header(0, 1, 0, 2**32 - 1, False)),
    "pjreddie": Model(NET + CONV + YOLO, header=Header(0, 2, 0, 2**64 - 1, True)),
    "transposed": Model(
        NET + "[connected]\noutput=5\nbatch_normalize=1\nactivation=relu\n[softmax]\n",
        header=Header(1001, 0, 0, 0, True),
    ),
    "characters": Model(
        "[net]\ninputs=256\n[lstm]\noutput=5\nbatch_normalize=1\n[connected]\noutput=256\nactivation=linear\n[softmax]\n"
    ),
    "recurrent": Model(
        NET + CONV + "[crnn]\noutput=4\nhidden=4\nsize=3\npad=1\nactivation=leaky\nbatch_normalize=1\n" + YOLO
    ),
    "odd-sections": Model(
        NET
        + CONV.replace("pad=1\n", "pad=1\nantialiasing=1\n")
        + "[maxpool]\nsize=1\nstride=1\n"
        + CONV.replace("stride=2", "stride=1")
        + "[shortcut]\nfrom=-2\nweights_type=per_channel\nweights_normalization=softmax\nactivation=linear\n"
        + YOLO
    ),
}


def write(folder: Path, name: str) -> tuple[Path, Path]:
    """The cfg and the .weights of a model, with random numbers."""
    model = MODELS[name]
    for file, text in (("net.cfg", model.cfg), *model.files):
        (folder / file).parent.mkdir(exist_ok=True, parents=True)
        (folder / file).write_bytes(text.encode())
    cfg, weights = folder / "net.cfg", folder / "net.weights"
    graph = read_graph(cfg, dialect=model.header.dialect)
    values = np.random.default_rng(len(name)).normal(0.5, 0.2, count(graph)).astype("<f4")
    weights.write_bytes(model.header.pack() + values.tobytes())
    return cfg, weights


def source(folder: Path, name: str) -> Source:
    """The model, read from its files."""
    return read_source(*write(folder, name))


def bits(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Tensors as type, shape and bytes."""
    return {
        name: (str(tensor.dtype), tuple(tensor.shape), tensor.contiguous().numpy().tobytes())
        for name, tensor in tensors.items()
    }


def same(one: Source, other: Source) -> bool:
    """Whether two models are the same, to the bit."""
    return one[2:] == other[2:] and bits(one.network.state_dict()) == bits(other.network.state_dict())
