"""Average precision and its kin by hand; for what Darknet prints see test_map_goldens.py."""

import time

import numpy as np
import pytest

from darkparse.metrics import Found, Tally, Truths, average_precision, evaluation, firsts, match


def scene(*rows):
    """`Found` from rows of image, label, score, x; boxes are 2 wide and high, in a row: at a distance of .5 they
    overlap by .6, at one of 1 by 1/3."""
    table = np.array(rows, np.float32).reshape(-1, 4)
    boxes = np.stack([table[:, 3], *[np.full(len(table), value, np.float32) for value in (0, 2, 2)]], axis=1)
    return Found(table[:, 0].astype(int), table[:, 1].astype(int), boxes, table[:, 2])


def objects(*rows):
    return Truths(*scene(*((image, label, 0, x) for image, label, x in rows))[:3])


def test_a_detection_is_of_the_object_of_its_image_and_class_that_it_overlaps_most() -> None:
    truths = objects((0, 0, 0.5), (0, 0, 0.25), (0, 1, 0), (1, 0, 0))
    found = scene((0, 0, 0.9, 0), (1, 0, 0.9, 0), (1, 1, 0.9, 0), (0, 1, 0.9, 0.5), (0, 1, 0.9, 1))
    claimed, overlaps = match(found, truths, 0.5)
    assert claimed.tolist() == [1, 3, -1, 2, -1]
    assert overlaps == pytest.approx([1.75 / 2.25, 1, 0, 0.6, 0])


def test_of_equal_overlaps_the_first_object_counts() -> None:
    claimed, _ = match(scene((0, 0, 1, 0)), objects((0, 0, 0.5), (0, 0, -0.5)), 0.5)
    assert claimed.tolist() == [0]


def test_only_the_first_to_claim_an_object_is_right_and_there_is_no_second_choice() -> None:
    assert firsts(np.array([-1, 4, 4, 2, -1])).tolist() == [False, True, False, True, False]
    result = evaluation(scene((0, 0, 0.9, 0), (0, 0, 0.8, 0.1)), objects((0, 0, 0), (0, 0, 0.6)), 1)
    assert (result.total.tp, result.total.fp, result.total.fn) == (1, 1, 1)
    assert result.map == 0.5  # half of the objects, each with a precision of 1


def test_an_unlikely_duplicate_first_in_the_list_makes_the_good_one_a_false_positive() -> None:
    result = evaluation(scene((0, 0, 0.1, 0), (0, 0, 0.9, 0)), objects((0, 0, 0)), 1)
    assert (result.total.tp, result.total.fp) == (0, 1)
    assert result.map == 1  # ranked by score, the likelier one is right


def test_classes_without_objects_count_as_nothing() -> None:
    result = evaluation(scene((0, 0, 0.9, 0), (0, 3, 0.9, 0)), objects((0, 0, 0)), 4)
    assert [one.ap for one in result.classes] == [1, 0, 0, 0]
    assert result.map == 0.25


def test_a_recall_of_just_three_tenths_does_not_count_at_eleven_points() -> None:
    hits = np.array([True] * 3)
    assert average_precision(hits, 10, 11) == pytest.approx(3 / 11)  # at 0, .1 and .2
    assert average_precision(hits, 10, 0) == pytest.approx(0.3)


def test_nothing_found_nothing_there() -> None:
    nothing = evaluation(scene(), objects(), 2)
    assert (nothing.map, nothing.total.precision, nothing.total.recall, nothing.total.f1) == (0, 0, 0, 0)
    assert evaluation(scene(), objects((0, 1, 0)), 2).total.fn == 1
    assert evaluation(scene((0, 1, 0.9, 0)), objects(), 2, points=11).total.fp == 1


def test_twenty_thousand_boxes_in_a_thousand_images_take_less_than_a_second() -> None:
    random = np.random.default_rng(0)
    truths = Truths(np.arange(20_000) % 1000, random.integers(3, size=20_000), random.random((20_000, 4), np.float32))
    found = Found(*truths, random.random(20_000, np.float32))
    start = time.process_time()
    result = evaluation(found, truths, 3)
    assert time.process_time() - start < 1
    assert (result.map, result.total.fp) == (pytest.approx(1), (found.scores > 0.25).sum() - result.total.tp)


def random_set(seed, images=40, classes=4):
    """Detections, some of them of objects, with scores of which many are equal; some images have neither."""
    random = np.random.default_rng(seed)
    where = np.sort(random.integers(images, size=300))
    truths = Truths(where, random.integers(classes, size=300), random.random((300, 4), np.float32))
    again = np.sort(random.integers(300, size=900))
    boxes = truths.boxes[again] + random.normal(0, 0.05, (900, 4)).astype(np.float32)
    scores = random.integers(1, 30, 900).astype(np.float32) / 30
    return Found(where[again], (truths.labels[again] + (random.random(900) < 0.1)) % classes, boxes, scores), truths


def part(rows, low, high):
    """Those of the images from `low` on, below `high`."""
    chosen = (rows.images >= low) & (rows.images < high)
    return type(rows)(*(column[chosen] for column in rows))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("step", [1, 3, 17], ids=["one-by-one", "three", "seventeen"])
@pytest.mark.parametrize("points", [0, 11, 101])
def test_image_by_image_is_the_same_as_all_at_once(seed, step, points):
    found, truths = random_set(seed)
    whole = evaluation(found, truths, 4, iou_thresh=0.3, points=points, thresh=0.4)
    tally = Tally(4, iou_thresh=0.3, thresh=0.4)
    for low in range(0, 40, step):
        tally.add(part(found, low, low + step), part(truths, low, low + step))
    divided = tally.evaluation(points)
    assert divided == whole
    assert 0 < whole.total.tp < whole.total.truths
    for one, other in zip(divided.ranked, whole.ranked, strict=True):
        assert one.tolist() == other.tolist()


def test_only_the_class_the_score_and_whether_it_is_right_are_kept():
    tally = Tally(4)
    found, truths = random_set(0)
    tally.add(found, truths)
    kept = sum(len(memoryview(one).tobytes()) for one in (tally._labels, tally._scores, tally._hits))
    assert kept == 9 * 900


def test_a_detection_of_a_difficult_object_does_not_rank_but_is_a_false_positive_above_the_threshold():
    # src/detector.c: the detection is taken back (--detections_count), yet the code below counts it
    tally = Tally(1)
    found = scene((0, 0, 0.9, 0), (0, 0, 0.8, 5), (0, 0, 0.7, 9))
    tally.add(found, objects((0, 0, 9)), objects((0, 0, 0), (0, 0, 20)))
    result = tally.evaluation()
    assert (result.detections, result.total.truths) == (2, 1)
    assert (result.total.tp, result.total.fp) == (1, 2)
    assert result.map == 0.5  # behind the one at 5
    assert result.ranked.scores.tolist() == pytest.approx([0.8, 0.7])


def test_a_detection_of_an_object_counts_even_if_a_difficult_one_is_there():
    tally = Tally(1)
    tally.add(scene((0, 0, 0.9, 0)), objects((0, 0, 0)), objects((0, 0, 0)))
    assert (tally.evaluation().map, tally.evaluation().detections) == (1, 1)
