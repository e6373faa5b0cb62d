"""darkparse recall."""

from __future__ import annotations

from typing import Any

import click

from .arguments import show_notes
from .evaluation import Watched, evaluation_command, opened, sort_out


@click.command()
@evaluation_command
def recall(files: tuple[str, ...], **options: Any) -> None:
    """How many of the objects of labelled images have a box, whatever class it says.

    A line an image, with the figures of all so far: its number, objects with a box, all objects, boxes an image, mean
    overlap, recall.  The images are those of valid= of DATA, a .data file, or else of train=.  Exit status 1 if an
    image could not be read; its objects count as missed.
    """
    given = sort_out(files, options)
    from ..evaluation.opening import as_recall
    from ..evaluation.recall import recall as rows
    from ..evaluation.samples import labelled

    model = opened(given, as_recall, options)
    labels = labelled(given.data, model.graph.classes, options["valid_list"])
    show_notes(*labels.notes)
    samples = Watched(labels, "recall")
    for row in rows(model, samples, batch=options["batch"], workers=options["workers"], failed=samples.failed):
        samples.bar.clear()
        click.echo(str(row))
    samples.finish("their objects count as missed")
