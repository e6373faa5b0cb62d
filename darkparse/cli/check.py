"""darkparse check."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ..findings import WARNING, is_bad, lines, summary
from ..guard import check_not_input
from .arguments import by_suffix
from .dataset_check import progress
from .reports import check_free, files_of, reporting, write_reports

if TYPE_CHECKING:
    from ..check.project import Project


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="CFG [WEIGHTS]")
@click.option("--data", help=".data file of the images that it is to train on: they are looked through, too.")
@click.option("--names", help="File with the names of the classes.")
@click.option("--fix", is_flag=True, help="Mend the cfg in place; the original stays beside it, as CFG.orig.")
@click.option("--strict", is_flag=True, help="Exit status 1 at warnings, too.")
@reporting
def check(files: tuple[str, ...], **options: Any) -> None:
    """Say what is wrong with CFG, and with its weights and data, where, and what to do about it.

    CFG, WEIGHTS, a .data and a .names file may come in any order.  Exit status 1 if something will not work; what
    works, but hardly as it is meant, is a warning.
    """
    from ..check.project import Project
    from ..check.project import check as find

    cfg, weights = sort_out(files, options)
    data, names = (str(options[key]) if options[key] else None for key in ("data", "names"))
    outputs = files_of(options, "report", "json", "sarif")
    for path in outputs:
        check_not_input(path, [name for name in (cfg, weights, data, names) if name])
    project = Project.of(cfg, weights, data, names)
    if options["fix"]:
        mend(project)
    found = find(project, progress)
    check_free(outputs)
    write_reports(found, options, f"Network {project.cfg}")
    if "-" not in outputs:
        own = [finding for finding in found if finding.file == str(project.cfg)]
        for line in [*map(str, own), *lines([finding for finding in found if finding not in own])]:
            click.echo(line)
        click.echo(summary(found))
    severe = options["strict"] and any(finding.severity == WARNING for finding in found)
    sys.exit(int(severe or is_bad(found)))


def sort_out(files: tuple[str, ...], options: dict[str, Any]) -> tuple[str, str | None]:
    """The cfg and the weights among the arguments; a .data or .names file goes to its option."""
    cfg, weights, others = by_suffix(files, options)
    cfg, weights = (one or (others.pop(0) if others else "") for one in (cfg, weights))
    if not cfg or others:
        raise click.UsageError(f"expected a .cfg and perhaps its .weights, got {' '.join(files)}")
    return cfg, weights or None


def mend(project: Project) -> None:
    """Mend the cfg, and say what was changed."""
    from ..check.mend import mend as apply

    changes, original = apply(project)
    for line in changes:
        click.echo(line, err=True)
    click.echo(f"the original: {original}" if original else f"{project.cfg}: nothing to mend", err=True)
    if project.data:
        click.echo(f"for the data set: darkparse dataset check {project.data} --fix DIR", err=True)
