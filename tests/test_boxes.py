"""Overlap and suppression, against src/box.c of AlexeyAB 59596d7 by hand and by a scalar restatement."""

import tracemalloc

import cv2
import numpy as np
import pytest

from darkparse.boxes import BLOCK, cxcywh_to_xyxy, diou, iou, nms, xyxy_to_cxcywh


def array(*boxes):
    return np.array(boxes, np.float32).reshape(-1, 4)


def squares(*centres):
    """Squares of side 2 in a row: at a distance s two of them overlap by (2 - s) / (2 + s)."""
    return array(*((x, 0, 2, 2) for x in centres))


def box_iou(a, b):
    """src/box.c box_iou."""
    sides = [
        min(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - max(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)
    ]
    shared = 0 if min(sides) < 0 else sides[0] * sides[1]
    union = a[2] * a[3] + b[2] * b[3] - shared
    return 0 if shared == 0 or union == 0 else shared / union


def box_diounms(a, b, beta):
    """src/box.c box_diounms; box_diou with a beta of .6."""
    sides = [
        max(a[i] + a[i + 2] / 2, b[i] + b[i + 2] / 2) - min(a[i] - a[i + 2] / 2, b[i] - b[i + 2] / 2) for i in (0, 1)
    ]
    diagonal = sides[0] ** 2 + sides[1] ** 2
    if diagonal == 0:
        return box_iou(a, b)
    distance = (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2
    return box_iou(a, b) - (distance / diagonal) ** beta


def sort_and_suppress(boxes, scores, labels, thresh, overlap):
    """src/box.c do_nms_sort: for each class by score, what is left suppresses what follows."""
    kept = []
    for label in set(labels.tolist()):
        rows = sorted(np.flatnonzero(labels == label), key=lambda row: -scores[row])
        while rows:
            best, *rows = rows
            kept.append(best)
            rows = [row for row in rows if not overlap(boxes[best], boxes[row]) > thresh]
    return sorted(kept)


A = (0, 0, 2, 2)


@pytest.mark.parametrize(
    ("other", "overlap", "less_distance"),
    [
        (A, 1, 1),
        ((1, 0, 2, 2), 1 / 3, 1 / 3 - (1 / 13) ** 0.6),  # both stand in 3 x 2
        ((1, 1, 2, 2), 1 / 7, 1 / 7 - (2 / 18) ** 0.6),
        ((0, 0, 1, 1), 1 / 4, 1 / 4),  # inside, same centre
        ((0.5, 0, 1, 2), 1 / 2, 1 / 2 - (0.25 / 8) ** 0.6),
        ((2, 0, 2, 2), 0, -((4 / 20) ** 0.6)),  # they touch
        ((5, 5, 2, 2), 0, -((50 / 98) ** 0.6)),
        ((5, 0, 2, 2), 0, -((25 / 53) ** 0.6)),  # side by side: one side overlaps
        ((0, 0, 0, 0), 0, 0),
    ],
    ids=["same", "across", "diagonal", "inside", "half", "touching", "apart", "beside", "empty"],
)
def test_overlap(other, overlap, less_distance):
    assert iou(array(A)[0], array(other)) == pytest.approx([overlap], abs=1e-6)
    assert diou(array(A)[0], array(other), 0.6) == pytest.approx([less_distance], abs=1e-6)
    assert box_iou(A, other) == pytest.approx(overlap)
    assert box_diounms(A, other, 0.6) == pytest.approx(less_distance)


def test_two_empty_boxes_do_not_overlap():
    nothing = array((3, 3, 0, 0))
    assert iou(nothing[0], nothing).tolist() == [0]
    assert diou(nothing[0], nothing, 0.6).tolist() == [0]


def test_formats():
    boxes = array((1, 2, 4, 6), (0, 0, 0, 0), (-1, 5, 2, 1))
    corners = array((-1, -1, 3, 5), (0, 0, 0, 0), (-2, 4.5, 0, 5.5))
    assert cxcywh_to_xyxy(boxes).tolist() == corners.tolist()
    assert xyxy_to_cxcywh(corners).tolist() == boxes.tolist()


# Two squares with distance s, and a threshold of .45.  Overlap: s = .5: .6, s = .6: .538, s = .8: .429.
# Less (s^2 / ((2 + s)^2 + 4))^.6: s = .5: .492, s = .6: .408.  With ^1: s = .6: .505, s = .7: .439.  With ^.1: below 0.
@pytest.mark.parametrize(
    ("kind", "beta", "distance", "suppressed"),
    [
        ("default", 0.6, 0.5, True),
        ("default", 0.6, 0.6, True),
        ("default", 0.6, 0.8, False),
        ("greedynms", 0.6, 0.5, True),
        ("greedynms", 0.6, 0.6, False),
        ("greedynms", 1.0, 0.6, False),  # its beta is .6, whatever beta_nms says
        ("diounms", 0.6, 0.5, True),
        ("diounms", 0.6, 0.6, False),
        ("diounms", 1.0, 0.6, True),
        ("diounms", 1.0, 0.7, False),
        ("diounms", 0.1, 0.5, False),
        ("cornersnms", 0.6, 0.6, True),
        ("cornersnms", 0.6, 0.8, False),
    ],
)
def test_kinds(kind, beta, distance, suppressed):
    boxes, scores, labels = squares(0, distance), np.array([0.9, 0.8], np.float32), np.array([4, 4])
    kept = nms(boxes, scores, labels, 0.45, kind=kind, beta=beta)
    assert kept.tolist() == ([0] if suppressed else [0, 1])


@pytest.mark.parametrize(
    ("scores", "labels", "thresh", "kept"),
    [
        ([0.9, 0.8, 0.7], [0, 0, 0], 0.45, [0, 2]),  # the first suppresses the second, which leaves the third alone
        ([0.8, 0.9, 0.7], [0, 0, 0], 0.45, [1]),
        ([0.7, 0.8, 0.9], [0, 0, 0], 0.45, [0, 2]),
        ([0.9, 0.8, 0.7], [0, 1, 0], 0.45, [0, 1, 2]),
        ([0.9, 0.8, 0.7], [1, 0, 0], 0.45, [0, 1]),
        ([0.9, 0.8, 0.7], [7, 7, 3], 0.45, [0, 2]),
        ([0.5, 0.5, 0.5], [0, 0, 0], 0.45, [0, 2]),  # of equals the first
        ([0.9, 0.8, 0.7], [0, 0, 0], 0.2, [0]),
        ([0.9, 0.8, 0.7], [0, 0, 0], 0.6, [0, 1, 2]),
        ([0.9, 0.8, 0.7], [0, 0, 0], 0.0, [0, 1, 2]),  # src/detector.c test_detector: 0 is no suppression
    ],
    ids=["in-order", "middle-first", "from-the-right", "classes", "classes-again", "labels-of-any-number", "equal",
         "low", "high", "none"],
)  # fmt: skip
def test_three_in_a_row(scores, labels, thresh, kept):
    boxes = squares(0, 0.6, 1.2)  # overlaps: neighbours .538, the outer two .25
    assert nms(boxes, np.array(scores, np.float32), np.array(labels), thresh).tolist() == kept


@pytest.mark.parametrize(("thresh", "kept"), [(0.49, [0]), (0.5, [0, 1]), (0.51, [0, 1])])
def test_what_overlaps_by_just_the_threshold_stays(thresh, kept):
    boxes = array((0, 0, 2, 2), (0, 0, 2, 1))  # .5
    assert nms(boxes, np.array([0.9, 0.8], np.float32), np.array([0, 0]), thresh).tolist() == kept


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms", "cornersnms"])
def test_few_boxes(kind):
    none, one = np.zeros(0, np.int64), np.zeros(1, np.int64)
    assert nms(array(), none.astype(np.float32), none, 0.45, kind=kind).tolist() == []
    assert nms(array(A), one.astype(np.float32), one, 0.45, kind=kind).tolist() == [0]
    two = array((1, 1, 0, 0), (1, 1, 0, 0))
    assert nms(two, np.array([0.9, 0.8], np.float32), np.array([0, 0]), 0.45, kind=kind).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("kind", "beta", "overlap"),
    [
        ("default", 0.6, box_iou),
        ("cornersnms", 0.6, box_iou),
        ("greedynms", 0.9, lambda a, b: box_diounms(a, b, 0.6)),
        ("diounms", 0.9, lambda a, b: box_diounms(a, b, 0.9)),
    ],
    ids=["default", "cornersnms", "greedynms", "diounms"],
)
@pytest.mark.parametrize(
    ("count", "classes"), [(150, 3), (BLOCK + 1, 1), (700, 2), (700, 40)], ids=["few", "a-block", "two", "forty"]
)
def test_many_boxes(kind, beta, overlap, count, classes):
    random = np.random.default_rng(7)
    boxes = random.uniform((0, 0, 0.1, 0.1), (0.6, 0.6, 0.5, 0.5), (count, 4)).astype(np.float32)
    scores, labels = random.permutation(count).astype(np.float32) / count, random.integers(0, classes, count)
    kept = nms(boxes, scores, labels, 0.45, kind=kind, beta=beta).tolist()
    assert kept == sort_and_suppress(boxes.astype(float), scores, labels, 0.45, overlap)
    assert 10 < len(kept) < count - 10


def plainly(boxes, scores, labels, thresh, kind, beta):
    """The same pair by pair, with the overlaps in single precision."""

    def overlap(a, b):
        if kind == "default":
            return iou(a, b[None])[0]
        return min(iou(a, b[None])[0], diou(a, b[None], beta)[0])

    with np.errstate(all="ignore"):
        return sort_and_suppress(boxes, scores, labels, thresh, overlap)


def awkward(random, count):
    """Boxes of one size or many, spread or on a heap, tiny, thin, far from the origin, not numbers, the same."""
    centre = random.random((count, 2)) * random.choice([1, 0.1, 1e-3]) + random.choice([0, 1, 10])
    size = 10 ** random.uniform(-random.choice([1, 3, 7]), 0.3, (count, 2)) * random.choice([1, 0.1, 0.01])
    if random.random() < 0.4:
        size = size[:1] * np.exp(random.normal(size=(count, 2)) * 0.05)
        centre = centre[:1] + size * random.normal(size=(count, 2)) * 0.3
    boxes = (np.concatenate([centre, size], 1) * 10.0 ** random.integers(-3, 5)).astype(np.float32)
    for odd in (np.inf, np.nan, 1e38, -boxes[0, 2]):
        if random.random() < 0.1:
            boxes[random.integers(count), random.integers(4)] = odd
    return boxes[random.integers(0, count, count)] if random.random() < 0.3 else boxes


@pytest.mark.parametrize("thresh", [1e-4, 0.04, 0.06, 0.3, 0.45, 0.9, 0.999])
@pytest.mark.parametrize(("kind", "beta"), [("default", 0), ("diounms", 0.6), ("diounms", 0)])
def test_awkward_boxes(kind, beta, thresh):
    random = np.random.default_rng(7)
    went = 0
    for _ in range(20):
        count = int(random.integers(2, 40))
        boxes = awkward(random, count)
        scores = random.integers(0, 20, count).astype(np.float32) / 20  # some are equal
        labels = random.integers(0, 3, count)
        kept = nms(boxes, scores, labels, thresh, kind=kind, beta=beta).tolist()
        assert kept == plainly(boxes, scores, labels, thresh, kind, beta)
        went += count - len(kept)
    assert went > 0 or beta == 0 or thresh > 0.9  # to the power 0 every distance is 1


@pytest.mark.parametrize("count", [2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_a_row_of_which_each_overlaps_the_next(count):
    boxes = squares(*np.arange(count) * 0.6)
    scores = np.linspace(0.9, 0.1, count, dtype=np.float32)
    assert nms(boxes, scores, np.zeros(count, int), 0.45).tolist() == list(range(0, count, 2))
    assert nms(boxes, np.full(count, 0.5, np.float32), np.zeros(count, int), 0.45).tolist() == list(range(0, count, 2))
    labels = np.arange(count) // 2 % 2  # those of a pair suppress each other alone
    assert nms(boxes, scores, labels, 0.45).tolist() == list(range(0, count, 2))


def test_opencv_keeps_the_same():
    random = np.random.default_rng(7)
    boxes = random.uniform((0, 0, 0.02, 0.02), (1, 1, 0.4, 0.4), (4474, 4)).astype(np.float32)
    scores, labels = random.permutation(4474).astype(np.float32) / 4474, random.integers(0, 20, 4474)
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]], 1).astype(float)
    kept = []
    for label in range(20):
        rows = np.flatnonzero(labels == label)
        kept += rows[cv2.dnn.NMSBoxes(corners[rows], scores[rows], 0, 0.45)].tolist()
    assert nms(boxes, scores, labels, 0.45).tolist() == sorted(kept)
    assert len(kept) < 4000


