"""Anchors for a data set and a cfg: those that k-means finds, whether they are worth a change, and the change.

Sizes are px of the network's input, unless said otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..cfg_edit import CfgText
from ..data import find_cfg, read_data
from ..dataset.index import Index, index_boxes, listed
from ..errors import Complain, DarkparseError, ignore, warn
from ..files import keep_original
from ..graph import Graph, read_graph, resolve
from ..guard import note_read
from ..layers.yolo import AnchorHead
from .heads import Placed, Shares, Size, anchored_heads, by_size, rewrite, share_out
from .kmeans import TRIES, Anchors, Sizes, average_iou, best_overlaps, kmeans

GOOD = 0.5  # overlap with an anchor that leaves little to learn
WORTHWHILE = 3  # points of overlap: so much is 1.5 % of both sides
COARSE = 0.5  # points that whole numbers may cost: six runs of Darknet's on one data set differ by as much
MOST = 10  # faults that are told one by one


@dataclass(frozen=True, eq=False)
class Study:
    """What there is to say of the boxes of a data set and the anchors of a cfg.

    cfg: as it was named; graph: at the size in question; heads: those with the smallest cells first
    sizes: `(N, 2)`, of the boxes; counters: boxes of each class; images: paths
    found: by k-means; values: the same as the cfg would have them; shares: which head would get which
    notes: for the user, a line each
    """

    cfg: str
    graph: Graph
    heads: Sequence[Placed]
    sizes: Sizes
    counters: Sequence[int]
    images: Sequence[str]
    found: Anchors
    values: Sequence[Size]
    shares: Shares
    notes: Sequence[str]

    @property
    def old(self) -> Sizes:
        """The anchors of all boxes of the cfg's heads: `(A, 2)`."""
        return np.array([size for one in self.heads for size in one.sizes])

    @cached_property
    def gain(self) -> float:
        """By how much the average overlap is better than with the cfg's anchors, points."""
        return 100 * (self.found.average_iou - average_iou(self.sizes, self.old))

    @property
    def misplaced(self) -> int:
        """How many of the anchors found would be at a head for other sizes."""
        best = by_size(self.heads, self.found.sizes.tolist())
        owner, wanted = (np.repeat(np.arange(len(counts)), counts) for counts in (self.shares.counts, best))
        return int((owner != wanted).sum())

    @property
    def unlearnt(self) -> float:
        """The share of the boxes that no head learns with the cfg's anchors: the best for them is in no mask."""
        learnt = np.zeros(len(self.sizes), bool)
        for head in (one.head for one in self.heads):
            if not isinstance(head, AnchorHead):
                return 0
            every = np.array(head.sizes_of(range(head.num)))
            own = np.array(head.sizes)
            learnt |= np.isin(best_overlaps(self.sizes, every)[1], head.boxes)
            learnt |= best_overlaps(self.sizes, own)[0] > head.iou_thresh
        return float(1 - learnt.mean())

    def lines(self) -> Iterator[str]:
        """What Darknet prints, then what each head would get, the comparison and the verdict."""
        net, form = self.graph.net, "{:3.0f},{:3.0f}" if _whole(self.values) else "{:2.4f},{:2.4f}"
        yield f"num_of_clusters = {len(self.values)}, width = {net.width}, height = {net.height}"
        yield f"counters_per_class = {', '.join(map(str, self.counters))}"
        yield f"avg IoU = {100 * self.found.average_iou:.2f} %"
        yield f"anchors = {', '.join(form.format(*size) for size in self.values)}"
        for one, mask in zip(self.heads, self.shares.masks, strict=True):
            if isinstance(one.head, AnchorHead):
                yield f"{one}: mask = {','.join(map(str, mask))}"
        yield from self.comparison()
        yield f"verdict: {self.gain:+.1f} points: {self.verdict()}"

    def comparison(self) -> Iterator[str]:
        """The anchors found beside those of the cfg."""
        name = Path(self.graph.file).name
        rows = {f"these {len(self.values)} anchors": self.found.sizes, f"the {len(self.old)} of {name}": self.old}
        width = max(map(len, rows))
        yield f"{'':{width}s} {'avg IoU':>10s} {f'IoU > {GOOD}':>10s}"
        for title, anchors in rows.items():
            best, _ = best_overlaps(self.sizes, anchors)
            yield f"{title:{width}s} {100 * best.mean():8.2f} % {100 * (best > GOOD).mean():8.2f} %"
        if share := self.unlearnt:
            yield f"of the boxes, {100 * share:.2f} % are learnt by no head of {name}: their anchor is in no mask"

    def verdict(self) -> str:
        """Whether a change is worth it, and why.

        A head learns the ratio of a box to its anchor, so that anchors which overlap less often serve as well: on
        BCCD a tiny network with anchors better by 22 points had no better mAP.  And heads that are trained already
        fit only the anchors that they were trained with.
        """
        if self.gain < WORTHWHILE:
            return f"keep the anchors of the cfg; less than {WORTHWHILE} points, or 1.5 % of both sides, is nothing"
        if 2 * self.misplaced > len(self.values):
            return (
                f"doubtful; {self.misplaced} of {len(self.values)} anchors are at a head for other sizes (below 30x30 "
                "px suits stride 8, below 60x60 stride 16), where the cfg's may serve better"
            )
        return "worth a try where the heads are trained anew; compare the mAP, as overlap alone does not decide"

    def write(self, out: str | Path | None = None) -> list[str]:
        """Put the anchors into the cfg, with the masks and filters that depend on them; what was done, a line each.

        Args:
            out: a new file for the result; without one the cfg is changed, and the original kept beside it as
                NAME.cfg.orig (NAME.cfg.orig2, ...)
        Raises:
            DarkparseError: the cfg is for another size, or would be none any more; `out` is there already; ...
        """
        path = Path(self.graph.file)
        if out is None and path != Path(self.cfg):
            raise DarkparseError(f"{self.cfg}: comes with darkparse; expected another file to write to")
        if out is not None and os.path.lexists(out):
            raise DarkparseError(f"{out}: is there already; not overwritten")
        text = CfgText.read(path)
        graph = resolve(text.sections(ignore), complain=ignore)
        net, own = self.graph.net, graph.net
        if (net.width, net.height) != (own.width, own.height):
            raise DarkparseError(
                f"{path}: the anchors are for width={net.width} height={net.height}, "
                f"but [net] has width={own.width} height={own.height}; expected the same"
            )
        text.file = str(out or path)  # from there the files that it names are seen
        changed = rewrite(text, anchored_heads(graph), self.values, self.shares)
        if not changed and out is None:
            return [f"{path}: has these anchors already"]
        kept = [f"{path}: the original is {keep_original(path)}"] if out is None else []
        text.write(out or path)
        fits = "have other filters" if any("filters" in line for line in changed) else "fit other anchors"
        warning = [f"weights trained for the original {fits}: train the heads anew"] if changed else []
        return [*(f"{text.file}: {line}" for line in changed), *kept, *warning]


