"""darkparse dataset: from other formats to Darknet's, and back; splits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .arguments import SHOWN, show_notes
from .dataset_check import check, stats

if TYPE_CHECKING:
    from ..annotations import Annotations

Command = TypeVar("Command", bound=Callable[..., Any])

LISTED = 20  # lines of what was left out

_OPTIONS = (
    click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder to write: new, empty or ours."),
    click.option("--images", type=click.Path(file_okay=False), help="Folder of the images."),
    click.option("--names", type=click.Path(dir_okay=False), help="File with the names of the classes, in order."),
    click.option("--class", "classes", metavar="A,B,...", help="The names themselves."),
    click.option("--seed", type=click.IntRange(0), default=1, help="Of --valid FRACTION.", **SHOWN),
    click.option("--name", default="", help="NAME.data, NAME.names.  [default: as the folder]"),
    click.option("--copy", is_flag=True, help="Copies of the images in place of links."),
    click.option("--skip-bad", is_flag=True, help="Leave out files that cannot be used, in place of refusing."),
    click.option("--overwrite", is_flag=True, help="Write files anew that were changed since they were written."),
)


def converter(function: Command) -> Command:
    """Decorator: the options of commands that write Darknet's layout."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.group()
def dataset() -> None:
    """Make, divide and convert data sets of labelled images."""


dataset.add_command(check)
dataset.add_command(stats)


@dataset.command("from-voc")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--train", metavar="SET,...", help="What to train on.  [default: trainval, else train]")
@click.option("--valid", metavar="SET,...|FRACTION", help="What to evaluate on.  [default: test, else val]")
@click.option("--difficult", is_flag=True, help="Use objects marked difficult.")
@converter
def from_voc(folders: tuple[str, ...], **options: Any) -> None:
    """Convert PASCAL VOC's XML (the devkit, LabelImg, CVAT, Roboflow) to Darknet's layout.

    DIR is a VOC root with Annotations, JPEGImages and ImageSets, a folder with such roots, or any folder of XML files.
    A SET is a list of ImageSets/Main, or a folder of XML files.  Without sets all is to train on, but for a FRACTION.
    The images stay where they are; OUT has links to them.
    """
    from ..annotations.voc import read

    valid = share(options["valid"])
    found = read(
        folders,
        train=listed(options["train"]),
        valid=listed(options["valid"]) if valid is None else valid,
        keep_difficult=options["difficult"],
        **for_reading(options),
    )
    save(found, options)


@dataset.command("from-coco")
@click.argument("files", nargs=-1, metavar="[JSON|DIR]...")
@click.option("--train", multiple=True, metavar="JSON", help="A file to train on, whatever its name.")
@click.option("--valid", multiple=True, metavar="JSON|FRACTION", help="One to evaluate on; or so much of all images.")
@click.option("--crowds", is_flag=True, help="Use boxes of crowds (iscrowd=1).")
@converter
def from_coco(files: tuple[str, ...], **options: Any) -> None:
    """Convert COCO's JSON of object instances to Darknet's layout.

    Files with val, valid or test in their names, or else their folders', are to evaluate on, the others to train on.
    The images are looked for beside a file, in the folder above, and in images/ and train2017/ there, or in --images.
    They stay where they are; OUT has links to them.
    """
    from ..annotations.coco import read

    if not files and not options["train"]:
        raise click.UsageError("expected a JSON file, or a folder of them")
    valid = share(options["valid"][0]) if len(options["valid"]) == 1 else None
    found = read(
        files,
        train=options["train"],
        valid=options["valid"] if valid is None else valid,
        keep_crowds=options["crowds"],
        **for_reading(options),
    )
    save(found, options)


@dataset.command()
@click.argument("data", metavar="DATA")
@click.option("--valid", type=float, default=0.2, help="The fraction of the images to evaluate on.", **SHOWN)
@click.option("--seed", type=click.IntRange(0), default=1, help="Another gives another split.", **SHOWN)
@click.option("--together", is_flag=True, help="Divide the images of train= and valid=, not only those of train=.")
@click.option("--name", default="", help="NAME.data, NAME-train.txt, NAME-valid.txt.  [default: DATA's with -split]")
@click.option("--overwrite", is_flag=True, help="Also if these are there already.")
def split(data: str, **options: Any) -> None:
    """Divide the images of DATA, a .data file, into new lists to train and to evaluate on, beside it.

    Rare classes are in both; images with the same content stay together.  The same seed gives the same split, in
    whatever order the images are listed.
    """
    from ..annotations.split import split as divide

    file, found = divide(data, **options)
    show(found)
    click.echo(f"{file}: {counts(found)}")


@dataset.command("to-coco")
@click.argument("data", metavar="DATA")
@click.option("--out", required=True, type=click.Path(file_okay=False), help="Folder for instances_train.json, ...")
@click.option("--overwrite", is_flag=True, help="Also if these are there already.")
def to_coco(data: str, out: str, overwrite: bool) -> None:
    """Convert the data set of DATA, a .data file, to COCO's JSON of object instances."""
    from ..annotations.coco import write
    from ..annotations.darknet import read
    from ..data import read_data

    found = read(read_data(data))
    files, top = write(found, out, overwrite=overwrite)
    show(found)
    show_notes(f"file names are seen from {top}")
    click.echo(f"{', '.join(map(str, files))}: {counts(found)}")


def share(text: str | None) -> float | None:
    """The number that an option is; None where it is another word."""
    try:
        return float(text or "")
    except ValueError:
        return None


def listed(text: str | None) -> list[str]:
    """The words between commas."""
    return [word for part in (text or "").split(",") if (word := part.strip())]


def for_reading(options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that both readers take."""
    from ..data import read_names

    if options["names"] and options["classes"]:
        raise click.UsageError("expected --names or --class, not both")
    names = list(read_names(options["names"])) if options["names"] else listed(options["classes"]) or None
    if names and (twice := {name for name in names if names.count(name) > 1}):
        raise click.UsageError(f"the class {twice.pop()!r} is named twice; expected different names")
    return {"names": names, **{key: options[key] for key in ("images", "seed", "skip_bad")}}


def save(found: Annotations, options: dict[str, Any]) -> None:
    """Write Darknet's layout, and tell of it."""
    from ..annotations.darknet import BAD, write

    show(found, f"{options['out']}/{BAD}")
    written = write(found, options["out"], **{key: options[key] for key in ("copy", "name", "overwrite")})
    show_notes(*written.notes)
    click.echo(f"{written.data}: {counts(found)}")


def show(found: Annotations, file: str = "") -> None:
    """What the user should know, and the first of what was left out or changed."""
    show_notes(*found.notes, *found.bad[:LISTED])
    if (more := len(found.bad) - LISTED) > 0:
        show_notes(f"... and {more} more{f', see {file}' if file else ''}")


def counts(found: Annotations) -> str:
    """How much there is of everything."""
    parts = [f"{len(some)} images for {split}" for split, some in found.pictures.items()]
    objects = sum(len(picture.boxes) for some in found.pictures.values() for picture in some)
    return ", ".join([*parts, f"{objects} objects, {len(found.names)} classes"])
