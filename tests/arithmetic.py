"""A tiny network a case, against what Darknet computed of it: what the modules test_arithmetic*.py share.

`data/darknet_layers.npz` holds, for a case NAME, `NAME`: the output of the last layer (of each step, one after the
other), float32, and for heads `NAME.boxes`: the detections, `(N, 6)` rows of label, score and relative cxcywh.  They
were made by AlexeyAB/darknet 59596d7 and pjreddie/darknet f6afaab (`fork=pj`), built for a CPU by gcc -O2 without
AVX, OpenMP, OpenCV or -Ofast, through their own functions: parse_network_cfg_custom(cfg, 1, 1), load_weights,
fuse_conv_batchnorm, calculate_binary_weights, network_predict once a step; then get_network_boxes(width and height of
[net], thresh, .5, relative=1, letter=0) and, with `nms`, do_nms_sort or diounms_sort as `nms_kind` says; [detection]
gives pixels whatever `relative` is, so width and height are 1 there.  Of pjreddie's: parse_network_cfg,
set_batch_network 1, load_weights, network_predict.  Of a last [cost] or [contrastive], which write no output, the
numbers are their input.  cfg, weights and input are those that `Case` makes; its numbers need nothing but PCG64, whose
stream never changes.

pjreddie's CPU code reads what it never set in four places, filled between parse_network_cfg and load_weights: `groups`
of [deconvolutional] is 1, `x` of [batchnorm] and the workspace ([local], [crnn]) are made large enough, and [iseg] is
run by forward_network with a `truth` of -1 everywhere.

Two values are not what that build says, as darkparse does what Darknet does on a GPU: relu6 (0 on a CPU) is
min(max(x, 0), 6) of the linear case; the activations of pjreddie's [region] with a tree are a softmax over each
group of siblings, made with numpy and put in that layer's output before get_network_boxes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from conformance import normalize_as_pjreddie_cpu
from darkparse import weights
from darkparse.cfg import parse
from darkparse.detections import Candidates, candidates, select
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.graph import Graph, resolve
from darkparse.layout import Header, Slot, layout
from darkparse.network import Network

GOLDEN = Path(__file__).parent / "data" / "darknet_layers.npz"
TOLERANCE = 1e-4  # of the standard deviation of the output
TREE = "animal -1\nthing -1\ncat 0\ndog 0\ncar 1\nboat 1\nlion 2\nlynx 2\n"


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
        options = dict(word.split("=") for word in words if "=" in word)
        lines += [f"[{section_of(words)}]", *(f"{key}={value}" for key, value in options.items())]
    return lines


def section_of(words: list[str]) -> str:
    """The section that a part of a recipe means."""
    return "convolutional" if "=" in words[0] else words[0]


@contextmanager
def one_thread() -> Iterator[None]:
    """Networks this small take longer with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
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
    """As close as single precision allows, and not a number in the same places."""
    assert got.shape == want.shape
    assert np.array_equal(np.isnan(got), np.isnan(want))
    assert np.nanstd(want) > 1e-3  # or else the case would say nothing
    error = np.nanmax(np.abs(got - want)) / np.nanstd(want)
    assert error < TOLERANCE, f"{error:.1e} standard deviations"


def assert_case(name: str, text: str, folder: Path) -> None:
    """Its output and its detections are Darknet's."""
    case = Case(text, folder)
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
