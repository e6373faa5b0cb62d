"""darkparse map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ..files import write_text
from ..guard import check_not_input, check_not_read
from .arguments import FILE_OUT, SHARE, SHOWN, show_notes
from .evaluation import Given, Watched, evaluation_command, opened, sort_out

if TYPE_CHECKING:
    from ..detect import Model
    from ..evaluation.coco import Summary
    from ..metrics import Evaluation


@click.command("map")
@evaluation_command
@click.option(
    "--points",
    "-points",
    type=click.Choice(["0", "11", "101"]),
    default="0",
    help="Recalls at which precision is taken: 11 of VOC 2007, 101 of COCO; 0: all, the area below.",
    **SHOWN,
)
@click.option(
    "--iou",
    "--iou-thresh",
    "-iou_thresh",
    "iou_thresh",
    type=SHARE,
    default=0.5,
    help="Overlap with an object above which a detection is of it.",
    **SHOWN,
)
@click.option(
    "--thresh",
    "-thresh",
    type=SHARE,
    default=0.25,
    help="Score above which true and false positives are counted.",
    **SHOWN,
)
@click.option("--json", type=FILE_OUT, help='JSON file with everything; "-": standard output, and nothing else there.')
@click.option("--curves", type=click.Path(dir_okay=False), help="Picture: precision, recall and F1 (.png, .svg, .pdf).")
@click.option("--coco", is_flag=True, help="COCO's twelve figures, too, by pycocotools.")
def map_(files: tuple[str, ...], **options: Any) -> None:  # fmt: skip
    """Mean average precision: how well a network finds the objects of labelled images.

    The images are those of valid= of DATA, a .data file, or else of train=.  The arguments may come in any order.  The
    text is Darknet's, number by number.  Exit status 1 if an image could not be read; its objects count as missed.
    """
    given = sort_out(files, options)
    from ..evaluation.coco import Coco
    from ..evaluation.evaluate import evaluate
    from ..evaluation.opening import as_map
    from ..evaluation.samples import labelled

    check_outputs(options, given.known)
    model = opened(given, as_map, options)
    labels = labelled(given.data, model.graph.classes, options["valid_list"])
    show_notes(*labels.notes)
    check_outputs(options, labels.images)
    coco = Coco(model.graph.classes) if options["coco"] else None
    samples = Watched(labels, "map")
    evaluation = evaluate(
        model.network, samples, batch=options["batch"], workers=options["workers"], iou_thresh=options["iou_thresh"],
        points=int(options["points"]), thresh=options["thresh"], coco=coco, failed=samples.failed,
    )  # fmt: skip
    summary = coco.summary() if coco else None
    show(evaluation, summary, model, options)
    store(evaluation, summary, model, given, options, images=len(labels), unreadable=samples.failures)
    samples.finish("their objects count as missed")


def check_outputs(options: dict[str, Any], known: Sequence[str]) -> None:
    """Refuse before the work what would be refused after it."""
    from .. import plots

    if options["curves"]:
        plots.check_kind(options["curves"])
        plots.figure()
    for path in filter(None, (options["curves"], options["json"])):
        check_not_input(path, known)


def show(evaluation: Evaluation, coco: Summary | None, model: Model, options: dict[str, Any]) -> None:
    """Darknet's text, unless standard output is for JSON; advice."""
    from ..evaluation.curves import curve_of_all
    from ..evaluation.report import advice, lines

    if options["json"] != "-":
        for line in (*lines(evaluation, model.names, model.graph.heads), *(coco.lines if coco else ())):
            click.echo(line)
    show_notes(advice(curve_of_all(evaluation).best))


def store(
    evaluation: Evaluation, coco: Summary | None, model: Model, given: Given, options: dict[str, Any], **counts: int
) -> None:
    """The files that are asked for."""
    from .. import plots
    from ..evaluation.pictures import draw
    from ..evaluation.report import as_json
    from ..report import printable

    if curves := options["curves"]:
        check_not_read(curves)
        plots.save(draw(evaluation, model.names), curves)
    if path := options["json"]:
        net = model.graph.net
        files = {"data": str(given.data.file), "cfg": given.cfg, "weights": given.weights}
        size = {"width": net.width, "height": net.height, "letterbox": model.letterbox}
        means = {"batch": options["batch"], "device": str(model.device), "precision": options["precision"]}
        everything = as_json(evaluation, model.names, coco, **files, **size, **means, **counts)
        text = printable(json.dumps(everything, ensure_ascii=False)) + "\n"
        if path == "-":
            click.echo(text, nl=False)
        else:
            check_not_read(path)
            write_text(path, text)
