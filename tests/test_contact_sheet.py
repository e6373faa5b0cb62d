"""The contact sheet: which images it shows, and what one sees of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from darkparse.annotations import contact_sheet as sheet
from darkparse.annotations.faults import judge
from darkparse.annotations.survey import look
from darkparse.data import read_data
from darkparse.draw import class_colour, draw
from darkparse.errors import DarkparseError
from planted import BOX, Planted


@pytest.fixture
def planted(tmp_path) -> Planted:
    return Planted(tmp_path)


def looked(planted: Planted):
    survey = look(read_data(planted.data))
    return survey, list(judge(survey))


def chosen(planted: Planted, tiles: int = 24, seed: int = 0) -> list[str]:
    survey, findings = looked(planted)
    return [tile.image.path[-6:-4] for tile in sheet.choose(survey.images, findings, tiles, seed)]


def test_images_with_faults_come_first_the_gravest_before(planted) -> None:
    planted.label("t3", "7 .5 .5 .25 .25\n")
    planted.labels("t1").unlink()
    assert chosen(planted) == ["t3", "t1", "t0", "t2", "v0", "v1"]


def test_each_rule_is_shown_before_another_image_of_the_first(planted) -> None:
    for name in ("t0", "t1", "t2"):
        planted.label(name, "7 .5 .5 .25 .25\n")
    planted.label("t3", "0 .5 .5 0 .25\n")
    assert chosen(planted, 3)[:2] == ["t0", "t3"]
    assert chosen(planted, 6)[:4] == ["t0", "t3", "t1", "t2"]


def test_the_seed_draws_the_others(planted) -> None:
    for number in range(40):
        planted.image(f"{number:02}").write_bytes(planted.image("t0").read_bytes() + bytes(number + 1))
        planted.label(f"{number:02}", BOX)
    planted.listing("train", *(f"{number:02}" for number in range(40)))
    once = chosen(planted, 10)
    assert len(set(once)) == 10
    assert once == chosen(planted, 10)
    assert once != chosen(planted, 10, seed=1)


def test_a_third_is_left_to_images_without_faults(planted) -> None:
    """Of 24 tiles 8, of 6 tiles 2."""
    for number in range(9):
        planted.image(f"{number:02}").write_bytes(planted.image("t0").read_bytes() + bytes(number + 1))
        planted.label(f"{number:02}", "7 .5 .5 .1 .1\n")
    planted.listing("train", *(f"{number:02}" for number in range(9)), "t0", "t1", "t2", "t3")
    assert [name.isdigit() for name in chosen(planted, 6)] == [True] * 4 + [False] * 2


def test_an_image_is_found_by_its_labels_its_file_and_its_line_in_the_list(planted) -> None:
    planted.label("t0", "7 .5 .5 .25 .25\n")
    planted.image("t1").write_bytes(b"")
    planted.image("t2").unlink()
    planted.listing("valid", "v0", "v1", "t3")
    survey, findings = looked(planted)
    tiles = {
        tile.image.split + tile.image.path[-6:-4]: {finding.rule for finding in tile.findings}
        for tile in sheet.choose(survey.images, findings, 24, 0)
    }
    assert tiles == {
        "traint0": {"class-range"}, "traint1": {"unreadable-image"}, "traint2": {"missing-image"}, "traint3": set(),
        "validv0": set(), "validv1": set(), "validt3": {"in-both"},
    }  # fmt: skip


def test_a_fault_of_a_name_is_no_images(planted) -> None:
    planted.write("a.names", "dot\ndot\n")
    survey, findings = looked(planted)
    assert findings
    assert not any(tile.findings for tile in sheet.choose(survey.images, findings, 24, 0))


def test_boxes_are_where_the_labels_say(planted) -> None:
    """64 x 48 px become 256 x 192 px; lines are 1 px wide, on either side of the edge."""
    cv2.imwrite(str(planted.image("t0")), np.full((48, 64, 3), 128, np.uint8))
    planted.label("t0", "0 .5 .5 .25 .5\n")
    survey, _ = looked(planted)
    picture = sheet.labelled(survey.images[0], ("dot",))
    assert picture.shape == (192, 256, 3)
    across, down = (np.abs(part - class_colour(0)).sum(axis=1) < 60 for part in (picture[100], picture[:, 110]))
    assert np.flatnonzero(across) == pytest.approx([(0.5 - 0.125) * 256, (0.5 + 0.125) * 256], abs=1)
    assert np.flatnonzero(down)[-1] == pytest.approx(0.75 * 192, abs=1)


def test_a_large_image_is_made_smaller_in_proportion(planted) -> None:
    cv2.imwrite(str(planted.image("t0")), np.zeros((300, 1200, 3), np.uint8))
    survey, _ = looked(planted)
    assert sheet.labelled(survey.images[0], ()).shape == (100, 400, 3)


def test_the_sheet(planted, tmp_path) -> None:
    """Six tiles in a row, each 400 x 300 px; that of a missing image is empty."""
    planted.image("t2").unlink()
    planted.label("t1", "nan nan\n0 nan .5 .5 .5\n7 2 2 .1 .1\n")
    survey, findings = looked(planted)
    made = sheet.sheet(survey, findings)
    assert made.dtype == np.uint8
    assert made.shape == (96 + 300 + 46 + 16, 16 + 6 * 416, 3)
    order = [tile.image.path[-6:-4] for tile in sheet.choose(survey.images, findings, 24, 0)]
    middle = {name: made[96 + 20 : 96 + 100, 16 + 416 * i : 416 + 416 * i] for i, name in enumerate(order)}
    assert np.ptp(middle["t2"]) <= 8
    assert all(np.ptp(part) > 60 for name, part in middle.items() if name != "t2")
    sheet.write(tmp_path / "s.PNG", survey, findings)
    assert (cv2.imread(str(tmp_path / "s.PNG")) == made).all()
    sheet.write(tmp_path / "s.jpg", survey, findings)
    assert cv2.imread(str(tmp_path / "s.jpg")).shape == made.shape


def test_seven_tiles_make_two_even_rows(planted) -> None:
    planted.listing("train", "t0", "t1", "t2", "t3", "t0")
    survey, findings = looked(planted)
    assert sheet.sheet(survey, findings).shape[:2] == (96 + 2 * 362, 16 + 4 * 416)


def test_a_file_name_that_is_no_valid_text(planted) -> None:
    """As in a folder with names of another encoding; OpenCV 5 dies of such text."""
    survey, findings = looked(planted)
    odd = replace(survey.images[0], path=f"{planted.folder}/\udcff.jpg", size=None)
    assert sheet.sheet(replace(survey, images=[odd]), findings).shape == (458, 432, 3)


@pytest.mark.parametrize("name", ["s.gif", "s"])
def test_another_kind_of_file_is_refused(name, planted) -> None:
    with pytest.raises(DarkparseError, match="to end in"):
        sheet.write(name, *looked(planted))


def test_no_image_at_all(planted) -> None:
    planted.write("a.data", "classes = 2\nnames = a.names\n")
    with pytest.raises(DarkparseError, match="no image to show"):
        sheet.sheet(*looked(planted))


def test_labels_are_drawn_without_scores() -> None:
    """The first is on top, and no share is written: the plate is narrower than with one."""
    image = np.zeros((200, 300, 3), np.uint8)
    boxes, labels = np.array([[50, 60, 200, 150]]), np.array([1])
    plain = draw(image, boxes, None, labels, ("dot", "dash"))
    scored = draw(image, boxes, np.ones(1), labels, ("dot", "dash"))
    assert 0 < (plain[:55] > 0).any(axis=2).sum() < (scored[:55] > 0).any(axis=2).sum()
    assert (plain[80:] == scored[80:]).all()
    both = draw(image, np.repeat(boxes, 2, 0), None, np.array([0, 1]), ("dot", "dash"))
    assert (np.abs(both[100, 50] - class_colour(0)) < 40).all()
