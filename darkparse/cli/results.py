"""Where the results of `darkparse detect` go: text, JSON, pictures, labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import report
from ..errors import DarkparseError
from ..files import write_text, writing
from ..guard import check_not_input, check_not_read
from .sinks import Sink, Targets

if TYPE_CHECKING:
    from ..detections import Detections
    from ..loading import Result

PREDICTIONS = "predictions.jpg"


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    targets: Targets
    out: Path | None
    labels: Path | None
    coordinates: bool
    overwrite: bool  # labels

    @classmethod
    def of(cls, options: dict[str, object], inputs: Sequence[str]) -> Wanted:
        """From the options of the command; makes the folders.

        Raises:
            DarkparseError: a file to write is one to read, or named twice; a folder cannot be made
        """
        targets = Targets.of(options, inputs)
        out, labels = (Path(str(options[key])) if options[key] else None for key in ("out", "save_labels"))
        for folder in (out, labels):
            if folder:
                make(folder)
        return cls(targets, out, labels, bool(options["ext_output"]), bool(options["overwrite"]))


def make(folder: Path) -> None:
    """Make a folder, and those above it.  Raises DarkparseError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise DarkparseError(f"{folder}: {why.strerror}") from None


class Results(Sink["Detections"]):
    """The results of `darkparse detect`."""

    command = "detect"

    def __init__(self, wanted: Wanted, total: int | None) -> None:
        super().__init__(wanted.targets, total)
        self.wanted, self.draws = wanted, wanted.out is not None or total == 1
        self.written: dict[Path, str] = {}

    def lines(self, result: Result[Detections]) -> Iterator[str]:
        """See `Sink.lines`."""
        assert result.found is not None
        yield report.predicted(result.path, result.milliseconds)
        yield from report.lines(result.found, self.wanted.coordinates)

    def json_line(self, result: Result[Detections]) -> str:
        """See `Sink.json_line`."""
        return report.json_line(result.path, result.found, result.error)

    def json_frame(self, result: Result[Detections], number: int) -> str:
        """See `Sink.json_frame`."""
        assert result.found is not None
        return report.json_frame(result.path, number, result.found)

    def picture(self, result: Result[Detections]) -> bytes:
        """See `Sink.picture`."""
        return draw(result, self.place(result.path)) if self.draws and not result.error else b""

    def place(self, path: str) -> Path:
        """Where the picture of an image goes."""
        return self.wanted.out / picture_name(path) if self.wanted.out else Path(PREDICTIONS)

    def store(self, result: Result[Detections], drawn: bytes) -> None:
        """JSON, labels and the picture."""
        assert result.found is not None
        super().store(result, drawn)
        if self.wanted.labels:
            path = self.free(self.wanted.labels / f"{Path(result.path).stem}.txt", result.path)
            if path.exists() and not self.wanted.overwrite:
                raise DarkparseError(f"{path}: is there already; not overwritten without --overwrite")
            write_text(path, report.label_lines(result.found))
        if self.draws:
            path = self.free(self.place(result.path), result.path)
            with writing(path) as file:
                file.write(drawn or self.picture(result))

    def free(self, path: Path, image: str) -> Path:
        """The path, unless another image of this run has taken it, or is it.  Raises DarkparseError then."""
        if path in self.written:
            raise DarkparseError(f"{image}: {path} was already written for {self.written[path]}; not overwritten")
        check_not_input(path, [image, *self.targets.inputs])
        check_not_read(path)
        self.written[path] = image
        return path


def picture_name(path: str) -> str:
    """The name of an image with its boxes drawn: of the same kind where that is a common one."""
    name = Path(path).name
    return name if name.lower().endswith((".jpg", ".jpeg", ".png", ".bmp", ".webp")) else f"{Path(path).stem}.jpg"


def draw(result: Result[Detections], path: Path) -> bytes:
    """The file, of the kind that `path` says, of an image with its boxes drawn.

    Raises:
        DarkparseError: OpenCV cannot write such a file
    """
    import cv2
    import numpy as np

    from ..draw import draw as drawn

    assert result.found is not None
    assert result.image is not None
    order = [2, 1, 0] if result.image.shape[2] > 2 else [0, 0, 0]
    picture = np.ascontiguousarray(result.image[..., order])
    if picture.dtype == np.float32:
        picture = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    shown = result.found.shown()
    picture = drawn(picture, shown.boxes, shown.scores, shown.labels, shown.names)
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    done, data = cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 92] if is_jpeg else [])
    if not done:
        raise DarkparseError(f"{path}: OpenCV cannot write this kind of image")
    return data.tobytes()
