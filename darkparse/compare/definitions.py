"""What two networks are, before they run: options and weights that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch

from ..graph import Graph, Node
from ..layout import Slot
from ..network import Network
from ..weights import tensors
from .differences import number

SAID_ELSEWHERE = {"dialect"}  # of the fields of a layer: the one of the whole network
LONGEST = 40  # characters of a value


@dataclass(frozen=True)
class Change:
    """An option that the two cfgs have differently, with the places of its section."""

    index: int
    section: str
    option: str
    one: Any
    other: Any
    places: tuple[str, str]

    def __str__(self) -> str:
        values = (f"{brief(value)} in {at}" for value, at in zip((self.one, self.other), self.places, strict=True))
        return f"layer {self.index} [{self.section}] {self.option}: {', '.join(values)}"

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "one": str(self.one), "other": str(self.other)}


class TensorChanges(NamedTuple):
    """How the weights differ: how many tensors do, of how many, and the first and the farthest of them."""

    differing: int
    total: int
    first: TensorChange
    largest: TensorChange

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "first": self.first.as_json(), "largest": self.largest.as_json()}


@dataclass(frozen=True)
class TensorChange:
    """A tensor that differs: which, by how much, out of what."""

    index: int
    section: str
    name: str  # Darknet's
    gap: float
    scale: float
    values: int  # how many of its values differ
    size: int

    def __str__(self) -> str:
        return (
            f"layer {self.index} [{self.section}] {self.name}: {self.values} of {self.size} values, by {self.gap:.3g} "
            f"at most (the largest is {self.scale:.3g})"
        )

    def as_json(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "gap": number(self.gap), "scale": number(self.scale)}


def brief(value: Any) -> str:
    """A value for a line of text."""
    text = str(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def option_changes(a: Graph, b: Graph) -> list[Change]:
    """What the layers of two networks have differently, up to where one has another section than the other."""
    found: list[Change] = []
    for one, other in zip(a.nodes, b.nodes, strict=False):
        if type(one.layer) is not type(other.layer):
            break
        found += changes_of(one, other)
    return found


def changes_of(one: Node, other: Node) -> Iterator[Change]:
    """What two layers of one section have differently: what they read, and their options."""
    pairs = {"reads": (one.sources, other.sources)}
    for option in fields(one.layer):
        if option.name not in SAID_ELSEWHERE:
            pairs[option.name] = getattr(one.layer, option.name), getattr(other.layer, option.name)
    places = f"{one.where.file}:{one.where.line}", f"{other.where.file}:{other.where.line}"
    for name, (mine, yours) in pairs.items():
        if mine != yours:
            yield Change(one.index, one.layer.section, name, mine, yours, places)


def tensor_changes(a: Network, b: Network) -> TensorChanges | None:
    """How the weights of two networks differ; None where they do not.

    Tensors are compared as long as the networks have the same ones.
    """
    found, total = [], 0
    for (slot, one), (its, other) in zip(tensors(a), tensors(b), strict=False):
        if (slot.node.index, slot.stored.name, one.shape) != (its.node.index, its.stored.name, other.shape):
            break
        total += 1
        if not torch.equal(one, other):
            found.append(change_of(slot, one, other))
    found = [change for change in found if change.values]
    if not found:
        return None
    return TensorChanges(len(found), total, found[0], max(found, key=lambda change: change.gap / (change.scale or 1)))


def change_of(slot: Slot, one: torch.Tensor, other: torch.Tensor) -> TensorChange:
    """By how much a tensor differs; NaN in the same place is no difference."""
    alike = (one == other) | (one.isnan() & other.isnan())
    gap = (one - other).abs().nan_to_num(nan=torch.inf)[~alike]
    scale = float(one.abs().nan_to_num(nan=0).max())
    largest = float(gap.max()) if gap.numel() else 0.0
    return TensorChange(
        slot.node.index, slot.node.layer.section, slot.stored.name, largest, scale, gap.numel(), one.numel()
    )


def parts_by_header(a: Graph, b: Graph) -> Sequence[str]:
    """What to say where the two are read as of different Darknets."""
    if a.dialect == b.dialect:
        return []
    return [f"A is run as {a.dialect.name}'s Darknet does, B as {b.dialect.name}'s, by the versions of their weights"]
