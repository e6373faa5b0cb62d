"""Trained weights for a new cfg: what fits is kept, bit for bit, and only what cannot fit is changed or begun anew."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .data import COUNTS, beside, find_cfg, read_names, shipped
from .errors import DataError, WeightsError, first_of, ignore
from .files import writing
from .graph import Graph, Node, read_graph, resolve
from .layers.connected import Connected
from .layers.convolutional import Convolutional
from .layers.crop import Crop
from .layers.detection import Detection
from .layers.dropout import Dropout
from .layout import Header, Slot, fit, layout, read_header
from .recipe import NewCfg, class_layer
from .registry import HeadDef, Stored
from .weights import read_values

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Meanings = Sequence[Hashable]  # of the rows (filters, outputs) of a layer: a number of a box, or a class

ANEW = -1  # in place of the number of an old row
SHOWN = 8  # names in a message


@dataclass(frozen=True)
class NewWeights:
    """Weights for a new cfg, not written yet.

    header: no images seen; tensors: in file order, `(N,)` each; notes: what was kept and what begins anew, a line each
    """

    header: Header
    tensors: list[Floats]
    notes: list[str]

    def write(self, path: str | Path) -> None:
        """Write them.  Raises WeightsError where that cannot be."""
        with writing(path, WeightsError) as file:
            file.write(self.header.pack())
            for tensor in self.tensors:
                file.write(tensor.astype("<f4", copy=False).data)


def new_weights(
    source: str | Path,
    made: NewCfg,
    weights: str | Path,
    *,
    names: Sequence[str] = (),
    old_names: str | Path | None = None,
    seed: int = 0,
) -> NewWeights:
    """Weights of the cfg `source`, fitted to the cfg that was made of it.

    In the layer before a head the rows for boxes and objectness stay, whatever the classes are, and so do those of
    the classes whose names are in both lists, wherever they stand there.  The rows of the other classes begin as
    training begins: random weights, biases of 0.  The last layer of a classifier has rows of classes alone.  Without
    new names, the classes are taken for the same if there are as many, and else for others.

    Where the image has another number of channels, the first layer is changed so that it goes on answering as before
    to a grey image, whose channels are all the same.  Added to several, new channels have weights of 0, so that the
    old ones alone decide until training says otherwise; in any other case each channel gets the mean weight, times
    how many there were for one that there is.

    A file of the first layers alone stays one.

    Args:
        source: a file, or the name of a cfg that comes with darkparse
        weights: they must fit it
        names: of the new classes
        old_names: a file with the old ones; else one is looked for beside `source`, and COCO's are taken for the 80
            classes of a detector, VOC's for 20
        seed: of the random numbers
    Raises:
        CfgError: the cfg is wrong
        WeightsError: the file does not fit the cfg, or a layer changes in another way
        DataError: the old names are not as many as the classes
    """
    usual = read_header(weights)
    dialect = usual.dialect
    old = read_graph(find_cfg(str(source)), dialect=dialect, complain=ignore)
    new = resolve(made.text.sections(ignore), dialect=dialect, complain=ignore)
    header, held = fit(old, weights, partial=True)
    values = read_values(weights, header)
    classes = Classes.of(old, new, names, old_names)
    surgeon = Surgeon(old, new, kept_rows(old, new, classes), np.random.default_rng(seed))
    tensors = []
    for before, after in zip(layout(old, loading=True), layout(new, loading=True), strict=True):
        if before.node.index < held:
            tensors.append(surgeon.changed(values[before.start : before.stop], before, after))
    notes = [f"{weights}: {held} of {len(old.nodes)} layers of {old.file}"]
    if any(index < held for index in meanings(new, classes.new)):
        notes += classes.notes
    header = header if dialect.transposed else usual  # of as many bytes as others expect of the version
    return NewWeights(header._replace(seen=0), tensors, [*notes, *surgeon.notes])


class Classes(NamedTuple):
    """The classes of both networks, by name or by what stands for it; notes: how they were compared, a line each."""

    old: tuple[Hashable, ...]
    new: tuple[Hashable, ...]
    notes: list[str]

    @classmethod
    def of(cls, old: Graph, new: Graph, names: Sequence[str], old_names: str | Path | None) -> "Classes":
        """See `new_weights`."""
        had, count = count_classes(old), count_classes(new)
        numbers = tuple(range(had))
        if not names and had == count:
            return cls(numbers, numbers, ["classes: as many as before, so taken for the same"])
        if not names:
            return cls(numbers, tuple(f"new {number}" for number in range(count)), ["classes: other ones, begin anew"])
        known, source = known_names(old, had, old_names)
        notes = [f"old classes: {source}"]
        for what, shown in (("kept", set(names) & set(known)), ("that begin anew", set(names) - set(known))):
            if shown:
                notes.append(f"classes {what}: {first_of([name for name in names if name in shown], SHOWN)}")
        return cls(known or numbers, tuple(names), notes)


def count_classes(graph: Graph) -> int:
    """Number of classes of a detector or a classifier.

    Raises:
        DarkparseError: the heads disagree, or it is neither
    """
    return graph.classes if graph.heads else class_layer(graph).shape.c


def known_names(graph: Graph, classes: int, given: str | Path | None) -> tuple[tuple[str, ...], str]:
    """The names of a network's classes, if they are known, and where they are from.

    A file beside the cfg counts only where it has as many names as there are classes: it may well be the new one.

    Raises:
        DataError: the file that is given has another number of names
    """
    if given is not None:
        names = read_names(given)
        if len(names) != classes:
            raise DataError(f"{given}: {len(names)} names, but {graph.file} has {classes} classes")
        return names, str(given)
    for path in beside(Path(graph.file)):
        if len(names := read_names(path)) == classes:
            return names, f"{path}, found beside the cfg"
    for _, head in graph.heads:
        if tree := getattr(head, "tree", None):
            return tree.names, "the class tree"
    if graph.heads and classes in COUNTS:
        return read_names(shipped() / COUNTS[classes]), f"{COUNTS[classes]}, as there are {classes}"
    return (), "their names are not known"


def kept_rows(old: Graph, new: Graph, classes: Classes) -> dict[int, Ints]:
    """For each layer that gives classes, and whose rows are not simply the old ones, the old number of each new row.

    It is `ANEW` where there was no such row.
    """
    meant_before, meant_now = meanings(old, classes.old), meanings(new, classes.new)
    rows = {}
    for index, meant in meant_now.items():
        numbers = {meaning: row for row, meaning in reversed(list(enumerate(meant_before[index])))}
        if meant != meant_before[index]:
            rows[index] = np.array([numbers.get(meaning, ANEW) for meaning in meant])
    return rows


def meanings(graph: Graph, names: Sequence[Hashable]) -> dict[int, list[Hashable]]:
    """What each row of the layers before the heads, or of the last one of a classifier, means."""
    if not graph.heads:
        return {class_layer(graph).index: list(names)}
    return {graph.nodes[index].sources[0]: list(entries(head, names)) for index, head in graph.heads}


def entries(head: HeadDef, names: Sequence[Hashable]) -> Iterator[Hashable]:
    """What each channel that a head reads means.

    Source: src/yolo_layer.c, src/gaussian_yolo_layer.c, src/region_layer.c entry_index; src/detection_layer.c
    get_detection_detections (AlexeyAB 59596d7)
    """
    if isinstance(head, Detection):  # of all cells: first the classes, then the objectness and the boxes
        yield from (("class", cell, name) for cell in range(head.side**2) for name in names)
        yield from (("box", number) for number in range(head.reads - head.side**2 * head.classes))
        return
    others = head.reads // head.boxes_per_cell - head.classes
    for box in range(head.boxes_per_cell):
        yield from (("box", box, number) for number in range(others))
        yield from (("class", box, name) for name in names)


class Surgeon:
    """Changes tensors of an old network into those of a new one.

    rows: as `kept_rows` gives them; notes: what was done, a line each
    """

    def __init__(self, old: Graph, new: Graph, rows: dict[int, Ints], generator: np.random.Generator) -> None:
        self.old, self.new, self.rows, self.generator = old, new, rows, generator
        self.notes: list[str] = []

    def changed(self, values: Floats, before: Slot, after: Slot) -> Floats:
        """The values `(N,)` of a tensor in the new file.

        Raises:
            WeightsError: there is no telling what they should be
        """
        rows = self.rows.get(after.node.index)
        if rows is None and before.stored == after.stored:
            return values
        tensor = from_file(values, before.stored)
        if rows is not None:
            tensor = self.with_rows(tensor, rows, before)
        if tensor.shape != after.stored.shape:
            tensor = self.with_channels(tensor, before, after)
        return to_file(tensor, after.stored)

    def with_rows(self, tensor: Floats, rows: Ints, before: Slot) -> Floats:
        """The `rows` of a tensor, and new ones as training begins with them."""
        layer, stored = before.node.layer, before.stored
        if not isinstance(layer, Connected) and not (isinstance(layer, Convolutional) and layer.parts == 1):
            raise WeightsError(f"{before}: expected [connected], or [convolutional] without groups, before a head")
        shape = (len(rows), *tensor.shape[1:])
        if stored.name == "weights":
            result = self.generator.uniform(*layer.initial(stored), shape).astype(np.float32)
            self.notes.append(told(before, rows))
        else:
            result = np.full(shape, 1 if stored.name == "scales" else 0, np.float32)
        kept = rows != ANEW
        result[kept] = tensor[rows[kept]]
        return result

    def with_channels(self, tensor: Floats, before: Slot, after: Slot) -> Floats:
        """The weights of the first layer for an image of other channels."""
        had, have = self.old.net.channels, self.new.net.channels
        if not self.reads_image(before.node):
            raise WeightsError(
                f"{before}: {before.stored.shape} in {self.old.file}, but {after.stored.shape} in the new cfg; "
                "expected other classes, or other channels that a [convolutional] without groups and xnor reads"
            )
        if 1 < had < have:
            self.notes.append(f"{before}: {have} channels in place of {had}, 0 for the new ones")
            rest = np.zeros((len(tensor), have - had, *tensor.shape[2:]), np.float32)
            return np.concatenate([tensor, rest], 1)
        self.notes.append(f"{before}: {have} in place of {had} channels, each the old sum / {have}")
        share = tensor.sum(1, dtype=np.float64, keepdims=True) / have
        return np.repeat(share.astype(np.float32), have, 1)

    def reads_image(self, node: Node) -> bool:
        """Whether a layer is a plain convolution over the channels of the image."""
        before = self.old.nodes[: node.index]
        plain = isinstance(node.layer, Convolutional) and node.layer.parts == 1 and not node.layer.xnor
        return plain and all(isinstance(other.layer, Crop | Dropout) for other in before)


def told(slot: Slot, rows: Ints) -> str:
    """What became of the rows of a layer."""
    kept = int((rows != ANEW).sum())
    anew = f", {len(rows) - kept} begin anew" if kept < len(rows) else ""
    return f"layer {slot.node.index} [{slot.node.layer.section}]: {kept} of {slot.stored.shape[0]} rows kept{anew}"


def from_file(values: Floats, stored: Stored) -> Floats:
    """A tensor of its shape, from values `(N,)` in the order of the file."""
    if stored.transposed:
        values = values.reshape(-1, stored.shape[0]).T
    return values.reshape(stored.shape)


def to_file(tensor: Floats, stored: Stored) -> Floats:
    """The values, `(N,)`, in the order of the file."""
    if stored.transposed:
        tensor = tensor.reshape(stored.shape[0], -1).T
    values: Floats = tensor.reshape(-1)
    return values
