"""darkparse doctor."""

from __future__ import annotations

import sys

import click

from ..files import write_text
from ..guard import check_not_input, check_not_read
from .arguments import FILE_OUT, SHARE, SHOWN, show_notes, sort_out

STDOUT = "-"


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS IMAGE...")
@click.option("--names", help="File with the names of the classes.")
@click.option("--data", help=".data file that names it.")
@click.option("--thresh", "-thresh", type=SHARE, default=0.25, help="What detections should be above, 0..1.", **SHOWN)
@click.option("--device", default="auto", help="cpu, cuda, cuda:1, mps; auto: CUDA if there is one.", **SHOWN)
@click.option("-i", "gpu", type=int, hidden=True)
@click.option("-nogpu", "nogpu", is_flag=True, hidden=True)
@click.option("--json", type=FILE_OUT, help='JSON file with all that was measured; "-": standard output.')
def doctor(files: tuple[str, ...], **options: object) -> None:
    """Say why nothing is detected, or the wrong things.

    Examines CFG, WEIGHTS and what the network makes of images of what it should find (16 of them at most), and says
    what is wrong, the likeliest cause first, what to do about it, and what was found to be well.  The arguments may
    come in any order, as for detect.  Exit status 0 if nothing is wrong, 1 if something is; that an image
    has nothing above the threshold is told, but is not wrong by itself.
    """
    given = sort_out(files, options)
    target = options["json"]
    if isinstance(target, str) and target != STDOUT:
        check_not_input(target, given.known)
        check_not_read(target)
    from ..doctor.examine import diagnose

    device = options["device"] if options["gpu"] is None else f"cuda:{options['gpu']}"
    numbers = {key: options[key] for key in ("names", "data", "thresh")}
    diagnosis = diagnose(
        given.cfg, given.weights, given.images, device="cpu" if options["nogpu"] else str(device), **numbers  # type: ignore[arg-type]
    )  # fmt: skip
    show_notes(*diagnosis.notes)
    if target == STDOUT:
        click.echo(diagnosis.as_json())
    else:
        click.echo("\n".join(diagnosis.lines()))
    if isinstance(target, str) and target != STDOUT:
        write_text(target, diagnosis.as_json() + "\n")
    sys.exit(0 if diagnosis.healthy else 1)
