"""darkparse detect."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from .. import inputs
from .results import Results, Wanted

if TYPE_CHECKING:
    from ..detect import Model


SHARE = click.FloatRange(0, 1)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS IMAGE...")
@click.option("--names", help="File with the names of the classes.")
@click.option("--data", help=".data file that names it.")
@click.option(
    "--thresh", "-thresh", type=SHARE, default=0.25, show_default=True, help="Least objectness and score, 0..1."
)
@click.option(
    "--nms", "-nms", type=SHARE, default=0.45, show_default=True, help="Overlap above which the weaker box goes."
)
@click.option(
    "--hier", "-hier", type=SHARE, default=0.5, show_default=True, help="Least certainty of a node of a class tree."
)
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 65536), help="Images at a time.")
@click.option("--width", type=click.IntRange(1), help="Width of the network's input, px, in place of the cfg's.")
@click.option("--height", type=click.IntRange(1), help="Height of it.")
@click.option(
    "--resize",
    type=click.Choice(["auto", "stretch", "letterbox"]),
    default="auto",
    show_default=True,
    help="How images become the network's size; auto: as the cfg or the writer of the weights does.",
)
@click.option("--letter-box", "-letter_box", "-letterbox", is_flag=True, help="The same as --resize letterbox.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps; auto: CUDA if there is one.")
@click.option("-i", "gpu", type=int, hidden=True)
@click.option("-nogpu", "nogpu", is_flag=True, hidden=True)
@click.option("-iou_thresh", "-points", "-avgframes", "unused", hidden=True)  # of Darknet's map and demo
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@click.option(
    "--out",
    type=click.Path(file_okay=False),
    help="Folder for the images with their boxes drawn (Darknet's -out is --json).",
)
@click.option(
    "--json",
    "-out",
    type=click.Path(dir_okay=False, allow_dash=True),
    help='JSON file, as Darknet writes it; "-": standard output, and nothing else there.',
)
@click.option(
    "--jsonl",
    type=click.Path(dir_okay=False, allow_dash=True),
    help='File with a line of JSON an image; "-": standard output, and nothing else there.',
)
@click.option("--save-labels", "-save_labels", type=click.Path(file_okay=False), help="Folder for label files.")
@click.option("--overwrite", is_flag=True, help="Label files that are there already are written anew.")
@click.option("--ext-output", "-ext_output", is_flag=True, help="Print coordinates, too.")
@click.option("--dont-show", "-dont_show", is_flag=True, hidden=True)
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
def detect(files: tuple[str, ...], **options: object) -> None:
    """Detect objects in images.

    CFG, WEIGHTS, a .data or .names file and images may come in any order.  An IMAGE is a file, a folder, a pattern,
    a .txt list, or - for names on standard input.  One image is drawn to predictions.jpg in the working folder, several
    with --out.  Exit status 1 if an image could not be read.
    """
    cfg, weights, arguments = sort_out(files, options)
    images: Iterable[str] = inputs.images(arguments, sys.stdin)
    if "-" not in arguments:
        images = list(images)
    wanted = Wanted.of(options, [*files, *images] if isinstance(images, list) else list(files))
    model = load(cfg, weights, options)
    run(model, images, wanted, options)


def sort_out(files: tuple[str, ...], options: dict[str, object]) -> tuple[str, str, list[str]]:
    """The cfg, the weights and the images among the arguments; a .data or .names file goes to its option."""
    rest = list(files)
    for key, suffix in (("data", ".data"), ("names", ".names")):
        for name in [name for name in rest if name.lower().endswith(suffix)]:
            rest.remove(name)
            options[key] = options[key] or name
    cfg = next((name for name in rest if name.lower().endswith(".cfg")), "")
    weights = next((name for name in rest if is_weights(name)), "")
    others = [name for name in rest if name not in (cfg, weights)]
    cfg = cfg or (others.pop(0) if others else "")
    weights = weights or (others.pop(0) if others else "")
    if not weights:
        raise click.UsageError("expected a .cfg and its .weights")
    if not others:
        raise click.UsageError("no image given; expected files, folders, patterns, a .txt list, or -")
    return cfg, weights, others


def is_weights(name: str) -> bool:
    """Whether a file is named as weights are."""
    return name.lower().endswith((".weights", ".backup")) or re.search(r"\.conv\.\d+$", name) is not None


def load(cfg: str, weights: str, options: dict[str, object]) -> Model:
    """The model, with what was decided on stderr."""
    from ..detect import load as load_model

    letterbox, gpu = options.pop("letter_box"), options.pop("gpu")
    resize = "letterbox" if letterbox else options.pop("resize")
    device = "cpu" if options["nogpu"] else options["device"] if gpu is None else f"cuda:{gpu}"
    keys = ("names", "data", "width", "height", "precision", "strict")
    chosen = {key: options[key] for key in keys}
    model = load_model(cfg, weights, resize=resize, device=device, **chosen)  # type: ignore[arg-type]
    for note in [*model.notes, f"device: {model.device}"]:
        click.echo(note, err=True)
    return model


def run(model: Model, images: Iterable[str], wanted: Wanted, options: dict[str, object]) -> None:
    """Detect in all images; exits with status 1 if any failed."""
    from ..detect import detect_files

    total = len(images) if isinstance(images, list) else None
    numbers = {key: options[key] for key in ("thresh", "nms", "hier", "batch")}
    with Results(wanted, total) as results:
        for result in detect_files(model, images, **numbers):  # type: ignore[arg-type]
            results.add(result)
    results.finish()
