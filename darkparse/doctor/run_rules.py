"""What is wrong with what a network makes of images; for "the healthy" see `file_rules`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ..findings import ERROR, NOTE, WARNING, Finding
from ..graph import Graph
from .passes import HeadLook, LayerLook, Outcome

DEAD = 0.9  # of the channels; in the healthy at most .42 are, in a network set by hand .62
STRANGE = 12.0  # nats, in one layer; at most 1.8 in the healthy, 9.9 with images of another kind
STIFLED = -2.0  # log10 of the variance's ratio in one layer; at least -1.0 in the healthy, -1.3 with others
# Nats, median of the layers: of the healthy 95% are below .1, all below .36; of those with images of another kind 95%
# are below .5; in networks of random numbers it is .7 to 1.3.
UNLIKE, FOREIGN = 0.3, 0.6
# Detections, as part of the boxes there are, and in an image; at most .06 and 39 in the healthy, .08 and 58 with others
FLOOD, MANY, TOO_MANY = 0.25, 100, 1000
UNSURE = 0.15  # the best class of any box that surely holds something; at least .3 in the healthy, .22 with others
SPECK = 4.0  # px of the network's input, the longer side of the median box; at least 6.9 in the healthy
VAST = 2  # times the network's input, the same; at most .9 in the healthy, 1.2 with others
DARKNETS = 0.25  # threshold of Darknet's own `detector test`
AUDIBLE = 0.1  # scores below are found in any background: up to .11 of a face, among horses


def judge_layers(looks: Sequence[LayerLook], graph: Graph, weights: str | Path) -> list[Finding]:
    """Overflow and dead layers: the first of them, as the rest comes of it."""
    heads = {index for index, _ in graph.heads}
    blind = any(look.dead == 1 for look in looks if look.index in heads)
    for look in looks:
        layer = f"layer {look.index} [{graph.nodes[look.index].layer.section}]"
        if not look.finite:
            message = f"{layer} is the first to give NaN or infinite values, though none of the weights is one"
            remedy = (
                "its weights, or the statistics of its batch norm, are wrong: take another copy, or convert it anew"
            )
            return [Finding("overflow", ERROR, str(weights), 0, message, remedy)]
        if look.dead >= DEAD:
            share = "gives" if look.dead == 1 else f"{look.dead:.0%} of its channels give"
            severity = ERROR if look.dead == 1 and blind else WARNING
            remedy = "its training failed, or it was converted wrongly: take weights that were saved before"
            return [Finding("dead", severity, str(weights), 0, f"{layer}: {share} the same for every image", remedy)]
    return []


def judge_statistics(outcome: Outcome, weights: str | Path) -> list[Finding]:
    """Whether what reaches batch norms is what reached them in training: the first of them where it is not."""
    for norm in outcome.norms:
        if norm.strangeness > STRANGE or norm.factor < STIFLED:
            change = "another mean"
            if abs(norm.factor) > 1:
                change = f"{10 ** abs(norm.factor):,.0f} times {'more' if norm.factor > 0 else 'less'} variance"
            message = f"layer {norm.layer}: what reaches its batch norm has {change} than in training"
            remedy = "its running mean and variance, or the weights before, are another network's or converted wrongly"
            return [Finding("statistics", WARNING, str(weights), 0, message, remedy)]
    return []


def judge_likeness(outcome: Outcome, weights: str | Path) -> list[Finding]:
    """Whether the images are like those of the training, as far as batch norms can tell."""
    if outcome.strangeness is None or outcome.strangeness <= UNLIKE:
        return []
    message = f"the images look other than those of its training ({outcome.strangeness:.2f}; usual is below {UNLIKE})"
    if outcome.strangeness <= FOREIGN:
        remedy = "are they of the kind that it was trained on, and objects about as large?"
        return [Finding("unlike", NOTE, str(weights), 0, message, remedy)]
    remedy = "if they are of the kind that it was trained on, its weights are another network's or converted wrongly"
    return [Finding("unlike", WARNING, str(weights), 0, message, remedy)]


def judge_number(outcome: Outcome, weights: str | Path) -> list[Finding]:
    """More detections than any image has objects."""
    if not outcome.images:
        return []
    found, boxes = outcome.found(DARKNETS) / outcome.images, outcome.boxes / outcome.images
    if found <= max(MANY, min(FLOOD * boxes, TOO_MANY)):
        return []
    message = f"finds {found:,.0f} things in an image, out of {boxes:,.0f} boxes"
    remedy = "its weights are another network's, hardly trained, or converted wrongly"
    return [Finding("flood", WARNING, str(weights), 0, message, remedy)]


def judge_boxes(outcome: Outcome, graph: Graph) -> list[Finding]:
    """Boxes of absurd size."""
    sides = sorted(outcome.sides)
    net, (index, head) = graph.net, graph.heads[0]
    if not sides or SPECK <= (median := sides[len(sides) // 2]) <= VAST * max(net.width, net.height):
        return []
    message = f"of {len(sides)} boxes the median is {median:.3g} px long, in an input of {net.width}x{net.height}"
    remedy = f"anchors= of [{head.section}] are in the wrong unit, or not those of its training"
    return [Finding("boxes", WARNING, graph.file, graph.nodes[index].where.line, message, remedy)]


def judge_classes(looks: Sequence[HeadLook], graph: Graph) -> list[Finding]:
    """Boxes that surely hold something, of which no class is likely."""
    sure = [look.sureness for look in looks if look.sureness is not None]
    if not sure or max(sure) >= UNSURE:
        return []
    objectness = max(look.objectness for look in looks)
    message = f"boxes surely hold something ({objectness:.2f}), but no class is likelier than {max(sure):.2f}"
    remedy = "classes= or mask= are not those of its training, or its labels had wrong class numbers"
    line = graph.nodes[graph.heads[0][0]].where.line
    return [Finding("classes", WARNING, graph.file, line, message, remedy)]


def judge_scores(
    looks: Sequence[HeadLook], images: Sequence[str], names: Sequence[str], thresh: float
) -> list[Finding]:
    """The best score against the threshold."""
    best = max(looks, key=lambda look: look.best)
    if best.best > thresh:
        return []
    image = images[best.image]
    message = f"nothing reaches --thresh {thresh:g}: the best score is {shown(best.best)} ({names[best.label]})"
    if best.best < AUDIBLE:
        remedy = "does the image show what it was trained on, about as large? else train it longer, on images like this"
        return [Finding("nothing", NOTE, image, 0, message, remedy)]
    severity = WARNING if thresh > DARKNETS and best.best > DARKNETS else NOTE
    remedy = f"it is detected with --thresh {rounded_down(best.best):g}"
    return [Finding("thresh", severity, image, 0, message, remedy)]


def shown(score: float) -> str:
    """Two digits after the point, or the first two that are not 0."""
    return f"{score:.2f}" if score >= 0.01 else f"{score:.2g}"


def rounded_down(score: float) -> float:
    """A threshold below a score, with as few digits as make it more than half of that: .9, .1, .03."""
    for digits in (1, 2, 3, 4):
        lower = (math.ceil(score * 10**digits) - 1) / 10**digits
        if score / 2 < lower < score:
            return lower
    return score / 2
