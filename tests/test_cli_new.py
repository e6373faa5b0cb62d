"""darkparse new, as a user meets it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import runs
from conftest import ROOT
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.layout import fit, read_header
from labelled import write_image

CFG, WEIGHTS, PICTURE = (
    str(ROOT / path) for path in ("cfg/digits.cfg", "weights/digits.weights", "tests/data/digits.jpg")
)
NEXT = "next: darkparse train YOUR.data shoe.cfg"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in a working folder with names of two classes."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Path("shoe.names").write_text("shoe\nboot\n")


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["new", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def here() -> dict[str, bytes]:
    """All files of the working folder."""
    return {path.name: path.read_bytes() for path in Path().iterdir()}


def refused(*arguments: str) -> str:
    """What is said to a command that must not change anything."""
    before = here()
    result = run(*arguments)
    assert result.exit_code != 0
    assert result.stdout == ""
    assert here() == before
    return result.stderr


# What it says and writes


def test_it_says_what_it_changes() -> None:
    """(2 + 5) * 3 = 21 filters before each of two heads; the other lines stand where they stood."""
    result = run("shoe.cfg", "--from", "yolov4-tiny", "--names", "shoe.names")
    assert result.exit_code == 0
    source = (ROOT / "cfg" / "yolov4-tiny.cfg").read_text().split("\n")
    filters = [at for at, line in enumerate(source, 1) if line == "filters = 255"]
    classes = [at for at, line in enumerate(source, 1) if line == "classes = 80"]
    assert result.stdout.splitlines() == [
        "[net] subdivisions: 1 -> 16",
        "[net] steps: 1600000,1800000 -> 4800,5400",
        "[net] max_batches: 2000200 -> 6000",
        f"line {filters[0]} [convolutional] filters: 255 -> 21",
        f"line {classes[0]} [yolo] classes: 80 -> 2",
        f"line {filters[1]} [convolutional] filters: 255 -> 21",
        f"line {classes[1]} [yolo] classes: 80 -> 2",
    ]
    written = Path("shoe.cfg").read_text().split("\n")
    assert sum(one != other for one, other in zip(source, written, strict=True)) == 7
    assert read_graph("shoe.cfg").classes == 2


def test_it_says_what_to_do_next() -> None:
    lines = run("shoe.cfg", "--from", "yolov4-tiny", "--names", "shoe.names").stderr.splitlines()
    assert lines == [
        "comments are left as they were, and may tell of the old numbers",
        "trained first layers: darkparse download yolov4-tiny.conv.29",
        "images to train with: not known without --data; max_batches should not be less",
        f"{NEXT} yolov4-tiny.conv.29",
    ]


@pytest.mark.parametrize(
    "options", [("--from", "yolov3-tiny"), ("--from", "yolov4-tiny", "--channels", "1")], ids=["unknown", "grey"]
)
def test_first_layers_that_would_not_fit_are_not_offered(options: tuple[str, ...]) -> None:
    assert run("shoe.cfg", *options, "--classes", "2").stderr.splitlines()[-1] == NEXT


def test_with_a_data_file() -> None:
    Path("my shoes.data").write_text("train=train.txt\nnames=shoe.names\n")
    Path("train.txt").write_text("".join(f"{number}.jpg\n" for number in range(7000)))
    result = run("shoe.cfg", "--from", CFG, "--data", "my shoes.data")
    assert "[net] subdivisions: 1 -> 16" in result.stdout
    assert read_graph("shoe.cfg").net.max_batches == 7000
    assert result.stderr.splitlines()[-2:] == [
        "anchors are left as they were; to see whether others serve better: darkparse anchors 'my shoes.data' shoe.cfg",
        "next: darkparse train 'my shoes.data' shoe.cfg",
    ]


def test_anchors_for_the_boxes_of_the_data() -> None:
    """Six sizes of boxes, each many times: an anchor each, and the filters stay."""
    sizes = [(8, 10), (20, 12), (24, 40), (60, 50), (70, 100), (128, 112)]
    Path("images").mkdir()
    for number in range(4):
        write_image(f"images/{number}.png", 256, 256)
        lines = [f"{number % 2} .5 .5 {w / 256} {h / 256}\n" for w, h in sizes]
        Path(f"images/{number}.txt").write_text("".join(lines))
    Path("shoe.data").write_text("train=images\nnames=shoe.names\n")
    result = run("shoe.cfg", "--from", CFG, "--data", "shoe.data", "--anchors")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"these 6 anchors +100.00 % +100.00 %", result.stderr)
    heads = [head for _, head in read_graph("shoe.cfg").heads]
    assert [head.anchors for head in heads] == [tuple(n for size in sizes for n in size)] * 2
    assert sorted(n for head in heads for n in head.mask) == [0, 1, 2, 3, 4, 5]


def test_anchors_need_boxes() -> None:
    assert "--anchors: for which boxes?" in refused("shoe.cfg", "--from", CFG, "--classes", "2", "--anchors")


def test_options() -> None:
    sizes = ("--width", "96", "--height", "64", "--channels", "1", "--batch", "8", "--subdivisions", "2")
    run("shoe.cfg", "--from", CFG, "--classes", "3", *sizes, "--max-batches", "50")
    net = read_graph("shoe.cfg").net
    assert (net.width, net.height, net.channels, net.batch, net.subdivisions) == (96, 64, 1, 8, 2)
    assert (net.max_batches, net.steps) == (50, (40, 45))


@pytest.mark.parametrize("name", ["yolov4-tiny", "yolov4-tiny.cfg"])
def test_a_cfg_of_the_working_folder_comes_first(name: str) -> None:
    shutil.copy(CFG, "yolov4-tiny.cfg")
    result = run("shoe.cfg", "--from", name, "--classes", "2")
    own = name.endswith(".cfg")
    assert ("filters: 45 -> 21" in result.stdout) == own


def test_starts_without_torch_or_opencv() -> None:
    command = ["new", "shoe.cfg", "--from", CFG, "--names", "shoe.names", "--weights", WEIGHTS]
    code = f"""
