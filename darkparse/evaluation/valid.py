"""Files of detections for the evaluation programs of COCO, PASCAL VOC and ImageNet: Darknet's `detector valid`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..boxes import cxcywh_to_xyxy
from ..data import Data
from ..detect import Model
from ..detections import Candidates
from ..errors import DarkparseError, DataError
from ..files import Output, blamed, writing
from ..guard import check_not_input, check_not_read
from ..images import Floats
from ..report import printable
from .coco import clipped
from .evaluate import warn_of
from .ids import Ids
from .listing import Size, found_in
from .running import enough, evaluating, run

HIER = 0.5  # src/detector.c validate_detector
NAMES = {"coco": "coco_results", "voc": "comp4_det_test_", "imagenet": "imagenet-detection"}  # Darknet's, of files


class Image(NamedTuple):
    """An image of a list: its file, and its place there, from 0."""

    path: str
    number: int


Rows = Callable[[Image, Size, Candidates], Iterator[tuple[int, str]]]  # number of the file, line


def kind_of(data: Data, model: Model, given: str | None) -> str:
    """For which evaluation: as asked for, else as `eval=` of a .data file says, else VOC's.

    Raises:
        DataError: `eval=` is another one, or `map=` has the classes of another data set
    """
    kind = given or data.values.get("eval", "voc")
    if kind not in NAMES:
        raise DataError(f"{data.file}: eval: expected one of {', '.join(NAMES)}, got {kind!r}")
    if "map" in data.values and any(getattr(head, "tree", None) for _, head in model.graph.heads):
        raise DataError(f"{data.file}: map: is not supported; expected the classes of the network's tree")
    return kind


def place_for(data: Data, kind: str, out: str | None) -> Path:
    """What the names of the files begin with.

    Args:
        out: folder and name, or a name alone; by default Darknet's, in the folder that `results=` says, or else results
    """
    path = Path(out or NAMES[kind])
    path = path.with_suffix("") if path.suffix in {".json", ".txt"} else path
    return path if path.parent != Path() else Path(data.values.get("results", "results")) / path


class Results:
    """Files of results, written image by image; they appear when all is done.

    Args:
        kind: "coco", "voc" or "imagenet"; place: what their names begin with; names: of the classes; ids: for COCO;
        inputs: files that must not be written over
    Raises:
        DarkparseError: the names of classes make no names of files, or a file is one of the inputs
    Source: src/detector.c print_cocos, print_detector_detections, print_imagenet_detections (AlexeyAB 59596d7)
    """

    def __init__(self, kind: str, place: Path, names: Sequence[str], ids: Ids, inputs: Iterable[str]) -> None:
        self.begin, self.between, self.end = ("[\n", ",\n", "\n]\n") if kind == "coco" else ("", "\n", "\n")
        self.rows: Rows = {"coco": ids_rows(ids), "voc": voc_rows, "imagenet": imagenet_rows}[kind]
        ends = {"coco": [".json"], "voc": [f"{name}.txt" for name in names], "imagenet": [".txt"]}[kind]
        check_names(ends)
        self.paths = [place.with_name(place.name + end) for end in ends]
        self.counts = [0] * len(self.paths)
        self.files: list[Output] = []
        self.stack = ExitStack()
        known = list(inputs)
        for path in self.paths:
            check_not_input(path, known)
            check_not_read(path)

    def __enter__(self) -> Results:
        folder = self.paths[0].parent
        with blamed(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.files = [self.stack.enter_context(writing(path)) for path in self.paths]
        for file in self.files:
            file.write(self.begin.encode())
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.__exit__(*error)  # type: ignore[arg-type]

    def add(self, image: Image, size: Size, found: Candidates) -> None:
        """The detections in one image; boxes are in px."""
        for number, line in self.rows(image, size, found):
            self.files[number].write(f"{self.between if self.counts[number] else ''}{line}".encode())
            self.counts[number] += 1

    def finish(self) -> None:
        """Nothing more comes."""
        for file, count in zip(self.files, self.counts, strict=True):
            file.write((self.end if count or self.begin else "").encode())


def check_names(ends: Sequence[str]) -> None:
    """Raises DarkparseError where names of classes are no different names of files."""
    for number, end in enumerate(ends):
        if Path(end).name != end:
            raise DarkparseError(f"class {number}, {end[:-4]!r}: expected a name that a file can have")
        if end in ends[:number]:
            both = f"classes {ends.index(end)} and {number} are both {end[:-4]!r}"
            raise DarkparseError(f"{both}; expected different names")


def ids_rows(ids: Ids) -> Rows:
    """A JSON object a detection."""

    def rows(image: Image, size: Size, found: Candidates) -> Iterator[tuple[int, str]]:
        for (x0, y0, x1, y1), score, label in listing(found, clipped(found.boxes, size)):
            ids_here = f'"image_id":{ids.images[image.number]}, "category_id":{ids.classes[label]}'
            box = f"[{x0:f}, {y0:f}, {np.float32(x1) - np.float32(x0):f}, {np.float32(y1) - np.float32(y0):f}]"
            yield 0, f'{{{ids_here}, "bbox":{box}, "score":{score:f}}}'

    return rows


def voc_rows(image: Image, size: Size, found: Candidates) -> Iterator[tuple[int, str]]:
    """A line a detection, in the file of its class; pixels are counted from 1."""
    corners = cxcywh_to_xyxy(found.boxes) + np.float32(1)
    corners = np.concatenate([corners[:, :2].clip(1), np.minimum(corners[:, 2:], np.array(size, np.float32))], axis=1)
    for box, score, label in listing(found, corners):
        yield label, f"{printable(Path(image.path).stem)} {score:f} {' '.join(f'{edge:f}' for edge in box)}"


def imagenet_rows(image: Image, size: Size, found: Candidates) -> Iterator[tuple[int, str]]:
    """A line a detection; images and classes are counted from 1."""
    for box, score, label in listing(found, clipped(found.boxes, size)):
        yield 0, f"{image.number + 1} {label + 1} {score:f} {' '.join(f'{edge:f}' for edge in box)}"


def listing(found: Candidates, corners: Floats) -> Iterator[tuple[list[float], float, int]]:
    """Corners, score and class of each detection."""
    yield from zip(corners.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)


def write_results(
    model: Model,
    images: Iterable[Image],
    results: Results,
    *,
    thresh: float | None = None,
    nms: float | None = None,
    batch: int = 8,
    workers: int | None = 0,
    failed: Callable[[str], None] = warn_of,
) -> None:
    """Detect in images and write what was found.

    Args:
        thresh, nms: the least score, and the overlap above which the weaker box goes; by default those of the Darknet
            that wrote the weights
        batch, workers, failed: as for `evaluate`
    Source: src/detector.c validate_detector (AlexeyAB 59596d7), examples/detector.c (pjreddie f6afaab)
    """
    dialect = model.header.dialect
    least = dialect.valid_thresh if thresh is None else thresh
    overlap = dialect.valid_nms if nms is None else nms

    def interpret(sizes: Sequence[Size], raw: Sequence[Tensor]) -> list[tuple[Size, Candidates]]:
        found = found_in(model, sizes, raw, least=least, nms=overlap, hier=HIER, in_pixels=True)
        return list(zip(sizes, found, strict=True))

    with evaluating(model.network), results:
        for image, result in run(model, images, interpret, batch, enough(images, workers)):
            if result.found is None:
                failed(result.error)
            else:
                results.add(image, *result.found)
        results.finish()
