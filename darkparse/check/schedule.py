"""What is wrong with how a cfg is set up to train.

Batches of one image and short runs are a matter of taste in a cfg that is only to detect: they are notes there.
"""

from __future__ import annotations

from itertools import pairwise

from ..findings import ERROR, NOTE, WARNING
from ..graph import Graph
from ..net import Net
from ..recipe import BATCH, EACH_CLASS, LEAST, SUBDIVISIONS, steps
from ..training.freezing import updated
from ..training.trainable import REFUSED, ignored
from .draft import Draft

FEW = 8  # images of a batch; src/detector.c train_detector
LONG = 500_000  # iterations, enough for any number of classes: those of the official cfgs, of 9418 classes, too
BURN_IN = 1000  # iterations, in nearly all official cfgs
RATES = (1e-6, 0.1)  # learning rates of detectors
OTHER_RATES = (1e-8, 1.0)  # of all others


def check_schedule(draft: Draft, images: int) -> None:
    """The options of [net] on training; `images`: of the training set, 0 where there is none."""
    net = draft.net
    if net is None or draft.sections[0].name not in ("net", "network"):
        return
    if draft.trains or "max_batches" in draft.sections[0].entries:
        check_batch(draft, net)
        check_rate(draft, net)
    check_iterations(draft, net, images)
    if (mended := draft.net) is None:
        return
    if net.policy == "steps":
        check_steps(draft, net, mended)
    if 0 < mended.max_batches <= net.burn_in:
        message = f"{net.burn_in}: not before the end, max_batches; the learning rate is never reached"
        wanted = min(BURN_IN, mended.max_batches // 10)
        draft.tell("burn-in", WARNING, draft.where(0, "burn_in"), message, f"set burn_in={wanted}")
        draft.set(0, "burn_in", wanted)


def check_batch(draft: Draft, net: Net) -> None:
    """`batch` and `subdivisions`."""
    place, severity = draft.where(0, "batch"), WARNING if draft.trains else NOTE
    remedy = f"to train set batch={BATCH} and subdivisions={SUBDIVISIONS}"
    if net.batch == net.subdivisions == 1:
        if net.time_steps > 1 or not net.channels:
            return  # of a recurrent network, where a batch of one has many values
        message = "1 is for testing; a network learns badly from one image at a time"
        draft.tell("batch", severity, place, message, remedy)
        if draft.trains:
            draft.set(0, "batch", BATCH)
            draft.set(0, "subdivisions", SUBDIVISIONS)
    elif rest := net.batch % net.subdivisions:
        wanted = net.batch - rest + net.subdivisions
        severity, why = WARNING, f"{rest} images are left out"
        if net.batch < net.subdivisions:
            severity, why = ERROR, "a mini-batch has no image"
        message = f"{net.batch}: expected a multiple of subdivisions={net.subdivisions}; {why}"
        draft.tell("batch", severity, place, message, f"set batch={wanted}")
        draft.set(0, "batch", wanted)
    elif net.batch < FEW:
        message = f"{net.batch}: few images to learn from at a time; AlexeyAB's Darknet warns below {FEW}"
        draft.tell("batch", severity, place, message, remedy)


def check_rate(draft: Draft, net: Net) -> None:
    """`learning_rate`."""
    rate, (least, most) = net.learning_rate, RATES if draft.heads else OTHER_RATES
    if least <= rate <= most:
        return
    severity, why = WARNING, "the loss will hardly stay finite" if rate > most else "hardly anything is learned"
    if rate <= 0:
        severity, why = ERROR, "nothing is learned"
    message = f"{rate:g}: {why}; expected {least:g} to {most:g}"
    draft.tell("learning-rate", severity, draft.where(0, "learning_rate"), message, "most cfgs have 0.001")


def check_iterations(draft: Draft, net: Net, images: int) -> None:
    """`max_batches`."""
    classes = max((head.classes for head in draft.heads.values()), default=0)
    wanted = max(LEAST, min(EACH_CLASS * classes, LONG), images)
    severity = WARNING if draft.trains else NOTE
    message = f"{net.max_batches}: few iterations for classes={classes}" + (f" and {images} images" if images else "")
    if net.max_batches < 1:
        if not draft.trains:
            return
        severity, message = ERROR, f"{net.max_batches}: no iteration is asked for"
    elif not draft.heads or net.max_batches >= wanted:
        return
    recipe = f"{EACH_CLASS} for each class, at least {LEAST} and one for each image"
    remedy = f"AlexeyAB's recipe has max_batches={wanted}: {recipe}"
    draft.tell("iterations", severity, draft.where(0, "max_batches"), message, remedy)
    if draft.trains:
        draft.set(0, "max_batches", wanted)


def check_steps(draft: Draft, net: Net, mended: Net) -> None:
    """`steps` and `scales`.

    Args:
        net, mended: options as in the file, and with another `max_batches`, where that is too small
    """
    found = wrong_steps(mended)
    if not found and mended.max_batches == net.max_batches:
        return
    ends, scales = steps(mended, mended.max_batches)
    mendable = ends[-1] > ends[-2] > 0
    if found:
        severity, option, message = found
        remedy = f"set steps={listed(ends)} and scales={listed(scales)}" if mendable else ""
        draft.tell("steps", severity, draft.where(0, option), message, remedy)
    for key, value in (("steps", ends), ("scales", scales)):
        if mendable and value != getattr(net, key):
            draft.set(0, key, value)


def wrong_steps(net: Net) -> tuple[str, str, str] | None:
    """Severity, option and message of what is wrong with `steps` and `scales`, if anything is."""
    if not net.steps or not net.scales:
        lacking = "scales" if net.steps else "steps"
        return ERROR, lacking, "missing, but policy=steps; AlexeyAB's Darknet stops there"
    if len(net.steps) != len(net.scales):
        return WARNING, "scales", f"{len(net.scales)} numbers, but steps= has {len(net.steps)}"
    if any(later < earlier for earlier, later in pairwise(net.steps)):
        return WARNING, "steps", "not ascending; Darknet looks at none behind the first that is not reached yet"
    if 0 < net.max_batches <= (last := max(net.steps)):
        return WARNING, "steps", f"{last} is never reached: max_batches ends before it"
    return None


def listed(values: tuple[float, ...]) -> str:
    """As a cfg has them."""
    return ",".join(f"{value:.12g}" for value in values)


def check_training(draft: Draft, graph: Graph) -> None:
    """What training refuses, or leaves out; see `training.trainable.check_trainable`."""
    if not any(node.layer.has_cost for node in graph.nodes):
        message = "no layer has a loss; expected a head, [softmax] or [cost]"
        draft.tell("training", ERROR, graph.last.where, message)
    if not any(node.tensors for node in updated(graph)):
        draft.tell("training", ERROR, graph.last.where, "all layers are frozen; expected one that is not")
    for node in graph.nodes:
        for why in node.layer.untrainable():
            draft.tell("training", ERROR, node.where, why)
    for name in REFUSED:
        if getattr(graph.net, name):
            draft.tell("training", ERROR, draft.where(0, name), "not supported in training", f"set {name}=0")
    for name in ignored(graph.net):
        draft.tell("training", WARNING, draft.where(0, name), "has no effect on training here", "remove it")
