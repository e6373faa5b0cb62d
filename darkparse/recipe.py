"""A new cfg for a data set of one's own: another cfg with as many classes, and with what follows from that.

It is the recipe in AlexeyAB's README, "How to train (to detect your custom objects)".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from pathlib import Path

from .anchors.heads import anchored_heads, rewrite
from .anchors.study import Study, study_graph
from .cfg import Entry, Section
from .cfg_edit import CfgText, Value
from .cfg_heads import fit_filters, heads
from .data import find_cfg, read_data, read_names
from .dataset.index import listed
from .errors import CfgError, Complain, DataError, GraphError, OptionError, brief, ignore, warn
from .graph import ROUND, Graph, Node, check_stride, resolve
from .net import Net
from .options import read_options

EACH_CLASS, LEAST = 2000, 6000  # iterations
BATCH, SUBDIVISIONS = 64, 16
TENTHS = (8, 9)  # of max_batches, at which the learning rate falls
FALL = 0.1  # by this factor, where the old cfg names none
OF_OLD_DATA = ("tree", "map", "counters_per_class")  # options that mean the classes of one data set


@dataclass(frozen=True)
class DataSet:
    """What is to be learned.

    classes: how many; images: to train with, 0 where that is not known; names: of the classes, where they are known
    """

    classes: int
    images: int = 0
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, classes: int | None = None, names: str | Path | None = None, data: str | Path | None = None
    ) -> "DataSet":
        """What a number, a .names file and a .data file say, any of them or several that agree.

        Args:
            data: a .data file with `train=`, and `names=` (or `labels=`) unless `names` or `classes` is given
        Raises:
            DataError: a file is missing or wrong; they say nothing of the classes, or disagree
        """
        images = 0
        if data is not None:
            given = read_data(data)
            images = len(listed(given)[0])
            names = names or given.path("names") or given.path("labels")
        found = read_names(names) if names else ()
        if not found and classes is None:
            where = f"{data}: names: missing" if data else "no data set"
            raise DataError(f"{where}; expected the path of a .names file, or a number of classes")
        if found and classes not in (None, len(found)):
            raise DataError(f"{names}: {len(found)} names; expected classes={classes}")
        return cls(len(found) or classes or 0, images, found)


@dataclass(frozen=True)
class Wishes:
    """Options of [net] that are to be otherwise than in the recipe, or in the old cfg; None: as they are there."""

    width: int | None = None
    height: int | None = None
    channels: int | None = None
    batch: int | None = None
    subdivisions: int | None = None
    max_batches: int | None = None


@dataclass(frozen=True)
class NewCfg:
    """A new cfg, not written yet.

    text: of which nothing is changed but what `changes` says, a line each; graph: its network
    anchors: what the boxes of the data set say of the anchors that it had, if these were changed
    """

    text: CfgText
    graph: Graph
    changes: list[str]
    anchors: Study | None = None


def new_cfg(
    source: str | Path,
    data: DataSet,
    wishes: Wishes | None = None,
    complain: Complain = warn,
    *,
    fit_anchors_to: str | Path | None = None,
) -> NewCfg:
    """The cfg `source`, made to train on another data set; a network that resolves.

    The heads get the classes, and the layers before them the filters for them; of a classifier the last layer with
    weights gets as many.  `max_batches` is 2000 for each class, at least 6000 and at least one for each image, and the
    learning rate falls at 80 and 90 % of them.  `batch` and `subdivisions` are 64 and 16, unless it is a classifier
    or a network for videos that is set up for training.  What else the cfg says stays, with its comments; but what
    describes the classes of the old data set (`tree`, `map`, `counters_per_class`) goes, and where the run is so short
    that `burn_in` would reach the first fall, it becomes a tenth of the run.

    Args:
        source: a file, or the name of a cfg that comes with darkparse
        fit_anchors_to: a .data file, for whose boxes the heads get other anchors; see `anchors.study`
    Raises:
        CfgError: the cfg is wrong, has no classes, or a wish cannot be granted; says file, line, section and option
        DarkparseError: the file cannot be read
    """
    text = CfgText.read(find_cfg(str(source)))
    before = text.sections(ignore)
    forget_old_data(text)
    set_classes(text, data.classes)
    set_net(text, data, wishes or Wishes())
    sections = text.sections(ignore)
    if wishes and has_cells(sections):
        check_stride(sections, wishes.width, wishes.height)
    found = set_anchors(text, fit_anchors_to) if fit_anchors_to else None
    sections = text.sections(ignore)
    return NewCfg(text, resolve(sections, complain=complain), list(changes(before, sections)), found)


def forget_old_data(text: CfgText) -> None:
    """Remove what describes the classes of the data set that a cfg was made for."""
    for number, section in enumerate(text.sections(ignore)):
        for key in OF_OLD_DATA:
            if key in section.entries:
                text.remove_option(number, key)


def set_classes(text: CfgText, classes: int) -> None:
    """Give the heads, or a classifier, another number of classes, and what comes before them the filters for it.

    Raises:
        CfgError: the cfg is wrong, or its network has no classes
    """
    sections = text.sections(ignore)
    if found := heads(sections):
        for number in found:
            text.set_option(number, "classes", classes)
        fit_filters(text)
    else:
        last = class_layer(resolve(sections, complain=ignore))
        text.set_option(last.index + 1, last.layer.width_option, classes)


def has_cells(sections: Sequence[Section]) -> bool:
    """Whether the size of the input decides how many cells a head has: not behind [connected], nor without a head."""
    try:
        graph = resolve(sections, width=ROUND, height=ROUND, complain=ignore)
    except CfgError:
        return False  # `resolve` will say why at its own size
    return any(graph.nodes[index].shape.w > 1 for index, _ in graph.heads)


def class_layer(graph: Graph) -> Node:
    """The layer of a classifier of images that gives a number for each class: the last one with weights.

    Raises:
        GraphError: it is no classifier, or that layer's outputs are not simply the classes
    """
    node = graph.nodes[-1]
    if problem := _no_classifier(graph):
        raise GraphError(f"{problem}; expected a head ([yolo], [region], ...), or a classifier of images", node.where)
    while not node.layer.width_option:
        if node.tensors or len(node.sources) != 1 or node.sources[0] < 0 or node.inputs[0].c != node.shape.c:
            raise GraphError("gives the classes; expected [convolutional] or [connected] to do so", node.where)
        node = graph.nodes[node.sources[0]]
    return node


def _no_classifier(graph: Graph) -> str:
    """Why a network without heads classifies no images; "" if it does."""
    shape, net = graph.nodes[-1].shape, graph.net
    if not net.width * net.height * net.channels:
        return f"the network reads {net.inputs} values, not images"
    if shape.h * shape.w != 1:
        return f"the network gives {shape}, not one value a class"
    if not any(node.layer.has_cost for node in graph.nodes):
        return "the network has no loss"
    return ""


def set_net(text: CfgText, data: DataSet, wishes: Wishes) -> None:
    """Set up the schedule and the size of the input.

    Raises:
        OptionError: an option of [net] is wrong, or `batch` no multiple of `subdivisions`
    """
    sections = text.sections(ignore)
    net = read_options(Net, sections[0], ignore)
    total = wishes.max_batches or max(LEAST, EACH_CLASS * data.classes, data.images)
    batch, subdivisions = portions(net, wishes, detects=bool(heads(sections)))
    if batch % subdivisions:
        where = sections[0].where("batch")
        raise OptionError(f"expected a multiple of subdivisions={subdivisions}, got {batch}", where)
    wanted: dict[str, Value | None] = {
        "batch": batch,
        "subdivisions": subdivisions,
        "width": wishes.width,
        "height": wishes.height,
        "channels": wishes.channels,
        "max_batches": total,
        "burn_in": total // 10 if net.burn_in >= total * TENTHS[0] // 10 else None,
    }
    if net.policy == "steps":
        wanted["steps"], wanted["scales"] = steps(net, total)
    for key, value in wanted.items():
        if value is not None and value != getattr(net, key):
            text.set_option(0, key, value)


def portions(net: Net, wishes: Wishes, *, detects: bool) -> tuple[int, int]:
    """`batch` and `subdivisions`; of another batch as many images go through the network at a time, if that divides."""
    kept = net.track or (net.batch > 1 and not detects)
    usual, parts = (net.batch, net.subdivisions) if kept else (BATCH, SUBDIVISIONS)
    batch = wishes.batch or usual
    return batch, wishes.subdivisions or batch // gcd(batch, max(1, usual // parts))


def set_anchors(text: CfgText, data: str | Path) -> Study:
    """Give the heads anchors for the boxes of a data set, as many as they have; what was found.

    Raises:
        CfgError, DataError, DarkparseError: as for `anchors.study`
    """
    graph = resolve(text.sections(ignore), complain=ignore)
    found = study_graph(data, graph, text.file)
    rewrite(text, anchored_heads(graph), found.values, found.shares)
    return found


def steps(net: Net, total: int) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """`steps` and `scales` of a run of `total` iterations: rises stay where they are, the last two falls move.

    Rises that would come too late are moved into the first tenth.
    """
    pairs = list(zip(net.steps, net.scales, strict=False))
    rising = max((at for at, (_, scale) in enumerate(pairs, 1) if scale >= 1), default=0)
    falls = ([FALL, FALL] + [scale for _, scale in pairs[rising:]])[-len(TENTHS) :]
    ends = [total * tenths // 10 for tenths in TENTHS]
    starts = net.steps[:rising]
    if starts and starts[-1] >= ends[0]:
        starts = tuple(at * total // (10 * starts[-1]) if at > 0 else at for at in starts)
    return (*starts, *ends), (*net.scales[:rising], *falls)


def changes(before: Sequence[Section], after: Sequence[Section]) -> Iterator[str]:
    """What two versions of a cfg differ in, a line each; lines are counted in the second."""
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        for key in {**old.entries, **new.entries}:
            had, has = (_value(section.entries.get(key)) for section in (old, new))
            if had == has:
                continue
            place = f"line {new.where(key).line} [{new.name}]" if number else f"[{new.name}]"
            what = "removed, as it is of the old data set" if has is None else f"-> {has}"
            yield f"{place} {key}: {brief(had)[1:-1] if had else 'not given'} {what}"


def _value(entry: Entry | None) -> str | None:
    return entry.value.partition("#")[0] if entry else None
