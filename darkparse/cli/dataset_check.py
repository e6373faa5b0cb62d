"""darkparse dataset check, and stats: what is wrong with a data set, and what it is made of."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from ..findings import ERROR, is_bad, lines, summary
from .arguments import FILE_OUT, SHOWN, show_notes
from .reports import check_free, files_of, reporting, write, write_reports
from .train import CLEAR

if TYPE_CHECKING:
    from ..annotations.survey import Survey
    from ..data import Data
    from ..findings import Finding
    from ..graph import Graph

TELL_EACH = 50  # images, on a terminal


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="DATA [CFG]")
@click.option("--cfg", help="The network: its classes, and the size at which boxes are too small for it.")
@click.option(
    "--classes", type=click.IntRange(1, 65535), help="How many there are.  [default: the cfg's, or the names]"
)
@reporting
@click.option("--sheet", type=click.Path(dir_okay=False), help="Contact sheet (.jpg, .png): images with their labels.")
@click.option("--tiles", type=click.IntRange(1, 400), default=24, help="Images on it.", **SHOWN)
@click.option("--seed", type=click.IntRange(0), default=0, help="Another shows other images on it.", **SHOWN)
@click.option("--fix", metavar="DIR", type=click.Path(file_okay=False), help="Folder for a cleaned copy.")
@click.option("--copy", is_flag=True, help="Copies of the images there, not links.")
@click.option("--quick", is_flag=True, help="Look at the first bytes of images only; cut off ones are not found.")
def check(files: tuple[str, ...], **options: Any) -> None:
    """Say what is wrong with the images and labels that DATA, a .data file, leads to.

    Ten lines a rule at most; the rest is in the report.  Exit status 1 if there is an error, with --fix if there is one
    in the cleaned copy.  Nothing of the data set itself is ever changed.
    """
    from ..annotations import contact_sheet
    from ..annotations.faults import Network, judge
    from ..annotations.survey import look

    data, graph = opened(files, options)
    outputs = files_of(options, "report", "json", "sarif", "sheet")
    if options["sheet"]:
        contact_sheet.check_kind(options["sheet"])
    network = Network.of(graph) if graph else Network()
    network = network._replace(classes=options["classes"] or network.classes)
    survey = look(data, channels=network.channels, quick=options["quick"], tell=progress)
    findings = list(judge(survey, *network[:3]))
    check_free(outputs)
    text = "-" not in outputs
    for line in lines(findings) if text else ():
        click.echo(line)
    write_reports(findings, options, f"Data set {data.file}")
    if options["sheet"]:
        contact_sheet.write(options["sheet"], survey, findings, tiles=options["tiles"], seed=options["seed"])
    if text:
        click.echo(f"{data.file}: {len(survey.images)} images, {summary(findings)}")
    if options["fix"]:
        findings = fix(survey, network.classes, options, text)
    if is_bad(findings):
        sys.exit(1)


def opened(files: tuple[str, ...], options: dict[str, Any]) -> tuple[Data, Graph | None]:
    """The data set and the network that the arguments, in any order, and --cfg name."""
    from ..data import find_cfg, read_data
    from ..graph import read_graph

    rest = list(files)
    data = next((name for name in rest if name.lower().endswith(".data")), rest[0])
    rest.remove(data)
    cfg = options["cfg"] or (rest.pop() if rest else None)
    if rest:
        raise click.UsageError(f"expected a .data file and perhaps a .cfg, got {' '.join(files)}")
    return read_data(data), read_graph(
        find_cfg(cfg), width=options.get("width"), height=options.get("height")
    ) if cfg else None


def fix(survey: Survey, classes: int | None, options: dict[str, Any], text: bool) -> list[Finding]:
    """Write a cleaned copy, and say what was done; what is still wrong with it."""
    from ..annotations.faults import find
    from ..annotations.mend import mend
    from ..data import read_data

    mended = mend(survey, options["fix"], classes=classes, copy=options["copy"])
    left = list(find(read_data(mended.data), classes, quick=True))
    told = [
        *(f"{deed}: {count}" for deed, count in mended.done.items()),
        *lines([f for f in left if f.severity == ERROR]),
    ]
    for line in [*told, f"{mended.data}: cleaned copy, {summary(left)}"]:
        click.echo(line, err=not text)
    show_notes(*mended.notes)
    return left


def progress(done: int, total: int) -> None:
    """How far it is, on a terminal."""
    if sys.stderr.isatty() and (done % TELL_EACH == 0 or done == total):
        click.echo(f"{CLEAR}{done} of {total} images" if done < total else CLEAR, nl=False, err=True)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="DATA [CFG]")
@click.option("--cfg", help="The network, at whose size boxes are measured.")
@click.option("--width", type=click.IntRange(1), help="Width of its input, px, in place of a cfg's.  [default: 416]")
@click.option("--height", type=click.IntRange(1), help="Height of it.  [default: the width]")
@click.option("--json", type=FILE_OUT, help='JSON file of the numbers; "-": standard output, and nothing else there.')
@click.option("--picture", type=click.Path(dir_okay=False), help="Picture of them (.png, .svg, .pdf).")
def stats(files: tuple[str, ...], **options: Any) -> None:
    """Show what a data set is made of: images, boxes of each class, and how large the network sees them.

    Boxes are counted as training uses them: those that it leaves out are told of as not usable.
    """
    from ..annotations import stats_plot, stats_text
    from ..annotations.faults import Network
    from ..annotations.stats import View, as_dict, measure
    from ..plots import check_kind

    data, graph = opened(files, options)
    outputs = files_of(options, "json", "picture")
    if options["picture"]:
        check_kind(options["picture"])
    width = options["width"] or options["height"]
    given = View(width, options["height"] or width, source="as given") if width else View()
    classes = Network.of(graph).classes if graph else None
    found = measure(data, classes, View.of(graph) if graph else given)
    check_free(outputs)
    for line in stats_text.lines(found) if options["json"] != "-" else ():
        click.echo(line)
    if options["json"]:
        write(options["json"], json.dumps(as_dict(found), indent=1))
    if options["picture"]:
        stats_plot.write(options["picture"], found)