SPREAD = (0, 0, 0.01, 0.01), (1, 1, 0.6, 0.6)
HEAP = (0.5, 0.5, 0.1, 0.1), (0.6, 0.6, 0.2, 0.2)


@pytest.mark.parametrize(
    ("between", "count", "kind", "beta", "least", "most"),
    [
        (SPREAD, 10647, "default", 0.6, 1000, 5000),
        (SPREAD, 10647, "greedynms", 0.6, 1000, 5000),
        (HEAP, 10647, "default", 0.6, 10, 500),
        (HEAP, 5000, "diounms", 0.1, 2000, 5000),  # nearly all overlap, and half of them stay
    ],
    ids=["spread", "spread-by-distance", "heap", "heap-that-stays"],
)
def test_thousands_of_boxes_of_a_class_take_little_memory(between, count, kind, beta, least, most):
    random = np.random.default_rng(7)
    boxes = random.uniform(*between, (count, 4)).astype(np.float32)
    scores, labels = random.random(count, np.float32), np.zeros(count, np.int64)
    tracemalloc.start()
    kept = nms(boxes, scores, labels, 0.45, kind=kind, beta=beta)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert least < len(kept) < most
    assert peak < 100e6  # a matrix of all with all would take 100 MB for the heap that stays, and several are needed
