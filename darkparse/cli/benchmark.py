"""darkparse benchmark."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..checkpoint import is_checkpoint
from ..guard import check_not_input
from .arguments import FILE_OUT, SHOWN, by_suffix, device_of, network_options, show_notes
from .reports import check_free, files_of, write

MOST = 65536  # images at a time


def numbers(_: click.Context, __: click.Parameter, text: str) -> tuple[int, ...]:
    """Counts of images, with commas between."""
    try:
        found = tuple(int(one) for one in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(1 <= one <= MOST for one in found):
        raise click.BadParameter(f"expected numbers from 1 to {MOST} with commas between, got {text!r}")
    return found


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG [WEIGHTS] | MODEL")
@click.option("--batch", default="1,2,4,8", callback=numbers, help="Images at a time, one or several.", **SHOWN)
@click.option("--layers", is_flag=True, help="A line for each layer, too, with the first --batch.")
@network_options
@click.option("--compile", "compiled", is_flag=True, help="By torch.compile, which takes up to a minute a batch.")
@click.option("--json", type=FILE_OUT, help='JSON file, too; "-": standard output, in place of the table.')
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
def benchmark(files: tuple[str, ...], **options: Any) -> None:
    """Measure how fast a network is on this machine.

    For each --batch: milliseconds, images a second, GFLOP/s, and which share that is of the peak, the best that PyTorch
    reaches here at a product of large matrices or a convolution.  It is the network alone, as detect and classify run
    it.  CFG is a file or the name of a cfg that comes along; without WEIGHTS they are random.  Exit status 1 if one of
    the batches could not be measured.
    """
    from ..benchmark.run import benchmark as run

    cfg, weights, others = by_suffix(files, options)
    if not cfg and others and not is_checkpoint(weights):
        cfg = others.pop(0)
    if others:
        raise click.UsageError(f"expected a .cfg and its .weights, or one .pt or .safetensors; got {others[0]}, too")
    targets = files_of(options, "json")
    for path in targets:
        check_not_input(path, files)
    wanted = {key: options[key] for key in ("layers", "width", "height", "precision", "compiled", "strict")}
    report = run(cfg, weights, batches=options["batch"], device=device_of(options), **wanted)
    check_free(targets)
    if options["json"]:
        write(options["json"], report.as_json())
    if options["json"] != "-":
        for line in report.lines():
            click.echo(line)
    show_notes(*report.failed)
    sys.exit(int(bool(report.failed)))
