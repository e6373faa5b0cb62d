"""Detections for other packages, and proposals; for text and files see test_report.py."""

import sys

import numpy as np
import pytest
import torch

from darkparse.detections import Detections, proposals
from darkparse.errors import DarkparseError
from darkparse.registry import Predictions

BOXES = np.array([[0.5, 0.5, 0.5, 0.25], [0.125, 0.5, 0.25, 1.0]], np.float32)
FOUND = Detections(BOXES, np.array([0.75, 0.5], np.float32), np.array([2, 0]), ("person", "dog", "cat"), 200, 100)


def test_for_supervision():
    supervision = pytest.importorskip("supervision")
    given = FOUND.to_supervision()
    assert isinstance(given, supervision.Detections)
    assert given.xyxy.tolist() == [[50, 37.5, 150, 62.5], [0, 0, 50, 100]]
    assert (given.confidence.tolist(), given.class_id.tolist()) == ([0.75, 0.5], [2, 0])
    assert given.data["class_name"].tolist() == ["cat", "person"]
    assert given[given.confidence > 0.6].data["class_name"].tolist() == ["cat"]
    assert len(FOUND[[]].to_supervision()) == 0


def test_without_supervision(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(DarkparseError, match=r"supervision is not installed: pip install 'darkparse\[supervision\]'"):
        FOUND.to_supervision()


@pytest.mark.parametrize(("is_certain", "kept"), [(False, [0, 2]), (True, [0, 1, 2])], ids=["by-objectness", "all"])
def test_proposals(is_certain, kept):
    boxes = torch.arange(20.0).reshape(1, 5, 4)
    boxes[0, 3, 1] = torch.inf
    objectness = torch.tensor([[0.9, 0.001, 0.5, 0.8, 0.0]])
    nothing = torch.zeros(1, 5, 1)
    few = Predictions(boxes[:, :4], objectness[:, :4], nothing[:, :4], is_certain=is_certain)
    more = Predictions(boxes[:, 4:], objectness[:, 4:], nothing[:, 4:])
    found, scores = proposals([few, more], 0, 0.001)
    assert found.tolist() == boxes[0, kept].tolist()
    expected = [1, 1, 1] if is_certain else objectness[0, kept].tolist()
    assert scores.tolist() == pytest.approx(expected)
