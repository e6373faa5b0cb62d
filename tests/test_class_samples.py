"""Training sets of classifiers: parts of images and class trees against Darknet's, the rest against its formulas."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from darkparse.data import read_data
from darkparse.dataset import open_samples
from darkparse.dataset.augment import Augmentation
from darkparse.dataset.classification import ClassSamples, Turn, draw_turn, index_classes, with_ancestors
from darkparse.dataset.draws import Place
from darkparse.dataset.loader import Loader
from darkparse.errors import DataError
from darkparse.graph import read_graph
from darkparse.net import Net
from darkparse.tree import Tree

# data/rotated.npz: what rotate_crop_image (AlexeyAB 59596d7) makes of NOISE, 24x24 px, for `turns` of angle, scale,
# shift in x and y, and aspect.  OpenCV before 5 rounds places to 1/32 px, and neighbours differ by at most 1 each way.
NOISE = np.random.default_rng(7).integers(0, 256, (30, 40), np.uint8)
GOLDEN = np.load(Path(__file__).parent / "data" / "rotated.npz")
ROUNDED = 2 / 64


@pytest.mark.parametrize("case", range(len(GOLDEN["turns"])))
@pytest.mark.parametrize("flip", [False, True])
def test_a_part_of_an_image_is_darknets(case, flip):
    angle, scale, dx, dy, aspect = GOLDEN["turns"][case].tolist()
    turn = Turn(24, (20, 15), scale, angle, (dx, dy), aspect, flip)
    expected = GOLDEN["images"][case]
    found = turn.apply(NOISE[:, :, None])
    assert found.shape == (1, 24, 24)
    np.testing.assert_allclose(found[0], expected[:, ::-1] if flip else expected, rtol=0, atol=ROUNDED)


TREE = Tree(tuple("abcdefghij"), (-1, -1, -1, 0, 0, 2, 2, 2, 5, 5), (0, 0, 0, 1, 1, 2, 2, 2, 3, 3))
NO = -1234
# src/data.c fill_hierarchy (AlexeyAB 59596d7), called with this tree
ANCESTORS = {
    1: (0, 1, 0, NO, NO, NO, NO, NO, NO, NO),
    4: (1, 0, 0, 0, 1, NO, NO, NO, NO, NO),
    6: (0, 0, 1, NO, NO, 0, 1, 0, NO, NO),
    9: (0, 0, 1, NO, NO, 1, 0, 0, 0, 1),
}


@pytest.mark.parametrize("node", ANCESTORS)
def test_a_class_is_also_what_it_is_a_kind_of(node):
    truth = np.eye(10, dtype=np.float32)[node]
    np.testing.assert_array_equal(with_ancestors(truth, TREE), ANCESTORS[node])


def write_set(folder, labels=("cat", "dog"), each=3):
    """Images of one colour for each label; their paths."""
    paths = []
    for i, label in enumerate(labels):
        for number in range(each):
            path = folder / f"{number}_{label}.png"
            assert cv2.imwrite(str(path), np.full((30, 40, 3), 50 + 100 * i, np.uint8))
            paths.append(str(path))
    return paths


def place(position=0, iteration=1, width=8, height=8):
    return Place(0, iteration, position, 64, width, height)


def samples(folder, options=None, **net):
    index, labels = index_classes(write_set(folder), ("cat", "dog"), 3)
    return ClassSamples(index, labels, 2, Net(width=8, height=8, channels=3, **net), options or Augmentation())


def test_the_label_is_in_the_path(tmp_path):
    for sample in map(samples(tmp_path).sample, map(place, range(20))):
        is_dog = "dog" in Path(sample.paths[0]).name
        np.testing.assert_array_equal(sample.truth, [not is_dog, is_dog])
        assert sample.image.shape == (3, 8, 8)
        np.testing.assert_allclose(sample.image[:, 4, 4], (150 if is_dog else 50) / 255, atol=1e-6)


def test_label_smoothing(tmp_path):
    """1 - eps, and eps / (k - 1) for the others."""
    truth = samples(tmp_path, label_smooth_eps=0.1).truth((0,))
    np.testing.assert_allclose(truth, [0.9, 0.1], atol=1e-7)


def test_no_label_or_several_are_listed(tmp_path):
    paths = write_set(tmp_path, ("cat", "bird", "catdog"), each=1)
    index, labels = index_classes(paths, ("cat", "dog"), 3)
    assert labels == [(0,), (), (0, 1)]
    assert index.bad_labels == [
        f"{paths[1]}: expected one label in the path, found none",
        f"{paths[2]}: expected one label in the path, found cat, dog",
    ]
    with pytest.raises(DataError, match=r"no label is in the path of an image, such as .*0_cat\.png; .* such as fish"):
        index_classes(paths, ("fish", "cow"), 3)


def test_what_is_drawn():
    """Short side between min_crop and max_crop, angle and aspect within theirs, the square inside the image."""
    net = Net(width=8, height=8, channels=3, min_crop=10, max_crop=20, angle=30, aspect=1.5)
    random = np.random.default_rng(0)
    turns = [draw_turn(random, (40, 30), net, place()) for _ in range(3000)]
    sides = np.array([turn.scale * int(min(30, 40 * turn.aspect)) for turn in turns])
    assert (np.bincount(np.rint(sides).astype(int))[10:] > 150).all()  # 11 sizes, 273 of each expected
    assert np.abs(sides - np.rint(sides)).max() < 1e-9
    angles = np.degrees([turn.angle for turn in turns])
    assert -30 <= angles.min() < -29
    assert 29 < angles.max() <= 30
    aspects = np.array([turn.aspect for turn in turns])
    assert abs((aspects > 1).mean() - 0.5) < 5 * 0.5 / np.sqrt(3000)
    assert (aspects.min() >= 1 / 1.5) & (aspects.max() <= 1.5)
    for turn in turns:
        room = (40 * turn.scale / turn.aspect - 8) / 2, (30 * turn.scale - 8) / 2
        assert all(abs(shift) <= max(0, most) for shift, most in zip(turn.shift, room, strict=True))


def test_cropping_is_by_the_networks_size_if_not_given():
    net = Net(width=16, height=8, channels=3)
    sides = [draw_turn(np.random.default_rng(i), (40, 30), net, place(width=16)).scale * 30 for i in range(400)]
    assert {round(side) for side in sides} == set(range(16, 33))


def test_a_network_that_is_not_square(tmp_path):
    assert samples(tmp_path).sample(place(width=12, height=8)).image.shape == (3, 8, 12)


@pytest.mark.parametrize(
    ("options", "images", "shares"),
    [
        (Augmentation(mixup=True), 2, lambda _: 0.5),
        (Augmentation(cutmix=True), 2, lambda part: part),
        (Augmentation(mosaic=True), 4, lambda part: part),
    ],
    ids=["mixup", "cutmix", "mosaic"],
)
def test_mixed_classes_count_by_area(options, images, shares, tmp_path):
    """Each image of one colour: how much of the picture is a dog's is what the truth says."""
    some = samples(tmp_path, options, min_crop=30, max_crop=30)
    mixed = [sample for sample in map(some.sample, map(place, range(64))) if len(sample.paths) == images]
    assert len(mixed) >= 10
    different = 0
    for sample in mixed:
        assert abs(sample.truth.sum() - 1) < 1e-6
        dogs = np.abs(sample.image[0] - 150 / 255).round(6) < 0.01
        if len({"dog" in Path(path).name for path in sample.paths}) == 2:
            different += 1
            assert abs(sample.truth[1] - shares(dogs.mean())) < 1e-6
    assert different >= 3


CFG = (
    "[net]\nwidth=8\nheight=8\nchannels=3\nmin_crop=8\nmax_crop=10\n[convolutional]\nfilters=2\n[avgpool]\n[softmax]\n"
)


def test_from_files(tmp_path, cfg):
    (tmp_path / "train.list").write_text("\r\n".join(write_set(tmp_path)))
    (tmp_path / "labels.list").write_text("cat\ndog\n")
    (tmp_path / "x.data").write_text("train = train.list\nlabels = labels.list\n")
    opened, reports = open_samples(read_graph(cfg(CFG)), read_data(tmp_path / "x.data"))
    assert reports[-1] == f"labels from {tmp_path / 'labels.list'}, found in the paths of the images"
    with Loader(opened, batch=4, subdivisions=2, size=lambda _: (8, 8), stop=2, workers=0) as loader:
        batches = list(loader)
    assert [tuple(batch.truth.shape) for batch in batches] == [(2, 2)] * 4
    assert all(torch.equal(batch.truth.sum(dim=1), torch.ones(2)) for batch in batches)
