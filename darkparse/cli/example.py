"""darkparse example."""

from __future__ import annotations

import re
import sys

import click


def read_size(_: click.Context, __: click.Parameter, text: str) -> tuple[int, int]:
    """The numbers of "WxH"."""
    if not (sides := re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)):
        raise click.BadParameter(f"expected a width and a height such as 320x320, got {text!r}")
    return int(sides[1]), int(sides[2])


@click.command()
@click.argument("folder", metavar="OUT_DIR", type=click.Path(file_okay=False))
@click.option("--seed", type=click.IntRange(0), default=1, help="Another gives another data set.", show_default=True)
@click.option("--train", type=click.IntRange(1), default=4000, help="Images to train on.", show_default=True)
@click.option("--valid", type=click.IntRange(1), default=500, help="Images to evaluate on.", show_default=True)
@click.option(
    "--size", metavar="WxH", default="320x320", callback=read_size, help="Of the images, px.", show_default=True
)
def example(folder: str, seed: int, train: int, valid: int, size: tuple[int, int]) -> None:
    """Render a data set to train on: scenes of digits, with labels, lists, .data and .names.

    The same options give the same images.  OUT_DIR must be new, empty, or written by this command.
    """
    from ..example import Example, render

    wanted = Example(seed, train, valid, *size)
    with click.progressbar(render(wanted, folder), length=train + valid, label=folder, file=sys.stderr) as progress:
        for _ in progress:
            pass
    click.echo(
        f"{folder}: {train} images in train.txt, {valid} in valid.txt; all that training needs: {folder}/digits.data"
    )
