"""Training: from a .data file, a cfg and perhaps weights to a folder of weights, as Darknet's `detector train`."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path

import torch

from ..classify import TOP, count_classes
from ..data import Data, find_cfg, given_names, read_data
from ..dataset import Samples, open_samples
from ..dataset.loader import Batch, Loader, check_shares
from ..dataset.threads import cores
from ..deployment import PRECISIONS
from ..errors import CheckpointError, DarkparseError, refuse, warn
from ..evaluation.accuracy import Labelled, accuracy, labelled_images
from ..evaluation.evaluate import evaluate
from ..evaluation.samples import labelled
from ..graph import Graph, read_graph
from ..layout import read_header
from ..loading import check_choice, choose_device
from ..network import Network
from . import checkpoint
from .backup import backup_for
from .run import Event, Minibatches, Plan, Run, Size, State
from .step import Stepper
from .team import Team, join, leave, share_norms
from .trainable import check_trainable

EPOCHS = 4  # between two evaluations of a detector; src/darknet.c: -mAP_epochs
CLASS_EPOCHS = 2  # of a classifier; src/classifier.c train_classifier
LEAST_BETWEEN = 100  # iterations between two evaluations; src/detector.c train_detector


def train(
    data: str | Path,
    cfg: str | Path,
    weights: str | Path | None = None,
    *,
    backup: str | Path | None = None,
    seed: int | None = None,
    clear: bool = False,
    map: bool = False,
    device: str = "auto",
    precision: str = "fp32",
    workers: int | None = None,
    true_gradient: bool = False,
    tensorboard: str = "",
    strict: bool = False,
) -> Iterator[Event]:
    """Train a network; gives a `Begin`, each iteration as a `Row`, and lines on what was decided or went wrong.

    Nothing happens until the result is iterated over.  Weights appear in the backup folder under Darknet's names, at
    Darknet's intervals.  The same call goes on where the last one stopped, whatever stopped it.

    Args:
        data: a .data file: `train=`, `valid=`, `names=`, `backup=`, `saveweights=`, `savelast=`
        cfg: a file, or the name of a cfg that comes with darkparse
        weights: a .weights file to start from, whole or of the first layers; else random numbers
        backup: folder for the results; else what the .data file names, else `backup`
        seed: of all random numbers, 0 or more; else one that nobody chose
        clear: begin at iteration 0, whatever the weights have seen and the backup folder holds
        map: evaluate on `valid=` now and then, and keep the best weights
        device: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1"
        precision: of the network's arithmetic: "fp32", "bf16" or "fp16"; weights are always float32
        workers: processes that load images; by default one for each core
        true_gradient: the gradient of the IoU losses themselves, in place of Darknet's
        tensorboard: folder for TensorBoard's events; none if empty
        strict: take oddities of the cfg for errors
    Raises:
        DarkparseError: a file is wrong, nothing can be trained on, the disk is full, ...
    Source: src/detector.c train_detector, src/classifier.c train_classifier (AlexeyAB 59596d7)
    """
    check_choice("precision", precision, PRECISIONS)
    team = join(device)
    try:
        given, graph = read_data(data), read_graph(find_cfg(str(cfg)), complain=refuse if strict else warn)
        check_trainable(graph)
        if not graph.heads:
            count_classes(graph)
        check_batch(graph, team)
        kept = backup_for(given, graph, backup, tensorboard)
        samples, reports = open_samples(graph, given)
        network = network_on(choose_device(own_device(device, team)), graph, team)
        stepper = Stepper(network, precision, team, true_gradient=true_gradient)
        chosen = team.agree(secrets.randbelow(2**32) if seed is None else seed)
        state = State(chosen, digest(weights) if weights else "")
        plan = Plan(
            kept,
            minibatches_of(samples, graph, workers, team),
            evaluation_of(network, given) if map else None,
            evaluation_interval(len(samples.index), graph),
        )
        yield from reports
        yield from miscounted(given, graph)
        if kept_as_is := stepper.optimiser.untrained:
            yield f"never trained, as in AlexeyAB's Darknet: {', '.join(kept_as_is)}"
        run = Run(stepper, state, plan)
        with kept.held() if team.leads else nullcontext():
            yield from begin(run, weights, clear=clear)
            if team.leads:
                kept.sweep()
                yield from (f"listed in {path}" for path in samples.index.write_lists(kept.folder))
            yield from run.go()
    finally:
        leave(team)


def check_batch(graph: Graph, team: Team) -> None:
    """Raises DarkparseError where a mini-batch has no image for one of the processes, or no iteration is asked for."""
    net = graph.net
    if net.batch < net.subdivisions:
        raise DarkparseError(
            f"{graph.file}: [net] batch={net.batch} is less than subdivisions={net.subdivisions}; expected a multiple"
        )
    if net.max_batches < 1:
        raise DarkparseError(f"{graph.file}: [net] max_batches={net.max_batches}; expected a number of iterations")
    check_shares(net.batch, net.subdivisions, team.size)


def network_on(device: torch.device, graph: Graph, team: Team) -> Network:
    """The network on its device, laid out for it, its tensors still without meaning."""
    network = Network(graph)
    share_norms(network, team)
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def own_device(device: str, team: Team) -> str:
    """The device of this process: in a team each has its own GPU."""
    own = team.size > 1 and device in {"auto", "cuda"} and torch.cuda.is_available()
    return f"cuda:{team.local_rank}" if own else device


def minibatches_of(samples: Samples, graph: Graph, workers: int | None, team: Team) -> Minibatches:
    """What gives the mini-batches of the iterations behind one, a list for each iteration."""
    net = graph.net
    each = max(1, cores() // team.local_size) if workers is None else workers

    def minibatches(start: int, seed: int, size: Callable[[int], Size]) -> Iterator[list[Batch]]:
        loader = Loader(
            samples, batch=net.batch, subdivisions=net.subdivisions, size=size, start=start, stop=net.max_batches,
            seed=seed, workers=each, rank=team.rank, world=team.size,
        )  # fmt: skip
        with loader:
            loaded = iter(loader)
            while one := list(islice(loaded, net.subdivisions)):
                yield one

    return minibatches


def evaluation_of(network: Network, data: Data) -> Callable[[], dict[str, float]]:
    """What says how good the network is, 0..1, on `valid=` or else `train=`, as it then is.

    It gives `mAP` at an overlap of .5; of a classifier the `accuracy` of its first guess, and of its first `top=` (5).

    Raises:
        DataError: nothing in the list can be used, or there are more or fewer names than classes
    """
    graph = network.graph
    if not graph.heads:
        top = min(data.positive("top", TOP), count_classes(graph))
        return partial(accuracies, network, labelled_images(graph, data)[0], top)
    samples = labelled(data, graph.classes)
    if "names" in data.values:
        given_names(graph.file, graph.classes, None, data.file, ["names"])
    return lambda: {"mAP": evaluate(network, samples).map}


def accuracies(network: Network, samples: Sequence[Labelled], top: int) -> dict[str, float]:
    """How often a classifier knows what images show."""
    first, few = accuracy(network, samples, top=top)
    return {"accuracy": first, f"top{top}": few}


def miscounted(data: Data, graph: Graph) -> Iterator[str]:
    """A line where `classes=` of the .data file and the cfg disagree."""
    classes = graph.classes if graph.heads else graph.last.shape.size
    if (given := data.values.get("classes", str(classes))) != str(classes):
        yield f"{data.file}: classes={given}, but {graph.file} has {classes} classes, which counts"


def evaluation_interval(images: int, graph: Graph) -> int:
    """Iterations between two evaluations."""
    return max(LEAST_BETWEEN, (EPOCHS if graph.heads else CLASS_EPOCHS) * images // graph.net.batch)


def digest(path: str | Path) -> str:
    """What a file of weights holds, in short.

    Raises:
        WeightsError: it is none, or cannot be read
    """
    read_header(path)
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def begin(run: Run, weights: str | Path | None, *, clear: bool) -> Iterator[str]:
    """Put a run where it begins or goes on; lines on where that is.

    Raises:
        CheckpointError: what is in the backup folder belongs to another run, or the team does not share it
        DarkparseError: all iterations are done already
        WeightsError: the weights do not fit
    """
    kept = run.plan.backup
    saved, problems = (None, []) if clear else checkpoint.read(kept.checkpoint)
    yield from problems
    if saved is not None:
        own = weights is not None and os.path.realpath(weights) == os.path.realpath(kept.weights("last"))
        if saved["state"]["start"] != run.state.start and not own:
            raise CheckpointError(
                f"{kept.checkpoint}: of a run that began with other weights; expected the same, or --clear to begin "
                "anew, or another --backup"
            )
        run.restore(saved)
        yield f"{kept.checkpoint}: goes on after iteration {run.state.iteration}, seed {run.state.seed}"
    else:
        yield from run.start(weights, clear=clear)
    if run.team.agree(run.state.iteration) != run.state.iteration:
        raise CheckpointError(f"{kept.folder}: another folder than that of rank 0; expected one that all machines see")
    left(run, str(kept.checkpoint if saved is not None else weights))


def left(run: Run, source: str) -> None:
    """Raises DarkparseError where no iteration is left."""
    if (done := run.state.iteration) >= run.net.max_batches:
        seen = f"{run.state.seen:,} images"
        raise DarkparseError(
            f"{source}: {done} of max_batches={run.net.max_batches} iterations are done ({seen}); expected a higher "
            "max_batches, or --clear to begin at iteration 0"
        )
