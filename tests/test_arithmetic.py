"""Arithmetic that the official cfgs leave out: a tiny network a case, against what Darknet computed of it.

`data/darknet_layers.npz` holds, for a case NAME, `NAME`: the output of the last layer (of each step, one after the
other), float32, and for heads `NAME.boxes`: the detections, `(N, 6)` rows of label, score and relative cxcywh.  They
were made by AlexeyAB/darknet 59596d7 and pjreddie/darknet f6afaab (`fork=pj`), built for a CPU by gcc -O2 without
AVX, OpenMP, OpenCV or -Ofast, through their own functions: parse_network_cfg_custom(cfg, 1, 1), load_weights,
fuse_conv_batchnorm, calculate_binary_weights, network_predict once a step; then get_network_boxes(width and height of
[net], thresh, .5, relative=1, letter=0) and, with `nms`, do_nms_sort or diounms_sort as `nms_kind` says.  Of
pjreddie's: parse_network_cfg, set_batch_network 1, load_weights, network_predict.  cfg, weights and input are those
that `Case` makes; its numbers need nothing but PCG64, whose stream never changes.

Two values are not what that build says, as darkparse does what Darknet does on a GPU: relu6 (0 on a CPU) is
min(max(x, 0), 6) of the linear case; the activations of pjreddie's [region] with a tree are a softmax over each
group of siblings, made with numpy and put in that layer's output before get_network_boxes.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance import normalize_as_pjreddie_cpu
from darkparse import weights
from darkparse.activations import NAMES
from darkparse.cfg import parse
from darkparse.detections import Candidates, candidates, select
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.graph import Graph, resolve
from darkparse.layout import Header, Slot, layout
from darkparse.network import Network

GOLDEN = Path(__file__).parent / "data" / "darknet_layers.npz"
TOLERANCE = 1e-4  # of the standard deviation of the output
TREE = "animal -1\nthing -1\ncat 0\ndog 0\ncar 1\nboat 1\nlion 2\nlynx 2\n"

C4, C6, C8 = (f"filters={n} size=3 pad=1 activation=leaky" for n in (4, 6, 8))
X32 = "filters=32 size=3 pad=1 xnor=1 activation=leaky"
ADD = "shortcut activation=leaky"
BOXES = "filters=14 activation=linear"  # two, of two classes
ANCHORS = "classes=2 num=2 anchors=2.5,3,5,4"
TREE_HEAD = "filters=26 activation=linear | region classes=8 num=2 anchors=1.5,2,.5,.7 tree=case.tree"

CASES = {  # CxHxW and the recipe | [convolutional] unless another section is named | ...
    **{f"activation-{name}": f"3x5x7 gain=3 | filters=6 size=3 pad=1 activation={name}" for name in NAMES},
    "convolutional-even-size": f"3x7x8 | {C4} size=2 pad=1 | filters=5 size=4 padding=1",
    "convolutional-no-pad": "3x7x8 | filters=6 size=3 activation=linear",
    "convolutional-strides": f"3x7x9 | filters=4 size=3 pad=1 stride_x=1 stride_y=2 | {C4} stride=2 stride_y=1",
    "convolutional-padding": "3x5x7 | filters=4 size=3 padding=2 stride=2",
    "convolutional-pad-goes-before-padding": "3x5x7 | filters=4 size=5 pad=1 padding=1",
    "convolutional-groups": "4x5x7 | filters=6 size=3 pad=1 groups=2",
    "convolutional-depthwise": f"4x5x7 | {C8} groups=4 batch_normalize=1",
    "convolutional-dilation": "3x7x9 | filters=6 size=3 pad=1 dilation=2",
    "convolutional-dilation-stride": "3x9x12 | filters=6 size=5 pad=1 dilation=2 stride=2",
    "convolutional-dilation-of-1x1": "3x5x7 | filters=6 size=1 pad=1 dilation=3",
    "convolutional-batch-normalize-2": f"3x5x7 | {C6} batch_normalize=2",
    "convolutional-cbn": f"3x5x7 | {C6} cbn=1",
    "convolutional-flipped": f"3x5x7 | {C6} flipped=1 batch_normalize=1",
    "convolutional-antialiasing-1": f"3x9x12 | {C4} stride=2 antialiasing=1 batch_normalize=1 | {C4}",
    "convolutional-antialiasing-2": f"3x9x12 | {C4} stride_x=2 antialiasing=2 | {C4}",
    "convolutional-share-index": f"4x5x7 | {C4} batch_normalize=1 | {C4} share_index=0 dilation=2 activation=mish",
    "convolutional-share-index-negative": f"4x5x7 | {C6} | {C6} flipped=1 | maxpool size=3 stride=1 | {C6} stride=2 "
    "share_index=-2",
    "convolutional-share-index-blurred": f"4x9x12 | {C4} antialiasing=1 stride=2 | {C4} share_index=0 antialiasing=2",
    "convolutional-xnor": f"32x4x5 | {X32} batch_normalize=1",
    "convolutional-xnor-bin-output": f"32x4x5 | {X32} activation=logistic bin_output=1 | {X32} stride=2",
    "convolutional-xnor-of-zeros": f"8x4x5 | filters=32 activation=relu | {X32}",
    "convolutional-xnor-groups-have-no-effect": f"32x4x5 | {X32} groups=2",
    "convolutional-xnor-pjreddie": "8x5x7 fork=pj | filters=6 size=3 pad=1 xnor=1 batch_normalize=1",
    "convolutional-xnor-pjreddie-groups": f"8x5x7 fork=pj | {C6} xnor=1 groups=2",
    "convolutional-dontload": f"3x5x7 | {C4} | {C6} dontload=1 | route layers=0 | {C4}",
    "convolutional-dontloadscales": f"3x5x7 | {C4} batch_normalize=1 | {C4} batch_normalize=1 dontloadscales=1",
    "connected": f"3x5x7 | {C4} | connected output=40 batch_normalize=1 activation=leaky",
    "connected-transposed": f"3x5x7 minor=1001 | {C4} | connected output=40 | connected output=30 activation=linear",
    "connected-transposed-pjreddie": f"3x5x7 minor=1001 fork=pj | {C4} | connected output=40 batch_normalize=1",
    "connected-dontloadscales": f"3x5x7 | {C4} | connected output=30 batch_normalize=1 dontloadscales=1 "
    "activation=linear",
    "crnn": f"4x5x7 steps=3 | crnn output=4 hidden=6 pad=1 batch_normalize=1 activation=leaky | {C4}",
    "crnn-shortcut": f"4x5x7 steps=3 | crnn output=4 hidden=6 size=5 pad=1 groups=2 activation=mish shortcut=1 | {C4}",
    "maxpool-stride-alone": "3x6x8 | maxpool stride=2",
    "maxpool-size-3-stride-2": "3x6x9 | maxpool size=3 stride=2",
    "maxpool-size-2-stride-1": "3x5x7 | maxpool size=2 stride=1",
    "maxpool-size-5": "3x5x7 | maxpool size=5 stride=1",
    "maxpool-strides": "3x7x9 | maxpool size=3 stride_x=1 stride_y=2",
    "maxpool-padding-0": "3x6x9 | maxpool size=3 stride=2 padding=0",
    "maxpool-padding": "3x5x7 | maxpool size=4 stride=2 padding=2",
    "maxpool-pjreddie": "3x6x9 fork=pj | maxpool size=3 stride=2 padding=1",
    "maxpool-antialiasing-1": f"3x9x12 | maxpool size=3 stride=2 antialiasing=1 | {C4}",
    "maxpool-antialiasing-2": f"3x9x12 | maxpool size=2 stride_x=2 antialiasing=2 | {C4}",
    "maxpool-depth": "7x5x7 | maxpool maxpool_depth=1 out_channels=3",
    "local_avgpool": "3x6x9 | local_avgpool size=3 stride=2",
    "local_avgpool-padding": "3x6x9 | local_avgpool size=2 stride_x=2 padding=0",
    "avgpool": f"3x5x7 | {C8} | avgpool",
    "route-groups": f"3x5x7 | {C4} | {C8} | route layers=-1,0,-1 groups=2 group_id=1",
    "shortcut-fewer-channels": f"3x5x7 | {C4} | {C8} | {ADD} from=0",
    "shortcut-more-channels": f"3x5x7 | {C8} | {C4} | {ADD} from=-2",
    "shortcut-several": f"3x5x7 | {C8} | {C4} | {C6} | {ADD} from=-3,1",
    "shortcut-several-weighted": f"3x5x7 gain=2 | {C8} | {C4} | {C6} | {ADD} from=-3,1 weights_type=per_channel "
    "weights_normalization=softmax",
    **{
        f"shortcut-{kind}-{norm}": f"3x5x7 gain=2 | {C4} | {C4} | {C4} | {ADD} from=0,-2 weights_type=per_{kind} "
        f"weights_normalization={norm}"
        for kind in ("feature", "channel")
        for norm in ("relu", "softmax")
    },
    "shortcut-of-larger": f"3x4x6 fork=pj | {C8} | maxpool size=2 stride=2 | {C6} | {ADD} from=0 alpha=.5 beta=2",
    "shortcut-of-smaller": f"3x4x6 fork=pj | {C4} | {C6} stride=2 | {C8} | upsample stride=2 | {ADD} from=1 beta=-.5",
    "upsample-scale": "3x3x4 | upsample stride=2 scale=.5",
    "upsample-negative": "3x4x6 | upsample stride=-2 scale=2",
    "reorg": "8x6x4 | reorg stride=2",
    "reorg-reverse": "8x3x5 | reorg stride=2 reverse=1",
    "reorg-pjreddie": "9x6x3 fork=pj | reorg stride=3",
    "reorg3d": "3x4x6 | reorg3d stride=2",
    "scale_channels": f"3x5x7 | {C4} | avgpool | filters=4 | scale_channels from=-3 activation=leaky",
    "scale_channels-scale-wh": f"3x5x7 | {C4} | filters=1 size=3 pad=1 | scale_channels from=-2 scale_wh=1",
    "sam": f"3x5x7 | {C4} | filters=4 size=3 pad=1 | sam from=0 activation=tanh",
    "dropout": f"3x5x7 | {C4} | dropout probability=.5 | {C4}",
    "cost": f"3x5x7 | {C4} | cost",
    "softmax-groups": f"3x5x7 | {C4} | connected output=24 activation=linear | softmax groups=4 temperature=.5",
    "softmax-tree": f"3x5x7 gain=3 | {C4} | connected output=8 activation=linear | softmax temperature=2 "
    "tree=case.tree",
    "yolo-scale-x-y": f"3x5x7 thresh=.4 | {BOXES} | yolo {ANCHORS} scale_x_y=1.2",
    "yolo-mask": f"3x5x7 thresh=.4 | {BOXES} | yolo classes=2 num=3 mask=2,0 anchors=1,2,3,4,5,6",
    "yolo-missing-anchors": f"3x5x7 thresh=.4 | {BOXES} | yolo classes=2 num=2 anchors=2,3",
    "yolo-new-coords": f"3x5x7 thresh=.4 | filters=14 | yolo {ANCHORS} new_coords=1 scale_x_y=2",
    "yolo-then-convolutional": f"3x5x7 | {BOXES} | yolo {ANCHORS} scale_x_y=1.1 | {C4}",
    **{
        f"yolo-nms-{kind}": f"3x5x7 gain=2 thresh=.2 nms=.3 | {BOXES} | yolo {ANCHORS} nms_kind={kind} beta_nms=.3"
        for kind in ("default", "greedynms", "diounms", "cornersnms")
    },
    **{
        f"Gaussian_yolo-{point}": f"3x4x5 thresh=.2 | filters=22 activation=linear | Gaussian_yolo {ANCHORS} "
        f"scale_x_y=1.1 yolo_point={point}"
        for point in ("center", "left_top", "right_bottom")
    },
    **{
        f"region-{fork}-softmax-{flag}": f"3x5x7 fork={fork} thresh=.4 | {BOXES} | region classes=2 num=2 "
        f"anchors=1.5,2,.5 softmax={flag}"
        for fork in ("ab", "pj")
        for flag in (0, 1)
    },
    "region-classfix": f"3x5x7 thresh=.1 | {BOXES} | region {ANCHORS} softmax=1 classfix=-1",
    "region-tree": f"3x5x7 gain=3 thresh=.7 | {TREE_HEAD}",
    "region-tree-pjreddie": f"3x5x7 gain=3 fork=pj thresh=.5 | {TREE_HEAD}",
    "region-then-convolutional": f"3x5x7 | {BOXES} | region {ANCHORS} softmax=1 | {C4}",
}


class Case:
    """A network, its weights and its input.

    The recipe, with its defaults: fork=ab, the dialect; seed=1, of PCG64; gain=1, of the weights; steps=1, inputs one
    after the other; minor=2, the version in the header of the weights; thresh, of detections; nms=0, none
    """

    def __init__(self, text: str, folder: Path) -> None:
        (shape, *words), *sections = (part.split() for part in text.split(" | "))
        self.shape = [int(n) for n in shape.split("x")]
        recipe = dict(word.split("=") for word in words)
        self.fork, self.thresh = recipe.get("fork", "ab"), float(recipe.get("thresh", 0))
        self.nms, self.gain = float(recipe.get("nms", 0)), float(recipe.get("gain", 1))
        self.steps, self.minor = int(recipe.get("steps", 1)), int(recipe.get("minor", 2))
        self.stream = np.random.PCG64(int(recipe.get("seed", 1)))
        self.cfg, self.weights = folder / "case.cfg", folder / "case.weights"
        self.cfg.write_text("\n".join(cfg_lines(self.shape, sections)) + "\n")
        (folder / "case.tree").write_text(TREE)
        self.graph = self.read()
        values = [self.tensor(slot) for slot in layout(self.graph, loading=True)]
        header = Header(0, self.minor, 5 if self.fork == "ab" else 0, long_seen=self.fork == "ab" or self.minor < 1000)
        self.weights.write_bytes(header.pack() + np.concatenate([*values, np.zeros(0)]).astype("<f4").tobytes())
        size = self.steps * int(np.prod(self.shape))
        self.images = (self.uniform(size) * 3**0.5).astype(np.float32).reshape(self.steps, 1, *self.shape)

    def read(self) -> Graph:
        dialect = replace(ALEXEYAB if self.fork == "ab" else PJREDDIE, transposed=self.minor > 1000)
        sections = list(parse(self.cfg.read_text(), str(self.cfg)))
        return resolve(sections, dialect=dialect, complain=lambda *_: None)

    def uniform(self, n: int) -> np.ndarray:
        """The next `n` numbers, -1 to 1: the upper 53 bits of what PCG64 gives."""
        return (self.stream.random_raw(n) >> np.uint64(11)) * 2.0**-52 - 1

    def tensor(self, slot: Slot) -> np.ndarray:
        """One tensor of the file; they are drawn in the file's order, and the input after them."""
        x = self.uniform(slot.stored.size)
        kind = slot.stored.name.rpartition(".")[2]
        if kind == "weights":
            return x * self.gain * (3 / np.prod(slot.stored.shape[1:])) ** 0.5
        return {"rolling_variance": 1 + x / 2, "scales": x + np.sign(x) / 2}.get(kind, x)


