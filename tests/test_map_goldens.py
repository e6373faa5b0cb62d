"""Every figure that `detector map` and `detector recall` of AlexeyAB 59596d7 printed for two networks.

The figures of `map` are computed from the very detections that Darknet had.  For `recall` there are none on record, so
the networks run: the Darknet of the record decodes JPEGs by itself, up to three grey levels off, by which some boxes at
the thresholds come or go.
"""

import pytest

from darkparse.detect import load
from darkparse.evaluation.recall import recall
from darkparse.evaluation.report import lines
from darkparse.evaluation.samples import Sample
from darkparse.metrics import Tally, evaluation
from map_goldens import (
    CLASSES,
    FASTEST,
    TRAINED,
    golden,
    needs_bccd,
    needs_goldens,
    recorded,
    runs,
    samples,
)  # fmt: skip


def evaluated(name, run):
    settings = {key: run[key] for key in ("iou_thresh", "points", "thresh")}
    return evaluation(*golden(name), CLASSES[name], **settings)


@needs_goldens
@pytest.mark.parametrize(("name", "run"), list(runs()))
def test_map_goldens(name, run):
    result = evaluated(name, run)
    total = result.total
    printed = {
        "detections_count": result.detections,
        "truth_count": total.truths,
        "tp": total.tp,
        "fp": total.fp,
        "fn": total.fn,
        "precision": round(total.precision, 2),
        "recall": round(total.recall, 2),
        "f1": round(total.f1, 2),
        "average_iou": round(total.average_iou * 100, 2),
        "map": round(result.map, 6),
    }
    assert printed == {key: run[key] for key in printed}
    listed = {one["class_id"]: one for one in run["classes"]}
    for label, one in enumerate(result.classes):
        want = listed.get(label, {"ap": 0, "ap_exact": 0, "tp": 0, "fp": 0})
        assert (one.tp, one.fp) == (want["tp"], want["fp"]), label
        assert one.ap == pytest.approx(want["ap_exact"], abs=1e-12)
        assert abs(one.ap * 100 - want["ap"]) < 0.005 + 1e-9


@needs_goldens
@pytest.mark.parametrize(("name", "run"), list(runs()))
def test_map_goldens_as_text(name, run):
    text = list(lines(evaluated(name, run), [f"name {i}" for i in range(CLASSES[name])], ()))
    classes = [line for line in text if line.startswith("class_id")]
    assert len(classes) == CLASSES[name]
    for one in run["classes"]:
        hits = f"(TP = {one['tp']}, FP = {one['fp']}) "
        assert classes[one["class_id"]].split("name = ")[1] == (
            f"name {one['class_id']}, ap = {one['ap']:2.2f}%   \t {hits}"
        )
    thresh = f" for conf_thresh = {run['thresh']:.2f}, "
    shares = f"precision = {run['precision']:.2f}, recall = {run['recall']:.2f}, F1-score = {run['f1']:.2f} "
    counts = f"TP = {run['tp']}, FP = {run['fp']}, FN = {run['fn']}, average IoU = {run['average_iou']:.2f} % "
    assert thresh + shares in text
    assert thresh + counts in text
    assert f" detections_count = {run['detections_count']}, unique_truth_count = {run['truth_count']}  " in text
    assert any(line.startswith(f" IoU threshold = {run['iou_thresh'] * 100:.0f} %, used ") for line in text)
    mean = f" mean average precision (mAP@{run['iou_thresh']:.2f}) = {run['map']:f}, "
    assert any(line.startswith(mean) for line in text)


@needs_goldens
@pytest.mark.parametrize(("name", "run"), list(runs()))
def test_map_goldens_image_by_image(name, run):
    found, truths = golden(name)
    tally = Tally(CLASSES[name], iou_thresh=run["iou_thresh"], thresh=run["thresh"])
    for image in range(int(truths.images.max()) + 1):
        tally.add(*(type(rows)(*(column[rows.images == image] for column in rows)) for rows in (found, truths)))
    assert tally.evaluation(run["points"]) == evaluated(name, run)


def rows_of_recall(name, model):
    network = load(*model, device="cpu", resize="stretch")
    for row in recall(network, [Sample(path, boxes) for path, boxes in samples(name)]):
        yield str(row)


@needs_goldens
@needs_bccd
@pytest.mark.parametrize(
    ("name", "model", "last"),
    [
        # what the same Darknet prints at the end for the images as OpenCV decodes them, saved as PNGs
        ("bccd", TRAINED, "   71   918   945\tRPs/Img: 127.26\tIOU: 72.48%\tRecall:97.14%"),
        ("coco7", FASTEST, "    6    32    35\tRPs/Img: 102.29\tIOU: 68.42%\tRecall:91.43%"),
    ],
    ids=["bccd", "coco7"],
)
def test_map_goldens_recall(name, model, last):
    rows = list(rows_of_recall(name, model))
    goldens = recorded(name)["recall"]
    assert len(rows) == len(goldens)
    for row, want in zip(rows, goldens, strict=True):
        number, correct, total = map(int, row.split()[:3])
        proposals, overlap, share = (float(part.strip("%")) for part in row.replace(":", " ").split()[4::2])
        assert (number, total) == (want["image"], want["total"])
        # by the other decoder alone the C code, too, has one object more in BCCD, and up to 1.33 boxes an image
        assert abs(correct - want["correct"]) <= 1
        assert abs(proposals - want["proposals_per_image"]) < 2
        assert abs(overlap - want["iou"]) < 0.2
        assert share == pytest.approx(100 * correct / total, abs=0.005)
    assert rows[-1] == last
