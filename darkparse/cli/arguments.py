"""What `darkparse detect` and `darkparse classify` take alike: options, files in any order, a device."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import click

from .. import inputs
from ..checkpoint import is_checkpoint
from ..files import read_ahead
from ..garbage import uncollected

Command = TypeVar("Command", bound=Callable[..., Any])

SHARE = click.FloatRange(0, 1)
FILE_OUT = click.Path(dir_okay=False, allow_dash=True)
SHOWN: dict[str, Any] = {"show_default": True}

_DEVICE = (
    click.option("--device", default="auto", help="cpu, cuda, cuda:1, mps; auto: CUDA if there is one.", **SHOWN),
    click.option("-i", "gpu", type=int, hidden=True),
    click.option("-nogpu", "nogpu", is_flag=True, hidden=True),
)
_NETWORK = (
    click.option("--width", type=click.IntRange(1), help="Width of the network's input, px, in place of the cfg's."),
    click.option("--height", type=click.IntRange(1), help="Height of it."),
    *_DEVICE,
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="fp32", **SHOWN),
)
_IMAGES = (
    click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS | MODEL IMAGE..."),
    click.option("--names", help="File with the names of the classes."),
    click.option("--data", help=".data file that names it."),
    click.option("--batch", default=1, type=click.IntRange(1, 65536), help="Images at a time.", **SHOWN),
    *_NETWORK,
    click.option("--compile", "compiled", is_flag=True, help="Try torch.compile, too: up to a minute, for long jobs."),
    click.option("--json", "-out", type=FILE_OUT, help='JSON file; "-": standard output, and nothing else there.'),
    click.option("--jsonl", type=FILE_OUT, help='File with a line of JSON an image; "-": as for --json.'),
    click.option("--dont-show", "-dont_show", is_flag=True, hidden=True),
    click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors."),
)


def adding(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """A decorator that does what several of click's do, the first of them on top."""

    def add(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return add


device_options, network_options, image_command = adding(*_DEVICE), adding(*_NETWORK), adding(*_IMAGES)


class Files(NamedTuple):
    """What the arguments of a command name."""

    cfg: str
    weights: str
    images: Iterable[str]  # a list, unless some come on standard input
    known: list[str]  # all files that are read, as far as they are known

    @property
    def total(self) -> int | None:
        """How many images, if that is known."""
        return len(self.images) if isinstance(self.images, list) else None


def sort_out(files: tuple[str, ...], options: dict[str, object]) -> Files:
    """The cfg, the weights and the images among the arguments; a .data or .names file goes to its option.

    A checkpoint is the weights, and needs no cfg.
    """
    cfg, weights, others = by_suffix(files, options)
    if not is_checkpoint(weights):
        cfg, weights = (one or (others.pop(0) if others else "") for one in (cfg, weights))
    if not weights:
        raise click.UsageError("expected a .cfg and its .weights, or one .pt or .safetensors")
    if second := next((name for name in others if holds_weights(name)), ""):
        raise click.UsageError(f"expected one file of weights, got {weights} and {second}")
    if not others:
        raise click.UsageError("no image given; expected files, folders, patterns, a .txt list, or -")
    images: Iterable[str] = inputs.images(others, sys.stdin)
    if "-" not in others:
        images = list(images)
    return Files(cfg, weights, images, [*files, *images] if isinstance(images, list) else list(files))


@contextmanager
def starting(files: Files) -> Iterator[None]:
    """For importing torch and loading a model: files come from the disk meanwhile, and no garbage is collected."""
    read_ahead([files.weights, *(files.images[:1] if isinstance(files.images, list) else [])])
    with uncollected(frozen=True):
        yield


def by_suffix(files: Sequence[str], options: dict[str, Any]) -> tuple[str, str, list[str]]:
    """The cfg and the weights among some files, "" where there is none, and the others.

    A .data or .names file goes to its option, if the command has that.

    Raises:
        click.UsageError: there is a second .data or .names file
    """
    rest = []
    for name in files:
        key = name.lower().rpartition(".")[2]
        if key not in ("data", "names") or key not in options:
            rest.append(name)
        elif options[key]:
            raise click.UsageError(f"expected one .{key} file, got {options[key]} and {name}")
        else:
            options[key] = name
    cfg = next((name for name in rest if name.lower().endswith(".cfg")), "")
    weights = next((name for name in rest if holds_weights(name)), "")
    return cfg, weights, [name for name in rest if name not in (cfg, weights)]


def is_weights(name: str) -> bool:
    """Whether a file is named as weights are."""
    return name.lower().endswith((".weights", ".backup")) or re.search(r"\.conv\.\d+$", name) is not None


def holds_weights(name: str) -> bool:
    """Whether a file is named as weights are, or as a checkpoint is, which holds some."""
    return is_weights(name) or is_checkpoint(name)


def for_loading(options: dict[str, object]) -> dict[str, Any]:
    """Those of the options that `load` and `load_classifier` take."""
    keys = ("names", "data", "width", "height", "resize", "precision", "batch", "compiled", "strict")
    return {"device": device_of(options), **{key: options[key] for key in keys}}


def device_of(options: dict[str, Any]) -> Any:
    """The device by any of Darknet's words for it."""
    device = options["device"] if options["gpu"] is None else f"cuda:{options['gpu']}"
    return "cpu" if options["nogpu"] else device


def show_notes(*notes: str) -> None:
    """What was decided, on stderr."""
    for note in notes:
        click.echo(note, err=True)
