"""What Darknet's losses said: of the first iteration of each case of the shared step data, and of random heads.

Step data: section 10 of $DARKPARSE_SHARED/training/README.md.  Cases are those that its index.json lists.

Random heads: `data/darknet_losses.npz` holds, for a case, `raw`, what its layer read, `truth`, and `delta`, what the
layer's forward function made of them, and in `about`, as JSON, the text of its section, of its tree and of its map,
the cost, and the moment.  The functions are those of AlexeyAB 59596d7 (of `pjreddie_*`, pjreddie f6afaab), compiled
with -Ofast and called with layers made by their make functions; the truth of [detection] was sorted into cells as
fill_truth_region does, that of a [softmax] with a tree filled by fill_hierarchy, and its delta masked as on a GPU.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import SHARED
from darkparse.cfg import parse
from darkparse.dialect import ALEXEYAB, Dialect
from darkparse.graph import Graph, read_graph, resolve
from darkparse.losses import Moment, Scored, criterion

STEPS = SHARED / "training" / "steps"
INDEX = json.loads((STEPS / "index.json").read_text(encoding="utf-8")) if (STEPS / "index.json").is_file() else {}
RANDOM = Path(__file__).parent / "data" / "darknet_losses.npz"
ROW = 6  # values of a truth: x, y, w, h, class, track


@dataclass(frozen=True)
class Golden:
    """One case, as one build of Darknet ran it."""

    name: str
    build: str = "gpu"
    dialect: Dialect = ALEXEYAB
    folder: Path = STEPS

    @cached_property
    def record(self) -> dict:
        return INDEX[self.name]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{self.name}.npz") as file:
            return {key: file[key] for key in file.files}

    @cached_property
    def graph(self) -> Graph:
        return read_graph(self.folder / self.record["cfg"], dialect=self.dialect, complain=lambda *_: None)

    @property
    def loss(self) -> float:
        """What was printed after iteration 1."""
        return float(self.record["builds"][self.build]["iterations"][0]["loss"])

    @property
    def batch(self) -> int:
        """Images of one mini-batch."""
        return self.graph.net.batch // self.graph.net.subdivisions

    def moments(self) -> Iterator[tuple[int, Moment]]:
        """Number and moment of each mini-batch of iteration 1."""
        net = self.graph.net
        for part in range(net.subdivisions):
            yield part, Moment(net.width, net.height, self.record["seen"] + (part + 1) * self.batch)

    def tensor(self, what: str, layer: int, part: int) -> Tensor:
        """`in`, `out` or `delta` of a layer, in the shape of its input."""
        shape = self.graph.nodes[layer].inputs[0]
        flat = torch.from_numpy(self.arrays[f"{self.build}/{what}_{layer}_s{part}"])
        return flat.view(self.batch, *shape)

    def rows(self, part: int) -> Tensor:
        """The truth of a mini-batch as it stands: `(m, values)`."""
        return torch.from_numpy(self.arrays["truth"][part * self.batch :][: self.batch])

    def boxes(self, part: int) -> Tensor:
        """The truth of a mini-batch of boxes: `(m, M, 5)`."""
        return self.rows(part).view(self.batch, -1, ROW)[..., :5]


def cases(section: str, build: str = "gpu") -> list:
    """The names of the cases whose network has a `[section]`, or else a skip that says why there is none."""
    text = {name: (STEPS / one["cfg"]).read_text(encoding="utf-8") for name, one in INDEX.items()}
    found = [name for name, one in INDEX.items() if f"[{section}]" in text[name] and build in one["builds"]]
    skip = pytest.mark.skip(reason=f"no {STEPS}; set DARKPARSE_SHARED")
    return found or [pytest.param("", marks=skip)]


def layers(golden: Golden, section: str) -> list[int]:
    """Indices of the layers of that section."""
    return [node.index for node in golden.graph.nodes if node.layer.section == section]


def assert_delta(got: Tensor, wanted: Tensor) -> None:
    """Within 1e-4 of the largest delta: Darknet's own builds differ by that much (section 10)."""
    difference = float((got - wanted).abs().max())
    assert difference <= 1e-4 * float(wanted.abs().max()), difference


def recorded(group: str) -> list[str]:
    """The names of the random heads of `group`."""
    with np.load(RANDOM) as file:
        return [name.removesuffix("/raw") for name in file.files if name.startswith(group) and name.endswith("/raw")]


def score(section: str, raw: Tensor, truth: Tensor, moment: Moment, dialect: Dialect = ALEXEYAB, **options) -> Scored:
    """What the loss of a layer says, where `section` is all of its cfg but [net], and `raw` is what it reads."""
    _, c, h, w = raw.shape
    net = f"[net]\nchannels={c}\nheight={h}\nwidth={w}\n"
    graph = resolve(list(parse(net + section, "net.cfg")), dialect=dialect, complain=lambda *_: None)
    output = graph.nodes[0].layer.build(*graph.nodes[0].inputs)(raw)
    return criterion(graph, **options)[0](output, truth, moment)


def assert_recorded(name: str, dialect: Dialect = ALEXEYAB, device: str = "cpu") -> None:
    """The working folder receives the files that the section names."""
    with np.load(RANDOM) as file:
        about = json.loads(file[f"{name}/about"].tobytes())
        raw, truth, delta = (torch.from_numpy(file[f"{name}/{part}"]) for part in ("raw", "truth", "delta"))
    Path("t.tree").write_text(about["tree"], encoding="utf-8")
    Path("m.map").write_text(about["map"], encoding="utf-8")
    scored = score(about["section"], raw.to(device), truth.to(device), Moment(*about["moment"]), dialect)
    assert_delta(scored.delta.cpu(), delta)
    assert float(scored.cost) == pytest.approx(about["cost"], rel=1e-5)
