"""What is wrong with a .weights file.

Each number that decides, here and in the other rules, has its reason beside it.  "The healthy" are eleven networks that
were trained with Darknet or darkparse (13 to 131 layers, with and without batch norm; on COCO, VOC, faces, blood cells,
digits), each on 1 to 150 single images of what it was trained on, 448 in all; some were shown 138 images of another
kind, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data import shipped
from ..errors import WeightsError
from ..findings import ERROR, WARNING, Finding
from ..graph import Graph
from ..inputs import cfgs_in
from ..inspection import verdict
from ..layout import Fit, Header, fit
from .tensors import TensorLook

# Weights evenly spread, as before training, have a peak of 3^.5 = 1.73 and a kurtosis of 1.8; the healthy have at least
# 2.1 and 1.84.  It takes some hundred values for a sample to show that.  (pjreddie's Darknet draws them from a normal
# distribution; there running variances tell, which before training are 0 with both.)
DRAWN_PEAK, DRAWN_KURTOSIS, ENOUGH = 1.85, (1.65, 1.95), 500
HUGE = 1e5  # the healthy have at most 560, among all of their numbers
YOUNG = 300  # iterations: running statistics start at 0 and move by .01 each, and of that start .99^300 = 5% is left
LISTED = 6  # layers or cfgs named in a message

Said = Iterator[tuple[str, str, str, str]]  # rule, severity, message, remedy


def judge_fit(graph: Graph, weights: str | Path) -> tuple[Fit | None, list[Finding]]:
    """How much of the network the file holds (None: it does not fit), and what that means."""
    try:
        held = fit(graph, weights, partial=True)
    except WeightsError as why:
        return None, [not_fitting(why, graph, weights)]
    if held.layers == (total := len(graph.nodes)):
        return held, []
    first = next(node for node in graph.nodes[held.layers :] if node.tensors)
    message = f"a partial file: it ends before layer {first.index} [{first.layer.section}] of {total}, "
    message += "and from there on weights would be random numbers"
    remedy = f"start a training from it (darkparse train DATA {graph.file} {weights}), and detect with its result"
    return held, [Finding("partial", ERROR, str(weights), 0, message, remedy)]


def not_fitting(why: WeightsError, graph: Graph, weights: str | Path) -> Finding:
    """What is said of a file of another network: what it needs, or which cfg at hand it fits."""
    message, hint, classes = str(why).removeprefix(f"{weights}: ").partition("; the file fits this cfg with ")
    folders = dict.fromkeys([Path(graph.file).parent, Path(weights).parent, shipped()])
    near = [cfg for folder in folders if any(folder.glob("*.cfg")) for cfg in cfgs_in(folder)]
    fitting = [str(cfg) for cfg in near if verdict(weights, cfg) == "fits"]
    remedy = "take the cfg that it was trained with"
    if hint:
        remedy += f", or give this one {classes}"
    elif fitting:
        remedy += f"; it fits {' and '.join(fitting[:LISTED])}"
    return Finding("fit", ERROR, str(weights), 0, message, remedy)


def judge_tensors(looks: Sequence[TensorLook], weights: str | Path) -> list[Finding]:
    """What the numbers themselves give away."""
    return [
        Finding(rule, severity, str(weights), 0, message, remedy)
        for judge in (not_numbers, negative_variances, untrained, nothing_but_zeros, huge)
        for rule, severity, message, remedy in judge(looks)
    ]


def not_numbers(looks: Sequence[TensorLook]) -> Said:
    """NaN and infinite values."""
    if odd := [look for look in looks if look.odd]:
        first = odd[0]
        message = f"{first.slot}: {first.odd:,} of {first.slot.stored.size:,} values are NaN or infinite{also(odd)}"
        remedy = "its training diverged: take weights that it saved before, or train with a lower learning_rate"
        yield "nan", ERROR, message, remedy


def also(looks: Sequence[TensorLook]) -> str:
    """How many more tensors a finding is about than the first, which was named."""
    rest = len(looks) - 1
    return f", and so it is in {rest} more tensor{'s' if rest > 1 else ''}" if rest else ""


def negative_variances(looks: Sequence[TensorLook]) -> Said:
    """Running variances below 0."""
    if negative := [look for look in looks if is_variance(look) and look.negatives]:
        first = negative[0]
        message = f"{first.slot}: {first.negatives} of {first.slot.stored.size} are below 0, and their root is NaN"
        remedy = "the file is damaged, or a program wrote its tensors in another order than Darknet's"
        yield "variance", ERROR, message + also(negative), remedy


def is_variance(look: TensorLook) -> bool:
    """Whether these are running variances."""
    return look.slot.stored.name.endswith("rolling_variance")


def untrained(looks: Sequence[TensorLook]) -> Said:
    """Layers as they are before training: weights evenly spread, running variances 0."""
    drawn = {look.slot.node.index for look in looks if is_drawn(look)}
    still = {look.slot.node.index for look in looks if is_variance(look) and is_zero(look)}
    if not (fresh := drawn | still):
        return
    signs = [f"weights as they are drawn at random ({listed(drawn)})"] if drawn else []
    signs += [f"running variances of 0 ({listed(still)})"] if still else []
    if fresh.issuperset(look.slot.node.index for look in looks if can_tell(look)):
        who, remedy = "the network was never trained", "train it, and detect with what that saves"
    else:
        who = "some layers were never trained"
        remedy = "the file was made from others' first layers (*.conv.N) and not trained since: train it"
    yield "untrained", ERROR, f"{who}: {' and '.join(signs)}", remedy


def is_drawn(look: TensorLook) -> bool:
    """Whether weights are spread as evenly as they are drawn before training."""
    low, high = DRAWN_KURTOSIS
    return can_tell(look) and look.peak < DRAWN_PEAK and low < look.kurtosis < high


def can_tell(look: TensorLook) -> bool:
    """Whether a tensor is one that training changes (those of `xnor` it keeps within bounds), and large enough."""
    layer, stored = look.slot.node.layer, look.slot.stored
    changes = layer.is_trained and not getattr(layer, "xnor", False)
    return changes and stored.name.endswith("weights") and stored.size >= ENOUGH


def is_zero(look: TensorLook) -> bool:
    """Whether all values are."""
    return look.zeros == look.slot.stored.size


def listed(layers: set[int]) -> str:
    """Their numbers."""
    shown, rest = ", ".join(str(index) for index in sorted(layers)[:LISTED]), len(layers) - LISTED
    return f"layer{'s' if len(layers) > 1 else ''} {shown}" + (f" and {rest} more" if rest > 0 else "")


def nothing_but_zeros(looks: Sequence[TensorLook]) -> Said:
    """Weights or scales of 0 throughout."""
    if empty := [look for look in looks if look.slot.stored.name.endswith(("weights", "scales")) and is_zero(look)]:
        first = empty[0]
        message = f"{first.slot}: all {first.slot.stored.size:,} values are 0{also(empty)}; no image gets past it"
        yield "zeros", ERROR, message, "the file is damaged or was converted wrongly: take another copy"


def huge(looks: Sequence[TensorLook]) -> Said:
    """Values far beyond any that training gives."""
    if large := [look for look in looks if look.largest > HUGE]:
        message = f"{large[0].slot}: values up to {large[0].largest:.3g}{also(large)}"
        yield "huge", WARNING, message, "its training diverged, or its tensors are in another order than the cfg's"


def iterations(graph: Graph, header: Header) -> int:
    """How many the file has seen.  0 says nothing: other programs write that, and so does `darkparse partial`."""
    return header.seen // (graph.net.batch * graph.net.time_steps)


def judge_header(graph: Graph, header: Header, weights: str | Path) -> list[Finding]:
    """What the count of images gives away."""
    if not header.seen or (done := iterations(graph, header)) >= YOUNG:
        return []
    message = f"saw {header.seen:,} images, {done} iterations: the statistics of batch norm have not settled"
    return [Finding("young", WARNING, str(weights), 0, message, "train on: thousands of iterations are usual")]
