"""darkparse new."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..data import find_cfg
from ..download import OFFICIAL
from ..errors import DarkparseError
from ..guard import check_not_input, check_not_read
from .arguments import show_notes

if TYPE_CHECKING:
    from ..recipe import NewCfg

WISHES = ("width", "height", "channels", "batch", "subdivisions", "max_batches")
COLOUR = 3  # channels, that published weights are for
SIZE = click.IntRange(1)
FILE = click.Path(dir_okay=False)


@click.command()
@click.argument("out", metavar="OUT.cfg")
@click.option(
    "--from", "source", required=True, help="The cfg to begin with: a file, or one that comes with darkparse."
)
@click.option("--names", type=FILE, help="File with the names of the classes.")
@click.option("--classes", type=SIZE, help="How many classes, where there is no such file.")
@click.option("--data", type=FILE, help=".data file that names it, and the images to train with.")
@click.option("--width", type=SIZE, help="Width of the network's input, px.  [default: as it is]")
@click.option("--height", type=SIZE, help="Height of it.  [default: as it is]")
@click.option("--channels", type=SIZE, help="Channels of it: 1 for grey images.  [default: as it is]")
@click.option("--batch", type=SIZE, help="Images for one step of training.  [default: 64]")
@click.option("--subdivisions", type=SIZE, help="In how many parts.  [default: of 4 images each]")
@click.option("--max-batches", type=SIZE, help="Steps.  [default: 2000 a class, at least 6000]")
@click.option("--anchors", is_flag=True, help="Other anchors, for the boxes of --data, by k-means (darkparse anchors).")
@click.option("--weights", type=FILE, help="Trained weights of the old cfg, to be fitted to the new one.")
@click.option("--weights-out", type=FILE, help="Where to put them.  [default: OUT.weights]")
@click.option("--old-names", type=FILE, help="Names of their classes.  [default: beside the cfg; COCO's for 80, ...]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the weights that begin anew.")
@click.option("--overwrite", is_flag=True, help="Files that are there already are written anew.")
def new(out: str, **options: Any) -> None:
    """Make a cfg to train on images of your own: OUT.cfg, from a published one.

    Sets the classes of each head, the filters before it and the schedule, as Darknet's users do by hand: 64 images a
    step, 2000 steps a class, a tenth of the learning rate from 80 % of them on and a hundredth from 90 %.  Everything
    else stays, with its comments.  With --weights the trained weights come along: all but the rows of classes that
    the old network does not have.
    """
    from ..recipe import DataSet, Wishes, new_cfg
    from ..surgery import new_weights

    targets = Targets.of(out, options)
    source, data, weights = options["source"], options["data"], options["weights"]
    data_set = DataSet.of(options["classes"], options["names"], data)
    wishes = Wishes(**{key: options[key] for key in WISHES})
    made = new_cfg(source, data_set, wishes, fit_anchors_to=data if options["anchors"] else None)
    if made.anchors:
        show_notes(*made.anchors.notes, *made.anchors.comparison())
    fitted = None
    if weights:
        chosen = {"names": data_set.names, "old_names": options["old_names"], "seed": options["seed"]}
        fitted = new_weights(source, made, weights, **chosen)
        show_notes(*fitted.notes)
    targets.check()
    if fitted:
        fitted.write(targets.weights)
    made.text.write(targets.cfg)
    for line in made.changes:
        click.echo(line)
    show_next(source, targets, data, made)


class Targets(NamedTuple):
    """The files to write."""

    cfg: str
    weights: str  # "": none
    inputs: list[str]
    overwrite: bool

    @classmethod
    def of(cls, out: str, options: dict[str, Any]) -> Targets:
        """As the options say.  Raises click.UsageError where they contradict each other."""
        if Path(out).suffix.lower() != ".cfg":
            raise click.UsageError(f"expected the name of a new .cfg, got {out}")
        if not any(options[key] for key in ("names", "classes", "data")):
            raise click.UsageError("of what classes? expected --names, --classes or --data")
        if options["anchors"] and not options["data"]:
            raise click.UsageError("--anchors: for which boxes? expected --data, too")
        if options["weights_out"] and not options["weights"]:
            raise click.UsageError("--weights-out: expected --weights, too")
        weights = options["weights"] and (options["weights_out"] or str(Path(out).with_suffix(".weights")))
        inputs = [options[key] for key in ("names", "data", "weights", "old_names") if options[key]]
        targets = cls(out, weights or "", [str(find_cfg(options["source"])), *inputs], options["overwrite"])
        targets.check()
        return targets

    def check(self) -> None:
        """Raises DarkparseError where they are one, or one is read, or is there already and not to be overwritten."""
        if self.weights and os.path.realpath(self.weights) == os.path.realpath(self.cfg):
            raise DarkparseError(f"{self.weights}: named for the cfg and for its weights; expected different files")
        for path in filter(None, (self.cfg, self.weights)):
            check_not_input(path, self.inputs)
            check_not_read(path)
            if os.path.lexists(path) and not self.overwrite:
                raise DarkparseError(f"{path}: is there already; not overwritten without --overwrite")


def show_next(source: str, targets: Targets, data: str | None, made: NewCfg) -> None:
    """What was taken for granted, and what to do now, on stderr."""
    click.echo("comments are left as they were, and may tell of the old numbers", err=True)
    begin, graph = targets.weights, made.graph
    if not begin and graph.net.channels == COLOUR and (begin := backbone(source)):
        click.echo(f"trained first layers: darkparse download {begin}", err=True)
    if not data:
        click.echo("images to train with: not known without --data; max_batches should not be less", err=True)
    elif not made.anchors and any(hasattr(head, "anchors") for _, head in graph.heads):
        asked = shlex.join(["darkparse", "anchors", data, targets.cfg])
        click.echo(f"anchors are left as they were; to see whether others serve better: {asked}", err=True)
    command = ["darkparse", "train", data or "YOUR.data", targets.cfg, *([begin] if begin else [])]
    click.echo(f"next: {shlex.join(command)}", err=True)


def backbone(source: str) -> str:
    """The published file with the first layers of a cfg, or ""."""
    file = f"{Path(source).stem}.cfg"
    return next((name for name, entry in OFFICIAL.items() if entry.cfg == file and ".conv." in name), "")
