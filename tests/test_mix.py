"""Images made of several: mosaics against Darknet's own, the rest against its formulas."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from darkparse.dataset.augment import Augmentation, Crop, crop_boxes, draw_crop
from darkparse.dataset.effects import BACKGROUND, blurred, draw_blur, noisy
from darkparse.dataset.mix import Cut, Quadrant, draw_cut, draw_patch, mixup

# data/mosaic.npz holds what load_data_detection (AlexeyAB 59596d7, built with OpenCV) made of one image, 64x48 px, for
# mosaic_bound 0 and 1, with rand() replaced by `Darknet.next`, jitter .3, resize 1.4: `boxes`, `counts` of them a case.
# Three images of `sizes` px were in the list, with `labels` (class, x, y, w, h).
NET = (64, 48)
OPTIONS = Augmentation(jitter=0.3, resize=1.4, mosaic=True)
CASES = 100  # for each mosaic_bound
EXACT = 2e-7  # rounding of numbers up to 2 in float32


class Darknet:
    """The random numbers of the recorded runs, in the order in which load_data_detection draws them."""

    def __init__(self, case, bound):
        self.state = (case * 2654435761 + bound) % 2**32

    def next(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state >> 1

    def unit(self):
        return float(np.float32(self.next()) / np.float32(2**31 - 1))

    def shuffle(self, rows):
        rows = rows.copy()
        for i in range(len(rows)):
            j = self.next() % len(rows)
            rows[[i, j]] = rows[[j, i]]
        return rows


class Given:
    """In place of a generator: gives numbers that were drawn before."""

    def __init__(self, units, integers):
        self.units, self.given = list(units), list(integers)

    def random(self, count):
        return np.array([self.units.pop(0) for _ in range(count)])

    def integers(self, low, high=None, endpoint=False):
        number = self.given.pop(0)
        return number % low if high is None else low + number % (high - low + endpoint)


def remade(golden, case, bound):
    """The boxes of a recorded case, and whether it is a mosaic."""
    darknet = Darknet(case, bound)
    darknet.next()
    mosaic = bool(darknet.next() % 2)
    cut = draw_cut(Given([], [darknet.next(), darknet.next()]), *NET) if mosaic else None
    found = []
    for number in range(4 if mosaic else 1):
        image = darknet.next() % 3
        units = [darknet.unit() for _ in range(6)]
        integers = [darknet.next()]
        for _ in range(6):  # of the colours, and one that nothing uses
            darknet.next()
        if mosaic:
            integers.append(1 - darknet.next() % 2)  # Darknet moves the image if it is even
        size = tuple(map(int, golden["sizes"][image]))
        crop = draw_crop(Given(units, integers), size, OPTIONS, NET[0] / NET[1], number if mosaic else None)
        boxes = darknet.shuffle(golden["labels"][image][:, [1, 2, 3, 4, 0]])
        boxes = crop_boxes(boxes, crop, size, (1 / NET[0], 1 / NET[1]))
        found.append(Quadrant.of(number, cut, NET, crop, size).move(boxes, NET, bound) if mosaic else boxes)
    return np.concatenate(found), mosaic


@pytest.mark.parametrize("bound", [False, True], ids=["mosaic", "mosaic_bound"])
def test_boxes_are_darknets(bound):
    golden = np.load(Path(__file__).parent / "data" / "mosaic.npz")
    ends = np.cumsum(golden["counts"])
    exact = mosaics = 0
    for case in range(CASES):
        number = bound * CASES + case
        expected = golden["boxes"][ends[number] - golden["counts"][number] : ends[number]]
        found, mosaic = remade(golden, case, bound)
        mosaics += mosaic
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found[:, 4], expected[:, 4])
        # Edges are truncated to pixels.  One that lies on a pixel's border, as where a box was cut before, may come out
        # one less by a rounding of 1e-8: then the size differs by a pixel, the centre by half of one.
        pixels = np.abs(found[:, :4] - expected[:, :4]) * (*NET, *NET)
        assert pixels.max(initial=0) < 1.001
        exact += np.abs(found - expected).max(initial=0) <= EXACT
    assert 40 < mosaics < 60
    assert exact >= 0.9 * CASES


@pytest.mark.parametrize("number", range(4))
def test_a_quadrant_shows_the_far_corner_of_its_image(number):
    """Without borders to hide, the four images meet at the cut with the corners that are towards it in the image."""
    image = np.arange(48 * 64, dtype=np.float32).reshape(1, 48, 64)
    mosaic = np.full((1, 48, 64), -1, np.float32)
    cut = Cut(20, 30)
    Quadrant.of(number, cut, NET, Crop(), (100, 80)).paste(mosaic, image)
    seen = {
        0: (np.s_[:, :30, :20], np.s_[:, 18:, 44:]),
        1: (np.s_[:, :30, 20:], np.s_[:, 18:, :44]),
        2: (np.s_[:, 30:, :20], np.s_[:, :18, 44:]),
        3: (np.s_[:, 30:, 20:], np.s_[:, :18, :44]),
    }
    where, what = seen[number]
    np.testing.assert_array_equal(mosaic[where], image[what])
    assert (mosaic == -1).sum() == mosaic.size - image[what].size


def test_cuts_are_uniform():
    """From .2 to .8 of each side, both ends truncated and included."""
    random = np.random.default_rng(3)
    cuts = np.array([draw_cut(random, 64, 48) for _ in range(4000)])
    for column, (low, high) in enumerate([(12, 51), (9, 38)]):
        counts = np.bincount(cuts[:, column])[low:]
        assert len(counts) == high - low + 1
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < len(counts) + 5.2 * np.sqrt(2 * len(counts)) + 12


def test_patches():
    random = np.random.default_rng(3)
    patches = np.array([draw_patch(random, 100, 50) for _ in range(3000)])
    left, top, width, height = patches.T
    assert (width.min(), width.max(), height.min(), height.max()) == (30, 80, 15, 40)
    assert (left >= 0).all()
    assert (top >= 0).all()
    assert (left + width).max() == 99  # src/data.c load_data_augment: rand_int(0, w - cut_w - 1)
    assert (top + height).max() == 49


def test_mixup_is_the_mean():
    images = [np.full((3, 2, 2), value, np.float32) for value in (0.25, 0.75)]
    np.testing.assert_array_equal(mixup(images), np.full((3, 2, 2), 0.5, np.float32))


def test_blur_is_drawn_in_thirds():
    random = np.random.default_rng(0)
    drawn = [draw_blur(random, 7) for _ in range(3000)]
    for strength in (0, BACKGROUND, 7):
        assert abs(drawn.count(strength) / 3000 - 1 / 3) < 5 * np.sqrt(2 / 9 / 3000)
    assert draw_blur(random, 0) == 0


@pytest.fixture
def image():
    return np.random.default_rng(0).random((3, 40, 60), np.float32)


ONE_BOX = np.array([[0.5, 0.5, 0.5, 0.5, 0]], np.float32)  # 30 x 20 px of 60 x 40


@pytest.mark.parametrize(("strength", "kernel"), [(3, 3), (2, 3), (9, 3)], ids=["odd", "even", "an-eighth-of-20-px"])
def test_all_is_blurred(strength, kernel, image):
    expected = cv2.GaussianBlur(image.transpose(1, 2, 0), (kernel, kernel), 0).transpose(2, 0, 1)
    np.testing.assert_allclose(blurred(image, strength, ONE_BOX), expected, atol=1e-6)


def test_objects_stay_sharp(image):
    found = blurred(image, BACKGROUND, ONE_BOX)
    expected = cv2.GaussianBlur(image.transpose(1, 2, 0), (17, 17), 0).transpose(2, 0, 1)
    expected[:, 10:30, 15:45] = image[:, 10:30, 15:45]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_without_objects_all_or_nothing_is_blurred(image):
    none = ONE_BOX[:0]
    assert blurred(image, 5, none) is image
    assert (blurred(image, BACKGROUND, none) != image).mean() > 0.99


def test_noise_is_never_dark():
    """Darknet's, on bytes: negative values become 0, the others are half of a normal law."""
    grey = np.full((3, 100, 100), 0.2, np.float32)
    added = (noisy(np.random.default_rng(0), grey, 20) - grey) * 255
    assert added.min() == 0
    assert abs((added > 0.5).mean() - (0.5 - 0.5 / 20 * 0.3989)) < 5 * 0.5 / np.sqrt(added.size)
    assert abs((added**2).mean() / (20**2 / 2) - 1) < 5 * np.sqrt(5 / added.size)
    assert noisy(np.random.default_rng(0), grey + 0.7, 500).max() == 1
