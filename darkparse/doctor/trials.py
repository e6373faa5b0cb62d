"""The same images given otherwise: does another order of colours, range, fit or size suit the network better?

More and surer detections alone say little: a healthy network that gets 0..255 in place of 0..1 shouts, with a hundred
boxes of score 1.  So batch norms have a vote, too: do they get what they got in training?
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..detect import FITTINGS
from ..errors import DarkparseError, ignore
from ..graph import Graph, read_graph
from ..images import Floats, Pixels, Placement
from ..layout import layout
from ..network import Network
from .passes import Outcome, detect, load

SCORED = 0.25  # detections from Darknet's threshold on are evidence
WHITE = 255.0
SQUARE_ENOUGH = 0.95  # part of the input that an image fills letterboxed, from which on stretching is much the same

Kind = str  # what a trial is about: "colour", "range", "resize", "size"


@dataclass(frozen=True)
class Trial:
    """What came of one way to give the images."""

    name: str
    outcome: Outcome
    letterbox: bool
    width: int
    height: int

    @property
    def evidence(self) -> float:
        """The scores of what is detected, together."""
        return sum(score for score in self.outcome.scores if score > SCORED)

    @property
    def strangeness(self) -> float:
        """That of the outcome; infinite without batch norms, so that nothing is less strange."""
        return math.inf if self.outcome.strangeness is None else self.outcome.strangeness

    def beats(self, other: Trial, ratio: float, more: float) -> bool:
        """Whether it finds more: by a ratio, and by an amount."""
        return self.evidence >= max(ratio * other.evidence, other.evidence + more)

    def told(self, thresh: float) -> str:
        """In a few words."""
        return f"{self.name} {self.outcome.found(thresh)} (best {self.outcome.best:.2f})"


@dataclass(frozen=True)
class Trials:
    """The ways to give images to a network.

    images: (rows, columns, channels) each; letterbox: whether they keep their proportions as the network is meant;
    thresh: of what is detected
    """

    network: Network
    weights: str | Path
    images: Sequence[Pixels]
    letterbox: bool
    thresh: float
    device: torch.device

    def fitted(self, letterbox: bool, graph: Graph | None = None) -> list[Floats]:
        """The images at a network's size."""
        _, height, width = (graph or self.network.graph).net.shape
        return [FITTINGS[letterbox](image, width, height) for image in self.images]

    def trial(self, name: str, images: Sequence[Floats], *, letterbox: bool, network: Network | None = None) -> Trial:
        """One way."""
        network = network or self.network
        outcome = detect(network, images, min(self.thresh, SCORED), self.device)
        return Trial(name, outcome, letterbox, network.graph.net.width, network.graph.net.height)

    def base(self) -> Trial:
        """As `darkparse detect` gives them."""
        return self.trial("as given", self.fitted(self.letterbox), letterbox=self.letterbox)

    def others(self, base: Trial) -> Iterator[tuple[Kind, Trial]]:
        """All other ways that differ for this network and these images, and can be judged."""
        plain, kept = self.fitted(self.letterbox), self.letterbox
        if base.outcome.norms:
            if self.network.graph.net.channels == 3:
                yield "colour", self.trial("BGR", [image[::-1].copy() for image in plain], letterbox=kept)
            yield "range", self.trial("0..255", [image * np.float32(WHITE) for image in plain], letterbox=kept)
        if any(self.differs(image) for image in self.images):
            name = "stretch" if kept else "letterbox"
            yield "resize", self.trial(name, self.fitted(not kept), letterbox=not kept)
        for other in filter(None, map(self.at, (0.5, 2.0))):
            name = f"{other.graph.net.width}x{other.graph.net.height}"
            yield "size", self.trial(name, self.fitted(kept, other.graph), letterbox=kept, network=other)

    def differs(self, image: Pixels) -> bool:
        """Whether it matters for an image if it is letterboxed or stretched."""
        _, height, width = self.network.graph.net.shape
        place = Placement.of(image.shape[1], image.shape[0], width, height, letterbox=True)
        return place.width * place.height < SQUARE_ENOUGH * width * height

    def at(self, factor: float) -> Network | None:
        """The network for an input so many times as wide and high; None where there is none, or no memory for it."""
        graph = self.network.graph
        sides = graph.net.width, graph.net.height
        width, height = (max(round(side * factor / graph.stride), 1) * graph.stride for side in sides)
        if (width, height) == sides:
            return None
        try:
            other = read_graph(graph.file, width=width, height=height, dialect=graph.dialect, complain=ignore)
            if [slot.stored for slot in layout(other)] != [slot.stored for slot in layout(graph)]:
                return None  # a dense layer has as many weights as its input has values
            return load(other, self.weights, self.device)
        except DarkparseError:
            return None
