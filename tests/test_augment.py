"""Augmentation: pixels and boxes against Darknet's own, what is drawn against its formulas."""

import json

import numpy as np
import pytest

from conftest import SHARED
from darkparse.dataset.augment import (
    Augmentation,
    Colour,
    Crop,
    crop_boxes,
    crop_pixels,
    draw_colour,
    draw_crop,
    draw_scale,
    recolour,
)
from darkparse.dataset.labels import read_labels
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.images import read_image

AUGMENT = SHARED / "training" / "augment"
needs_records = pytest.mark.skipif(not AUGMENT.is_dir(), reason=f"no {AUGMENT}; set DARKPARSE_SHARED")
RECORDS = json.loads((AUGMENT / "augment.json").read_text()) if AUGMENT.is_dir() else []
# Colours pass through HSV and back in float32: a hue is rounded by up to 2^-24 of 6, which v <= 1.4 multiplies, and
# OpenCV adds 2^-23 to each divisor, which Darknet does not.
PIXELS = 2e-6
BOXES = 2e-7  # rounding of a number up to 2 in float32
CLASSES = 3  # of the recorded run


def by_value(boxes):
    """Boxes in an order of their own: Darknet shuffles them."""
    return boxes[np.lexsort(boxes.round(3).T)]


@needs_records
@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_pixels_are_darknets(number):
    record = RECORDS[number]
    crop = Crop(*(record[edge] for edge in ("pleft", "pright", "ptop", "pbot")), flip=bool(record["flip"]))
    image = crop_pixels(read_image(AUGMENT / "image.png"), crop, record["w"], record["h"])
    found = recolour(image, Colour(record["hue"], record["saturation"], record["exposure"]))
    expected = np.load(AUGMENT / "augment.npz")[f"image_{number}"]
    np.testing.assert_allclose(found, expected, rtol=0, atol=PIXELS)


@needs_records
@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_boxes_are_darknets(number):
    record = RECORDS[number]
    crop = Crop(*(record[edge] for edge in ("pleft", "pright", "ptop", "pbot")), flip=bool(record["flip"]))
    labels, _ = read_labels(str(AUGMENT / "image.txt"), CLASSES)
    rows, columns = read_image(AUGMENT / "image.png").shape[:2]
    found = crop_boxes(labels, crop, (columns, rows), (1 / record["w"], 1 / record["h"]))
    expected = np.load(AUGMENT / "augment.npz")[f"truth_{number}"]
    np.testing.assert_allclose(by_value(found), by_value(expected), rtol=0, atol=BOXES)


def test_other_channels_change_in_exposure_alone():
    image = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    np.testing.assert_array_equal(recolour(image, Colour(0.1, 1.5, 2.0)), np.minimum(2 * image, 1))


def test_an_unchanged_colour_is_the_same_image():
    image = np.random.default_rng(0).random((3, 4, 5), np.float32)
    assert recolour(image, Colour()) is image


def test_a_reduced_crop_is_the_same_part():
    assert Crop(20, -9, 6, 0, True).reduced(2) == Crop(10, -4, 3, 0, True)


def drawn(options, size=(1000, 600), aspect=1.0, count=4000, quadrant=None):
    """Edges, relative to the image, `(count, 4)`, and flips of as many crops."""
    random = np.random.default_rng(5)
    crops = [draw_crop(random, size, options, aspect, quadrant) for _ in range(count)]
    edges = np.array([(c.left, c.right, c.top, c.bottom) for c in crops], float)
    return edges / np.repeat(size, 2), np.array([crop.flip for crop in crops])


def check_uniform(values, low, high, rounding):
    """Whether many values are uniform: their greatest distance from the law (Kolmogorov), p = 1e-6."""
    share = (np.sort(values) - low) / (high - low)
    steps = np.arange(len(values)) / len(values)
    assert np.abs(share - steps).max() < 2.7 / np.sqrt(len(values)) + rounding / (high - low)


def test_jitter_is_uniform_and_independent():
    edges, flips = drawn(Augmentation(jitter=0.3))
    for column in range(4):
        check_uniform(edges[:, column], -0.3, 0.3, rounding=1 / 300)
    correlations = np.corrcoef(edges.T) - np.eye(4)
    assert np.abs(correlations).max() < 5 / np.sqrt(len(edges))
    assert abs(flips.mean() - 0.5) < 5 * 0.5 / np.sqrt(len(flips))


def test_no_flip():
    assert not drawn(Augmentation(flip=False), count=50)[1].any()


