"""darkparse valid."""

from __future__ import annotations

from typing import Any

import click

from .arguments import SHARE, show_notes
from .evaluation import Watched, evaluation_command, opened, sort_out


@click.command()
@evaluation_command
@click.option("--eval", "kind", type=click.Choice(["coco", "voc", "imagenet"]), help="Format.  [default: by DATA; voc]")
@click.option("--out", "-out", help="DIR/NAME of the files, or NAME in the folder of results=.  [default: Darknet's]")
@click.option("--truth", type=click.Path(dir_okay=False), help="COCO file whose ids of images and classes are taken.")
@click.option("--thresh", "-thresh", type=SHARE, help="Least score.  [default: .001, for weights of pjreddie's .005]")
@click.option("--nms", "-nms", type=SHARE, help="Overlap above which the weaker box goes.  [default: .6, or .45]")
def valid(files: tuple[str, ...], **options: Any) -> None:
    """Write detections in images for the evaluation programs of COCO, PASCAL VOC or ImageNet.

    The images are those of valid= of DATA, a .data file, or else of train=.  The arguments may come in any order.
    Writes results/coco_results.json, results/comp4_det_test_CLASS.txt or results/imagenet-detection.txt.  Exit status 1
    if an image could not be read.
    """
    given = sort_out(files, options)
    from ..evaluation.ids import ids_of
    from ..evaluation.opening import as_valid
    from ..evaluation.samples import validation_images
    from ..evaluation.valid import Image, Results, kind_of, place_for, write_results

    model = opened(given, as_valid, options)
    kind = kind_of(given.data, model, options["kind"])
    images, reports = validation_images(given.data, options["valid_list"])
    ids = ids_of(images, model.names, options["truth"])
    show_notes(*reports, *(ids.notes if kind == "coco" else ()))
    place = place_for(given.data, kind, options["out"])
    results = Results(kind, place, model.names, ids, [*given.known, *images])
    samples = Watched([Image(path, number) for number, path in enumerate(images)], "valid")
    numbers = {key: options[key] for key in ("thresh", "nms", "batch", "workers")}
    write_results(model, samples, results, **numbers, failed=samples.failed)
    paths = results.paths
    where = str(paths[0]) if len(paths) == 1 else f"{place}*.txt, {len(paths)} files"
    show_notes(f"{where}: {sum(results.counts)} detections in {len(images) - samples.failures} images")
    samples.finish("nothing is written of it" if samples.failures == 1 else "nothing is written of them")
