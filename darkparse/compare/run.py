"""Two sides on the same images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import DarkparseError
from . import findings, recording
from .comparison import Comparison, Output
from .definitions import option_changes, parts_by_header, tensor_changes
from .differences import Layers
from .sides import Outcome, Picture, Side, Wanted

TOLERANCE = 1e-4
Outputs = dict[int | str, np.ndarray]


def compare(
    a: Side,
    b: Side,
    images: Iterable[str] = (),
    *,
    tolerance: float = TOLERANCE,
    thresh: float = 0.25,
    nms: float = 0.45,
    resize: str = "auto",
) -> Comparison:
    """Run two models on the same images, and compare their layers, their outputs, and what they find.

    Both get the same pixels, where their inputs are of one size; else each resizes the image by the same rule.

    Args:
        a, b: see `opening.open_side`
        images: files; none where one side was recorded with its own
        tolerance: difference, as part of the largest value of A's layer, up to which a layer counts as the same; of
            scores and of boxes relative to the image, the difference itself
        thresh, nms: least score, and overlap above which the weaker box goes, 0..1
        resize: "stretch", "letterbox", "crop", or "auto": as A does by itself, or else B
    Raises:
        ImageError: an image cannot be read
        DarkparseError: there is no image, or nothing that both sides tell of
    """
    wanted, chosen = Wanted(thresh, nms), pictures(a, b, images)
    comparison = Comparison((a.name, b.name), Layers(a.layers, b.layers, tolerance), tolerance)
    define(comparison, a, b)
    prepare(a, b, resize, comparison.notes)
    for picture in chosen:
        both = filled(a, b, picture)
        first = a.run(both[0], wanted, comparison.layers.keep)
        second = b.run(both[1], wanted, partial(comparison.layers.match, picture.name))
        add(comparison, (a, b), both, (first, second), wanted)
    if not comparison.images:
        raise DarkparseError("no image: the list is empty")
    if a.complete and b.complete:
        comparison.layers.finish()
    if not (comparison.layers.worst or comparison.layers.parting or comparison.outputs or comparison.found):
        why = f": {comparison.unlike}" if comparison.unlike else ""
        raise DarkparseError(f"{a.name} and {b.name} tell of nothing that could be compared{why}")
    return comparison


def record(
    path: str | Path,
    side: Side,
    images: Iterable[str],
    *,
    thresh: float = 0.25,
    nms: float = 0.45,
    resize: str = "auto",
) -> int:
    """Keep what a model gives for some images in an .npz file, to be compared with later; how many images that were.

    Args and errors as of `compare`.
    """
    side.prepare(resize if resize != "auto" else side.rule or "stretch")
    chosen = (Picture(name, number) for number, name in enumerate(images))
    return recording.save(path, side, chosen, Wanted(thresh, nms))


def define(comparison: Comparison, a: Side, b: Side) -> None:
    """What the two networks are, where both are known."""
    if a.source and b.source:
        comparison.changes = option_changes(a.source.graph, b.source.graph)
        comparison.weights = tensor_changes(a.source.network, b.source.network)
        comparison.notes += parts_by_header(a.source.graph, b.source.graph)


def prepare(a: Side, b: Side, resize: str, notes: list[str]) -> None:
    """Get both sides ready; they resize images by one rule."""
    rule = resize if resize != "auto" else a.rule or b.rule or "stretch"
    for name, side in (("A", a), ("B", b)):
        notes += [f"{name}: {note}" for note in (side.name, *side.notes)]
        if side.rule not in ("", rule):
            notes.append(f"{name}: images are resized by {rule} here; by itself it has {side.rule}")
        side.prepare(rule)


def pictures(a: Side, b: Side, images: Iterable[str]) -> Iterator[Picture]:
    """The images to compare on: those given, or those that a side was recorded with.

    Raises:
        DarkparseError: there is none, or they are given though a recording has its own
    """
    given = enumerate(images)
    recorded = [side for side in (a, b) if side.holds_pixels]
    if recorded:
        if next(given, None) is not None:
            raise DarkparseError(f"{recorded[0].name}: has the images that it was recorded with; expected no others")
        if len({len(side.pictures) for side in recorded}) > 1:
            raise DarkparseError(f"{a.name} and {b.name} were recorded with different numbers of images")
        return iter(recorded[0].pictures)
    if (first := next(given, None)) is not None:
        return (Picture(name, number) for number, name in (first, *given))
    own = next((side.pictures for side in (a, b) if side.pictures), None)
    if own is None:
        raise DarkparseError("no image: the list is empty")
    return iter(own)


def filled(a: Side, b: Side, picture: Picture) -> tuple[Picture, Picture]:
    """The image as A and as B read it; where one cannot read images it gets what the other reads."""
    if b.holds_pixels and not a.holds_pixels:
        other, one = filled(b, a, picture)
        return one, other
    one = a.fill(picture)
    other = b.fill(one if a.holds_pixels else picture)
    return (other if one.pixels is None else one), (one if other.pixels is None else other)


def add(
    comparison: Comparison,
    sides: tuple[Side, Side],
    both: tuple[Picture, Picture],
    outcomes: tuple[Outcome, Outcome],
    wanted: Wanted,
) -> None:
    """Take what came out for one image."""
    comparison.images += 1
    a, b = outcomes
    pairs = pairs_of(a.outputs, b.outputs)
    if not pairs and a.outputs and b.outputs:
        comparison.unlike = f"{len(a.outputs)} outputs in A, {len(b.outputs)} in B, so they are not compared"
    for position, (one, other) in enumerate(pairs):
        if position == len(comparison.outputs):
            comparison.outputs.append(Output((named(sides[0], one), named(sides[1], other))))
        comparison.outputs[position].add(a.outputs[one], b.outputs[other], both[0].name)
    first, second = a.found, b.found
    if first is None:
        first = sides[1].interpret(both[0], [a.outputs[one] for one, _ in pairs], wanted)
    if second is None:
        second = sides[0].interpret(both[1], [b.outputs[other] for _, other in pairs], wanted)
    if first is not None and second is not None:
        found = findings.compare(both[0], first, second, wanted, comparison.tolerance)
        comparison.found += [found] if found else []
        if not found:
            comparison.unlike = "one gives boxes, the other classes, so they are not compared"


def pairs_of(a: Outputs, b: Outputs) -> list[tuple[int | str, int | str]]:
    """Which output of A belongs to which of B: that of the same name, or else in their order; none where that fails."""
    fewer = a if len(a) <= len(b) else b
    if common := [key for key in fewer if key in a and key in b]:
        return [(key, key) for key in common]
    return list(zip(a, b, strict=True)) if len(a) == len(b) else []


def named(side: Side, key: int | str) -> str:
    """An output, for people."""
    return f"of {side.layers.get(key, key)}" if isinstance(key, int) else key
