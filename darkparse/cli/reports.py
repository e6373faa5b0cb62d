"""Files with what a check found: --report, --json and --sarif."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from ..errors import DarkparseError
from ..files import write_text
from ..findings import Finding, as_json, as_markdown, as_sarif
from ..guard import check_not_read
from .arguments import FILE_OUT, adding

reporting = adding(  # the options that ask for these files
    click.option("--report", type=click.Path(dir_okay=False), help="Markdown file: how much of what, then all of it."),
    click.option(
        "--json", type=FILE_OUT, help='JSON file of what is found; "-": standard output, and nothing else there.'
    ),
    click.option("--sarif", type=FILE_OUT, help="The same as SARIF 2.1.0, for editors and code hosts."),
)


def files_of(options: dict[str, Any], *keys: str) -> list[str]:
    """The files to write that these options name; "-" for standard output.

    Raises:
        DarkparseError: a file is named twice
    """
    first: dict[str, str] = {}
    named = {key: str(options[key]) for key in keys if options[key]}
    for key, file in named.items():
        if (other := first.setdefault(file if file == "-" else os.path.realpath(file), key)) != key:
            raise DarkparseError(f"{file}: named for --{other} and for --{key}; expected different files")
    return list(named.values())


def check_free(files: Iterable[str]) -> None:
    """Raises DarkparseError where a file to write was read: a cfg, labels, an image of the data set, ..."""
    for file in files:
        check_not_read(file)


def write_reports(findings: Sequence[Finding], options: dict[str, Any], title: str) -> None:
    """The files that were asked for."""
    texts: dict[str, Callable[[], str]] = {
        "report": lambda: as_markdown(findings, title),
        "json": lambda: as_json(findings),
        "sarif": lambda: as_sarif(findings),
    }
    for key, text in texts.items():
        if options[key]:
            write(options[key], text())


def write(file: str, text: str) -> None:
    """Write or print a text; names of files in it need not be valid text."""
    if file == "-":
        click.echo(text)
    else:
        write_text(file, text.encode("utf-8", "backslashreplace").decode() + "\n")
