"""Anchors for a data set and a cfg: units, masks, the comparison, and what is written."""

import difflib
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from conftest import ROOT
from darkparse.anchors.heads import anchored_heads, share_out
from darkparse.anchors.study import Study, study
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph

YOLO = """[net]
width={width}
height={height}
channels=3
{more}
[convolutional]
filters={filters}
size=1
stride=8
[yolo]
classes=1
num={num}
anchors={anchors}
{options}
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in an empty working folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def data(tmp_path: Path):
    """Writes a data set of one image for each list of labels, (width, height) of boxes or whole lines."""

    def write(*labels: list, size: tuple[int, int] = (64, 64), more: str = "classes = 1\n") -> Path:
        for i, boxes in enumerate(labels):
            cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((size[1], size[0], 3), np.uint8))
            lines = [box if isinstance(box, str) else f"0 .5 .5 {box[0]:.9f} {box[1]:.9f}" for box in boxes]
            (tmp_path / f"{i}.txt").write_text("".join(f"{line}\n" for line in lines))
        (tmp_path / "train.list").write_text("".join(f"{i}.png\n" for i in range(len(labels))))
        (tmp_path / "set.data").write_text(f"{more}train = train.list\n")
        return tmp_path / "set.data"

    return write


@pytest.fixture
def yolo(cfg):
    """Writes a cfg with one head of stride 8."""

    def write(anchors: str, size: tuple[int, int] = (416, 416), more: str = "", options: str = "") -> Path:
        num = (anchors.count(",") + 1) // 2
        values = {"num": num, "filters": 6 if "mask" in options else 6 * num, "anchors": anchors}
        return cfg(YOLO.format(width=size[0], height=size[1], more=more, options=options, **values))

    return write


def px(*sizes: tuple[float, float], net: float = 416) -> list[tuple[float, float]]:
    return [(w / net, h / net) for w, h in sizes]


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["anchors", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def copied(name: str) -> Path:
    return Path(shutil.copyfile(ROOT / "cfg" / name, name))


def changes(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


SIX = [(12, 14), (20, 40), (50, 50), (90, 60), (100, 180), (300, 250)]  # by area: 168, 800, 2500, 5400, 18000, 75000


def test_printed(data, yolo) -> None:
    """20x20 has 400 of the cfg's 20x41, 820, in common, and 40x40 800 of 1620 together: .4878 and .4938."""
    result = run(yolo("20,41, 20,41"), data(px((20, 20), (20, 20)), px((40, 40), (40, 40))))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "num_of_clusters = 2, width = 416, height = 416",
        "counters_per_class = 4",
        "avg IoU = 100.00 %",
        "anchors =  20, 20,  40, 40",
        "[yolo] in line 10 (stride 8): mask = 0,1",
        "                    avg IoU  IoU > 0.5",
        "these 2 anchors    100.00 %   100.00 %",
        "the 2 of net.cfg    49.08 %     0.00 %",
        "verdict: +50.9 points: worth a try where the heads are trained anew; compare the mAP, as overlap alone does "
        "not decide",
    ]
    assert "4 boxes of 2 images, anchors all at the one head\n" in result.stderr


@pytest.mark.parametrize(
    ("own", "verdict"),
    [("100,98", "+2.0 points: keep the anchors"), ("100,96", "+4.0 points: worth a try")],
    ids=["keep", "try"],
)
def test_verdict(own: str, verdict: str, data, yolo) -> None:
    """100x98 is .98 of 100x100."""
    assert study(data(px((100, 100))), yolo(own)).gain == pytest.approx(100 - int(own[-2:]), abs=1e-4)
    assert f"verdict: {verdict}" in run(data(px((100, 100))), yolo(own)).stdout


def test_doubtful_where_anchors_are_at_heads_for_other_sizes(data) -> None:
    """All nine suit the head of stride 32, which gets three."""
    sizes = [(64 + 16 * i, 200) for i in range(9)]
    found = study(data(px(*sizes)), "yolov3", width=416, height=416)
    assert found.misplaced == 6
    assert "doubtful; 6 of 9 anchors" in found.verdict()


