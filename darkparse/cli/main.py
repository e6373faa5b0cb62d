"""The group of all commands; errors and warnings as one line each."""

import io
import sys
import warnings
from typing import Any

import click

from .. import __version__
from ..errors import DarkparseError, DarkparseWarning
from .anchors import anchors
from .check import check
from .classify import classify
from .compare import compare
from .convert import convert
from .dataset import dataset
from .detect import detect
from .doctor import doctor
from .example import example
from .files import download, inspect, partial
from .generate import generate
from .map import map_
from .new import new
from .recall import recall
from .summary import summary
from .train import train
from .valid import valid
from .zoo import zoo


class Group(click.Group):
    """Turns a DarkparseError into one line and exit status 1, a DarkparseWarning into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        for stream, errors in ((sys.stdin, "surrogateescape"), (sys.stdout, "backslashreplace")):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=errors)  # names of files need not be valid text
        with warnings.catch_warnings():
            warnings.simplefilter("always", DarkparseWarning)
            warnings.showwarning = show
            try:
                return super().invoke(ctx)
            except DarkparseError as why:
                raise click.ClickException(str(why)) from None


def show(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning."""
    click.echo(f"Warning: {message}", err=True)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="darkparse")
def main() -> None:
    """Run Darknet models (.cfg and .weights) in PyTorch."""


for command in (
    detect,
    classify,
    convert,
    train,
    dataset,
    summary,
    inspect,
    partial,
    download,
    generate,
    zoo,
    example,
    new,
    anchors,
    check,
    map_,
    valid,
    recall,
    doctor,
    compare,
):
    main.add_command(command)
