"""Training sets: lists, the index, what is drawn from it, and that nothing but seed and place decides that."""

import codecs
import os
import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from darkparse.data import Data
from darkparse.dataset.augment import Augmentation
from darkparse.dataset.detection import BoxSamples
from darkparse.dataset.draws import Place
from darkparse.dataset.header import size_of
from darkparse.dataset.index import examine, index_boxes, index_images, listed
from darkparse.errors import DataError
from darkparse.images import read_image


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working folder, with a folder for data beside it."""
    for name in ("here", "data"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def write_image(path, height=24, width=32, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), noise(height, width, seed=seed))
    return str(path)


def write_set(folder, count=6, height=24, width=32, suffix=".png"):
    """Images with a box or two each; their paths."""
    images = [write_image(folder / f"image {i}{suffix}", height, width, seed=i) for i in range(count)]
    for i, image in enumerate(images):
        lines = [f"{i % 3} .5 .5 .4 .3\n"] + ["1 .25 .3 .2 .2\n"] * (i % 2)
        Path(image).with_suffix(".txt").write_text("".join(lines))
    return images


def data(folder, **values):
    return Data(folder / "obj.data", values)


@pytest.mark.parametrize(
    "text",
    [b"a b.jpg\nc.jpg\n", b"a b.jpg\r\n\r\nc.jpg", codecs.BOM_UTF8 + b'"a b.jpg"  \n\'c.jpg\'\n \n',
     codecs.BOM_UTF16_LE + "a b.jpg\nc.jpg".encode("utf-16-le")],
    ids=["plain", "crlf", "bom-quotes-blanks", "utf-16"],
)  # fmt: skip
def test_a_list(text, here):
    for name in ("a b.jpg", "c.jpg"):
        (here / "here" / name).touch()
    (here / "data" / "train.txt").write_bytes(text)
    assert listed(data(here / "data", train="train.txt"))[0] == ["a b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    ("places", "rule"),
    [
        (["here", "data/lists", "data"], "the working folder"),
        (["data/lists", "data"], "the list's folder"),
        (["data"], "the .data file's folder"),
    ],
)
def test_from_where_paths_are_seen(places, rule, here):
    for place in places:
        (here / place / "images").mkdir(parents=True)
        (here / place / "images" / "a.jpg").touch()
    (here / "data" / "lists").mkdir(exist_ok=True)
    (here / "data" / "lists" / "train.txt").write_text("images/a.jpg\n")
    images, reports = listed(data(here / "data", train="lists/train.txt"))
    assert os.path.samefile(images[0], here / places[0] / "images" / "a.jpg")
    assert reports == [f"{here / 'data' / 'lists' / 'train.txt'}: 1 images, seen from {rule}"]


def test_a_folder_instead_of_a_list(here):
    images = write_set(here / "data" / "images", 3)
    assert listed(data(here / "data", train="images"))[0] == images


def test_no_list(here):
    with pytest.raises(DataError, match=r"obj\.data: train: missing; expected a list of images"):
        listed(data(here / "data"))
    (here / "data" / "train.txt").write_text("\n")
    with pytest.raises(DataError, match=r"train\.txt: expected the path of an image on each line, got an empty list"):
        listed(data(here / "data", train="train.txt"))


def with_orientation(jpeg, orientation, order):
    """A JPEG with an EXIF segment."""
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(exif)) + exif + jpeg[2:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_tells_the_size_of_a_turned_jpeg(orientation, order, tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(with_orientation(cv2.imencode(".jpg", noise(17, 33))[1].tobytes(), orientation, order))
    height, width = read_image(path).shape[:2]
    assert size_of(path.read_bytes()) == (width, height)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [(".jpg", []), (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]), (".png", []), (".bmp", []), (".webp", [])],
    ids=["jpeg", "progressive", "png", "bmp", "webp"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_examined(suffix, options, channels, tmp_path):
    path = str(tmp_path / f"a{suffix}")
    assert cv2.imwrite(path, noise(17, 33), options)
    found = examine(path, channels)
    assert (found.height, found.width, channels) == read_image(path, channels).shape
    assert found.reducible == (suffix == ".jpg")
    assert (size_of(Path(path).read_bytes()) is not None) == (suffix in {".jpg", ".png"})


def test_the_index(tmp_path):
    images = write_set(tmp_path / "images")
    index = index_boxes(images, 3, 3)
    assert index.images == images
    assert (index.sizes == (32, 24)).all()
    assert not (*index.bad, *index.bad_labels)
    assert [len(index.boxes_of(i)) for i in range(6)] == [1, 2] * 3
    np.testing.assert_array_equal(index.boxes_of(4), np.array([[0.5, 0.5, 0.4, 0.3, 1]], np.float32))
    assert index.reports == ["labels of 6 images found beside the images"]
    assert index.write_lists(tmp_path) == []


def test_what_is_wrong_is_listed_and_the_rest_is_used(tmp_path):
    images = write_set(tmp_path)
    os.unlink(images[0])
    Path(images[1]).write_bytes(b"GIF or so")
    os.unlink(Path(images[2]).with_suffix(".txt"))
    labels = Path(images[3]).with_suffix(".txt")
    labels.write_text("9 .5 .5 .1 .1\n1 .5 .5 .1 .1\n")
    index = index_boxes(images, 3, 3)
    assert index.images == images[2:]
    assert [len(index.boxes_of(i)) for i in range(4)] == [0, 1, 1, 2]
    folder = tmp_path / "out"
    folder.mkdir()
    assert index.write_lists(folder) == [folder / "bad.list", folder / "bad_label.list"]
    bad = (folder / "bad.list").read_text().splitlines()
    assert bad[0] == f"{images[0]}: no such file"
    assert bad[1].startswith(f"{images[1]}: not an image")
    assert bad[2] == f"{tmp_path / 'image 2.txt'}: no file of labels, so it trains as an image without objects"
    assert (folder / "bad_label.list").read_text() == f"{labels}:1: class 9: expected 0 to 2; left out\n"


def test_nothing_usable(tmp_path):
    images = write_set(tmp_path, 2)
    with pytest.raises(DataError, match=r"no label of 2 images is usable; .*image 0\.txt:1: class 0: expected 0 to -1"):
        index_boxes(images, 3, 0)
    for image in images:
        os.unlink(Path(image).with_suffix(".txt"))
    with pytest.raises(DataError, match=r"no image has labels; for the first of 2, expected one of .*image 0\.txt"):
        index_boxes(images, 3, 3)
    for image in images:
        os.unlink(image)
    with pytest.raises(DataError, match=r"none of 2 images is usable; .*image 0\.png: no such file"):
        index_images(images, 3)


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """A small index."""
    return index_boxes(write_set(tmp_path_factory.mktemp("set")), 3, 3)


def place(position=0, iteration=1, width=16, height=12, batch=64, seed=0):
    return Place(seed, iteration, position, batch, width, height)


def test_images_are_drawn_with_replacement(boxes):
    samples = BoxSamples(boxes, Augmentation())
    paths = [samples.sample(place(i)).paths[0] for i in range(240)]
    counts = np.array([paths.count(image) for image in boxes.images])
    assert ((counts - 40) ** 2 / 40).sum() < 35.9  # chi-squared of 5 degrees of freedom, p = 1e-6


def test_a_place_decides_all(boxes):
    samples = BoxSamples(
        boxes, Augmentation(hue=0.1, saturation=1.5, exposure=1.5, mosaic=True, blur=3, gaussian_noise=9)
    )
    once, again = samples.sample(place(3)), samples.sample(place(3))
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.truth, again.truth)
    others = [place(4), place(3, iteration=2), place(3, seed=1)]
    assert all((samples.sample(other).image != once.image).any() for other in others)


def test_boxes_of_a_sample_are_in_it(boxes):
    samples = BoxSamples(boxes, Augmentation(jitter=0.4))
    for i in range(40):
        sample = samples.sample(place(i))
        assert (sample.image.shape, sample.image.dtype) == ((3, 12, 16), np.float32)
        assert ((sample.image >= 0) & (sample.image <= 1)).all()
        lower, upper = sample.truth[:, :2] - sample.truth[:, 2:4] / 2, sample.truth[:, :2] + sample.truth[:, 2:4] / 2
        assert ((lower > -1e-6) & (upper < 1 + 1e-6) & (upper - lower > (0.999 / 16, 0.999 / 12))).all()


def test_at_most_so_many_boxes(boxes):
    samples = BoxSamples(boxes, Augmentation(jitter=0.0, mosaic=True), most=1)
    assert {len(samples.sample(place(i)).truth) for i in range(40)} <= {0, 1}


def test_a_whole_image_is_as_it_is_read(boxes):
    samples = BoxSamples(boxes, Augmentation(jitter=0.0, flip=False))
    sample = samples.sample(place(width=32, height=24))
    expected = read_image(sample.paths[0]).transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_array_equal(sample.image, expected)


def test_a_large_jpeg_is_decoded_at_reduced_scale(tmp_path, monkeypatch):
    """At the largest reduction that leaves 2 px for one that is needed; the same part of the image is seen."""
    path = str(tmp_path / "a.jpg")
    assert cv2.imwrite(path, cv2.resize(noise(6, 8), (1280, 960), interpolation=cv2.INTER_CUBIC))
    Path(path).with_suffix(".txt").write_text("0 .5 .5 .5 .5\n")
    samples = BoxSamples(index_boxes([path], 3, 1), Augmentation(jitter=0.3))
    sizes = []

    def spy(source, channels, reduction):
        image = read_image(source, channels, reduction)
        sizes.append(image.shape[:2])
        return image

    places = [place(i, width=64, height=48) for i in range(40)]
    monkeypatch.setattr("darkparse.dataset.samples.read_image", spy)
    reduced = [samples.sample(one) for one in places]
    assert set(sizes) >= {(240, 320), (120, 160)}
    whole = BoxSamples(replace(samples.index, reducible=np.array([False])), samples.options)
    for small, large in zip(reduced, map(whole.sample, places), strict=True):
        np.testing.assert_array_equal(small.truth, large.truth)
        # Pixels of 8 x 8 are centred up to 3.5 px from a corner, and edges rounded by up to 4: half a sample's 16.
        slope = sum(np.abs(np.diff(large.image, axis=axis)).mean() for axis in (1, 2))
        assert np.abs(small.image - large.image).mean() < slope / 2 + 1 / 255


def test_an_image_that_is_gone_is_replaced(tmp_path):
    images = write_set(tmp_path)
    samples = BoxSamples(index_boxes(images, 3, 3), Augmentation())
    gone = samples.sample(place()).paths[0]
    os.unlink(gone)
    sample = samples.sample(place())
    assert set(sample.notes) == {f"{gone}: no such file"}
    assert sample.paths[0] != gone
    for image in images:
        if image != gone:
            write_image(Path(image), 25, 32)
    expected = r"100 images in a row cannot be read any more; .*(32 x 25 px; expected 32 x 24 as before|no such file)$"
    with pytest.raises(DataError, match=expected):
        samples.sample(place())


def test_half_of_the_chunks_are_mixed(boxes):
    """Each of Darknet's 6 loading threads decides for its share: (i + 1) n / 6 - i n / 6 images."""
    mixed = np.array([[place(i, n).is_mixed(6) for i in range(64)] for n in range(400)])
    starts = [i * 64 // 6 for i in range(6)]
    shares = np.split(mixed, starts[1:], axis=1)
    for share in shares:
        assert (share == share[:, :1]).all()
    decisions = np.array([share[:, 0] for share in shares], float)
    assert np.abs(decisions.mean(axis=1) - 0.5).max() < 5 * 0.5 / np.sqrt(400)
    assert np.abs(np.corrcoef(decisions) - np.eye(6)).max() < 5 / np.sqrt(400)


def test_mixup_is_the_mean_of_two(boxes):
    samples = BoxSamples(boxes, Augmentation(mixup=True))
    found = [samples.sample(place(i)) for i in range(64)]
    assert {len(sample.paths) for sample in found} == {1, 2}
    for i, sample in enumerate(found):
        assert (len(sample.paths) == 2) == place(i).is_mixed(6)
