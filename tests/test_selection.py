"""Candidates of a batch: as of each image alone, and suppressed by the device as by the processor."""

import pytest
import torch

from darkparse import selection
from darkparse.boxes import nms
from darkparse.detections import candidates, select
from darkparse.images import Placement
from darkparse.layers.yolo import GaussianYolo, Yolo
from darkparse.registry import Predictions
from darkparse.selection import BOX, FEW, IMAGE, LABEL, SCORE, by_image, kept_there, rows_of, suppress, undo

CLASSES, WIDTH, HEIGHT = 3, 64, 32
ANCHORS = {"num": 6, "mask": (1, 2, 4), "anchors": (4, 5, 9, 6, 12, 20, 30, 20, 25, 40, 60, 30), "classes": CLASSES}
HEADS = {
    "yolo": Yolo(**ANCHORS),
    "stretched": Yolo(scale_x_y=1.1, **ANCHORS),
    "new-coords": Yolo(scale_x_y=2.0, new_coords=True, **ANCHORS),
    "gaussian": GaussianYolo(**ANCHORS),
    "gaussian-corner": GaussianYolo(yolo_point="left_top", **ANCHORS),
}


def raw_of(head, images=3, seed=0, unlikely=2.0):
    """A raw output of 4 x 7 cells; of new_coords within 0..1."""
    raw = torch.randn(images, head.reads, 4, 7, generator=torch.Generator().manual_seed(seed))
    raw.view(images, 3, -1, 4, 7)[:, :, head.entries - 1] -= unlikely
    return raw.sigmoid() if getattr(head, "new_coords", False) else raw


def predictions(count, images=4, seed=0, spread=1.0, **flags):
    """Of a head with so many boxes."""
    random = torch.Generator().manual_seed(seed)
    low, high = torch.tensor([0, 0, 0.05, 0.05]), torch.tensor([spread, spread, 0.4, 0.4])
    boxes = low + (high - low) * torch.rand(images, count, 4, generator=random)
    objectness, classes = torch.rand(images, count, generator=random), torch.rand(images, count, 5, generator=random)
    return Predictions(boxes, objectness, objectness[..., None] * classes, **flags)


