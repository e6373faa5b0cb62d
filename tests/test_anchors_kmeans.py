"""K-means on the sizes of boxes: against what Darknet's calc_anchors printed, and by arithmetic."""

import json
import tracemalloc
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from conftest import SHARED
from darkparse.anchors.kmeans import average_iou, kmeans
from darkparse.cli import main
from darkparse.errors import DarkparseError

GOLDENS, BCCD = SHARED / "training" / "map" / "calc_anchors.json", SHARED / "datasets" / "bccd"
RECORDED = json.loads(GOLDENS.read_text()) if GOLDENS.is_file() else {"runs": []}
NAMES = ("RBC", "WBC", "Platelets")
golden = pytest.mark.skipif(not (GOLDENS.is_file() and BCCD.is_dir()), reason=f"no {GOLDENS}, or no {BCCD}")


def objects(stem: str) -> list[str]:
    """The labels of an image of BCCD, as Darknet wants them; two boxes without a size are left out."""
    root = ET.parse(BCCD / "Annotations" / f"{stem}.xml").getroot()
    width, height = (float(root.findtext(f"size/{side}")) for side in ("width", "height"))
    lines = []
    for found in root.iter("object"):
        x0, y0, x1, y1 = (float(found.findtext(f"bndbox/{edge}")) for edge in ("xmin", "ymin", "xmax", "ymax"))
        if x1 > x0 and y1 > y0:
            box = (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height
            lines.append(f"{NAMES.index(found.findtext('name'))} {' '.join(f'{value:.6f}' for value in box)}")
    return lines


@pytest.fixture(scope="module")
def bccd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A .data file for trainval of BCCD."""
    folder = tmp_path_factory.mktemp("bccd")
    (folder / "JPEGImages").symlink_to((BCCD / "JPEGImages").resolve())
    (folder / "labels").mkdir()
    stems = (BCCD / "ImageSets" / "Main" / "trainval.txt").read_text().split()
    for stem in stems:
        (folder / "labels" / f"{stem}.txt").write_text("\n".join(objects(stem)) + "\n")
    (folder / "train.txt").write_text("".join(f"{folder}/JPEGImages/{stem}.jpg\n" for stem in stems))
    (folder / "bccd.data").write_text("classes = 3\ntrain = train.txt\n")
    return folder / "bccd.data"


@pytest.fixture(scope="module")
def relative(bccd: Path) -> np.ndarray:
    """Widths and heights of its boxes, relative to the images."""
    lines = [line.split() for path in sorted(bccd.parent.glob("labels/*.txt")) for line in path.read_text().split("\n")]
    return np.array([line[3:] for line in lines if line], float)


def runs(*k: int) -> list[object]:
    """The recorded runs with k clusters, each as a case."""
    cases = [(one, f"{one['num_of_clusters']}-{i % 6}") for i, one in enumerate(RECORDED["runs"])]
    return [pytest.param(one, id=name) for one, name in cases if one["num_of_clusters"] in k]


def matches(anchors: np.ndarray, iou: float, run: dict) -> bool:
    """Whether Darknet would have printed the same."""
    return anchors.round().ravel().tolist() == run["anchors"] and f"{100 * iou:.2f}" == f"{run['avg_iou']:.2f}"


@golden
def test_map_goldens_calc_anchors_boxes(relative: np.ndarray) -> None:
    assert len(relative) == RECORDED["boxes"]


@golden
@pytest.mark.parametrize("run", runs(3))
def test_map_goldens_calc_anchors_that_always_end_alike(run: dict, relative: np.ndarray) -> None:
    found = kmeans(relative * [run["width"], run["height"]], 3)
    assert matches(found.sizes, found.average_iou, run)


@golden
@pytest.mark.parametrize("run", runs(6, 9))
def test_map_goldens_calc_anchors_are_reached_again(run: dict, relative: np.ndarray) -> None:
    """From near a result of Darknet's one try ends there, with its average IoU: both as printed.

    What is recorded is rounded to px, and near most results there are others: hence several starts, each up to 1 px
    away on either side.
    """
    sizes, recorded = relative * [run["width"], run["height"]], np.reshape(run["anchors"], (-1, 2)).astype(float)
    random = np.random.default_rng(0)
    starts = (recorded + shift * random.uniform(-1, 1, recorded.shape) for shift in [0.0] + [1.0] * 1500)
    tried = (kmeans(sizes, len(recorded), start=start) for start in starts)
    assert any(matches(found.sizes, found.average_iou, run) for found in tried)


@golden
@pytest.mark.parametrize("run", runs(3, 6, 9))
def test_map_goldens_calc_anchors_average_iou(run: dict, relative: np.ndarray) -> None:
    """That of the rounded anchors: with a side of 50 px half a px of rounding is 1 %, up or down."""
    sizes = relative * [run["width"], run["height"]]
    assert 100 * average_iou(sizes, np.reshape(run["anchors"], (-1, 2))) == pytest.approx(run["avg_iou"], abs=0.15)


@golden
@pytest.mark.parametrize(("k", "width", "height"), [(3, 256, 192), (6, 320, 256), (9, 416, 416)])
def test_map_goldens_calc_anchors_at_least_as_good(k: int, width: int, height: int, relative: np.ndarray) -> None:
    best = max(run["avg_iou"] for run in RECORDED["runs"] if run["num_of_clusters"] == k)
    assert round(100 * kmeans(relative * [width, height], k).average_iou, 2) >= best


@golden
def test_map_goldens_calc_anchors_printed(bccd: Path) -> None:
    command = ["anchors", str(bccd), "yolov3-tiny", "-num_of_clusters", "3", "-width", "256", "-height", "192"]
    result = CliRunner().invoke(main, [*command, "-dont_show"])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:4] == [
        "num_of_clusters = 3, width = 256, height = 192",
        f"counters_per_class = {', '.join(map(str, RECORDED['counters_per_class']))}",
        "avg IoU = 80.24 %",
        "anchors =  16, 16,  42, 40,  85, 76",
    ]


def test_average_iou() -> None:
    """10x20 lies in 20x20 (1/2) and crosses 20x10 in 10x10 (100 of 300); 40x20 contains 20x20 (1/2)."""
    assert average_iou([(10, 20)], [(20, 20), (20, 10)]) == 1 / 2
    assert average_iou([(10, 20)], [(20, 10)]) == 1 / 3
    assert average_iou([(10, 20), (40, 20)], [(20, 20), (20, 10), (40, 20)]) == (1 / 2 + 1) / 2


def test_centres_are_means() -> None:
    """Two lumps far apart, and one box between that is nearer to the larger one: 60x60 of 100x100 is .36."""
    found = kmeans([(9, 10), (11, 12), (10, 11), (100, 100), (60, 60)], 2)
    assert found.sizes.tolist() == [[10, 11], [80, 80]]


def test_one_centre_is_the_mean() -> None:
    found = kmeans([(1, 2), (3, 4), (8, 3)], 1)
    assert found.sizes.tolist() == [[4, 3]]
    assert found.iterations == 1


def test_boxes_of_one_size_count_each() -> None:
    assert kmeans([(10, 10)] * 3 + [(14, 14)], 1).sizes.tolist() == [[11, 11]]


def test_a_centre_without_boxes_stays() -> None:
    found = kmeans([(10, 10), (12, 12)], 2, start=[(11, 11), (900, 900)])
    assert found.sizes.tolist() == [[11, 11], [900, 900]]


def lloyd(sizes: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """K-means as src/matrix.c has it, one box after the other."""
    centres, before = centres.copy(), []
    for _ in range(1000):
        which = []
        for w, h in sizes:
            common = [min(w, a) * min(h, b) for a, b in centres]
            ious = [c / (w * h + a * b - c) for c, (a, b) in zip(common, centres, strict=True)]
            which.append(max(range(len(ious)), key=ious.__getitem__))
        if which == before:
            break
        before = which
        for k in set(which):
            centres[k] = np.mean([size for size, one in zip(sizes, which, strict=True) if one == k], 0)
    return centres[np.argsort(centres.prod(1))]


@pytest.mark.parametrize("seed", range(4))
def test_as_one_box_after_the_other(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = np.exp(random.normal(3.5, 1, (300, 2))).round()
    start = sizes[random.choice(300, 5, replace=False)]
    assert kmeans(sizes, 5, start=start).sizes == pytest.approx(lloyd(sizes, start), rel=1e-12)


def test_a_seed_repeats() -> None:
    sizes = np.random.default_rng(1).uniform(5, 300, (500, 2))
    first, again, other = (kmeans(sizes, 6, tries=1, seed=seed) for seed in (3, 3, 4))
    assert first.sizes.tolist() == again.sizes.tolist() != other.sizes.tolist()


def test_more_tries_are_never_worse() -> None:
    sizes = np.random.default_rng(1).uniform(5, 300, (500, 2))
    found = [kmeans(sizes, 6, tries=tries).average_iou for tries in (1, 5, 20)]
    assert found == sorted(found)


@pytest.mark.slow
def test_a_million_boxes() -> None:
    """As many as COCO has: three lumps, whose means are known, in less memory than a distance matrix of 9 MB x 8."""
    random = np.random.default_rng(0)
    centres = np.array([(20, 30), (90, 60), (300, 400)])
    sizes = centres[random.integers(3, size=1_000_000)] * random.uniform(0.9, 1.1, (1_000_000, 2))
    tracemalloc.start()
    found = kmeans(sizes, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.sizes == pytest.approx(centres, rel=1e-3)
    assert peak < 150e6


@pytest.mark.parametrize(
    ("sizes", "k", "message"),
    [
        ([(10, 10), (10, 10), (20, 20)], 3, "3 anchors: expected from 1 to 2, as the boxes have that many different"),
        ([(10, 10)], 0, "0 anchors: expected from 1 to 1"),
        ([], 1, r"boxes: expected \(N, 2\)"),
        ([(1, 2, 3)], 1, r"boxes: expected \(N, 2\), widths and heights, at least one, got \(1, 3\)"),
        ([(0, 10), (5, 5)], 1, "boxes: expected widths and heights above 0, got 0"),
        ([(float("nan"), 10)], 1, "boxes: expected widths and heights above 0"),
    ],
    ids=["too-many", "none", "no-boxes", "triples", "flat", "nan"],
)
def test_bad_input(sizes: list, k: int, message: str) -> None:
    with pytest.raises(DarkparseError, match=message):
        kmeans(sizes, k)
