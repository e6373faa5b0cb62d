"""What `darkparse map`, `valid` and `recall` take alike: files, options, a progress bar over images."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

import click

from .arguments import SHOWN, adding, device_of, network_options, show_notes
from .sinks import Bar
from .train import sort_out as sort_out_training

if TYPE_CHECKING:
    from ..data import Data
    from ..detect import Model
    from ..evaluation.opening import Fit

Sample = TypeVar("Sample")
One_co = TypeVar("One_co", covariant=True)

evaluation_command = adding(
    click.argument("files", nargs=-1, required=True, metavar="DATA CFG WEIGHTS | DATA MODEL"),
    click.option("--valid-list", help="List of images, or folder, in place of the one that DATA names."),
    click.option("--batch", default=8, type=click.IntRange(1, 65536), help="Images at a time.", **SHOWN),
    click.option("--workers", type=click.IntRange(0), help="Processes that read images.  [default: one a core]"),
    network_options,
    click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors."),
    click.option("-letter_box", "-letterbox", "letter_box", is_flag=True, hidden=True),
    click.option("-dont_show", "dont_show", is_flag=True, hidden=True),
)


def share_cores() -> None:
    """Have threads that wait for each other sleep: while they turn in circles, processes that read images cannot run.

    It is GNU's OpenMP that reads this, when PyTorch is imported.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


class Given(NamedTuple):
    """What the arguments of a command name; known: all files that are read, but for the images."""

    data: Data
    cfg: str
    weights: str
    known: list[str]


def sort_out(files: tuple[str, ...], options: dict[str, Any]) -> Given:
    """The .data file, the cfg and the weights among the arguments."""
    from ..data import read_data

    share_cores()
    data, cfg, weights = sort_out_training(files, alone=True)
    if weights is None:
        raise click.UsageError(f"expected a .data file, a .cfg and its .weights, got {' '.join(files)}")
    known = [data, cfg, weights, options["valid_list"]]
    return Given(read_data(data), cfg, weights, [file for file in known if file])


def opened(given: Given, fit: Fit, options: dict[str, Any]) -> Model:
    """The network; what was decided is told."""
    from ..evaluation.opening import open_detector

    if options["letter_box"]:
        show_notes("-letter_box has no effect here, as in Darknet")
    options["device"] = device_of(options)
    wanted = {key: options[key] for key in ("width", "height", "device", "precision", "strict")}
    model = open_detector(given.data, given.cfg, given.weights, fit, **wanted)
    show_notes(*model.notes)
    return model


class Several(Protocol[One_co]):
    """Things whose number is known."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[One_co]: ...


class Watched(Generic[Sample]):
    """Samples, with a progress bar while they are gone through, and an account of the images that cannot be read."""

    def __init__(self, samples: Several[Sample], command: str) -> None:
        self.samples, self.bar, self.failures = samples, Bar(len(samples), command), 0

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        with self.bar:
            for sample in self.samples:
                yield sample
                self.bar.step()

    def failed(self, error: str) -> None:
        """Report an image that cannot be read."""
        self.failures += 1
        self.bar.clear()
        click.echo(f"Error: {error}", err=True)

    def finish(self, consequence: str) -> None:
        """Say how many could not be read and what comes of it, and exit with status 1 if any."""
        if self.failures:
            what = "1 image" if self.failures == 1 else f"{self.failures} images"
            click.echo(f"{what} could not be read: {consequence}", err=True)
            sys.exit(1)
