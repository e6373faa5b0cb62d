"""darkparse train."""

from __future__ import annotations

import os
import shutil
import sys

import click

from ..checkpoint import is_checkpoint
from .arguments import SHOWN, by_suffix

CLEAR = "\r\x1b[K"  # the line of progress that stands there
INTERRUPTED = 130  # exit status, as of a program that SIGINT has ended


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="DATA CFG [WEIGHTS]")
@click.option("--backup", type=click.Path(file_okay=False), help="Folder for the results.  [default: as DATA says]")
@click.option("--clear", "-clear", is_flag=True, help="Begin at iteration 0, whatever was trained before.")
@click.option("--map", "-map", "map_", is_flag=True, help="Evaluate on valid= now and then, and keep the best weights.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of all random numbers.  [default: a new one]")
@click.option("--device", default="auto", help="cpu, cuda, cuda:1; auto: CUDA if there is one.", **SHOWN)
@click.option("-i", "gpu", type=int, hidden=True)
@click.option("-gpus", "gpus", hidden=True)
@click.option("-nogpu", "nogpu", is_flag=True, hidden=True)
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", **SHOWN)
@click.option("--workers", type=click.IntRange(0), help="Processes that load images.  [default: one a core]")
@click.option("--true-gradient", is_flag=True, help="The gradient of IoU losses themselves, in place of Darknet's.")
@click.option("--tensorboard", type=click.Path(file_okay=False), default="", help="Folder for TensorBoard's events.")
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
@click.option("-dont_show", is_flag=True, hidden=True)
def train(files: tuple[str, ...], **options: object) -> None:
    """Train a network on the images that DATA, a .data file, names.

    The arguments may come in any order.  WEIGHTS is what to start from: a whole file, or its first layers such as
    darknet53.conv.74.  Ctrl-C saves and stops; the same command goes on, after that or after a crash.  For several
    GPUs: torchrun --nproc-per-node N -m darkparse train ...
    """
    data, cfg, weights = sort_out(files)
    options["device"] = chosen_device(options)
    run(data, cfg, weights, options)


def sort_out(files: tuple[str, ...], *, alone: bool = False) -> tuple[str, str, str | None]:
    """The .data file, the cfg and the weights among the arguments.

    Args:
        alone: whether a checkpoint needs no cfg
    """
    options: dict[str, str] = {"data": ""}
    cfg, weights, others = by_suffix(files, options)
    alone = alone and is_checkpoint(weights)
    data = options["data"] or (others.pop(0) if others else "")
    if not alone:
        cfg, weights = (one or (others.pop(0) if others else "") for one in (cfg, weights))
    if not data or not (cfg or alone) or others:
        raise click.UsageError(f"expected a .data file, a .cfg and perhaps .weights, got {' '.join(files)}")
    return data, cfg, weights or None


def chosen_device(options: dict[str, object]) -> object:
    """The device by any of Darknet's words for it."""
    gpus, gpu, nogpu = options.pop("gpus"), options.pop("gpu"), options.pop("nogpu")
    if gpus and "," in str(gpus):
        count = str(gpus).count(",") + 1
        raise click.UsageError(f"-gpus {gpus}: start it as torchrun --nproc-per-node {count} -m darkparse train ...")
    gpu = gpus if gpu is None else gpu
    return "cpu" if nogpu else options["device"] if gpu is None else f"cuda:{gpu}"


def run(data: str, cfg: str, weights: str | None, options: dict[str, object]) -> None:
    """Train, and show how it goes."""
    from ..training.records import Progress, Row
    from ..training.run import Begin
    from ..training.train import train

    options.pop("dont_show")
    options["map"] = options.pop("map_")
    leads = os.environ.get("RANK", "0") == "0"
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    progress = Progress(0, columns)
    try:
        for event in train(data, cfg, weights, **options):  # type: ignore[arg-type]
            if isinstance(event, Begin):
                progress = Progress(event.max_batches, columns)
            elif not leads:
                continue
            elif isinstance(event, Row):
                click.echo(progress.add(event), nl=False)
            else:
                click.echo(f"{CLEAR if columns else ''}{event}", err=True)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