def test_region_has_anchors_in_cells(data) -> None:
    """64x96 px are 2x3 cells of 32 px; the picture and the comparison are in px."""
    found = study(data(px((64, 96), (48, 40))), "yolov2", num_of_clusters=2, width=416, height=416)
    assert [*found.lines()][3] == "anchors = 1.5000,1.2500, 2.0000,3.0000"
    assert not [line for line in found.lines() if "mask" in line]
    assert found.old[0] == pytest.approx((0.57273 * 32, 0.677385 * 32))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([(40.1, 60.1)], [(40, 60)]), ([(1.2, 1.4)], [(1.2, 1.4)]), ([(0.3, 40)], [(0.3, 40)])],
    ids=["whole", "too coarse", "would be 0"],
)
def test_px_are_whole_unless_that_costs_too_much(sizes: list, expected: list, data, yolo) -> None:
    found = study(data(px(*sizes)), yolo("10,10"))
    assert np.array(found.values) == pytest.approx(np.array(expected), abs=1e-4)


def test_letterboxed_images_have_smaller_boxes(data, yolo) -> None:
    """An image of 200x100 is 96x48 px in a network of 96x96: half of its width is 48 px, half of its height 24."""
    made = data([(0.5, 0.5)], size=(200, 100))
    plain, boxed = (study(made, yolo("9,9", (96, 96), more=more)) for more in ("", "letter_box=1"))
    assert (plain.values, boxed.values) == ([(48, 48)], [(48, 24)])
    assert "letter_box=1: sizes are those in letterboxed images" in boxed.notes


def test_what_labels_are_left_out_and_where(data, yolo) -> None:
    lines = ["0 .5 .5 .25 .25", "1 .5 .5 .2 .2", "0 0 0 .1 .1", "0 .5 .5 0 .1", "0 .5 .5 1.5 .5"]
    result = run(data(lines), yolo("9,9"))
    assert "0.txt:2: class 1: expected 0 to 0; left out" in result.stderr
    assert "4 faults in labels, 3 labels left out" in result.stderr
    assert "counters_per_class = 2\n" in result.stdout
    assert "anchors = 260,156\n" in result.stdout  # the mean of 104x104 and, cut at the image, 416x208


def test_many_faults_are_counted(data, yolo) -> None:
    result = run(data(["0 .5 .5 .25 .25", *["3 .5 .5 .1 .1"] * 30]), yolo("9,9"))
    assert result.stderr.count("expected 0 to 0") == 10
    assert "30 faults in labels, 30 labels left out" in result.stderr


def test_boxes_that_no_head_learns(data) -> None:
    """Of yolov4-tiny no head has anchor 0, 10x14: three quarters of the boxes are lost."""
    found = study(data(px((10, 14), (9, 14), (10, 13), (80, 80))), "yolov4-tiny", num_of_clusters=2)
    assert found.unlearnt == 0.75
    assert "of the boxes, 75.00 % are learnt by no head of yolov4-tiny.cfg: their anchor is in no mask" in [
        *found.lines()
    ]


def test_iou_thresh_learns_more_boxes(data, yolo) -> None:
    """20x20 has .25 of 40x40, the only anchor in the mask."""
    made = data(px((20, 20), (40, 40)))
    shares = [
        study(made, yolo("20,20, 40,40", options=f"mask=1\niou_thresh={t}"), num_of_clusters=1) for t in (1, 0.24, 0.26)
    ]
    assert [one.unlearnt for one in shares] == [0.5, 0, 0.5]


THREE, TWO = ["yolov3", "yolov4"], ["yolov3-tiny", "yolov4-tiny"]


