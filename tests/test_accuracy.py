"""darkparse classify --valid: the last line of `classifier valid` of AlexeyAB 59596d7."""

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from darkparse.classify import load_classifier
from darkparse.cli import main
from darkparse.data import read_data
from darkparse.errors import DataError
from darkparse.evaluation.accuracy import NO_CLASS, accuracy, labelled_images
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network
from darkparse.weights import save

CONVOLUTION = "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n"
CFG = f"[net]\nwidth=4\nheight=4\nchannels=3\n[avgpool]\n{CONVOLUTION}[softmax]\n"
SHOWN = {"red": (0, 100, 200), "green": (0, 200, 100), "blue": (200, 100, 0)}  # BGR


@pytest.fixture
def files(tmp_path):
    """The .data file, cfg and weights of a classifier whose classes are how red, green and blue an image is; and four
    images: a red one, a green one in the folder red, a blue one in the folder red, a blue one."""
    (tmp_path / "colours.cfg").write_text(CFG)
    network = Network(read_graph(tmp_path / "colours.cfg"))
    with torch.no_grad():
        network.layers[1].conv.weight.copy_(torch.eye(3).reshape(3, 3, 1, 1))
        network.layers[1].conv.bias.zero_()
    save(network, tmp_path / "colours.weights", Header())
    paths = []
    for number, (folder, colour) in enumerate((("red", "red"), ("red", "green"), ("red", "blue"), ("blue", "blue"))):
        path = tmp_path / folder / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), np.full((8, 8, 3), SHOWN[colour], np.uint8))
        paths.append(path.relative_to(tmp_path))
    (tmp_path / "list.txt").write_text("".join(f"{path}\n" for path in paths))
    (tmp_path / "colours.names").write_text("".join(f"/{name}/\n" for name in SHOWN))
    (tmp_path / "colours.data").write_text("classes=3\nvalid=list.txt\nlabels=colours.names\n")
    return [tmp_path / f"colours.{end}" for end in ("data", "cfg", "weights")]


def run(*arguments):
    result = CliRunner().invoke(main, ["classify", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# Red is first, green second and blue third of the guesses for a red image; for a green one green, red, blue; for a
# blue one blue, green, red.
@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--top", 1], "3: top 1: 0.500000, top 1: 0.500000"),
        (["--top", 2], "3: top 1: 0.500000, top 2: 0.750000"),
        ([], "3: top 1: 0.500000, top 3: 1.000000"),
        (["--top", 2, "--batch", 3, "--workers", 1], "3: top 1: 0.500000, top 2: 0.750000"),
    ],
    ids=["one", "two", "all", "processes"],
)
def test_the_last_line_is_darknets(options, line, files):
    data, cfg, weights = files
    result = run(cfg, weights, "--valid", data, *options)
    assert result.exit_code == 0
    assert result.stdout == f" TOP calculation...\n\n{line}\n"
    assert f"labels from {data.with_name('colours.names')}, found in the paths of the images" in result.stderr


def test_top_of_the_data_file(files):
    data, cfg, weights = files
    data.write_text(data.read_text() + "top=2\n")
    assert "3: top 1: 0.500000, top 2: 0.750000\n" in run(weights, cfg, "--valid", data).stdout
    data.write_text(data.read_text().replace("top=2", "top=two"))
    assert "top: expected a number above 0, got 'two'" in run(weights, cfg, "--valid", data).stderr


def test_an_image_that_cannot_be_read_is_mistaken(files):
    data, cfg, weights = files
    data.with_name("red").joinpath("0.png").unlink()
    result = run(cfg, weights, "--valid", data, "--top", 2)
    assert "3: top 1: 0.250000, top 2: 0.500000\n" in result.stdout
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "1 image could not be read: counted as mistaken"


def test_the_first_label_in_the_path_counts(files):
    data, cfg, _ = files
    data.with_name("colours.names").write_text("/blue\n/red/\nred/0.png\n")
    samples, notes = labelled_images(read_graph(cfg), read_data(data))
    assert [sample.label for sample in samples] == [1, 1, 1, 0]
    assert any("red/0.png: expected one label in the path, found /red/, red/0.png" in note for note in notes)
    data.with_name("colours.names").write_text("/blue/\nno such\nor such\n")
    samples, notes = labelled_images(read_graph(cfg), read_data(data))
    assert [sample.label for sample in samples] == [NO_CLASS, NO_CLASS, NO_CLASS, 0]
    assert sum("expected one label in the path, found none" in note for note in notes) == 3
    data.with_name("colours.names").write_text("none of\nthem is\nanywhere\n")
    with pytest.raises(DataError, match="no label is in the path of an image"):
        labelled_images(read_graph(cfg), read_data(data))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--json", "x.json"], "--json does not go with --valid"),
        (["--resize", "letterbox"], "expected no other --resize"),
        (["dog.jpg"], "expected a .data file, a .cfg and perhaps .weights"),
    ],
    ids=["json", "resize", "image"],
)
def test_what_does_not_go_together(arguments, message, files):
    data, cfg, weights = files
    result = run(cfg, weights, "--valid", data, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_weights(files):
    assert "expected a .cfg and its .weights" in run(files[1], "--valid", files[0]).stderr


def test_processes_make_no_difference(files):
    data, cfg, weights = files
    model = load_classifier(cfg, weights, data=data, device="cpu")
    samples, _ = labelled_images(model.graph, read_data(data))
    assert accuracy(model.network, samples, top=2, workers=1) == accuracy(model.network, samples, top=2) == (0.5, 0.75)
