"""darkparse classify."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from .. import classification, inputs, report
from .detect import SHARE, sort_out
from .sinks import Sink, Targets

if TYPE_CHECKING:
    from ..classify import Classifier, Result


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS IMAGE...")
@click.option("--names", help="File with the names of the classes.")
@click.option("--data", help=".data file that names it: names=, or else labels=.")
@click.option("--top", "-t", default=5, show_default=True, type=click.IntRange(1), help="How many classes an image.")
@click.option("--hier", type=SHARE, help="One class instead, as far down the class tree as it is likelier than this.")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 65536), help="Images at a time.")
@click.option("--width", type=click.IntRange(1), help="Width of the network's input, px, in place of the cfg's.")
@click.option("--height", type=click.IntRange(1), help="Height of it.")
@click.option(
    "--resize",
    type=click.Choice(["auto", "crop", "stretch", "letterbox"]),
    default="auto",
    show_default=True,
    help="How images become the network's size; auto: as the writer of the weights does.",
)
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps; auto: CUDA if there is one.")
@click.option("-i", "gpu", type=int, hidden=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option(
    "--json", "-out", type=click.Path(dir_okay=False, allow_dash=True), help='JSON file; "-": standard output.'
)
@click.option(
    "--jsonl",
    type=click.Path(dir_okay=False, allow_dash=True),
    help='File with a line of JSON an image; "-": standard output, and nothing else there.',
)
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
def classify(files: tuple[str, ...], **options: object) -> None:
    """Say which classes images show.

    CFG, WEIGHTS, a .data or .names file and images may come in any order.  An IMAGE is a file, a folder, a pattern,
    a .txt list, or - for names on standard input.  Exit status 1 if an image could not be read.
    """
    cfg, weights, arguments = sort_out(files, options)
    images: Iterable[str] = inputs.images(arguments, sys.stdin)
    if "-" not in arguments:
        images = list(images)
    targets = Targets.of(options, [*files, *images] if isinstance(images, list) else list(files))
    run(load(cfg, weights, options), images, targets, options)


def load(cfg: str, weights: str, options: dict[str, object]) -> Classifier:
    """The classifier, with what was decided on stderr."""
    from ..classify import load_classifier

    device = options["device"] if options["gpu"] is None else f"cuda:{options['gpu']}"
    keys = ("names", "data", "width", "height", "resize", "precision", "strict")
    chosen = {key: options[key] for key in keys}
    model = load_classifier(cfg, weights, device=device, **chosen)  # type: ignore[arg-type]
    for note in [*model.notes, f"device: {model.device}"]:
        click.echo(note, err=True)
    return model


def run(model: Classifier, images: Iterable[str], targets: Targets, options: dict[str, object]) -> None:
    """Classify all images; exits with status 1 if any failed."""
    from ..classify import classify_files

    total = len(images) if isinstance(images, list) else None
    numbers = {key: options[key] for key in ("top", "hier", "batch")}
    with Classes(targets, total) as results:
        for result in classify_files(model, images, **numbers):  # type: ignore[arg-type]
            results.add(result)
    results.finish()


class Classes(Sink["Result"]):
    """The results of `darkparse classify`."""

    command = "classify"

    def lines(self, result: Result) -> Iterator[str]:
        """See `Sink.lines`."""
        assert result.found is not None
        yield report.predicted(result.path, result.milliseconds)
        yield from classification.lines(result.found)

    def json_line(self, result: Result) -> str:
        """See `Sink.json_line`."""
        return classification.json_line(result.path, result.found, result.error)

    def json_frame(self, result: Result, number: int) -> str:
        """See `Sink.json_frame`."""
        assert result.found is not None
        return classification.json_frame(result.path, number, result.found)