@pytest.mark.parametrize(
    ("resize", "low", "high"), [(1.5, -0.25, 1 / 6), (2.0, -0.5, 0.25), (0.8, -0.125, 0.0)], ids=["1.5", "2", "0.8"]
)
def test_resize_zooms(resize, low, high):
    """By o (1 - max(R, 1/R)) / 2 to o (1 - min(R, 1/R)) / 2, below 1 outwards alone."""
    edges, _ = drawn(Augmentation(jitter=0.0, resize=resize))
    for column in (0, 1):
        check_uniform(edges[:, column], low, high, rounding=1 / 300)
    for before, after in ((0, 2), (1, 3)):  # left with top, right with bottom
        assert np.abs(edges[:, before] - edges[:, after]).max() <= 3 / 600
    assert abs(np.corrcoef(edges[:, 0], edges[:, 1])[0, 1]) < 5 / np.sqrt(len(edges))


@pytest.mark.parametrize("size", [(1000, 600), (600, 1000)], ids=["wide", "high"])
def test_letter_box_keeps_proportions(size):
    random = np.random.default_rng(0)
    crop = draw_crop(random, size, Augmentation(jitter=0.0, letter_box=True), aspect=1.25)
    window = crop.window(*size)
    assert abs(window.width / window.height - 1.25) < 2 / min(size)
    assert np.greater_equal(window[2:], size).all()
    assert max(abs(crop.left - crop.right), abs(crop.top - crop.bottom)) <= 1


def test_an_impossible_crop_is_the_whole_image():
    options = Augmentation(jitter=1.5)
    crops = [draw_crop(np.random.default_rng(i), (9, 9), options, 1.0) for i in range(200)]
    whole = [crop for crop in crops if crop.window(9, 9) == (0, 0, 9, 9)]
    assert len(whole) > 50
    for crop in crops:
        window = crop.window(9, 9)
        assert min(window.width, window.height) > 0
        assert max(window.left, window.top) < 9
        assert min(window.left + window.width, window.top + window.height) > 0


def test_colours():
    random = np.random.default_rng(2)
    options = Augmentation(hue=0.1, saturation=1.5, exposure=2.0)
    colours = [draw_colour(random, options) for _ in range(4000)]
    check_uniform(np.array([colour.hue for colour in colours]), -0.1, 0.1, rounding=0)
    for name, most in (("saturation", 1.5), ("exposure", 2.0)):
        values = np.array([getattr(colour, name) for colour in colours])
        assert abs((values > 1).mean() - 0.5) < 5 * 0.5 / np.sqrt(len(values))
        check_uniform(values[values > 1], 1, most, rounding=0)
        check_uniform(1 / values[values < 1], 1, most, rounding=0)


def test_scale_below_one_is_inverted_too():
    values = [draw_scale(np.random.default_rng(i), 0.5) for i in range(200)]
    assert 0.5 <= min(values) < 0.55
    assert 1.9 < max(values) <= 2


HEAD = "[convolutional]\nfilters=6\n[yolo]\nclasses=1\nnum=1\nanchors=1,1\n{}\n"
NET = "[net]\nwidth=32\nheight=32\nchannels=3\n{}\n" + HEAD


def test_the_last_head_counts(cfg):
    text = NET.format("hue=.1\nsaturation=0\nmosaic=1\nflip=0", "jitter=.1\nresize=1.2")
    text += HEAD.format("jitter=.4\nresize=1.5")
    options = Augmentation.of(read_graph(cfg(text)))
    assert options == Augmentation(jitter=0.4, resize=1.5, flip=False, hue=0.1, mosaic=True)


@pytest.mark.parametrize(
    ("net", "mixup", "mosaic"),
    [("mixup=1", True, False), ("mixup=3", False, True), ("mixup=1\nmosaic=1", False, True), ("cutmix=1", False, False),
     ("cutmix=1\nmosaic=1", False, True)],
)  # fmt: skip
def test_how_a_detectors_images_are_mixed(net, mixup, mosaic, cfg):
    options = Augmentation.of(read_graph(cfg(NET.format(net, ""))))
    assert (options.mixup, options.cutmix, options.mosaic) == (mixup, False, mosaic)


@pytest.mark.parametrize(
    ("net", "head", "message"),
    [
        ("letter_box=1\nmosaic=1", "", r"\[net\]: letter_box=1 and mosaic=1 do not go together"),
        ("", "resize=0", "resize=0: expected a number above 0"),
    ],
)
def test_what_cannot_be(net, head, message, cfg):
    with pytest.raises(DarkparseError, match=message):
        Augmentation.of(read_graph(cfg(NET.format(net, head))))
