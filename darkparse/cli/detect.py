"""darkparse detect."""

from __future__ import annotations

import click

from .arguments import SHARE, SHOWN, Files, for_loading, image_command, show_notes, sort_out, starting
from .results import Results, Wanted


@click.command()
@image_command
@click.option("--thresh", "-thresh", type=SHARE, default=0.25, help="Least objectness and score, 0..1.", **SHOWN)
@click.option("--nms", "-nms", type=SHARE, default=0.45, help="Overlap above which the weaker box goes.", **SHOWN)
@click.option("--hier", "-hier", type=SHARE, default=0.5, help="Least certainty of a node of a class tree.", **SHOWN)
@click.option(
    "--resize",
    type=click.Choice(["auto", "stretch", "letterbox"]),
    default="auto",
    help="How images become the network's size; auto: as the cfg or the writer of the weights does.",
    **SHOWN,
)
@click.option("--letter-box", "-letter_box", "-letterbox", is_flag=True, help="The same as --resize letterbox.")
@click.option("-iou_thresh", "-points", "-avgframes", "unused", hidden=True)  # of Darknet's map and demo
@click.option("--out", type=click.Path(file_okay=False), help="Folder for drawn images (Darknet's -out is --json).")
@click.option("--save-labels", "-save_labels", type=click.Path(file_okay=False), help="Folder for label files.")
@click.option("--overwrite", is_flag=True, help="Label files that are there already are written anew.")
@click.option("--ext-output", "-ext_output", is_flag=True, help="Print coordinates, too.")
def detect(files: tuple[str, ...], **options: object) -> None:
    """Detect objects in images.

    CFG, WEIGHTS, a .data or .names file and images may come in any order; MODEL is one .pt or .safetensors in place of
    both.  An IMAGE is a file, a folder, a pattern, a .txt list, or - for names on standard input.  One image is drawn
    to predictions.jpg in the working folder, several with --out.  Exit status 1 if an image could not be read.
    """
    given = sort_out(files, options)
    if options["letter_box"]:
        options["resize"] = "letterbox"
    run(given, Wanted.of(options, given.known), options)


def run(files: Files, wanted: Wanted, options: dict[str, object]) -> None:
    """Detect in all images; exits with status 1 if any failed."""
    with starting(files):
        from ..detect import detect_files, load

        model = load(files.cfg, files.weights, images=files.total, **for_loading(options))
    show_notes(*model.notes, f"device: {model.device}")
    numbers = {key: options[key] for key in ("thresh", "nms", "hier", "batch")}
    with Results(wanted, files.total) as results:
        found = detect_files(model, files.images, pictures=results.draws, **numbers)  # type: ignore[arg-type]
        results.take(found)
    results.finish()
