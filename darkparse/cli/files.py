"""darkparse inspect, partial and download: .weights files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ..checkpoint import is_checkpoint
from ..data import find_cfg
from ..graph import read_graph
from ..inspection import fitting, head, in_checkpoint, tensors


@click.command()
@click.argument("weights")
@click.argument("cfg", required=False)
def inspect(weights: str, cfg: str | None) -> None:
    """Show what a .weights file holds, and whether it fits CFG (or which cfgs of a folder); or what a .pt or
    .safetensors holds.
    """
    for line in in_checkpoint(weights, cfg or "") if is_checkpoint(weights) else in_weights(weights, cfg):
        click.echo(line)


def in_weights(weights: str, cfg: str | None) -> Iterator[str]:
    """Of a .weights file."""
    yield from head(weights)
    if cfg and Path(cfg).is_dir():
        yield from fitting(weights, cfg)
    elif cfg:
        yield from tensors(weights, read_graph(find_cfg(cfg)))


@click.command()
@click.argument("cfg")
@click.argument("weights")
@click.argument("out")
@click.argument("layers", type=int)
def partial(cfg: str, weights: str, out: str, layers: int) -> None:
    """Save the first LAYERS layers of WEIGHTS as OUT, to start other trainings from (darknet53.conv.74)."""
    from ..weights import save_first_layers

    size = save_first_layers(read_graph(find_cfg(cfg)), weights, out, layers)
    click.echo(f"{out}: the first {layers} layers, {size:,} bytes", err=True)


@click.command()
@click.argument("name", required=False)
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Folder to put it in.  [default: here]")
@click.option("--url", help="Another address than the official one.")
def download(name: str | None, to: str, url: str | None) -> None:
    """Fetch a published .weights file by NAME, or go on fetching it; without NAME, list them."""
    from ..download import OFFICIAL
    from ..download import download as fetch

    if name is None:
        for entry in OFFICIAL.values():
            size = f"{entry.size:,} bytes" if entry.size else ""
            click.echo(f"{entry.name:24s} {size:>19s}  {entry.cfg or ''}")
        return
    with click.progressbar(length=1, label=name, file=sys.stderr) as bar:

        def progress(done: int, total: int | None) -> None:
            bar.length, bar.pos = total or done or 1, 0
            bar.update(done)

        path = fetch(name, Path(to), url=url, progress=progress)
    click.echo(path)