@pytest.mark.parametrize(
    ("names", "sizes", "counts", "why"),
    [
        (THREE, [(9 + i, 9) for i in range(9)], [3, 3, 3], "as many"),
        (THREE, [*SIX, (400, 400)], [2, 1, 4], "by size"),
        (THREE, SIX[2:], [2, 1, 1], "evenly"),
        (THREE, [(29, 31), (59, 61), (61, 60), (70, 70)], [1, 1, 2], "by size"),
        (TWO, SIX, [3, 3], "as many"),
        (TWO, SIX[:5], [3, 2], "by size"),
        (TWO, SIX[3:], [2, 1], "evenly"),
        (["yolov2"], SIX, [6], "all"),
    ],
    ids=str,
)
def test_masks(names: list[str], sizes: list, counts: list[int], why: str) -> None:
    """Below 30x30 px to stride 8, below 60x60 to stride 16, the rest to 32; yolov3 has its coarsest head first."""
    for name in names:
        graph = read_graph(ROOT / "cfg" / f"{name}.cfg")
        heads = anchored_heads(graph)
        assert [one.cell[0] for one in heads] == [8, 16, 32][-len(heads) :]
        shares = share_out(heads, sizes)
        assert shares.counts == counts
        assert shares.why.startswith(why)
        assert [number for mask in shares.masks for number in mask] == [*range(len(sizes))]


NINE = [*SIX, (16, 15), (30, 30), (200, 120)]


def test_write_changes_the_anchors_alone(data) -> None:
    """As many anchors as before: masks and filters stay, comments too, and the original is kept, byte by byte."""
    path, made = copied("yolov3.cfg"), data(px(*NINE))
    before = path.read_text()
    result = run(made, path, "--write")
    assert result.exit_code == 0, result.output
    new = "+anchors = 12,14, 16,15, 20,40, 30,30, 50,50, 90,60, 100,180, 200,120, 300,250".replace("+", "+ ")
    old = "- anchors = 10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326"
    assert changes(before, path.read_text()) == [old, new] * 3
    assert Path("yolov3.cfg.orig").read_text() == before
    assert "yolov3.cfg: the original is yolov3.cfg.orig\n" in result.stderr
    assert "weights trained for the original fit other anchors: train the heads anew\n" in result.stderr


def test_write_twice_loses_nothing(data) -> None:
    path = copied("yolov3-tiny.cfg")
    texts = [path.read_text()]
    for count in (6, 5, 5, 4):
        run(data(px(*SIX)), path, "--write", "--num-of-clusters", count)
        texts.append(path.read_text())
    assert texts[2] == texts[3]  # nothing to change, nothing to keep
    kept = ["yolov3-tiny.cfg.orig", "yolov3-tiny.cfg.orig2", "yolov3-tiny.cfg.orig3"]
    assert [Path(name).read_text() for name in kept] == [*texts[:2], texts[2]]
    assert sorted(one.name for one in Path().iterdir()) == ["yolov3-tiny.cfg", *kept]


def test_what_is_written_is_what_was_found(data, yolo) -> None:
    """Four decimals of a large number, too: a second time there is nothing to change."""
    path, made = yolo("9,9"), data(px((0.3, 140.1234)))
    assert "original is" in run(made, path, "--write").stderr
    assert "anchors=0.3,140.1234\n" in path.read_text()
    assert f"{path}: has these anchors already\n" in run(made, path, "--write").stderr


