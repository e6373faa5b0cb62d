"""darkparse summary."""

import click

from .. import checkpoint
from ..data import find_cfg
from ..errors import refuse, warn
from ..graph import read_graph
from ..summary import table


@click.command()
@click.argument("cfg")
@click.option("--width", type=int, help="Width of the network's input, px, in place of the cfg's.")
@click.option("--height", type=int, help="Height of it.")
@click.option("--strict", is_flag=True, help="Unknown and repeated options are errors.")
def summary(cfg: str, width: int | None, height: int | None, strict: bool) -> None:
    """Print Darknet's table of a network: layers, sizes, BFLOPs, parameters, bytes of its weights."""
    read = checkpoint.read_graph if checkpoint.is_checkpoint(cfg) else read_graph
    graph = read(find_cfg(cfg), width=width, height=height, complain=refuse if strict else warn)
    for line in table(graph):
        click.echo(line)