import sys
from darkparse.cli import main
main({command!r}, standalone_mode=False)
print(*sorted({{'torch', 'cv2'}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""
    assert Path("shoe.weights").exists()


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shoe.cfg", "--from", CFG], "expected --names, --classes or --data"),
        (["shoe.txt", "--from", CFG, "--classes", "2"], "expected the name of a new .cfg, got shoe.txt"),
        (["shoe.cfg", "--classes", "2"], "Missing option '--from'"),
        (["shoe.cfg", "--from", CFG, "--classes", "0"], "0 is not in the range x>=1"),
        (["shoe.cfg", "--from", CFG, "--classes", "2", "--weights-out", "x.weights"], "expected --weights, too"),
        (["shoe.cfg", "--from", CFG, "--classes", "3", "--names", "shoe.names"], "shoe.names: 2 names"),
        (["shoe.cfg", "--from", "yolov5", "--classes", "2"], "yolov5: No such file"),
        (["no/shoe.cfg", "--from", CFG, "--classes", "2"], "no/shoe.cfg: No such file"),
        (["shoe.cfg", "--from", CFG, "--classes", "2", "--width", "100"], "[net] width: expected a multiple of"),
        (["shoe.cfg", "--from", "yolov4-tiny", "--classes", "2", "--weights", WEIGHTS], "too short for"),
        (
            ["shoe.cfg", "--from", CFG, "--classes", "2", "--weights", CFG],
            "digits.cfg: text; expected Darknet's .weights",
        ),
    ],
)
def test_refused(arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_what_is_there_stays() -> None:
    Path("shoe.cfg").write_text("precious")
    assert "shoe.cfg: is there already; not overwritten without --overwrite" in refused(
        "shoe.cfg", "--from", CFG, "--classes", "2"
    )
    assert run("shoe.cfg", "--from", CFG, "--classes", "2", "--overwrite").exit_code == 0
    assert read_graph("shoe.cfg").classes == 2


def test_weights_that_are_there_stay() -> None:
    Path("shoe.weights").write_text("precious")
    weights = ("shoe.cfg", "--from", CFG, "--classes", "2", "--weights", WEIGHTS)
    assert "shoe.weights: is there already" in refused(*weights)
    assert run(*weights, "--weights-out", "other.weights").exit_code == 0
    assert Path("shoe.weights").read_text() == "precious"
    assert fit(read_graph("shoe.cfg"), "other.weights").layers == len(read_graph("shoe.cfg").nodes)


def test_inputs_stay_even_with_overwrite() -> None:
    shutil.copy(CFG, "a.cfg")
    shutil.copy(WEIGHTS, "a.weights")
    Path("link.cfg").symlink_to("a.cfg")
    options = ("--classes", "2", "--overwrite", "--from")
    for out, source in (("a.cfg", "a.cfg"), ("link.cfg", "a.cfg"), ("a.cfg", "link.cfg")):
        assert f"{out}: is one of the inputs; not overwritten" in refused(out, *options, source)
    weights = (*options, CFG, "--weights", "a.weights")
    assert "a.weights: is one of the inputs" in refused("a.cfg", *weights)
    assert "a.weights: is one of the inputs" in refused("b.cfg", *weights, "--weights-out", "a.weights")


def test_the_list_of_a_data_file_stays() -> None:
    """It is named by no argument, but read."""
    shutil.copy("shoe.names", "list.cfg")
    Path("x.data").write_text("train=list.cfg\nnames=shoe.names\n")
    assert "list.cfg: is one of the inputs" in refused("list.cfg", "--from", CFG, "--data", "x.data", "--overwrite")


# What it is for


def found(cfg: str, weights: str, names: str) -> list[tuple[str, float, np.ndarray]]:
    import darkparse

    model = darkparse.load(cfg, weights, names=names, device="cpu")
    return sorted(
        ((name, score, box) for box, score, _, name in model.detect(PICTURE, thresh=0.3)), key=lambda one: one[:2]
    )


def test_digits_that_are_left_are_found_as_before() -> None:
    """The network for ten digits becomes one for three of them, a letter between: same boxes, same scores."""
    Path("few.names").write_text("7\nQ\n3\n1\n")
    result = run("few.cfg", "--from", CFG, "--names", "few.names", "--weights", WEIGHTS)
    assert "classes kept: 7, 3, 1\nclasses that begin anew: Q\n" in result.stderr
    assert result.stderr.endswith("next: darkparse train YOUR.data few.cfg few.weights\n")
    before = [one for one in found(CFG, WEIGHTS, str(ROOT / "cfg/digits.names")) if one[0] in "731"]
    after = [one for one in found("few.cfg", "few.weights", "few.names") if one[0] != "Q"]
    assert before
    assert [one[0] for one in before] == [one[0] for one in after]
    np.testing.assert_allclose([one[1] for one in after], [one[1] for one in before], atol=1e-5)
    np.testing.assert_allclose([one[2] for one in after], [one[2] for one in before], atol=1e-2)


def test_training_goes_on_from_it(tmp_path: Path) -> None:
    """Two iterations with two classes, from weights for ten."""
    data, _ = runs.write(tmp_path / "set")
    size = ("--width", "64", "--height", "64", "--batch", "4", "--subdivisions", "2", "--max-batches", "2")
    run("x.cfg", "--from", CFG, "--data", data, "--weights", WEIGHTS, *size)
    assert read_header("x.weights").seen == 0
    done = runs.run([data, "x.cfg", "x.weights"], tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    assert fit(read_graph("x.cfg"), tmp_path / "backup" / "x_final.weights").header.seen == 8


def test_it_can_be_called_from_python() -> None:
    from darkparse.recipe import DataSet, Wishes, new_cfg

    made = new_cfg("yolov3", DataSet(1), Wishes(width=320))
    made.text.write("one.cfg")
    assert read_graph("one.cfg") == read_graph("one.cfg", width=320)
    with pytest.raises(DarkparseError, match="width"):
        new_cfg("yolov3", DataSet(1), Wishes(width=321))


def test_the_weights_do_not_go_into_the_cfg() -> None:
    said = refused("shoe.cfg", "--from", CFG, "--classes", "2", "--weights", WEIGHTS, "--weights-out", "./shoe.cfg")
    assert "named for the cfg and for its weights; expected different files" in said
