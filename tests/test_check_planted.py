"""`darkparse check` finds nothing in a sound project, and of a fault planted there that fault, at its line, alone."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from check_project import Sound
from darkparse.findings import ERROR, WARNING

Found = tuple[str, str, str, int]  # rule, severity, file, line


@pytest.fixture
def sound(tmp_path) -> Sound:
    return Sound(tmp_path)


def test_nothing_is_found_in_a_sound_project(sound) -> None:
    assert sound.check() == []
    assert sound.check(weights=False) == []
    assert sound.check(data=False) == []


def filters(sound: Sound) -> list[Found]:
    """3 boxes of the first head x (4 coordinates + objectness + 2 classes) are 21, not 255, which 80 classes need."""
    return [("filters", ERROR, "net.cfg", sound.edit("filters=21", "filters=255"))]


def filters_missing(sound: Sound) -> list[Found]:
    """Darknet's default is 1; there is no line of the option, so the section's is told."""
    sound.edit("filters=21", "")
    return [("filters", ERROR, "net.cfg", sound.line("[convolutional]", 2))]


def mask_beyond(sound: Sound) -> list[Found]:
    """There are 6 anchors, 0 to 5."""
    return [("mask", ERROR, "net.cfg", sound.edit("mask=3,4,5", "mask=6,7,8"))]


def mask_misses(sound: Sound) -> list[Found]:
    """Nobody names anchor 0; the finding is at the anchors of the first head."""
    sound.edit("mask=0,1,2", "mask=1,2,3")
    return [("unused-anchor", WARNING, "net.cfg", sound.line("[yolo]") + 2)]


def num(sound: Sound) -> list[Found]:
    """Darknet then reads only 3 of the 6 anchors."""
    return [("num", ERROR, "net.cfg", sound.edit("num=6", "num=3"))]


def anchors_of_one_head(sound: Sound) -> list[Found]:
    line = sound.edit(
        "anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40", "anchors=6,7, 9,12, 14,11, 21,22, 31,25, 44,40", 1
    )
    return [("anchors-differ", WARNING, "net.cfg", line)]


def comma(sound: Sound) -> list[Found]:
    """Without blanks it says 4440."""
    line = sound.edit("anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40", "anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44 40")
    return [("no-comma", WARNING, "net.cfg", line)]


def width(sound: Sound) -> list[Found]:
    """The layer of 80 / 16 = 5 cells and the one of 2 x (80 // 32) = 4 cells cannot be joined."""
    return [("stride", ERROR, "net.cfg", sound.edit("width=64", "width=80"))]


def batch(sound: Sound) -> list[Found]:
    sound.edit("subdivisions=2", "subdivisions=1")
    return [("batch", WARNING, "net.cfg", sound.edit("batch=16", "batch=1"))]


def subdivisions(sound: Sound) -> list[Found]:
    sound.edit("subdivisions=2", "subdivisions=3")
    return [("batch", WARNING, "net.cfg", sound.line("batch=16"))]


def steps_beyond(sound: Sound) -> list[Found]:
    return [("steps", WARNING, "net.cfg", sound.edit("steps=4800,5400", "steps=4800,64000"))]


def steps_descending(sound: Sound) -> list[Found]:
    return [("steps", WARNING, "net.cfg", sound.edit("steps=4800,5400", "steps=5400,4800"))]


def scales(sound: Sound) -> list[Found]:
    return [("steps", WARNING, "net.cfg", sound.edit("scales=.1,.1", "scales=.1"))]


def iterations(sound: Sound) -> list[Found]:
    """At least 6000; the steps follow, so that they are not another fault."""
    sound.edit("steps=4800,5400", "steps=400,450")
    return [("iterations", WARNING, "net.cfg", sound.edit("max_batches=6000", "max_batches=500"))]


def burn_in(sound: Sound) -> list[Found]:
    return [("burn-in", WARNING, "net.cfg", sound.edit("burn_in=100", "burn_in=6000"))]


def learning_rate(sound: Sound) -> list[Found]:
    return [("learning-rate", WARNING, "net.cfg", sound.edit("learning_rate=.001", "learning_rate=1.5"))]


def typo(sound: Sound) -> list[Found]:
    """What follows, a network without a width, is not told of."""
    return [("unknown-option", WARNING, "net.cfg", sound.edit("width=64", "widht=64"))]


def unknown(sound: Sound) -> list[Found]:
    return [("unknown-option", WARNING, "net.cfg", sound.edit("decay=.0005", "decay=.0005\nmax_epochs=300") + 1)]


def repeated(sound: Sound) -> list[Found]:
    return [("repeated-option", WARNING, "net.cfg", sound.edit("momentum=.9", "momentum=.9\nmomentum=.95") + 1)]


def value(sound: Sound) -> list[Found]:
    return [("option", ERROR, "net.cfg", sound.edit("activation=leaky", "activation=leeky", 1))]


def section(sound: Sound) -> list[Found]:
    """Its options are read all the same, so that nothing follows from it."""
    return [("section", ERROR, "net.cfg", sound.edit("[maxpool]", "[mxpool]"))]


def route(sound: Sound) -> list[Found]:
    """There is no layer 44; those that read this one, and so have no shape, are not told of."""
    return [("layers", ERROR, "net.cfg", sound.edit("layers=-1, 1", "layers=-1, 44"))]


def heads(sound: Sound) -> list[Found]:
    """Its filters fit the 2 classes of the other head, and so are right."""
    return [("classes", ERROR, "net.cfg", sound.edit("classes=2", "classes=80"))]


def unit(sound: Sound) -> list[Found]:
    """In cells of 32 px, as [region] has them: a 32nd, in both heads."""
    cells = "anchors=0.2,0.2, 0.3,0.4, 0.4,0.3, 0.6,0.7, 1.0,0.8, 1.4,1.3"
    return [
        ("anchor-unit", WARNING, "net.cfg", sound.edit("anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40", cells))
        for _ in range(2)
    ]


def unit_of_region(sound: Sound) -> list[Found]:
    """Anchors in px before the head of YOLOv2, with 2 x 2 cells."""
    before = sound.cfg.read_text().partition("# the coarse head")[0]
    sound.cfg.write_text(f"{before}[region]\nclasses=2\nnum=3\nanchors=6,7, 20,22, 44,40\nsoftmax=1\n")
    sound.store(sound.random())
    return [("anchor-unit", WARNING, "net.cfg", sound.line("anchors=6,7, 20,22, 44,40"))]


def names(sound: Sound) -> list[Found]:
    """One too many; the .data file says so, too."""
    sound.write("a.names", "dot\ndash\nring\n")
    sound.data.write_text(sound.data.read_text().replace("classes = 2", "classes = 3"))
    return [("names-count", ERROR, "a.names", 3)]


def weights_of_others(sound: Sound) -> list[Found]:
    """One class more: 3 boxes x (8 weights + a bias) before the first head, 3 x (16 + 1) before the other."""
    sound.store(np.append(sound.values, np.ones(27 + 51, "<f4")))
    return [("weights-fit", ERROR, "net.weights", 0)]


def weights_nan(sound: Sound) -> list[Found]:
    values = sound.values.copy()
    values[100] = np.nan
    sound.store(values)
    return [("weights-finite", ERROR, "net.weights", 0)]


def weights_infinite(sound: Sound) -> list[Found]:
    values = sound.values.copy()
    values[-1] = -np.inf
    sound.store(values)
    return [("weights-finite", ERROR, "net.weights", 0)]


def missing_image(sound: Sound) -> list[Found]:
    sound.image("t2").unlink()
    return [("missing-image", ERROR, "train.txt", 3)]


def unreadable_image(sound: Sound) -> list[Found]:
    sound.image("t1").write_bytes(b"<html>404</html>")
    return [("unreadable-image", ERROR, "t1.jpg", 0)]


def box_outside(sound: Sound) -> list[Found]:
    sound.label("t0", "0 .5 .5 .25 .25\n0 1.4 .5 .25 .25\n")
    return [("outside", ERROR, "t0.txt", 2)]


def box_without_size(sound: Sound) -> list[Found]:
    sound.label("t3", "1 .5 .5 .25 .25\n0 .5 .5 0 .25\n")
    return [("zero-size", ERROR, "t3.txt", 2)]


def box_twice(sound: Sound) -> list[Found]:
    sound.label("t3", "1 .5 .5 .25 .25\n0 .2 .2 .25 .25\n1 .5 .5 .25 .25\n")
    return [("duplicate", ERROR, "t3.txt", 3)]


def class_beyond(sound: Sound) -> list[Found]:
    sound.label("v0", "0 .5 .5 .25 .25\n2 .2 .2 .25 .25\n")
    return [("class-range", ERROR, "v0.txt", 2)]


def in_train_and_valid(sound: Sound) -> list[Found]:
    shutil.copy(sound.image("t0"), sound.image("v1"))
    return [("in-both", ERROR, "valid.txt", 2)]


def malformed_label(sound: Sound) -> list[Found]:
    sound.label("t0", "0 .5 .5 .25 .25\n0;.5;.5;.25;.25\n")
    return [("label-line", ERROR, "t0.txt", 2)]


def labels_missing(sound: Sound) -> list[Found]:
    sound.labels("t0").unlink()
    return [("no-labels", WARNING, "t0.jpg", 0)]


FAULTS: list[Callable[[Sound], list[Found]]] = [
    filters, filters_missing, mask_beyond, mask_misses, num, anchors_of_one_head, comma, width, batch, subdivisions,
    steps_beyond, steps_descending, scales, iterations, burn_in, learning_rate, typo, unknown, repeated, value, section,
    route, heads, unit, unit_of_region, names, weights_of_others, weights_nan, weights_infinite, missing_image,
    unreadable_image, box_outside, box_without_size, box_twice, class_beyond, in_train_and_valid, malformed_label,
    labels_missing,
]  # fmt: skip


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_and_nothing_else(sound, plant) -> None:
    expected = plant(sound)
    assert sound.check() == expected


TOGETHER = [  # those that insert a line come first, so that the others' lines stay
    repeated, unknown, filters, mask_beyond, width, subdivisions, iterations, burn_in, learning_rate, value, section,
    weights_nan, missing_image, unreadable_image, box_outside, box_without_size, class_beyond, in_train_and_valid,
    comma, names,
]  # fmt: skip


def test_twenty_faults_at_once_are_all_found(sound) -> None:
    """None of them hides another; nothing is told that is not there."""
    expected = {one for plant in TOGETHER for one in plant(sound)}
    assert len(expected) == len(TOGETHER) == 20
    assert sorted(sound.check()) == sorted(expected)
