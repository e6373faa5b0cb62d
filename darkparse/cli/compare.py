"""darkparse compare."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from .. import inputs
from ..checkpoint import is_checkpoint
from ..errors import DarkparseError
from ..guard import check_not_input
from .arguments import FILE_OUT, SHARE, SHOWN, is_weights, show_notes
from .reports import check_free, files_of, write

ALONE = (".onnx", ".npz", ".json")  # files that are a side by themselves, as checkpoints are
DIFFER, TROUBLE = 1, 2  # exit statuses, as of diff


class Trouble(click.ClickException):
    """What kept us from comparing."""

    exit_code = TROUBLE


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="A [B] IMAGE...")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-4,
    help="Difference up to which values are the same: of a layer as part of its largest value, of scores and boxes as "
    "it is.",
    **SHOWN,
)
@click.option("--thresh", "-thresh", type=SHARE, default=0.25, help="Least score of a detection, 0..1.", **SHOWN)
@click.option("--nms", "-nms", type=SHARE, default=0.45, help="Overlap above which the weaker box goes.", **SHOWN)
@click.option(
    "--resize",
    type=click.Choice(["auto", "stretch", "letterbox", "crop"]),
    default="auto",
    help="How images become the networks' size; auto: as A does by itself, for both.",
    **SHOWN,
)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", help="Of B.", **SHOWN)
@click.option("--device", default="cpu", help="Where B runs: cpu, cuda, cuda:1, mps, auto; A: on the CPU.", **SHOWN)
@click.option("--layers", is_flag=True, help="A line for each layer, too.")
@click.option("--save", type=click.Path(dir_okay=False), help="Keep what A gives in this .npz file, in place of B.")
@click.option("--json", type=FILE_OUT, help='JSON file of what is found; "-": standard output, and nothing else there.')
def compare(files: tuple[str, ...], **options: Any) -> None:
    """Say where two models part: first layer that differs, largest differences, detections gained, lost and moved.

    A and B are each a CFG and its WEIGHTS, a .safetensors, .pt or .onnx file, a .npz that --save wrote, or a .json
    that Darknet's -out wrote.  Of two cfgs with one weights file, or the other way round, both have what is there once.
    Of one model alone, --precision or --device compares it with itself.  An IMAGE is a file, a folder, a pattern, a
    .txt list, or - for names on standard input; a .npz has its own, and for a .json they may be left out.

    Exit status 0 if they are the same within the tolerance, 1 if they differ, 2 if they could not be compared.
    """
    try:
        same = run(files, options)
    except DarkparseError as why:
        raise Trouble(str(why)) from None
    sys.exit(0 if same else DIFFER)


def run(files: Sequence[str], options: dict[str, Any]) -> bool:
    """Compare, or record; whether it is the same."""
    from ..compare.opening import open_both, open_side
    from ..compare.run import compare as compare_sides
    from ..compare.run import record

    models, others = sort_out(files)
    check(models, options)
    targets = files_of(options, "json", "save")
    images = list(inputs.images(others, sys.stdin))
    for path in targets:
        check_not_input(path, [*files, *images])
    where = {key: options[key] for key in ("device", "precision")}
    how = {key: options[key] for key in ("thresh", "nms", "resize")}
    if options["save"]:
        side = open_side(models[0], **where)
        check_free(targets)
        count = record(options["save"], side, images, **how)
        show_notes(*side.notes, f"{options['save']}: {len(side.layers)} layers on {count} images")
        return True
    found = compare_sides(*open_both(models, **where), images, tolerance=options["tolerance"], **how)
    show_notes(*found.notes)
    check_free(targets)
    if options["json"]:
        write(options["json"], found.as_json())
    if options["json"] != "-":
        for line in found.lines(options["layers"]):
            click.echo(line)
    return found.same


def check(models: Sequence[Sequence[str]], options: dict[str, Any]) -> None:
    """Raises click.UsageError where there are too few models, or too many, for what is asked for."""
    otherwise = options["precision"] != "fp32" or options["device"] != "cpu"
    if options["save"]:
        if len(models) != 1 or options["json"] or options["layers"]:
            raise click.UsageError("--save records one model; expected no other, no --json and no --layers")
    elif len(models) == 1 and not otherwise:
        raise click.UsageError("expected two models, or one and --precision, --device or --save")
    elif len(models) not in (1, 2):
        raise click.UsageError(f"expected two models, got {len(models) or 'none'}")


def sort_out(files: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
    """The models among the arguments, each a file or a cfg and its weights, and the others.

    Raises:
        click.UsageError: a cfg is without weights, or the other way round
    """
    models: list[list[str]] = []
    others = []
    for name in files:
        place = 0 if name.lower().endswith(".cfg") else 1 if is_weights(name) else None
        if name.lower().endswith(ALONE) or is_checkpoint(name):
            models.append([name])
        elif place is None:
            others.append(name)
        elif waiting := next((pair for pair in pairs(models) if not pair[place]), None):
            waiting[place] = name
        else:
            models.append(["", name] if place else [name, ""])
    complete = next((pair for pair in pairs(models) if all(pair)), ["", ""])
    for pair in pairs(models):
        pair[:] = (own or common for own, common in zip(pair, complete, strict=True))
        if not all(pair):
            raise click.UsageError(f"{''.join(pair)}: expected a .cfg and its .weights")
    return [tuple(model) for model in models], others


def pairs(models: Sequence[list[str]]) -> list[list[str]]:
    """Those that are a cfg and its weights."""
    return [model for model in models if len(model) > 1]
