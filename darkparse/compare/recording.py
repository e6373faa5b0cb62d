"""What a model gave, kept in an .npz file: the images as it read them, each layer's output, and the detections.

Of image N, from 0, the file holds `N/pixels` `(C, H, W)`, 0..1; `N/III_section` `(C, H, W)`, the raw output of layer
III; of a detector `N/detections`, `(M, 6)`: class, score, and box cxcywh relative to the image.  `meta` is a text, the
fields of `Meta` as JSON.
"""

from __future__ import annotations

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile

from ..detections import Detections
from ..errors import DarkparseError, brief
from ..files import blamed, writing
from ..guard import note_read
from .sides import Layer, Note, Outcome, Picture, Side, Wanted

FORMAT = 1
LAYER = re.compile(r"0/(\d{3,})_(\w+)")
COLUMNS = 6  # of a detection
DAMAGE = (  # what numpy and zipfile raise
    ValueError, TypeError, LookupError, AttributeError, EOFError, MemoryError, RuntimeError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip


class Meta(NamedTuple):
    """What a recording says of itself.

    model: its files; images: file, width and height of each; places: cfg file and line of each layer, by index;
    outputs: indices of those whose outputs leave the network; names: one a class; thresh, nms: of the detections
    """

    model: str
    images: list[tuple[str, int, int]]
    places: dict[str, str]
    outputs: list[int]
    names: list[str]
    thresh: float
    nms: float
    format: int = FORMAT

    @classmethod
    def parse(cls, text: str) -> Meta:
        """From its JSON.  Raises TypeError, ValueError or AttributeError where it is something else."""
        meta = cls(**json.loads(text))
        if meta.format != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {meta.format}")
        images = [(str(name), int(width), int(height)) for name, width, height in meta.images]
        if any(min(sides) < 1 for _, *sides in images):
            raise ValueError("expected images of at least 1 x 1 px")
        places = {str(index): str(place) for index, place in meta.places.items()}
        outputs, names = [int(index) for index in meta.outputs], [str(name) for name in meta.names]
        return cls(str(meta.model), images, places, outputs, names, float(meta.thresh), float(meta.nms))


def save(path: str | Path, side: Side, pictures: Iterable[Picture], wanted: Wanted) -> int:
    """Run a model on some images and keep what it gives; how many images that were.

    The file appears whole or not at all.

    Raises:
        DarkparseError: there is no image, one does not suit the model, or the file cannot be written
    """
    images, names, outcome = [], [], Outcome({}, None)
    with writing(path) as output, blamed(path), zipfile.ZipFile(output.file, "w") as archive:
        for picture in map(side.fill, pictures):
            outcome = side.run(picture, wanted, keeper(archive, side, picture.number))
            put(archive, f"{picture.number}/pixels", np.asarray(picture.pixels))
            images.append((picture.name, *picture.size))
            if isinstance(found := outcome.found, Detections):
                names = list(found.names)
                table = np.column_stack([found.labels, found.scores, found.relative]).reshape(-1, COLUMNS)
                put(archive, f"{picture.number}/detections", table.astype(np.float32))
        if not images:
            raise DarkparseError("no image: the list is empty")
        places = {str(layer.index): layer.place for layer in side.layers.values()}
        leaving = [key for key in outcome.outputs if isinstance(key, int)]
        meta = Meta(side.name, images, places, leaving, names, wanted.faint, wanted.nms)
        put(archive, "meta", np.array(json.dumps(meta._asdict())))
    return len(images)


def put(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array to an .npz file."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def keeper(archive: zipfile.ZipFile, side: Side, number: int) -> Note:
    """What keeps each layer's output for image `number`."""

    def keep(index: int, output: np.ndarray) -> None:
        put(archive, f"{number}/{index:03d}_{side.layers[index].section}", output)

    return keep


class Recording(Side):
    """An .npz file that `save` wrote."""

    complete = holds_pixels = True

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            DarkparseError: it cannot be read, or is none
        """
        super().__init__(path)
        with self._opened() as arrays:
            note_read(path)
            with self._told_plainly():
                self.meta = Meta.parse(str(arrays["meta"]))
            found = [(int(match[1]), match[2]) for match in map(LAYER.fullmatch, arrays.files) if match]
        self.notes = [f"{path}: recorded of {self.meta.model}"]
        self.layers = {i: Layer(i, section, self.meta.places.get(str(i), "")) for i, section in found}
        self.pictures = [Picture(name, n, None, (w, h)) for n, (name, w, h) in enumerate(self.meta.images)]

    def fill(self, picture: Picture) -> Picture:
        """The image with the pixels that were recorded.

        Raises:
            DarkparseError: it has others already, from another recording
        """
        with self._opened() as arrays:
            pixels = self._array(arrays, f"{picture.number}/pixels")
        if picture.pixels is not None and not np.array_equal(pixels, picture.pixels):
            raise DarkparseError(f"{self.name}: image {picture.number}, {picture.name}, has other pixels in it")
        return picture._replace(pixels=pixels)

    def run(self, picture: Picture, wanted: Wanted, note: Note) -> Outcome:
        """See `Side.run`: what was recorded."""
        outputs: dict[int | str, np.ndarray] = {}
        with self._opened() as arrays:
            for index, layer in self.layers.items():
                output = self._array(arrays, f"{picture.number}/{index:03d}_{layer.section}")
                note(index, output)
                if index in self.meta.outputs:
                    outputs[index] = output
            return Outcome(outputs, self._detections(arrays, picture, wanted))

    def _detections(self, arrays: NpzFile, picture: Picture, wanted: Wanted) -> Detections | None:
        """Those of an image that are wanted; None where there are none because it is no detector."""
        if (name := f"{picture.number}/detections") not in arrays.files:
            return None
        if wanted.thresh < self.meta.thresh or wanted.nms != self.meta.nms:
            kept = f"detections above {self.meta.thresh:g}, with an nms of {self.meta.nms:g}"
            raise DarkparseError(f"{self.name}: recorded {kept}; expected no lower --thresh, and the same --nms")
        table = self._array(arrays, name, dimensions=2)
        if table.shape[1] != COLUMNS or not np.isin(table[:, 0], np.arange(len(self.meta.names))).all():
            raise DarkparseError(f"{self.name}: {name}: expected rows of {COLUMNS}, with classes that have names")
        every = Detections(
            table[:, 2:], table[:, 1], table[:, 0].astype(np.int64), tuple(self.meta.names), *picture.size
        )
        return every[every.scores > wanted.faint]

    def _array(self, arrays: NpzFile, name: str, dimensions: int = 3) -> np.ndarray:
        """One of the arrays, float32.  Raises DarkparseError where it is missing or damaged."""
        with self._told_plainly():
            array: np.ndarray = arrays[name]
            if array.dtype != np.float32 or array.ndim != dimensions:
                raise ValueError(f"{name}: expected {dimensions} dimensions of float32")
        return array

    @contextmanager
    def _opened(self) -> Iterator[NpzFile]:
        with blamed(self.name), open(self.name, "rb") as file:
            with self._told_plainly():
                arrays = np.load(file, allow_pickle=False)
                if not isinstance(arrays, NpzFile):
                    raise TypeError("one array, not several")
            yield arrays

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        """Turn whatever numpy and zipfile raise into one line."""
        try:
            yield
        except DAMAGE as why:
            said = brief(" ".join(str(why).split()) or type(why).__name__)
            raise DarkparseError(f"{self.name}: not what darkparse compare --save wrote, or damaged: {said}") from None