def study(
    data: str | Path,
    cfg: str | Path,
    *,
    num_of_clusters: int | None = None,
    width: int | None = None,
    height: int | None = None,
    seed: int = 0,
    tries: int = TRIES,
    complain: Complain = warn,
) -> Study:
    """Anchors for the images that `train=` of a .data file names, and for the heads of a cfg.

    A box counts with the size that it has at the network's input; labels that training leaves out are left out.

    Args:
        num_of_clusters: how many anchors; as many as the heads have boxes, unless given
        width, height: another size of the input than the cfg's, px
        seed, tries: see `kmeans.kmeans`
        complain: what to do with oddities of the cfg
    Raises:
        CfgError: the cfg is wrong, or a head has no anchors
        DataError: a list or labels are missing, or no label is usable
        DarkparseError: fewer different sizes of boxes than anchors, or fewer anchors than heads
    Source: src/detector.c calc_anchors (AlexeyAB 59596d7), which passes over `letter_box` and uses faulty labels, too
    """
    graph = read_graph(find_cfg(str(cfg)), width=width, height=height, complain=complain)
    return study_graph(data, graph, cfg, num_of_clusters=num_of_clusters, seed=seed, tries=tries)


def study_graph(
    data: str | Path,
    graph: Graph,
    cfg: str | Path,
    *,
    num_of_clusters: int | None = None,
    seed: int = 0,
    tries: int = TRIES,
) -> Study:
    """The same for a graph; `cfg`: as the user names it.  Raises what `study` does."""
    heads = anchored_heads(graph)
    k = num_of_clusters or sum(one.head.boxes_per_cell for one in heads)
    given = read_data(data)
    images, reports = listed(given)
    for image in images:
        note_read(image)
    classes = given.positive("classes", graph.classes)
    other = [f"{given.file}: classes={classes}, but {graph.file} has {graph.classes}"] * (classes != graph.classes)
    index = index_boxes(images, graph.net.channels, classes)
    sizes = _sizes(index, graph)
    found = kmeans(sizes, k, tries=tries, seed=seed)
    values = _rounded(found, sizes, heads[0].unit)
    shares = share_out(heads, found.sizes.tolist())
    counters = np.bincount(index.boxes[:, 4].astype(int), minlength=classes).tolist()
    notes = [*reports, *index.reports, *other, *_faults(index)]
    notes.append(f"{len(sizes)} boxes of {len(index)} images, anchors {shares.why}")
    if graph.net.letter_box > 0:
        notes.append("letter_box=1: sizes are those in letterboxed images")
    return Study(str(cfg), graph, heads, sizes, counters, index.images, found, values, shares, notes)


def _sizes(index: Index, graph: Graph) -> Sizes:
    """Of all boxes, at the network's input; none is larger than its image."""
    relative = np.minimum(index.boxes[:, 2:4], 1).astype(np.float64)
    net = np.array([graph.net.width, graph.net.height])
    if graph.net.letter_box <= 0:
        return np.asarray(relative * net)
    seen = index.sizes * (net / index.sizes).min(1, keepdims=True)
    return np.asarray(relative * np.repeat(seen, np.diff(index.ends, prepend=0), axis=0))


def _rounded(found: Anchors, sizes: Sizes, unit: Size) -> list[Size]:
    """Anchors as a cfg has them: px as whole numbers, unless that costs too much, else four decimals, as Darknet."""
    whole = np.round(found.sizes)
    fine = unit != (1, 1) or whole.min() < 1
    fine = fine or 100 * (found.average_iou - average_iou(sizes, whole)) > COARSE
    return [(float(w), float(h)) for w, h in (np.round(found.sizes / unit, 4) if fine else whole)]


def _faults(index: Index) -> Iterator[str]:
    """What is wrong with labels and images: the first faults, and how many there are."""
    left = sum(line.endswith("left out") for line in index.bad_labels)
    for lines, what in ((index.bad_labels, f"faults in labels, {left} labels left out"), (index.bad, "files not used")):
        yield from lines[:MOST]
        if lines:
            yield f"{len(lines)} {what}"


def _whole(values: Sequence[Size]) -> bool:
    return all(number == int(number) for size in values for number in size)
