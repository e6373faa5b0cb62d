"""The group of all commands; errors and warnings as one line each."""

import io
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import click

from .. import __version__
from ..errors import DarkparseError, DarkparseWarning

WHERE = {  # module and name of each command
    "anchors": "anchors.anchors",
    "benchmark": "benchmark.benchmark",
    "check": "check.check",
    "classify": "classify.classify",
    "compare": "compare.compare",
    "convert": "convert.convert",
    "dataset": "dataset.dataset",
    "detect": "detect.detect",
    "doctor": "doctor.doctor",
    "download": "files.download",
    "example": "example.example",
    "generate": "generate.generate",
    "inspect": "files.inspect",
    "map": "map.map_",
    "new": "new.new",
    "partial": "files.partial",
    "recall": "recall.recall",
    "summary": "summary.summary",
    "train": "train.train",
    "valid": "valid.valid",
    "zoo": "zoo.zoo",
}


class Commands(Mapping[str, click.Command]):
    """The commands by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> click.Command:
        module, _, attribute = WHERE[name].partition(".")
        command: click.Command = getattr(import_module(f".{module}", __package__), attribute)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(WHERE)

    def __len__(self) -> int:
        return len(WHERE)


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


@click.group(
    cls=Group,
    commands=Commands(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="darkparse")
def main() -> None:
    """Run Darknet models (.cfg and .weights) in PyTorch."""
