"""darkparse generate."""

import os

import click

from ..garbage import uncollected
from .arguments import show_notes

ABOVE_0 = click.FloatRange(0, min_open=True)


@click.command()
@click.argument("cfg", metavar="CFG")
@click.argument("weights", default="", metavar="[WEIGHTS]")
@click.option("--seed-text", "-seed", default="\n\n", help="Text that it goes on from.  [default: two line ends]")
@click.option("--length", "-len", default=1000, show_default=True, type=click.IntRange(0), help="Bytes to add.")
@click.option(
    "--temperature", "-temp", default=0.7, show_default=True, type=ABOVE_0, help="Below 1 safer, above 1 wilder."
)
@click.option("--rng-seed", "-srand", type=click.IntRange(0), help="Number that makes it repeatable.")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, mps; auto: CUDA if there is one.")
@click.option("--strict", is_flag=True, help="Unknown and repeated options of the cfg are errors.")
def generate(
    *,
    cfg: str,
    weights: str,
    seed_text: str,
    length: int,
    temperature: float,
    rng_seed: int | None,
    device: str,
    strict: bool,
) -> None:
    """Write text with a character RNN: the seed text, LENGTH more bytes, and a line end.

    In place of CFG and WEIGHTS there may be one .pt or .safetensors.
    The bytes go to stdout as the network gives them, whether they are UTF-8 or not.  The same --rng-seed gives the
    same text, but not Darknet's of that -srand: its random numbers are its C library's.
    """
    import numpy as np

    with uncollected(frozen=True):
        from ..generate import load_writer

        writer = load_writer(cfg, weights, temperature=temperature, device=device, strict=strict)
    if rng_seed is None:
        rng_seed = int(np.random.default_rng().integers(2**32))
    show_notes(*writer.notes, f"device: {writer.device}", f"rng-seed: {rng_seed}")
    for byte in writer.generate(os.fsencode(seed_text), length, np.random.default_rng(rng_seed)):
        click.echo(bytes([byte]), nl=False)
    click.echo()