def assert_same(found, wanted):
    for got, want in zip(found, wanted, strict=True):
        assert got.dtype == want.dtype
        assert got.tolist() == want.tolist()


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels-last"])
@pytest.mark.parametrize("thresh", [0.0, 0.1, 0.3, 0.999])
@pytest.mark.parametrize("name", HEADS)
def test_likely_boxes_are_those_of_the_whole_head(name, thresh, memory):
    head = HEADS[name]
    raw = raw_of(head).contiguous(memory_format=memory)
    wanted = head.decode(raw, WIDTH, HEIGHT).likely(thresh)
    found = head.likely(raw, WIDTH, HEIGHT, thresh)
    assert found.images.tolist() == wanted.images.tolist()
    assert (len(found.images) == 0) == (thresh == 0.999)
    for got, want in zip(found[1:4], wanted[1:4], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


def test_likely_boxes_of_no_images():
    assert HEADS["yolo"].likely(raw_of(HEADS["yolo"])[:0], WIDTH, HEIGHT, 0.1).boxes.shape == (0, 4)


HEADS_SAY = [
    predictions(30, seed=1),
    predictions(20, seed=2, needs_objectness=False),
    predictions(10, seed=3, needs_score=False),
]


@pytest.mark.parametrize("thresh", [0.0, 0.3, 0.9, 1.0])
def test_candidates_of_a_batch_are_those_of_each_image(thresh):
    rows = rows_of([said.likely(thresh) for said in HEADS_SAY], thresh)
    for image, found in enumerate(by_image(rows, 4)):
        assert_same(found, candidates(HEADS_SAY, image, thresh))


def test_an_image_without_candidates_has_none():
    rows = rows_of([predictions(30).likely(0.3)], 0.3)
    found = by_image(rows[(rows[:, IMAGE] == 1) | (rows[:, IMAGE] == 2)], 4)
    assert [len(one.scores) > 0 for one in found] == [False, True, True, False]


def test_no_images():
    assert by_image(suppress(undo(rows_of([], 0.25), []), 0.45, ("default", 0.6)), 0) == []


@pytest.mark.parametrize("letterbox", [False, True])
def test_boxes_are_placed_back_to_the_last_bit(letterbox):
    sizes = [(640, 480), (333, 1000), (416, 416), (1, 1)]
    places = [Placement.of(*size, 416, 416, letterbox) for size in sizes]
    rows = rows_of([predictions(200).likely(0.1)], 0.1)
    for place, found, given in zip(places, by_image(undo(rows, places), 4), by_image(rows, 4), strict=True):
        assert_same(found, given._replace(boxes=place.undo(given.boxes)))


@pytest.mark.parametrize("thresh", [0.0, 0.3, 0.45])
@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms", "cornersnms"])
def test_what_a_batch_keeps_is_what_each_image_keeps(kind, thresh):
    said = predictions(300)
    said.boxes[0, :9], said.boxes[2, :9, 1] = torch.inf, torch.nan
    found = by_image(suppress(rows_of([said.likely(0.2)], 0.2), thresh, (kind, 0.8)), 4)
    for image, kept in enumerate(found):
        given = candidates([said], image, 0.2)
        assert_same(kept, select(given, thresh, (kind, 0.8)))
        assert len(kept.scores) < len(given.scores) or (thresh == 0 and image in {1, 3})


@pytest.mark.parametrize("sizes", [(4096, 16384), (64, 100), (40, 17)], ids=["large", "small", "tiny"])
@pytest.mark.parametrize("spread", [1.0, 0.2], ids=["spread", "heap"])
@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_the_device_keeps_what_the_processor_keeps(kind, spread, sizes, monkeypatch):
    monkeypatch.setattr(selection, "BLOCK", sizes[0])
    monkeypatch.setattr(selection, "REST", sizes[1])
    rows = rows_of([predictions(300, spread=spread).likely(0.1)], 0.1)
    rows[:, SCORE] = (rows[:, SCORE] * 100).round() / 100  # some are equal
    boxes, scores = rows[:, BOX].numpy(), rows[:, SCORE].numpy()
    classes = (rows[:, IMAGE] * 5 + rows[:, LABEL]).long().numpy()
    wanted = nms(boxes, scores, classes, 0.45, kind=kind, beta=0.8)
    assert kept_there(rows, 0.45, kind, 0.8).tolist() == wanted.tolist()
    assert 10 < len(wanted) < len(rows) - 10


def test_the_device_keeps_all_and_nothing():
    rows = rows_of([predictions(5).likely(0.1)], 0.1)
    assert kept_there(rows, 0, "default", 0.6).tolist() == list(range(len(rows)))
    assert kept_there(rows[:1], 0.45, "default", 0.6).tolist() == [0]
    assert kept_there(rows[:0], 0.45, "default", 0.6).tolist() == []
    same = rows[:1].repeat(50, 1)
    assert kept_there(same, 0.45, "default", 0.6).tolist() == [0]


@pytest.mark.cuda
@pytest.mark.parametrize("count", [20, 2000], ids=["few", "many"])
@pytest.mark.parametrize("kind", ["default", "greedynms"])
def test_a_gpu_keeps_the_same(kind, count):
    said = predictions(count)
    there = said._replace(**{name: getattr(said, name).cuda() for name in ("boxes", "objectness", "scores")})
    places = [Placement.of(*size, 416, 416, True) for size in ((640, 480), (333, 1000), (416, 416), (1000, 90))]
    wanted = undo(rows_of([said.likely(0.3)], 0.3), places)
    given = undo(rows_of([there.likely(0.3)], 0.3), places)
    assert given.is_cuda
    assert (len(given) > FEW) == (count == 2000)
    found = suppress(given, 0.45, (kind, 0.6))
    assert found.device.type == "cpu"
    assert torch.equal(found, suppress(wanted, 0.45, (kind, 0.6)))


@pytest.mark.cuda
@pytest.mark.parametrize("name", HEADS)
def test_a_gpu_says_the_same(name):
    head, raw = HEADS[name], raw_of(HEADS[name])
    wanted, found = head.likely(raw, WIDTH, HEIGHT, 0.1), head.likely(raw.cuda(), WIDTH, HEIGHT, 0.1)
    for got, want in zip(found[:4], wanted[:4], strict=True):
        torch.testing.assert_close(got.cpu(), want, rtol=1e-5, atol=1e-6)
