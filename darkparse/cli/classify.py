"""darkparse classify."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .. import classification, report
from .arguments import SHARE, SHOWN, Files, for_loading, image_command, show_notes, sort_out, starting
from .evaluation import Watched, share_cores
from .sinks import Sink, Targets
from .train import sort_out as sort_out_training

if TYPE_CHECKING:
    from ..classification import Classification
    from ..loading import Result

TOP = 5  # classes


@click.command()
@image_command
@click.option("--top", "-t", type=click.IntRange(1), help="How many classes an image.  [default: 5]")
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
@click.option("--valid", type=click.Path(dir_okay=False), help="In place of images: .data file with labelled ones.")
@click.option(
    "--workers", type=click.IntRange(0), help="Of --valid: processes that read images.  [default: one a core]"
)
def classify(files: tuple[str, ...], **options: Any) -> None:
    """Say which classes images show; or, with --valid, how often that is right.

    CFG, WEIGHTS, a .data or .names file and images may come in any order; MODEL is one .pt or .safetensors in place of
    both.  An IMAGE is a file, a folder, a pattern, a .txt list, or - for names on standard input.  Exit status 1 if an
    image could not be read.

    With --valid, the images are those of valid= of the .data file, or else of train=, and what they show is the first
    name in their path.  Prints how often the first of the guesses is right, and one of the first --top.
    """
    if options["valid"]:
        validate(files, options)
        return
    options["top"] = options["top"] or TOP
    given = sort_out(files, options)
    run(given, Targets.of(options, given.known), options)


def run(files: Files, targets: Targets, options: dict[str, object]) -> None:
    """Classify all images; exits with status 1 if any failed."""
    with starting(files):
        from ..classify import classify_files, load_classifier

        model = load_classifier(files.cfg, files.weights, images=files.total, **for_loading(options))
    show_notes(*model.notes, f"device: {model.device}")
    numbers = {key: options[key] for key in ("top", "hier", "batch")}
    with Classes(targets, files.total) as results:
        results.take(classify_files(model, files.images, **numbers))  # type: ignore[arg-type]
    results.finish()


def validate(files: tuple[str, ...], options: dict[str, Any]) -> None:
    """Print the last line of Darknet's `classifier valid`; exits with status 1 if an image could not be read."""
    share_cores()
    from ..classify import count_classes, load_classifier
    from ..data import read_data
    from ..evaluation.accuracy import accuracy, labelled_images

    if unfit := [f"--{key}" for key in ("json", "jsonl", "hier", "names", "data") if options[key] is not None]:
        raise click.UsageError(f"{unfit[0]} does not go with --valid")
    if options["resize"] not in {"auto", "crop"}:
        raise click.UsageError("--valid takes the middle of each image, as Darknet does; expected no other --resize")
    path, cfg, weights = sort_out_training((options["valid"], *files), alone=True)
    if weights is None:
        raise click.UsageError("expected a .cfg and its .weights")
    data = read_data(path)
    model = load_classifier(cfg, weights, **for_loading(options) | {"data": path, "resize": "crop"})
    images, reports = labelled_images(model.graph, data)
    show_notes(*model.notes, f"device: {model.device}", *reports)
    top = min(options["top"] or data.positive("top", TOP), count_classes(model.graph))
    samples = Watched(images, "classify")
    numbers = {"top": top, "batch": options["batch"], "workers": options["workers"]}
    found = accuracy(model.network, samples, **numbers, failed=samples.failed)
    click.echo(f" TOP calculation...\n\n{len(images) - 1}: top 1: {found.first:f}, top {top}: {found.top:f}")
    samples.finish("counted as mistaken")


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
