"""Drawn detections: what is drawn, where, and in which colours."""

import numpy as np
import pytest

import darkparse.draw as draw_module
from darkparse.draw import class_colour, draw, text_colour
from darkparse.errors import ImageError

NAMES = ["dog", "cat", "dont_show_me", "犬", "Łódź ñandú", "bad\udc80\ud83d", "", "tab\tand\nline", "🐶", "w" * 400]


def grey(height: int = 240, width: int = 320, value: int = 128) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def drawn(image, boxes, labels=None, scores=None, names=NAMES):
    n = len(boxes)
    scores = np.linspace(0.9, 0.2, n) if scores is None else np.array(scores)
    labels = np.zeros(n, int) if labels is None else np.array(labels)
    return draw(image, np.array(boxes, np.float32).reshape(-1, 4), scores, labels, names)


def changed(before, after):
    return (before != after).any(2)


def plate_region(before, after, box, margin=4):
    """Bounds (x0, y0, x1, y1) of what changed away from the box's own edges."""
    mask = changed(before, after)
    x0, y0, x1, y1 = (int(v) for v in box)
    band = np.zeros_like(mask)
    band[max(y0 - margin, 0) : y1 + margin, max(x0 - margin, 0) : x1 + margin] = True
    band[y0 + margin : y1 - margin, x0 + margin : x1 - margin] = False
    rows, columns = np.nonzero(mask & ~band)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def contrast(one, other):
    def luminance(bgr):
        unit = np.asarray(bgr, float)[::-1] / 255
        linear = np.where(unit <= 0.03928, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722] + 0.05

    dark, light = sorted((luminance(one), luminance(other)))
    return light / dark


def test_text_is_readable_on_all_colours():
    assert all(contrast(class_colour(i), text_colour(class_colour(i))) >= 4.5 for i in range(80))


def test_colours_are_stable_distinct_and_seen_on_black():
    colours = [class_colour(i) for i in range(80)]
    assert len({tuple(c) for c in colours}) == 80
    assert all((class_colour(i) == c).all() for i, c in enumerate(colours))
    assert all(contrast(c, (0, 0, 0)) > 3 for c in colours)
    assert min(np.abs(a - b).max() for i, a in enumerate(colours[:20]) for b in colours[:i]) > 30


@pytest.mark.parametrize("value", [0, 128, 255])
@pytest.mark.parametrize("size", [(64, 64), (240, 320), (1500, 2000)])
def test_outline_has_the_class_colour_and_a_rim(size, value):
    height, width = size
    image = grey(height, width, value)
    box = width // 4, height // 2, width // 4 * 3, height // 4 * 3
    after = drawn(image, [box], [1])
    middle = (box[1] + box[3]) // 2
    for row in after[middle, box[0] - 1 : box[0] + 2], after[middle, box[2] - 2 : box[2] + 1]:
        assert (row == class_colour(1)).all(1).any()
    if value:
        reach = 4 + width // 200
        assert (after[middle, box[0] - reach : box[0]].max(1) < value).any()
    assert not changed(image, after)[middle, width // 2]


def test_nothing_else_is_drawn():
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    box = (100, 100, 250, 200)
    after = drawn(image, [box])
    x0, y0, x1, y1 = plate_region(image, after, box)
    assert 90 < x0 <= 100 < x1 < 200
    assert 70 < y0 < y1 <= 100
    inside = (after[y0:y1, x0:x1] == class_colour(0)).all(2).mean()
    assert 0.4 < inside < 0.95  # a filled plate with text


@pytest.fixture
def plates(monkeypatch):
    """Collects the bounds of the plates that are drawn, last one first."""
    bounds, paint = [], draw_module._draw_plate

    def record(image, plate, line):
        bounds.insert(0, plate.box)
        paint(image, plate, line)

    monkeypatch.setattr(draw_module, "_draw_plate", record)
    return bounds


@pytest.mark.parametrize(
    "corner", [(0, 0), (280, 0), (280, 200), (0, 200), (0, 100), (290, 100), (-20, -20), (300, 220)]
)
def test_whole_plate_is_inside(corner, plates):
    x, y = corner
    image = grey()
    drawn(image, [(140, 100, 180, 140)], [4])
    after = drawn(image, [(x, y, x + 40, y + 40)], [4])
    (x0, y0, x1, y1), free = plates
    assert 0 <= x0 < x1 <= 320
    assert 0 <= y0 < y1 <= 240
    if min(corner) >= 0 and max(corner) < 300:
        assert (x1 - x0, y1 - y0) == (free[2] - free[0], free[3] - free[1])
    assert (after[y0:y1, x0:x1] == class_colour(4)).all(2).mean() > 0.4


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 200), (8, 8), (12, 12), (20, 90), (90, 20), (64, 64)])
def test_tiny_images(height, width, plates):
    image = grey(height, width)
    after = drawn(image, [(1, 1, width - 1, height - 1)] * 2, [9, 4])
    assert after.shape == image.shape
    assert all(0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height for x0, y0, x1, y1 in plates)
    assert plates or min(height, width) < 16


def test_long_label_is_cut(plates):
    drawn(grey(200, 100), [(10, 100, 60, 150)], [9])
    [(x0, y0, x1, y1)] = plates
    assert 80 < x1 - x0 <= 100
    assert y1 - y0 < 15


