"""One iteration: gradients summed over a batch, then one update; and what is done where either fails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..dataset.loader import Batch
from ..deployment import PRECISIONS
from ..errors import DarkparseError
from ..losses import Moment, criterion
from ..network import Network
from .adversarial import is_wanted, moved
from .model import Trainable
from .optimiser import Optimiser
from .team import Team

FIRST_SCALE, LARGEST_SCALE = 2.0**10, 2.0**24  # of fp16 gradients
STEADY = 500  # steps without overflow before the scale doubles


@dataclass
class Outcome:
    """What became of one iteration.

    loss: as Darknet prints it; terms: what the heads report, by name; paths: the images;
    skipped: why nothing was updated, or ""
    """

    loss: float
    terms: dict[str, float]
    paths: list[str] = field(default_factory=list)
    skipped: str = ""


class Turn(NamedTuple):
    """What there is to know of an iteration, besides its images."""

    iteration: int  # from 1
    seen: int  # images before it
    rate: float
    draw: float = 1.0  # a random number, 0..1, for adversarial_lr


class Stepper:
    """Trains a network, an iteration at a time.

    parts: into how many each mini-batch is divided, because as a whole it did not fit in memory
    """

    def __init__(self, network: Network, precision: str, team: Team, *, true_gradient: bool = False) -> None:
        self.network, self.team, self.parts = network, team, 1
        self.net = network.graph.net
        self.minibatch = self.net.batch // self.net.subdivisions  # images
        self.batch = self.minibatch * self.net.subdivisions  # images, as Darknet divides
        self.device = next(network.parameters()).device
        self.model = Trainable(network)
        self.optimiser = Optimiser(network)
        self.losses = criterion(network.graph, true_gradient=true_gradient)
        self.dtype = PRECISIONS[precision]
        self.scale = FIRST_SCALE if precision == "fp16" else 1.0
        self.steady = 0

    def iterate(self, batches: Sequence[Batch], turn: Turn) -> Outcome:
        """Train on one batch, in its mini-batches.

        Raises:
            DarkparseError: it does not fit in memory, even an image at a time
        """
        before = [buffer.clone() for buffer in self.network.buffers()]
        while (outcome := self.attempt(batches, turn)) is None:
            self.forget(before)
        if outcome.skipped:
            self.forget(before)
        else:
            self.optimiser.step(turn.rate, self.batch, turn.iteration)
        return outcome

    def attempt(self, batches: Sequence[Batch], turn: Turn) -> Outcome | None:
        """What becomes of a batch; None where it is to be tried again, in smaller parts or with smaller fp16 gradients.

        Raises:
            DarkparseError: it does not fit in memory, even an image at a time
        """
        try:
            outcome = self.gather(batches, turn)
        except (torch.OutOfMemoryError, RuntimeError) as why:
            if not is_out_of_memory(why):
                raise
        else:
            return None if self.dtype == torch.float16 and self.overflows(outcome) else outcome
        self.divide(min(len(batch.images) for batch in batches))
        return None

    def state_dict(self) -> dict[str, float]:
        """What it has learnt of memory and of the range of numbers."""
        return {"parts": self.parts, "scale": self.scale, "steady": self.steady}

    def load_state_dict(self, saved: dict[str, float]) -> None:
        """The way back."""
        self.parts, self.scale, self.steady = int(saved["parts"]), saved["scale"], int(saved["steady"])

    def gather(self, batches: Sequence[Batch], turn: Turn) -> Outcome:
        """Gradients of a whole batch, left in the parameters."""
        total = torch.zeros((), device=self.device)
        tally, seen = Tally(), turn.seen
        paths: list[str] = []
        self.model.begin()
        for batch in batches:
            seen += self.minibatch
            paths += batch.paths
            for part in self.divided(batch):
                total += self.accumulate(part, turn._replace(seen=seen), tally)
        gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
        self.team.sum([total, *tally.sums.values(), *gradients])
        loss = float(total) / self.batch
        return Outcome(loss, tally.terms(), paths, self.trouble(loss, gradients))

    def accumulate(self, part: Batch, turn: Turn, tally: Tally) -> Tensor:
        """Add the gradients of some images to those of the parameters; their cost, `()`."""
        images = part.images.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        truth = part.truth.to(self.device, non_blocking=True)
        moment = Moment(images.shape[3], images.shape[2], turn.seen)
        with self.autocast():
            if is_wanted(self.net, turn.iteration, turn.draw):
                images = moved(self.model, self.losses, images, truth, (moment, turn.iteration))
            outputs = self.model(images, turn.iteration)
        gradients, costs = [], []
        for index, output in outputs.items():
            scored = self.losses[index](output.detach().float(), truth, moment)
            normalizer = getattr(self.network.graph.nodes[index].layer, "delta_normalizer", 1.0)
            gradients.append((scored.delta * (-normalizer * self.scale)).to(output.dtype))
            costs.append(scored.cost)
            tally.add(scored.terms, len(images) / self.batch)
        torch.autograd.backward(list(outputs.values()), gradients)
        return torch.stack(costs).mean()

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of the forward pass."""
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def trouble(self, loss: float, gradients: Sequence[Tensor]) -> str:
        """Why these gradients must not be used, or ""; those of fp16 lose their scale."""
        if self.scale != 1:
            torch._foreach_div_(list(gradients), self.scale)
        norm = float(torch.nn.utils.get_total_norm(gradients))
        return next((f"{what} is {x}" for what, x in (("the loss", loss), ("a gradient", norm)) if x - x != 0), "")

    def overflows(self, outcome: Outcome) -> bool:
        """Whether fp16 had no room for a gradient: the scale is halved then, and doubled when it long had."""
        if outcome.skipped and math.isfinite(outcome.loss) and self.scale > 1:
            self.scale, self.steady = self.scale / 2, 0
            return True
        self.steady += 1
        if self.steady % STEADY == 0:
            self.scale = min(LARGEST_SCALE, self.scale * 2)
        return False

    def forget(self, before: Sequence[Tensor]) -> None:
        """Drop the gradients, and give the running statistics their values from `before`."""
        self.network.zero_grad(set_to_none=True)
        for buffer, value in zip(self.network.buffers(), before, strict=True):
            buffer.copy_(value)

    def divide(self, smallest: int) -> None:
        """Halve the mini-batches.

        Raises:
            DarkparseError: they are of one image already, or in a team, where all would have to know of it
        """
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if smallest <= self.parts or self.team.size > 1:
            net = self.net
            raise DarkparseError(
                f"{self.network.graph.file}: out of memory with batch={net.batch} subdivisions={net.subdivisions}; "
                "expected more subdivisions, or a smaller width and height"
            )
        self.parts *= 2

    def divided(self, batch: Batch) -> Iterator[Batch]:
        """A mini-batch in `parts` parts."""
        size = -(-len(batch.images) // self.parts)
        for at in range(0, len(batch.images), size):
            rows = slice(at, at + size)
            yield batch._replace(images=batch.images[rows], truth=batch.truth[rows], paths=batch.paths[rows])


class Tally:
    """What the heads report over the mini-batches of a batch: losses of an image, mean overlaps, numbers of boxes."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def add(self, terms: dict[str, Tensor], share: float) -> None:
        """Take up what one head says of a share of the batch, 0..1; its `iou` is the mean of `count` boxes."""
        for name, value in terms.items():
            weight = terms["count"] if name == "iou" else share if name.endswith("_loss") else 1.0
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value * weight

    def terms(self) -> dict[str, float]:
        """The sums, and the mean overlap."""
        values = {name: float(value) for name, value in self.sums.items()}
        if "iou" in values:
            values["iou"] /= max(values["count"], 1.0)
        return values


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a device, or the machine, had no more memory to give."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
