"""darkparse doctor."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..guard import check_not_input
from .arguments import FILE_OUT, SHARE, SHOWN, device_of, device_options, show_notes, sort_out
from .reports import check_free, files_of, write


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG WEIGHTS IMAGE...")
@click.option("--names", help="File with the names of the classes.")
@click.option("--data", help=".data file that names it.")
@click.option("--thresh", "-thresh", type=SHARE, default=0.25, help="What scores should be above, 0..1.", **SHOWN)
@device_options
@click.option(
    "--json", type=FILE_OUT, help='JSON file with what was measured, too; "-": standard output, in its place.'
)
def doctor(files: tuple[str, ...], **options: Any) -> None:
    """Say why nothing is detected, or the wrong things, and what to do about it.

    Looks into CFG and WEIGHTS, and at what the network makes of images (16 at most) of what it should find.  The
    arguments may come in any order; an IMAGE is a file, a folder, a pattern, a .txt list, or - for names on standard
    input.  The likeliest cause comes first, then what is good to know, and what was looked at and found to be well.
    Exit status 1 if anything is wrong.  That an image has nothing above the threshold is not wrong by itself.
    """
    from ..doctor.examine import diagnose

    given, outputs = sort_out(files, options), files_of(options, "json")
    for path in outputs:
        check_not_input(path, [*given.known, *(options[key] for key in ("names", "data") if options[key])])
    target, wanted = options["json"], {key: options[key] for key in ("names", "data", "thresh")}
    diagnosis = diagnose(given.cfg, given.weights, given.images, device=device_of(options), **wanted)
    show_notes(*diagnosis.notes)
    check_free(outputs)
    if target:
        write(target, diagnosis.as_json())
    if target != "-":
        for line in diagnosis.lines():
            click.echo(line)
    sys.exit(int(not diagnosis.healthy))
