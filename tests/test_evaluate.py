"""A network over labelled images, against what `detector map` of AlexeyAB 59596d7 prints for the same files."""

import warnings

import cv2
import numpy as np
import pytest
import torch

from conftest import ROOT
from darkparse import weights as weights_file
from darkparse.detections import Candidates
from darkparse.errors import DarkparseError, DarkparseWarning
from darkparse.evaluation.accuracy import accuracy
from darkparse.evaluation.evaluate import evaluate
from darkparse.evaluation.listing import listed
from darkparse.example import Example, render
from darkparse.graph import read_graph
from darkparse.network import Network
from map_goldens import FASTEST, TRAINED, needs_bccd, needs_goldens, recorded, samples


def read_network(cfg, weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DarkparseWarning)
        network = Network(read_graph(cfg))
    weights_file.load(network, weights)
    return network


@needs_bccd
def test_bccd_gives_darknets_map() -> None:
    network = read_network(*TRAINED)
    result = evaluate(network, samples("bccd"))
    # The golden's Darknet decodes JPEGs by itself, up to three grey levels off; this is what the same Darknet prints
    # for the images as OpenCV decodes them, saved as PNGs.
    assert [(one.tp, one.fp) for one in result.classes] == [(595, 481), (71, 5), (51, 42)]
    assert result.detections == 6958
    assert result.map == pytest.approx(0.753992, abs=1e-6)
    assert result.total.average_iou == pytest.approx(0.4294, abs=5e-5)
    assert result.map == pytest.approx(
        recorded("bccd")["runs"][0]["map"], abs=1e-3
    )  # hence .0003 for the decoder alone


@pytest.mark.real
@needs_goldens
@pytest.mark.parametrize(("letter_box", "run"), [(0, 0), (1, -1)])
def test_stretched_or_letterboxed_as_the_cfg_says(letter_box, run, cfg) -> None:
    text = FASTEST[0].read_text().replace("[net]", f"[net]\nletter_box={letter_box}", 1)
    network = read_network(cfg(text), FASTEST[1])
    printed = recorded("coco7")["runs"][run]
    result = evaluate(network, samples("coco7"))
    assert (result.total.tp, result.total.fp) == (printed["tp"], printed["fp"])
    # With another decoder (see above) some of 600 detections at the threshold of .005 come or go
    assert result.map == pytest.approx(printed["map"], abs=5e-4)
    assert abs(result.detections - printed["detections_count"]) <= 3


@pytest.fixture
def shapes():
    return read_network(ROOT / "cfg" / "shapes.cfg", ROOT / "weights" / "shapes.weights")


@pytest.fixture
def disc(tmp_path):
    """A red disc, and its box."""
    image = np.full((480, 640, 3), 200, np.uint8)
    cv2.circle(image, (336, 240), 32, (0, 0, 255), -1)
    cv2.imwrite(str(tmp_path / "disc.png"), image)
    return tmp_path / "disc.png", np.array([[336 / 640, 0.5, 0.1, 64 / 480, 0]], np.float32)


def test_the_network_is_left_as_it_was(shapes, disc) -> None:
    shapes.train()
    shapes.layers[2].eval()
    result = evaluate(shapes, [disc])
    assert (result.map, result.total.tp, result.total.fp) == (pytest.approx(1 / 3), 1, 0)
    assert shapes.training
    assert not shapes.layers[2].training
    assert shapes.layers[3].training
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_an_image_that_cannot_be_read_is_warned_of_and_its_objects_are_missed(shapes, disc, tmp_path) -> None:
    with pytest.warns(DarkparseWarning, match="gone.png"):
        result = evaluate(shapes, [(tmp_path / "gone.png", disc[1]), disc], batch=1)
    assert (result.total.tp, result.total.fn, result.classes[0].ap) == (1, 1, 0.5)


def test_images_without_objects_and_objects_of_unknown_classes(shapes, disc) -> None:
    path, boxes = disc
    result = evaluate(shapes, [(path, []), *((path, np.append(boxes[:, :4], [[label]], 1)) for label in (-1, 3))])
    assert (result.total.truths, result.total.fp) == (0, 3)


def test_no_detector(cfg) -> None:
    network = Network(read_graph(cfg("[net]\nwidth=4\nheight=4\nchannels=3\n[avgpool]\n[softmax]\n")))
    with pytest.raises(DarkparseError, match="no detector"):
        evaluate(network, [])


def test_boxes_are_listed_by_the_last_class_first() -> None:
    boxes = np.zeros((6, 4), np.float32)
    boxes[:, 0] = [0, 0, 1, 2, 2, 3]
    found = Candidates(
        boxes,
        np.array([0.9, 0.2, 0.5, 0.1, 0.3, 0.7], np.float32),
        np.array([0, 2, 0, 1, 2, 1]),
        np.ones(6, np.float32),
    )
    # class 2 has .2 for box 0 and .3 for box 2; of the others box 3 has .7 for class 1, and box 1 nothing but class 0
    assert listed(found).boxes[:, 0].tolist() == [2, 2, 0, 0, 3, 1]
    assert listed(found).labels.tolist() == [1, 2, 0, 2, 1, 0]


@pytest.fixture
def colours(cfg):
    """A classifier whose classes are how red, green and blue an image is in the middle."""
    convolution = "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n"
    network = Network(read_graph(cfg(f"[net]\nwidth=4\nheight=4\nchannels=3\n[avgpool]\n{convolution}[softmax]\n")))
    with torch.no_grad():
        network.layers[1].conv.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
        network.layers[1].conv.bias.zero_()
    return network.train()


def test_accuracy_of_the_first_guess_and_of_the_first_few(colours, tmp_path) -> None:
    shown = {"red": (0, 100, 200), "green": (0, 200, 100), "blue": (200, 100, 0)}  # BGR
    for name, colour in shown.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((8, 8, 3), colour, np.uint8))
    labelled = [("red", 0), ("green", 0), ("blue", 0), ("blue", 2)]
    samples = [(tmp_path / f"{name}.png", label) for name, label in labelled]
    assert accuracy(colours, samples, top=2) == (2 / 4, 3 / 4)
    assert accuracy(colours, samples, top=5) == (2 / 4, 1)
    assert accuracy(colours, []) == (0, 0)
    assert colours.training
    with pytest.warns(DarkparseWarning, match="gone.png"):
        assert accuracy(colours, [samples[0], (tmp_path / "gone.png", 0)]) == (1 / 2, 1 / 2)


def test_no_classifier(shapes) -> None:
    with pytest.raises(DarkparseError, match="a detector"):
        accuracy(shapes, [])


def test_the_shipped_digits_network_finds_digits_that_it_has_not_seen(tmp_path):
    scenes = Example(seed=2026, train=1, valid=300, width=320, height=320)  # its own were drawn with seed 1
    rendered = [path for path in render(scenes, tmp_path / "digits") if path.parent.name == "valid"]
    network = read_network(ROOT / "cfg" / "digits.cfg", ROOT / "weights" / "digits.weights")
    found = evaluate(
        network, [(path, np.loadtxt(path.with_suffix(".txt"), ndmin=2)[:, [1, 2, 3, 4, 0]]) for path in rendered]
    )
    assert len(rendered) == 300
    assert found.map >= 0.95, found
