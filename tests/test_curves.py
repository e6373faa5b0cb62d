"""Curves of precision and recall, by hand, and their picture."""

import numpy as np
import pytest

from darkparse import plots
from darkparse.evaluation.curves import Curve, curve, curve_of_all, curves
from darkparse.evaluation.pictures import draw
from darkparse.evaluation.report import advice
from darkparse.metrics import Found, Truths, evaluation
from map_goldens import golden, needs_goldens


def of(*rows):
    """The curve of pairs of a score and whether it is right, of four objects."""
    scores, hits = zip(*rows, strict=True) if rows else ((), ())
    return curve(np.array(scores, np.float32), np.array(hits, bool), 4)


def test_each_score_is_a_threshold_half_way_to_the_next():
    found = of((0.9, True), (0.7, True), (0.5, False), (0.3, True))
    assert found.thresh == pytest.approx([0.8, 0.6, 0.4, 0.3])
    assert found.precision == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert found.recall == pytest.approx([1 / 4, 2 / 4, 2 / 4, 3 / 4])
    assert found.f1 == pytest.approx([2 / 5, 2 / 3, 4 / 7, 3 / 4])
    assert found.best == pytest.approx((0.3, 3 / 4, 3 / 4, 3 / 4))


def test_equal_scores_count_together():
    found = of((0.9, True), (0.9, False), (0.5, True))
    assert found.thresh == pytest.approx([0.7, 0.5])
    assert found.precision == pytest.approx([1 / 2, 2 / 3])


def test_nothing():
    found = of()
    assert len(found.thresh) == len(found.f1) == len(found.thinned(10).thresh) == 0
    assert found.best is None
    assert found.precision_at().tolist() == [0] * 101
    assert of((0.9, False)).best is None
    assert advice(None) == "no detection is right, at any threshold"


def test_the_advice_gives_what_it_says():
    """At the threshold that is advised, rounded as it is printed, so many detections are right."""
    random = np.random.default_rng(0)
    scores = np.sort(random.integers(0, 500, 2000).astype(np.float32) / 500)[::-1]
    hits = random.random(2000) < scores
    best = curve(scores, hits, 1500).best
    shown = scores > np.float32(f"{best.thresh:.3f}")
    tp, found = hits[shown].sum(), shown.sum()
    assert (best.precision, best.recall) == pytest.approx((tp / found, tp / 1500))
    every = [2 * hits[scores > t].sum() / ((scores > t).sum() + 1500) for t in np.unique(scores)[:-1]]
    assert best.f1 == pytest.approx(max(every))
    assert advice(best).startswith(f"F1 is highest, {best.f1:.2f}, at --thresh {best.thresh:.3f} (precision ")


def test_thinned_to_even_steps_of_recall_with_both_ends():
    recall = np.linspace(0, 0.8, 1001) ** 2
    whole = Curve(np.linspace(1, 0, 1001), np.linspace(1, 0.5, 1001), recall)
    few = whole.thinned(11)
    assert len(few.thresh) == 11
    assert np.diff(few.recall) == pytest.approx(np.full(10, 0.064), abs=0.002)
    assert (few.thresh[0], few.thresh[-1]) == (1, 0)
    assert whole.thinned(5000).recall.tolist() == recall.tolist()


@needs_goldens
def test_interpolated_as_average_precision_at_101_points():
    found, truths = golden("bccd")
    result = evaluation(found, truths, 3, points=101)
    for one, its in zip(result.classes, curves(result), strict=True):
        # but for recalls that rounding puts just above a point
        assert its.precision_at().mean() == pytest.approx(one.ap, abs=0.01)
    whole = curve_of_all(result)
    right = sum(one.recall[-1] * its.truths for one, its in zip(curves(result), result.classes, strict=True))
    assert whole.recall[-1] == pytest.approx(right / 945)
    assert (np.diff(whole.thresh) < 0).all()


def many(classes, there):
    random = np.random.default_rng(1)
    images = np.repeat(np.arange(50), 8)
    labels = random.integers(0, there, 400)
    boxes = random.random((400, 4), np.float32)
    truths = Truths(images, labels, boxes)
    found = Found(images, np.where(random.random(400) < 0.7, labels, 0), boxes, random.random(400, np.float32))
    return evaluation(found, truths, classes)


@pytest.mark.parametrize(
    ("classes", "there", "named", "between"), [(3, 3, 3, 0), (20, 10, 10, 0), (80, 60, 10, 50)], ids=str
)
def test_the_picture_names_as_many_classes_as_can_be_read(classes, there, named, between):
    figure = draw(many(classes, there), [f"a class with a long name, number {i}" for i in range(classes)])
    left, right = figure.axes
    entries = [text.get_text() for text in left.get_legend().get_texts()]
    assert len([entry for entry in entries if entry.startswith("a class with a long...  ")]) == named
    assert (f"{between} classes between" in entries) == bool(between)
    assert entries[-1] == f"mean of {there} with objects"
    assert len(left.lines) == there + 1 + bool(between)
    assert {"precision", "recall", "F1"} <= {line.get_label() for line in right.lines}
    assert ("classes without objects" in left.get_title()) == (classes > there)


def test_the_picture_of_nothing(tmp_path):
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    result = evaluation(Found(*nothing, np.zeros(0, np.float32)), Truths(*nothing), 2)
    plots.save(draw(result, ["a", "b"]), tmp_path / "nothing.png")
    assert (tmp_path / "nothing.png").stat().st_size > 1000
    one = np.zeros(1, np.int64), np.zeros(1, np.int64), np.ones((1, 4), np.float32)
    missed = evaluation(Found(*nothing, np.zeros(0, np.float32)), Truths(*one), 2)
    assert "a  0.0%" in [text.get_text() for text in draw(missed, ["a", "b"]).axes[0].get_legend().get_texts()]
