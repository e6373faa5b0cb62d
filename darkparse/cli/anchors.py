"""darkparse anchors."""

from __future__ import annotations

import click

from ..anchors.kmeans import TRIES
from ..errors import refuse, warn
from .arguments import SHOWN, show_notes

COUNT = click.IntRange(1)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="DATA CFG")
@click.option(
    "--num-of-clusters", "-num_of_clusters", type=COUNT, help="How many anchors.  [default: as many as the heads have]"
)
@click.option("--width", "-width", type=COUNT, help="Width of the network's input, px, in place of the cfg's.")
@click.option("--height", "-height", type=COUNT, help="Height of it.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the boxes that k-means begins with.", **SHOWN)
@click.option("--tries", type=COUNT, default=TRIES, help="Of k-means; the best one counts.", **SHOWN)
@click.option("--picture", type=click.Path(dir_okay=False), help="Picture of the boxes' sizes: .png, .svg or .pdf.")
@click.option("--write", is_flag=True, help="Change the cfg; the original is kept as NAME.cfg.orig.")
@click.option("--out", type=click.Path(dir_okay=False), help="Write the changed cfg to a new file.")
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
@click.option("--show", "-show", "-dont_show", "unused", is_flag=True, hidden=True)
def anchors(files: tuple[str, ...], picture: str | None, out: str | None, write: bool, **options: object) -> None:
    """Compute anchors for the boxes that DATA, a .data file, trains on, and compare them with those of CFG.

    Prints them as Darknet's calc_anchors does, then the masks that go with them, the average IoU and the share of
    well covered boxes of both, and whether a change is worth it.
    """
    data, cfg = sort_out(files)
    if write and out:
        raise click.UsageError("expected --write or --out, got both")
    run(data, cfg, picture, (write, out), options)


def sort_out(files: tuple[str, ...]) -> tuple[str, str]:
    """The .data file and the cfg among the arguments."""
    data = next((name for name in files if name.lower().endswith(".data")), "")
    others = [name for name in files if name != data]
    if not data or len(others) != 1:
        raise click.UsageError(f"expected a .data file and a .cfg, got {' '.join(files)}")
    return data, others[0]


def run(data: str, cfg: str, picture: str | None, target: tuple[bool, str | None], options: dict[str, object]) -> None:
    """Compute, print, draw and write."""
    from ..anchors.study import study

    del options["unused"]
    complain = refuse if options.pop("strict") else warn
    if picture:
        from ..plots import check_kind

        check_kind(picture)
    found = study(data, cfg, complain=complain, **options)  # type: ignore[arg-type]
    show_notes(*found.notes)
    for line in found.lines():
        click.echo(line)
    if picture:
        from ..anchors.plot import draw

        draw(found, picture)
    write, out = target
    if write or out:
        show_notes(*found.write(out))
