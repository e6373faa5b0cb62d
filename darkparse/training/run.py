"""A run: iteration after iteration, evaluated and saved on the way, until it is done, stopped or beyond help."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .. import weights as weights_file
from ..dataset.loader import Batch
from ..errors import CheckpointError, DarkparseError
from ..layout import Header, layout
from ..network import Network
from . import checkpoint, schedule
from .backup import Backup
from .ema import Ema
from .initial import initialise
from .keeper import Keeper
from .records import Row
from .signals import Stop
from .step import Outcome, Stepper, Turn

BAD_IN_A_ROW = 5  # skipped iterations before the run goes back
MOST_RETURNS = 3  # to the last checkpoint before it gives up
SMOOTHING = 0.1  # src/detector.c train_detector: share of the newest loss in the average
SIZES, RATES, TORCH, MOVES = range(2**32, 2**32 + 4)  # streams of random numbers, besides those of the images

Size = tuple[int, int]  # width and height, px
Minibatches = Callable[[int, int, Callable[[int], Size]], Iterator[list[Batch]]]


@dataclass
class State:
    """Where a run stands, besides its tensors; all of it goes into the checkpoint."""

    seed: int
    start: str = ""  # the file of weights that it began with, by content
    iteration: int = 0  # that are done
    seen: int = 0  # images; those that the first weights had seen with them
    avg_loss: float = -1.0  # none yet
    best: float = -1.0  # mAP or accuracy, 0..1
    evaluated: int = 0  # the iteration of the last evaluation
    skipped: int = 0  # iterations in a row
    returns: int = 0  # to an earlier checkpoint

    @property
    def stream(self) -> int:
        """The seed of what is drawn; another one after a return, so as not to run into the same trouble."""
        return self.seed + self.returns

    def draw(self, what: int, number: int) -> np.random.Generator:
        """Random numbers that depend on the seed and the place in the run alone."""
        return np.random.default_rng([self.stream, number, what])


@dataclass(frozen=True)
class Plan:
    """What a run does besides its iterations.

    minibatches: gives those of the iterations behind one, a list each, for a seed and the sizes of the network's input
    evaluate: how good the network is, 0..1, by mAP or accuracy; what else it gives are terms
    every: iterations between two evaluations
    """

    backup: Backup
    minibatches: Minibatches
    evaluate: Callable[[], dict[str, float]] | None = None
    every: int = 0


class Begin(NamedTuple):
    """What a run begins with: iterations that are done, and that there are in all."""

    iteration: int
    max_batches: int


Event = Begin | Row | str  # a line on what was decided or went wrong


class Run:
    """A network being trained."""

    def __init__(self, stepper: Stepper, state: State, plan: Plan) -> None:
        self.stepper, self.state, self.plan = stepper, state, plan
        self.network, self.team, self.net = stepper.network, stepper.team, stepper.net
        self.batch = stepper.batch
        self.ema = Ema(self.network)
        self.clock = time.perf_counter()  # the end of the iteration before
        self.heads = self.network.graph.heads
        self.bad: set[str] = set()  # lines on images, that were given

    def go(self) -> Iterator[Event]:
        """Train to the end, or until a signal asks to stop; each iteration, and what there is to say, as it comes.

        Raises:
            DarkparseError: it cannot go on: no memory, a full disk, losses that stay NaN
            KeyboardInterrupt: a signal has asked to stop; all is saved
        """
        yield Begin(self.state.iteration, self.net.max_batches)
        self.clock = time.perf_counter()
        with Stop() as stop, Keeper(self.plan.backup, self.net, self.state.iteration, self.team) as keeper:
            while self.state.iteration < self.net.max_batches:
                for batches in self.plan.minibatches(self.state.iteration, self.state.stream, self.size):
                    bad = self.newly_bad(batches)
                    keeper.list_bad(bad)
                    row, notes = self.one(batches)
                    keeper.add(row)
                    yield from [*bad, *notes]
                    yield row
                    if self.state.skipped >= BAD_IN_A_ROW:
                        yield self.go_back()
                        keeper.rewind(self.state.iteration)
                        break
                    self.save_if_due(row.iteration)
                    if self.team.any(stop.asked):
                        self.save_last()
                        yield f"stopped after iteration {row.iteration}; the same command goes on from there"
                        raise KeyboardInterrupt
        yield f"{self.plan.backup.weights('final')}: the weights after {self.state.iteration} iterations"

    def newly_bad(self, batches: list[Batch]) -> list[str]:
        """Lines on images that could not be read, each the first time: they are drawn again and again."""
        lines = dict.fromkeys(note for batch in batches for note in batch.notes if note not in self.bad)
        self.bad.update(lines)
        return list(lines)

    def one(self, batches: list[Batch]) -> tuple[Row, list[str]]:
        """Train on one batch; its row, and what there is to say of it."""
        state = self.state
        iteration = state.iteration + 1
        n = (state.seen + self.batch) // self.batch
        rate = schedule.rate(self.net, n, state.draw(RATES, n).random())
        torch.manual_seed(int(state.draw(TORCH, iteration).integers(2**63)) + self.team.rank)
        parts = self.stepper.parts
        turn = Turn(iteration, state.seen, rate, state.draw(MOVES, iteration).random())
        outcome = self.stepper.iterate(batches, turn)
        notes: list[str] = []
        if self.stepper.parts > parts:
            notes.append(f"out of memory: subdivisions={self.net.subdivisions * self.stepper.parts} from here on")
        self.account(outcome, iteration, notes)
        self.ema.step(iteration)
        height, width = batches[0].images.shape[2:]
        quality = self.evaluate_if_due(iteration, notes)
        before, self.clock = self.clock, time.perf_counter()
        seconds = self.clock - before
        row = Row(
            iteration, state.seen, outcome.loss, state.avg_loss, rate, width, height, bool(outcome.skipped),
            quality.pop("mAP", None), quality.pop("accuracy", None), seconds, self.batch / seconds,
            outcome.terms | quality,
        )  # fmt: skip
        return row, notes

    def account(self, outcome: Outcome, iteration: int, notes: list[str]) -> None:
        """Take an iteration into the state."""
        state = self.state
        state.iteration, state.seen = iteration, state.seen + self.batch
        if outcome.skipped:
            state.skipped += 1
            images = " ".join(outcome.paths)
            notes.append(f"iteration {iteration}: {outcome.skipped}; nothing is updated; images: {images}")
            return
        state.skipped = 0
        before = outcome.loss if state.avg_loss < 0 else state.avg_loss
        state.avg_loss = (1 - SMOOTHING) * before + SMOOTHING * outcome.loss

    def size(self, iteration: int) -> Size:
        """Width and height of the network's input at an iteration, px."""
        random = getattr(self.heads[-1][1], "random", 0.0) if self.heads else 0.0
        draw = float(self.state.draw(SIZES, schedule.period(iteration)).random())
        return schedule.size(self.net, random, iteration, draw)

    def evaluate_if_due(self, iteration: int, notes: list[str]) -> dict[str, float]:
        """How good the network is, where it is time to look, else nothing; the best so far is saved."""
        state, plan = self.state, self.plan
        due = max(state.evaluated + plan.every, self.net.burn_in)
        if plan.evaluate is None or (iteration < due and iteration != self.net.max_batches):
            return {}
        state.evaluated = iteration
        quality: dict[str, float] = {}
        if self.team.leads:
            try:
                quality = plan.evaluate()
            except DarkparseError as why:
                notes.append(f"iteration {iteration}: no evaluation: {why}")
            value = quality.get("mAP", quality.get("accuracy", -math.inf))
            if value >= state.best:
                state.best = value
                self.save("best")
        self.team.wait()
        return quality

    def start(self, weights: str | Path | None, *, clear: bool) -> Iterator[str]:
        """Begin with a file of weights, perhaps of the first layers alone, or with random numbers.

        Raises:
            WeightsError: the weights do not fit
        """
        initialise(self.network, torch.Generator().manual_seed(self.state.seed))
        yield f"seed {self.state.seed}"
        if weights is None:
            return
        header, layers = weights_file.load(self.network, weights, partial=True)
        seen = 0 if clear else header.seen
        self.state.seen = seen
        self.state.iteration = self.state.evaluated = seen // self.batch
        yield f"{weights}: {layers} of {len(self.network.layers)} layers, {header.seen:,} images seen"

    def save_if_due(self, iteration: int) -> None:
        """Write the weights that are due after an iteration."""
        if self.plan.backup.is_numbered(iteration):
            self.save(iteration)
        if iteration == self.net.max_batches:
            self.save("final")  # before the checkpoint: what says that the run is done comes last
        if (self.plan.backup.is_last(iteration) and not self.state.skipped) or iteration == self.net.max_batches:
            self.save_last()  # not amid trouble: there must be something to go back to

    def save(self, kind: str | int) -> None:
        """Write `<base>_<kind>.weights`, as Darknet does."""
        if self.team.leads:
            header = Header(seen=self.state.iteration * self.batch)
            weights_file.save(self.network, self.plan.backup.weights(kind), header)

    def save_last(self) -> None:
        """Write `_last.weights`, `_ema.weights` where there is an average, and what a run needs to go on."""
        if not self.team.leads:
            return
        self.save("last")
        if self.ema.averages:
            with self.ema.applied():
                self.save("ema")
        checkpoint.write(
            self.plan.backup.checkpoint,
            {
                "state": asdict(self.state),
                "layout": shapes(self.network),
                "network": self.network.state_dict(),
                "optimiser": self.stepper.optimiser.state_dict(),
                "ema": self.ema.state_dict(),
                "stepper": self.stepper.state_dict(),
            },
        )

    def restore(self, saved: checkpoint.State) -> None:
        """Be where a checkpoint was written.

        Raises:
            CheckpointError: it is of another network
        """
        if saved["layout"] != shapes(self.network):
            what = f"of another network than {self.network.graph.file}"
            raise CheckpointError(f"{self.plan.backup.checkpoint}: {what}; --clear starts anew")
        self.state = State(**saved["state"])
        self.network.load_state_dict(saved["network"])
        self.stepper.optimiser.load_state_dict(saved["optimiser"])
        self.ema.load_state_dict(saved["ema"])
        self.stepper.load_state_dict(saved["stepper"])
        if self.state.seen // self.batch != self.state.iteration:  # of another batch=: iterations count, as in Darknet
            self.state.seen = self.state.iteration * self.batch

    def go_back(self) -> str:
        """Return to the last checkpoint, with other random numbers.

        Raises:
            DarkparseError: there is none, or it did so too often
        """
        bad = f"{BAD_IN_A_ROW} iterations in a row gave no finite loss or gradient"
        returns, best = self.state.returns + 1, self.state.best
        saved, _ = checkpoint.read(self.plan.backup.checkpoint)
        if saved is None or returns > MOST_RETURNS:
            remedy = "expected a lower learning_rate or a longer burn_in"
            raise DarkparseError(f"{self.network.graph.file}: {bad}; {remedy}")
        self.restore(saved)
        self.state.returns, self.state.skipped = returns, 0
        self.state.best = best  # its file is still there
        return f"{bad}; back to iteration {self.state.iteration}, with other images"


def shapes(network: Network) -> list[list[int]]:
    """The sizes of a network's tensors in file order."""
    return [list(slot.stored.shape) for slot in layout(network.graph)]