def test_another_number_changes_masks_and_filters(data) -> None:
    """Four below 60x60 px to the second head, of stride 16, one to the first: (5 + 80) x 4 = 340 and 85 filters."""
    path = copied("yolov3-tiny.cfg")
    before = path.read_text()
    result = run(
        data(px((10, 10), (20, 25), (40, 30), (50, 55), (200, 200))), path, "--out", "new.cfg", "--num-of-clusters", 5
    )
    assert result.exit_code == 0, result.output
    old, new = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319", "10,10, 20,25, 40,30, 50,55, 200,200"
    num, anchors = ["- num = 6", "+ num = 5"], [f"- anchors = {old}", f"+ anchors = {new}"]
    assert sorted(changes(before, Path("new.cfg").read_text())) == sorted(
        [
            *["- filters = 255", "+ filters = 85", *num, *anchors, "- mask = 3,4,5", "+ mask = 4"],
            *["- filters = 255", "+ filters = 340", *num, *anchors, "- mask = 0,1,2", "+ mask = 0,1,2,3"],
        ]
    )
    assert path.read_text() == before
    assert not Path("yolov3-tiny.cfg.orig").exists()
    heads = anchored_heads(read_graph("new.cfg"))
    assert [one.head.sizes for one in heads] == [[(10, 10), (20, 25), (40, 30), (50, 55)], [(200, 200)]]
    assert "weights trained for the original have other filters: train the heads anew\n" in result.stderr


def test_masks_that_leave_out_an_anchor_are_mended(data) -> None:
    """Of yolov4-tiny anchor 0 is in no mask, and 3 in both."""
    run(data(px(*SIX)), copied("yolov4-tiny.cfg"), "--write")
    heads = anchored_heads(read_graph("yolov4-tiny.cfg"))
    assert [one.head.mask for one in heads] == [(0, 1, 2), (3, 4, 5)]


def test_write_in_cells(data) -> None:
    """64x32 px of 416x416 are 2x1 cells of 32; (5 + 80) x 1 filters."""
    path = copied("yolov2.cfg")
    before = path.read_text()
    assert run(data(px((64, 32))), path, "--write", "--num-of-clusters", 1).exit_code == 0
    anchors = "0.57273,0.677385, 1.87446,2.06253, 3.33843,5.47434, 7.88282,3.52778, 9.77052,9.16828"
    pairs = [("filters = 425", "filters = 85"), ("num = 5", "num = 1"), (f"anchors = {anchors}", "anchors = 2,1")]
    assert sorted(changes(before, path.read_text())) == sorted(
        line for old, new in pairs for line in (f"- {old}", f"+ {new}")
    )


def test_a_cfg_of_another_size_is_not_written(data) -> None:
    path = copied("yolov3-tiny.cfg")
    before = path.read_text()
    result = run(data(px(*SIX)), path, "--write", "--width", 320, "--height", 256)
    assert result.exit_code == 1
    assert "Error: yolov3-tiny.cfg: the anchors are for width=320 height=256, but [net] has width=416 height=416" in (
        result.stderr
    )
    assert path.read_text() == before
    assert [one.name for one in Path().iterdir()] == ["yolov3-tiny.cfg"]


def test_what_would_be_no_network_is_not_written(data) -> None:
    """The filters before the head of shapes.cfg are divided among three groups."""
    path = copied("shapes.cfg")
    result = run(data(px(*SIX), more="classes = 3\n"), path, "--write", "--num-of-clusters", 5)
    assert result.exit_code == 1
    assert "Error: these anchors do not go with this cfg, and nothing is written: shapes.cfg:" in result.stderr
    assert path.read_bytes() == (ROOT / "cfg" / "shapes.cfg").read_bytes()
    assert [one.name for one in Path().iterdir()] == ["shapes.cfg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--write"], "yolov3-tiny: comes with darkparse; expected another file to write to"),
        (["--out", "there.cfg"], "there.cfg: is there already; not overwritten"),
        (["--out", "no/folder.cfg"], "no/folder.cfg: No such file or directory"),
        (["--picture", "chart.bmp"], "chart.bmp: expected the name of a picture to end in .png, .svg, .pdf"),
        (["--picture", "../0.png"], "../0.png: is one of the inputs; not overwritten"),
        (["--num-of-clusters", 7], "7 anchors: expected from 1 to 6, as the boxes have that many different sizes"),
        (["--num-of-clusters", 1], "1 anchors: expected at least 2, one for each head"),
        (["--width", 400], "expected a multiple of 32, the network's stride, got 400"),
    ],
    ids=str,
)
def test_refused(options: list, message: str, data) -> None:
    made = data(px(*SIX))
    Path("there.cfg").write_text("precious")
    before = {path: path.read_bytes() for path in made.parent.rglob("*") if path.is_file()}
    result = run(made, "yolov3-tiny", *options)
    assert (result.exit_code, result.stderr.count("Error: ")) == (1, 1)
    assert message in result.stderr
    assert {path: path.read_bytes() for path in made.parent.rglob("*") if path.is_file()} == before


