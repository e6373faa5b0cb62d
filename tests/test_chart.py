"""chart.png: where the curves are, what is written, and that nothing covers anything."""

import json
import math
import time

import cv2
import numpy as np
import pytest

from conftest import SHARED
from darkparse.errors import DarkparseError
from darkparse.training import chart
from darkparse.training.chart import HEIGHT, WIDTH, Axis, Pen, draw, loss_axis, write
from darkparse.training.records import History

LEFT, TOP, RIGHT, BOTTOM = 72, 92, 1128, 660  # the edges of the plot, read off a chart
BLUE, PALE, ORANGE = (186, 92, 24), (245, 216, 190), (16, 84, 217)
STEPS = [(800, 0.1), (900, 0.1)]


def history(loss, average, mAP=()):
    shown = History()
    for i, values in enumerate(zip(loss, average, strict=True), 1):
        shown.add({"iteration": i, "loss": values[0], "avg_loss": values[1], "mAP": dict(mAP).get(i)})
    return shown


def falling(n=1000, factor=3000.0):
    """A loss that falls by a factor, with noise, and a mAP that rises."""
    average = factor ** (1 - np.arange(n) / n)
    noise = np.random.default_rng(0).lognormal(0, 0.2, n)
    return history(average * noise, average, [(i, 0.9 * i / n) for i in range(n // 20, n + 1, n // 20)])


def is_near(image, x, y, colour):
    """Whether the colour is within a pixel of a place."""
    patch = image[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].astype(int)
    return (np.abs(patch - colour).sum(2) < 30).any()


def test_the_curves_are_where_their_values_say():
    image = draw(history([8.0] * 1000, [5.0] * 1000, [(500, 0.25), (1000, 0.75)]), 2000, "x.cfg", top=10)
    assert image.shape == (HEIGHT, WIDTH, 3)
    for x in (100, 200, 400, 580):
        assert is_near(image, x, BOTTOM - 0.5 * (BOTTOM - TOP), BLUE)
        assert is_near(image, x, BOTTOM - 0.8 * (BOTTOM - TOP), PALE)
    assert not is_near(
        image, (LEFT + RIGHT) / 2 + 20, BOTTOM - 0.5 * (BOTTOM - TOP), BLUE
    )  # half of the run is to come
    for part, mAP in ((0.25, 0.25), (0.5, 0.75), (0.375, 0.5)):
        assert is_near(image, LEFT + part * (RIGHT - LEFT), BOTTOM - mAP * (BOTTOM - TOP), ORANGE)


def test_a_spike_among_half_a_million_is_seen():
    shown = History()
    for name, column in vars(shown).items():
        column.frombytes(
            np.arange(1.0, 500_001.0).tobytes() if name == "iteration" else np.full(500_000, 2.0).tobytes()
        )
    shown.mAP[:] = shown.accuracy[:] = type(shown.mAP)("d", [math.nan] * 500_000)
    shown.loss[249_999] = 9.0
    image = draw(shown, 500_000, "x.cfg", top=10)
    assert is_near(image, (LEFT + RIGHT) / 2, BOTTOM - 0.85 * (BOTTOM - TOP), PALE)
    assert is_near(image, 300, BOTTOM - 0.2 * (BOTTOM - TOP), BLUE)


def test_an_infinite_or_missing_loss_leaves_the_others_where_they_are():
    whole, holed = [5.0] * 100, [5.0] * 100
    holed[10:20] = [math.nan] * 10
    holed[30] = math.inf
    images = [draw(history(loss, loss), 100, "x.cfg").astype(int) for loss in (holed, whole)]
    assert np.abs(images[0] - images[1]).max() < 32  # where two strokes meet, the edge is a shade darker


@pytest.mark.parametrize("n", [0, 1, 2, 10])
def test_a_run_that_has_only_begun(n):
    image = draw(history([100.0] * n, [100.0] * n), 1000, "x.cfg", left=3.0)
    seen = (np.abs(image[TOP + 10 : BOTTOM - 5, LEFT - 4 :].astype(int) - BLUE).sum(2) < 30).any()
    assert seen == (n > 0)


def test_no_axis_of_mAP_where_there_is_none():
    def beside(shown):
        return draw(shown, 10, "x.cfg")[TOP - 5 : BOTTOM + 5, RIGHT + 8 :]

    assert (beside(history([1.0] * 10, [1.0] * 10)) == 255).all()
    assert (beside(history([1.0] * 10, [1.0] * 10, [(5, 0.5)])) != 255).any()


@pytest.mark.parametrize(
    ("low", "high", "log", "ticks"),
    [
        (0, 105, False, [0, 20, 40, 60, 80, 100]),
        (0, 1, False, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 500_200, False, [0, 100_000, 200_000, 300_000, 400_000, 500_000]),
        (0, 7, False, [0, 2, 4, 6]),
        (4.2, 130, True, [5, 10, 20, 50, 100]),
        (0.9, 1200, True, [1, 10, 100, 1000]),
    ],
)
def test_ticks_are_round(low, high, log, ticks):
    assert Axis(low, high, 0, 1, log).ticks(6) == pytest.approx(ticks)


def test_the_axis_of_losses_follows_them():
    steady, fall = np.linspace(6, 2, 100), np.geomspace(1000, 2, 100)
    assert not loss_axis(steady, steady, None).log
    assert loss_axis(fall, fall, None).log
    assert (loss_axis(fall, fall, 20).low, loss_axis(fall, fall, 20).high) == (0, 20)
    spiked = steady.copy()
    spiked[50] = 1e6
    assert 6 <= loss_axis(spiked, steady, None).high < 20
    for axis in (loss_axis(steady, steady, None), loss_axis(fall, fall, None)):
        assert axis.low < 2
        assert axis.high > 6


@pytest.mark.parametrize(("n", "steps"), [(1000, STEPS), (1000, [(800, 0.1), (801, 0.1), (1000, 0.5)]), (60, [])])
def test_no_text_covers_another_or_leaves_the_image(monkeypatch, n, steps):
    places = []

    def stamp(self, mask, at, colour, side=0):
        height, width = mask.shape
        if tuple(colour) != (255, 255, 255):  # the pale rim around a text
            places.append(
                (at[0] - side * width, at[1] - height * 0.3, at[0] + (1 - side) * width, at[1] + height * 0.3)
            )
        return width

    monkeypatch.setattr(Pen, "stamp", stamp)
    draw(falling(n), n, "a long name " * 20, steps=steps, left=86400 * 9.0)
    assert len(places) > 30
    for i, (x0, y0, x1, y1) in enumerate(places):
        assert x0 >= 0
        assert y0 >= 0
        assert x1 <= WIDTH
        assert y1 <= HEIGHT
        for a0, b0, a1, b1 in places[:i]:
            assert x1 <= a0 or a1 <= x0 or y1 <= b0 or b1 <= y0


def test_what_is_written(monkeypatch):
    texts = []
    mask = chart.Font.mask
    monkeypatch.setattr(chart.Font, "mask", lambda self, text, size: texts.append(text) or mask(self, text, size))
    draw(history([4.0] * 812, [4.5] * 812, [(400, 0.754), (800, 0.742)]), 1500, "bccd.cfg", steps=STEPS, left=700)
    stand = "iteration 812 of 1,500,  average loss 4.5,  mAP 74.2%,  best 75.4% at 400,  12 min left"
    assert {"bccd.cfg", stand, "74.2%", "75.4%", "rate x0.1", "1,400", "100%"} <= set(texts)


def test_a_classifier_has_accuracy_in_place_of_mAP(monkeypatch):
    shown, texts = history([4.0] * 3, [4.5] * 3), []
    shown.accuracy[1] = 0.5
    mask = chart.Font.mask
    monkeypatch.setattr(chart.Font, "mask", lambda self, text, size: texts.append(text) or mask(self, text, size))
    draw(shown, 4, "c.cfg")
    assert {"accuracy", "50.0%", "iteration 3 of 4,  average loss 4.5,  accuracy 50.0%,  best 50.0% at 2"} <= set(texts)
    assert "mAP" not in texts


def test_ten_thousand_rows_in_fifty_milliseconds():
    shown, times = falling(10_000), []
    for _ in range(5):
        start = time.process_time()
        draw(shown, 10_000, "x.cfg", steps=STEPS)
        times.append(time.process_time() - start)
    assert min(times) < 0.05


def test_written_whole_or_not_at_all(tmp_path):
    write(tmp_path / "chart.png", falling(100), 100, "x.cfg", steps=STEPS)
    image = cv2.imread(str(tmp_path / "chart.png"))
    assert np.array_equal(image, draw(falling(100), 100, "x.cfg", steps=STEPS))
    with pytest.raises(DarkparseError, match=r"chart.png: No such file or directory"):
        write(tmp_path / "none" / "chart.png", falling(100), 100, "x.cfg")


@pytest.mark.skipif(not (SHARED / "training").is_dir(), reason=f"no {SHARED / 'training'}; set DARKPARSE_SHARED")
def test_a_real_run_is_within_its_axes():
    run = json.loads((SHARED / "training/bccd/darknet.json").read_text())["runs"]["tiny"]
    average = np.array(run["avg_loss"])
    axis = loss_axis(np.array(run["loss"]), average, None)
    assert axis.log
    placed = axis.place(average)
    assert placed.min() > TOP
    assert placed.max() < BOTTOM