def cfg_lines(shape: list[int], sections: list[list[str]]) -> list[str]:
    """The cfg; of an option that is given twice, the last counts."""
    lines = ["[net]", *(f"{key}={n}" for key, n in zip(("channels", "height", "width"), shape, strict=True))]
    for words in sections:
        name = "convolutional" if "=" in words[0] else words.pop(0)
        options = dict(word.split("=") for word in words)
        lines += [f"[{name}]", *(f"{key}={value}" for key, value in options.items())]
    return lines


@torch.inference_mode()
def run(case: Case) -> tuple[np.ndarray, list[torch.Tensor]]:
    """What Darknet calls the output of the last layer, of all steps; the raw output of each head."""
    network = Network(case.graph).eval()
    weights.load(network, case.weights)
    if case.fork == "pj":
        normalize_as_pjreddie_cpu(network)
    head, outputs = case.graph.nodes[-1].head, []

    def keep(module: torch.nn.Module, given: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
        outputs.append((head.stored(result) if head else result).flatten().numpy())

    network.layers[-1].register_forward_hook(keep)
    for image in case.images:
        raw = network(torch.from_numpy(image))
    return np.concatenate(outputs), raw


def detect(case: Case, raw: list[torch.Tensor]) -> Candidates:
    _, height, width = case.graph.net.shape
    heads = [head for _, head in case.graph.heads]
    predictions = [head.decode(y, width, height) for head, y in zip(heads, raw, strict=True)]
    found = candidates(predictions, 0, case.thresh)
    return select(found, case.nms, heads[-1].suppression) if case.nms else found


@cache
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def expected(name: str) -> np.ndarray:
    return golden()["activation-linear"].clip(0, 6) if name == "activation-relu6" else golden()[name]


def assert_agrees(got: np.ndarray, want: np.ndarray) -> None:
    assert got.shape == want.shape
    assert want.std() > 1e-3  # or else the case would say nothing
    assert np.abs(got - want).max() < TOLERANCE * want.std()


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")  # connected-transposed-pjreddie
@pytest.mark.parametrize("name", CASES)
def test_layers_agree_with_darknet(name: str, tmp_path: Path) -> None:
    case = Case(CASES[name], tmp_path)
    got, raw = run(case)
    assert_agrees(got, expected(name))
    if not case.thresh:
        return
    want, found = golden()[f"{name}.boxes"], detect(case, raw)
    assert len(found.scores) == len(want) > 0
    rows = np.column_stack([found.labels, found.scores, found.boxes])
    for row in want:
        off = np.abs(rows - row) / [1e-9, 2e-5, *np.maximum(1, np.abs(row[2:])) * TOLERANCE]
        assert off.max(axis=1).min() < 1, row


def test_every_number_is_compared() -> None:
    boxes = {f"{name}.boxes" for name, text in CASES.items() if "thresh=" in text}
    assert set(golden()) == set(CASES) - {"activation-relu6"} | boxes


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    got, _ = run(Case(CASES["convolutional-groups"].replace("pad=1", "pad=1 flipped=1"), tmp_path))
    with pytest.raises(AssertionError):
        assert_agrees(got, expected("convolutional-groups"))