def test_a_yolov1_head_is_refused(data, cfg) -> None:
    head = "[connected]\noutput=75\n[detection]\nclasses=1\ncoords=4\nnum=1\nside=3\n"
    path = cfg(f"[net]\nwidth=8\nheight=8\nchannels=3\n{head.replace('75', '54')}")
    with pytest.raises(DarkparseError, match=r"net.cfg:7: \[detection\]: has no anchors; expected \[yolo\]"):
        study(data(px(*SIX)), path)


def test_a_classifier_is_refused(data) -> None:
    with pytest.raises(DarkparseError, match=r"darknet19.cfg: no head with anchors; expected \[yolo\]"):
        study(data(px(*SIX)), "darknet19")


def test_a_data_set_without_labels_is_refused(data) -> None:
    with pytest.raises(DarkparseError, match="no label of 1 images is usable"):
        study(data([]), "yolov3")


def test_classes_that_are_no_number_are_refused(data) -> None:
    with pytest.raises(DarkparseError, match=r"set\.data: classes: expected a number above 0, got 'many'"):
        study(data(px(*SIX), more="classes = many\n"), "yolov3-tiny")


def test_other_classes_than_the_cfg_has_are_told_of(data) -> None:
    found = study(data(px(*SIX)), "yolov3-tiny")
    assert any(note.endswith("yolov3-tiny.cfg has 80") for note in found.notes)
    assert found.counters == [6]


@pytest.mark.parametrize("arguments", [["a.cfg"], ["a.data"], ["a.data", "b.cfg", "c.cfg"]], ids=str)
def test_arguments_that_do_not_fit(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "expected a .data file and a .cfg" in result.stderr


def test_write_and_out_exclude_each_other() -> None:
    assert "expected --write or --out, got both" in run("a.data", "a.cfg", "--write", "--out", "b.cfg").stderr


def test_darknets_spelling(data) -> None:
    made = data(px(*SIX))
    ours = run(made, "yolov3-tiny", "--num-of-clusters", 3, "--width", 320, "--height", 256)
    theirs = run("yolov3-tiny", made, "-num_of_clusters", 3, "-width", 320, "-height", 256, "-dont_show", "-show")
    assert theirs.exit_code == 0
    assert ours.stdout == theirs.stdout


@pytest.mark.parametrize("name", ["yolov3-tiny", "yolov2"])
def test_picture(name: str, data) -> None:
    pytest.importorskip("matplotlib")
    assert run(data(px(*NINE)), name, "--picture", "sizes.png").exit_code == 0
    image = cv2.imread("sizes.png")
    assert image.shape[1] > image.shape[0] > 500
    colours = {tuple(pixel) for pixel in image.reshape(-1, 3)[::7].tolist()}
    assert len(colours) > 50


def test_starts_without_torch_or_opencv(data, yolo) -> None:
    arguments = ["anchors", str(data(px((20, 20), (40, 40)))), str(yolo("9,9, 9,8"))]
    code = f"""
import sys
from darkparse.cli import main
main({arguments!r}, standalone_mode=False)
print(*sorted({{'torch', 'cv2', 'matplotlib'}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


def test_a_study_says_what_it_found(data, yolo) -> None:
    found = study(data(px((20, 20)), px((40, 40))), yolo("9,9, 9,8"))
    assert isinstance(found, Study)
    assert found.sizes == pytest.approx(np.array([(20, 20), (40, 40)]), rel=1e-6)
    assert found.found.average_iou == pytest.approx(1)
    assert len(found.images) == 2
