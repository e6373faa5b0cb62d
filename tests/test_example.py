"""The rendered data set: what is in it, and that it is the same every time."""

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from conftest import ROOT
from darkparse.cli import main
from darkparse.data import read_data, read_names
from darkparse.errors import DarkparseError
from darkparse.example import Example, render
from darkparse.glyphs import DIGITS, LETTERS, NIBS, Hand, glyph, rounded
from darkparse.scenes import (
    CONTRAST,
    LARGEST,
    MOST,
    OVERLAP,
    SMALLEST,
    brightness_of,
    contrasting,
    draw_scene,
    ink,
    shared,
    stamp,
)

SMALL = Example(seed=7, train=5, valid=2, width=160, height=128)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    assert len(list(render(SMALL, folder))) == 7
    return folder


def test_images_labels_lists_data_and_names(rendered) -> None:
    data = read_data(rendered / "digits.data")
    assert data.values["classes"] == "10"
    assert read_names(data.path("names")) == tuple("0123456789")
    assert data.path("backup").is_dir()
    for name, count in (("train", 5), ("valid", 2)):
        listed = data.path(name).read_text().splitlines()
        assert len(listed) == len(set(listed)) == count
        for path in listed:
            assert cv2.imread(path).shape == (128, 160, 3)
            rows = np.loadtxt(path.replace(".jpg", ".txt"), ndmin=2)  # where Darknet looks for it
            assert 1 <= len(rows) <= MOST
            assert set(rows[:, 0]) <= set(range(10))
            assert (rows[:, 1:3] - rows[:, 3:] / 2 > -1e-6).all()
            assert (rows[:, 1:3] + rows[:, 3:] / 2 < 1 + 1e-6).all()


def test_the_same_seed_gives_the_same_bytes_however_many_there_are_or_draw_it(rendered, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    fewer = Example(seed=7, train=3, valid=2, width=160, height=128)
    list(render(fewer, tmp_path))
    first = contents(rendered)
    for name, data in contents(tmp_path).items():
        if name.endswith(".jpg") or "/" in name:
            assert data == first[name], name


def test_another_seed_or_split_gives_another_scene() -> None:
    other = Example(seed=8, train=5, valid=2, width=160, height=128)
    assert len({SMALL.draw(0, 0)[1], SMALL.draw(1, 0)[1], SMALL.draw(0, 1)[1], other.draw(0, 0)[1]}) == 4


def test_a_folder_of_something_else_is_left_alone_and_one_of_its_own_is_not(rendered, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(DarkparseError, match="not empty, and not rendered by darkparse"):
        list(render(SMALL, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    before = contents(rendered)
    list(render(SMALL, rendered))
    assert contents(rendered) == before


def test_a_file_in_the_way(tmp_path) -> None:
    (tmp_path / "digits").write_text("")
    with pytest.raises(DarkparseError, match="digits"):
        list(render(SMALL, tmp_path / "digits"))


@pytest.mark.parametrize(
    "wrong",
    [{"seed": -1}, {"train": 0}, {"valid": 0}, {"width": 63}, {"height": 5000}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_numbers_that_cannot_be(wrong) -> None:
    with pytest.raises(DarkparseError, match="expected"):
        Example(**{"seed": 0, "train": 1, "valid": 1, "width": 64, "height": 64, **wrong})


def test_command(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        main, ["example", "set", "--train", "2", "--valid", "1", "--size", "96x64", "--seed", "3"]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "set" / "train.txt").read_text() == "set/train/00000.jpg\nset/train/00001.jpg\n"
    assert cv2.imread("set/valid/00000.jpg").shape == (64, 96, 3)
    wrong = CliRunner().invoke(main, ["example", "other", "--size", "96"])
    assert (wrong.exit_code, (tmp_path / "other").exists()) == (2, False)
    assert "expected a width and a height" in wrong.output


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng([2, number]), 320, 240) for number in range(40)]


def test_sizes_are_those_promised(scenes) -> None:
    heights = np.concatenate([scene.boxes[:, 3] for scene in scenes])
    assert (heights > SMALLEST * 0.8).all()
    assert (heights < LARGEST * 1.4).all()  # turned and bent
    assert heights.max() / heights.min() > 4


def test_digits_overlap_but_not_too_much(scenes) -> None:
    shares = []
    for scene in scenes:
        corners = np.concatenate(
            [scene.boxes[:, :2] - scene.boxes[:, 2:] / 2, scene.boxes[:, :2] + scene.boxes[:, 2:] / 2], 1
        )
        shares += [shared(a, b) for i, a in enumerate(corners) for b in corners[:i]]
    assert 0.05 < max(shares) <= OVERLAP + 1e-9


def test_every_digit_is_drawn_about_as_often(scenes) -> None:
    labels = np.concatenate([scene.labels for scene in scenes])
    assert np.bincount(labels, minlength=10).min() > len(labels) / 30


def test_boxes_are_where_a_digit_changes_the_picture() -> None:
    for number in range(40):
        random = np.random.default_rng(number)
        drawn = stamp(random, str(number % 10), 160, 120)
        picture = np.full((120, 160, 3), 128, np.uint8)
        ink(random, picture, drawn)
        x, y, width, height = cv2.boundingRect((np.abs(picture.astype(int) - 128).max(axis=2) > 30).astype(np.uint8))
        assert np.abs(np.subtract(drawn.box, (x, y, x + width, y + height))).max() <= 2  # with an outline, or without


def test_digits_and_letters_differ_in_every_hand() -> None:
    for form in (0, 1):
        for nib in NIBS:
            drawn = [cv2.resize(glyph(c, Hand(form, 3, nib, 0.12), 32), (24, 32)) for c in (DIGITS | LETTERS)]
            assert min(np.abs(a.astype(int) - b).mean() for i, a in enumerate(drawn) for b in drawn[:i]) > 12


def test_corners_are_cut_and_ends_stay() -> None:
    assert rounded(np.array([[0.0, 0], [4, 0], [4, 4]]), 1).tolist() == [[0, 0], [3, 0], [4, 1], [4, 4]]


def test_colours_stand_out() -> None:
    random = np.random.default_rng(0)
    for under in (0, 60, 128, 200, 255):
        assert abs(brightness_of(contrasting(random, under)) - under) >= CONTRAST


def test_the_scene_that_comes_along_is_one_of_these() -> None:
    scene = draw_scene(np.random.default_rng([2024, 9, 41]), 416, 320)
    shown = cv2.imread(str(ROOT / "tests" / "data" / "digits.jpg"))
    assert np.abs(shown.astype(int) - scene.image).mean() < 10  # a JPEG of it; of others 50 and more