def test_input_is_left_alone():
    image = grey()
    boxes = np.array([[10.0, 10, 100, 100]])
    after = draw(image, boxes, np.array([0.5]), np.array([0]), NAMES)
    assert (image == 128).all()
    assert boxes.tolist() == [[10, 10, 100, 100]]
    assert after.dtype == np.uint8
    assert not np.shares_memory(image, drawn(image, []))


def test_no_boxes():
    assert (drawn(grey(), []) == grey()).all()
    assert (draw(grey(), np.empty((0, 4)), np.empty(0), np.empty(0, int), []) == grey()).all()


def test_hidden_names():
    assert (drawn(grey(), [(10, 10, 90, 90)], [2]) == grey()).all()
    both = drawn(grey(), [(10, 50, 90, 90)] * 2, [2, 0], [0.9, 0.5])
    assert (both == drawn(grey(), [(10, 50, 90, 90)], [0], [0.5])).all()


def test_same_box_shares_a_plate():
    box = (100, 100, 250, 200)
    alone = drawn(grey(), [box], [0], [0.98])
    shared = drawn(grey(), [box, box], [1, 0], [0.31, 0.98])
    one, two = plate_region(grey(), alone, box), plate_region(grey(), shared, box)
    assert one[:2] == two[:2]
    assert one[3] == two[3]  # one line
    assert two[2] - two[0] > 1.5 * (one[2] - one[0])
    text = slice(one[1], one[3]), slice(one[0], one[2] - 8)
    assert (alone[text] == shared[text]).all()  # begins with the best
    assert not (shared == class_colour(1)).all(2).any()


def test_plates_keep_clear_of_each_other(plates):
    drawn(grey(), [(100, 100, 250, 200), (104, 103, 248, 198), (98, 101, 240, 199), (101, 104, 249, 201)], [0, 1, 0, 1])
    assert len(plates) == 4
    for i, (x0, y0, x1, y1) in enumerate(plates):
        assert all(x0 >= c1 or c0 >= x1 or y0 >= d1 or d0 >= y1 for c0, d0, c1, d1 in plates[:i])


def test_best_is_on_top():
    boxes = [(50, 100, 150, 200), (100, 100, 200, 200)]
    for scores in [(0.9, 0.4), (0.4, 0.9)]:
        after = drawn(grey(), boxes, [0, 1], scores)
        best = int(np.argmax(scores))
        assert (after[198:202, 110:140] == class_colour(best)).all(2).any(0).all()


@pytest.mark.parametrize(
    "box",
    [
        (50, 50, 50, 50),
        (50, 50, 50, 90),
        (90, 90, 50, 50),
        (0, 0, 0, 0),
        (320, 240, 320, 240),
        (-1e30, -1e30, 1e30, 1e30),
        (-50, 20, 30, 60),
        (300, 200, 900, 900),
        (49.9, 49.9, 50.1, 50.1),
    ],
)
def test_odd_boxes(box):
    after = drawn(grey(), [box], [1])
    assert (after == class_colour(1)).all(2).any()


@pytest.mark.parametrize("box", [(-50, -50, -10, -10), (400, 10, 500, 60), (10, 300, 60, 400), (np.nan,) * 4])
def test_boxes_outside_are_left_out(box):
    assert (drawn(grey(), [box]) == grey()).all()


@pytest.mark.parametrize("label", [*range(3, 10), -1, 99])
@pytest.mark.parametrize("truetype", [True, False])
def test_any_name(label, truetype, monkeypatch, plates):
    if not truetype:
        monkeypatch.delattr("cv2.FontFace", raising=False)
    after = drawn(grey(), [(100, 100, 250, 200)], [label])
    [(x0, y0, x1, y1)] = plates
    assert contrast(after[y0:y1, x0:x1].reshape(-1, 3).min(0), class_colour(label)) > 3


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images(channels, dtype):
    image = np.full((240, 320, *channels), 128 if dtype == np.uint8 else 128 * 257, dtype)
    image.flags.writeable = False
    box = [(100, 100, 250, 200)]
    assert (drawn(image, box) == drawn(grey(), box)).all()


@pytest.mark.parametrize(
    "image",
    [np.zeros((9, 9, 2), np.uint8), np.zeros((9, 9, 3)), np.zeros(9, np.uint8), np.zeros((1, 9, 9, 3), np.uint8)],
)
def test_other_images_are_refused(image):
    with pytest.raises(ImageError, match="cannot draw into"):
        drawn(image, [(1, 1, 2, 2)])


@pytest.mark.parametrize(("boxes", "scores", "labels"), [(1, 2, 1), (1, 1, 2), (2, 1, 1), (0, 1, 1)])
def test_counts_must_agree(boxes, scores, labels):
    with pytest.raises(ValueError, match="do not fit"):
        draw(grey(), np.ones((boxes, 4)), np.ones(scores), np.ones(labels, int), NAMES)


def test_not_contiguous():
    image = grey(480, 640)[::2, ::2]
    assert (drawn(image, [(100, 100, 250, 200)]) == drawn(grey(), [(100, 100, 250, 200)])).all()
