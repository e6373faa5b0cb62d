"""What `darkparse map` prints and writes: Darknet's text, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..metrics import Counts, Evaluation
from ..registry import HeadDef
from .coco import Summary
from .curves import Curve, Point, curve_of_all, curves

_TYPES = {"region": 27, "yolo": 28, "Gaussian_yolo": 29}  # include/darknet.h LAYER_TYPE
_POINTS = 100  # of a curve in JSON


def lines(evaluation: Evaluation, names: Sequence[str], heads: Sequence[tuple[int, HeadDef]]) -> Iterator[str]:
    """The text of `detector map`, but for its progress.

    Args:
        names: one a class; heads: the network's
    Source: src/detector.c validate_detector_map (AlexeyAB 59596d7)
    """
    total = evaluation.total
    yield from ("", " calculation mAP (mean average precision)...")
    for index, head in heads:
        if head.section in _TYPES:
            yield f" Detection layer: {index} - type = {_TYPES[head.section]} "
    yield from ("", f" detections_count = {evaluation.detections}, unique_truth_count = {total.truths}  ")
    for label, one in enumerate(evaluation.classes):
        hits = f"(TP = {one.tp}, FP = {one.fp}) "
        yield f"class_id = {label}, name = {names[label]}, ap = {one.ap * 100:2.2f}%   \t {hits}"
    yield from ("", *at_threshold(total, evaluation.thresh), "")
    points = f"{evaluation.points} Recall-points" if evaluation.points else "Area-Under-Curve for each unique Recall"
    yield f" IoU threshold = {evaluation.iou_thresh * 100:2.0f} %, used {points} "
    mean = evaluation.map
    yield f" mean average precision (mAP@{evaluation.iou_thresh:0.2f}) = {mean:f}, or {mean * 100:2.2f} % "
    yield from (
        "",
        "Set -points flag:",
        " `-points 101` for MS COCO ",
        " `-points 11` for PascalVOC 2007 (uncomment `difficult` in voc.data) ",
        " `-points 0` (AUC) for ImageNet, PascalVOC 2010-2012, your custom dataset",
    )


def at_threshold(total: Counts, thresh: float) -> Iterator[str]:
    """The lines on all classes, computed in single precision."""
    tp, found, there = map(np.float32, (total.tp, total.tp + total.fp, total.truths))
    with np.errstate(invalid="ignore"):
        precision, recall = tp / found, tp / there
        f1 = np.float32(2) * precision * recall / (precision + recall)
    ratios = f"precision = {two(precision)}, recall = {two(recall)}, F1-score = {two(f1)} "
    overlap = np.float32(total.average_iou) * np.float32(100)
    yield f" for conf_thresh = {thresh:1.2f}, {ratios}"
    counts = f"TP = {total.tp}, FP = {total.fp}, FN = {total.fn}"
    yield f" for conf_thresh = {thresh:0.2f}, {counts}, average IoU = {overlap:2.2f} % "


def two(value: float | np.floating) -> str:
    """With two decimals; nothing divided by nothing as C prints it on most machines."""
    return "-nan" if np.isnan(value) else f"{value:1.2f}"


def advice(best: Point | None) -> str:
    """A line on the threshold to use."""
    if best is None:
        return "no detection is right, at any threshold"
    ratios = f"precision {best.precision:.2f}, recall {best.recall:.2f}"
    return f"F1 is highest, {best.f1:.2f}, at --thresh {best.thresh:.3f} ({ratios})"


def as_json(evaluation: Evaluation, names: Sequence[str], coco: Summary | None, **settings: object) -> dict[str, Any]:
    """Everything, for programs; shares are 0..1, curves are lists of threshold, precision and recall.

    Args:
        settings: what else to say of the evaluation
    """
    every, of_all = curves(evaluation), curve_of_all(evaluation)
    classes = [
        {"class_id": label, "name": names[label], "ap": one.ap, **counted(one), "curve": points(every[label])}
        for label, one in enumerate(evaluation.classes)
    ]
    best = of_all.best
    return {
        "map": evaluation.map,
        "iou_thresh": evaluation.iou_thresh,
        "points": evaluation.points,
        "thresh": evaluation.thresh,
        "detections": evaluation.detections,
        "total": counted(evaluation.total) | {"curve": points(of_all)},
        "best_f1": best._asdict() if best else None,
        "classes": classes,
        "coco": coco.figures if coco else None,
        "settings": settings,
    }


def counted(one: Counts) -> dict[str, float]:
    """The counts of a class, or of all."""
    keys = ("truths", "tp", "fp", "fn", "precision", "recall", "f1", "average_iou")
    return {key: getattr(one, key) for key in keys}


def points(curve: Curve) -> list[list[float]]:
    """Some points of a curve."""
    few = curve.thinned(_POINTS)
    return np.stack([few.thresh, few.precision, few.recall], axis=1).round(6).tolist()  # type: ignore[no-any-return]
