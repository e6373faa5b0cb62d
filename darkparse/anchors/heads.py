"""The anchors of a cfg: which head has which, in which unit, and others put in their place.

Shapes: k anchors.  Sizes are pairs of width and height, px of the network's input, unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from ..cfg_edit import CfgText, Value
from ..cfg_heads import fit_filters
from ..errors import CfgError, DarkparseError, GraphError, Location, ignore
from ..graph import Graph, Node, resolve
from ..layers.region import Region
from ..layers.yolo import AnchorHead

Size = tuple[float, float]

LIMIT = 30 / 8  # AlexeyAB's advice: sizes below 30x30 px to a head of stride 8, below 60x60 to one of stride 16


class Placed(NamedTuple):
    """A head with anchors: the number of its layer, its definition, the size of its cells, px, and its place."""

    layer: int
    head: AnchorHead | Region
    cell: Size
    where: Location

    @property
    def unit(self) -> Size:
        """Of the anchors in the cfg, px: [region] has cells."""
        return self.cell if isinstance(self.head, Region) else (1.0, 1.0)

    @property
    def sizes(self) -> list[Size]:
        """Of the anchors of its boxes."""
        return [(w * self.unit[0], h * self.unit[1]) for w, h in self.head.sizes]

    def __str__(self) -> str:
        return f"[{self.where.section}] in line {self.where.line} (stride {self.cell[0]:g})"


def anchored_heads(graph: Graph) -> list[Placed]:
    """The heads of a network, all of which have anchors, those with the smallest cells first.

    Raises:
        GraphError: one has no anchors, or there are several and not all are [yolo] or [Gaussian_yolo]
        DarkparseError: there is none
    """
    nodes = [node for node in graph.nodes if node.head]
    if not nodes:
        raise DarkparseError(f"{graph.file}: no head with anchors; expected [yolo], [Gaussian_yolo] or [region]")
    found = [_placed(graph, node) for node in nodes]
    if len(found) > 1 and (region := next((one for one in found if isinstance(one.head, Region)), None)):
        raise GraphError("expected one head, or else [yolo] and [Gaussian_yolo] alone", region.where)
    return sorted(found, key=lambda one: math.prod(one.cell))


def _placed(graph: Graph, node: Node) -> Placed:
    if not isinstance(node.layer, AnchorHead | Region):
        raise GraphError("has no anchors; expected [yolo], [Gaussian_yolo] or [region]", node.where)
    cell = graph.net.width / node.shape.w, graph.net.height / node.shape.h
    return Placed(node.index, node.layer, cell, node.where)


class Shares(NamedTuple):
    """How many anchors each head gets, in order of their sizes, and why so."""

    counts: list[int]
    why: str

    @property
    def masks(self) -> list[tuple[int, ...]]:
        """The numbers of the anchors of each head."""
        return [tuple(range(*ends)) for ends in pairwise(accumulate(self.counts, initial=0))]


def share_out(heads: Sequence[Placed], sizes: Sequence[Size]) -> Shares:
    """Which head gets which anchors: the smaller the cells, the smaller the anchors.

    As many as a head has in the cfg, if that gives away all; else by size; evenly if a head would get none by that.

    Args:
        heads: those with the smallest cells first
        sizes: of the anchors, by area
    Raises:
        DarkparseError: there are more heads than anchors
    """
    if len(sizes) < len(heads):
        raise DarkparseError(f"{len(sizes)} anchors: expected at least {len(heads)}, one for each head")
    if len(heads) == 1:
        return Shares([len(sizes)], "all at the one head")
    own = [one.head.boxes_per_cell for one in heads]
    if sum(own) == len(sizes):
        return Shares(own, "as many at each head as in the cfg")
    counts = by_size(heads, sizes)
    if all(counts):
        return Shares(counts, "by size: below 30x30 px at stride 8, below 60x60 at stride 16, and so on")
    least, more = divmod(len(sizes), len(heads))
    return Shares([least + (i < more) for i in range(len(heads))], "evenly: by size some head would get none")


def by_size(heads: Sequence[Placed], sizes: Sequence[Size]) -> list[int]:
    """How many anchors suit each head: those that are too large for the ones before, the last head the rest.

    Source: README.md "How to improve object detection" (AlexeyAB 59596d7), for strides of 8, 16 and 32
    """
    sides = [math.sqrt(w * h) for w, h in sizes]
    limits = [LIMIT * math.sqrt(math.prod(one.cell)) for one in heads[:-1]]
    ends = [0, *(sum(side < limit for side in sides) for limit in limits), len(sides)]
    return [after - before for before, after in pairwise(ends)]


def rewrite(text: CfgText, heads: Sequence[Placed], values: Sequence[Size], shares: Shares) -> list[str]:
    """Put other anchors into the text of a cfg, with all that depends on them; what was changed, a line each.

    Args:
        heads: of the text as it is, those with the smallest cells first
        values: by area, in the unit of the heads
        shares: which head gets which
    Raises:
        DarkparseError: the text would not describe a network any more
    """
    notes = []
    for one, mask in zip(heads, shares.masks, strict=True):
        wanted = _options(one.head, values, mask)
        for key, value in wanted.items():
            text.set_option(one.layer + 1, key, value)
        if wanted:
            notes.append(f"[{one.where.section}] of layer {one.layer}: {', '.join(wanted)}")
    try:
        if shares.counts != [one.head.boxes_per_cell for one in heads]:
            notes += [f"layer {one.section - 1}: {one.option}={one.wanted}" for one in fit_filters(text)]
        resolve(text.sections(ignore), complain=ignore)
    except CfgError as why:
        raise DarkparseError(f"these anchors do not go with this cfg, and nothing is written: {why}") from None
    return notes


def _options(head: AnchorHead | Region, values: Sequence[Size], mask: tuple[int, ...]) -> dict[str, Value]:
    """The options of a head that must change."""
    wanted: dict[str, Value] = {}
    if tuple(number for size in values for number in size) != head.anchors:
        wanted["anchors"] = ", ".join(f"{w:.10g},{h:.10g}" for w, h in values)
    if isinstance(head, AnchorHead) and mask != (head.mask or tuple(range(len(values)))):
        wanted["mask"] = mask
    if head.num != len(values):
        wanted["num"] = len(values)
    return wanted
