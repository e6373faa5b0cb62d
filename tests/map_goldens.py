"""What `detector map` and `detector recall` of AlexeyAB 59596d7 printed, and the objects that they were given."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from conftest import SHARED
from darkparse.metrics import Found, Truths

MAP = SHARED / "training" / "map"
BCCD = SHARED / "datasets" / "bccd"
BCCD_NAMES = ("RBC", "WBC", "Platelets")
TRAINED = [SHARED / "training" / "bccd" / f"bccd-tiny.{end}" for end in ("cfg", "weights")]
FASTEST = [SHARED / "real" / "models" / f"yolo-fastest-1.1.{end}" for end in ("cfg", "weights")]
CLASSES = {"bccd": 3, "coco7": 80}
needs_goldens = pytest.mark.skipif(not MAP.is_dir(), reason=f"no {MAP}; set DARKPARSE_SHARED")
needs_bccd = pytest.mark.skipif(not (BCCD.is_dir() and TRAINED[0].is_file()), reason=f"no {BCCD}; set DARKPARSE_SHARED")


def bccd_truths(image):
    """Rows of class, x, y, w, h by the rule of training/README.md, section 9."""
    root = ElementTree.parse(BCCD / "Annotations" / f"{image.split('.')[0]}.xml").getroot()
    width, height = (int(root.findtext(f"size/{side}")) for side in ("width", "height"))
    rows = []
    for thing in root.iter("object"):
        left, top, right, bottom = (int(thing.findtext(f"bndbox/{e}")) for e in ("xmin", "ymin", "xmax", "ymax"))
        if right > left and bottom > top:
            box = (
                (left + right) / 2 / width,
                (top + bottom) / 2 / height,
                (right - left) / width,
                (bottom - top) / height,
            )
            rows.append((BCCD_NAMES.index(thing.findtext("name")), *(round(value, 6) for value in box)))
    return np.array(rows, np.float32).reshape(-1, 5)


def coco7_truths(image):
    return np.loadtxt(MAP / "labels" / f"{image.split('.')[0]}.txt", np.float32, ndmin=2)


READ = {"bccd": bccd_truths, "coco7": coco7_truths}
FOLDER = {"bccd": BCCD / "JPEGImages", "coco7": SHARED / "real" / "images"}


def recorded(name):
    """All of the JSON file."""
    return json.loads((MAP / f"{name}.json").read_text())


def samples(name):
    """The image files, each with its objects, (M, 5) of x, y, w, h and class."""
    for image in recorded(name)["images"]:
        rows = READ[name](image)
        yield FOLDER[name] / image, np.concatenate([rows[:, 1:], rows[:, :1]], axis=1)


def gather(rows):
    """`Truths` of a list of arrays, one an image, of class, x, y, w, h."""
    joined = np.concatenate(rows)
    images = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Truths(images, joined[:, 0].astype(np.int64), joined[:, 1:])


def golden(name):
    """The detections that the figures were computed from, and the objects."""
    stored = np.load(MAP / f"{name}.npz")
    found = Found(stored["image"].astype(int), stored["class_id"].astype(int), stored["box"], stored["prob"])
    return found, gather([READ[name](image) for image in stored["names"]])


def runs():
    """Each run of `detector map` on those detections."""
    for name in CLASSES if MAP.is_dir() else ():
        for number, run in enumerate(recorded(name)["runs"]):
            if not run.get("letter_box"):  # of other detections: see test_evaluate.py
                yield pytest.param(name, run, id=f"{name}-{number}")
