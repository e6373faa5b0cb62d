"""darkparse classify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .. import classification, report
from .arguments import SHARE, SHOWN, Files, for_loading, image_command, show_notes, sort_out
from .sinks import Sink, Targets

if TYPE_CHECKING:
    from ..classification import Classification
    from ..loading import Result


@click.command()
@image_command
@click.option("--top", "-t", default=5, type=click.IntRange(1), help="How many classes an image.", **SHOWN)
@click.option(
    "--hier",
    "-hier",
    type=SHARE,
    help="One class instead: as far down the class tree as likelier than this, or the likeliest at its top.",
)
@click.option(
    "--resize",
    type=click.Choice(["auto", "crop", "stretch", "letterbox"]),
    default="auto",
    help="How images become the network's size; auto: as the writer of the weights does.",
    **SHOWN,
)
def classify(files: tuple[str, ...], **options: object) -> None:
    """Say which classes images show.

    CFG, WEIGHTS, a .data or .names file and images may come in any order.  An IMAGE is a file, a folder, a pattern,
    a .txt list, or - for names on standard input.  Exit status 1 if an image could not be read.
    """
    given = sort_out(files, options)
    run(given, Targets.of(options, given.known), options)


def run(files: Files, targets: Targets, options: dict[str, object]) -> None:
    """Classify all images; exits with status 1 if any failed."""
    from ..classify import classify_files, load_classifier

    model = load_classifier(files.cfg, files.weights, **for_loading(options))
    show_notes(*model.notes, f"device: {model.device}")
    numbers = {key: options[key] for key in ("top", "hier", "batch")}
    with Classes(targets, files.total) as results:
        for result in classify_files(model, files.images, **numbers):  # type: ignore[arg-type]
            results.add(result)
    results.finish()


class Classes(Sink["Classification"]):
    """The results of `darkparse classify`."""

    command = "classify"

    def lines(self, result: Result[Classification]) -> Iterator[str]:
        """See `Sink.lines`."""
        assert result.found is not None
        yield report.predicted(result.path, result.milliseconds)
        yield from classification.lines(result.found)

    def json_line(self, result: Result[Classification]) -> str:
        """See `Sink.json_line`."""
        return classification.json_line(result.path, result.found, result.error)

    def json_frame(self, result: Result[Classification], number: int) -> str:
        """See `Sink.json_frame`."""
        assert result.found is not None
        return classification.json_frame(result.path, number, result.found)
