"""Where the results of `darkparse detect` go: text, pictures, JSON, labels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from .. import report
from ..errors import DarkparseError
from ..files import check_not_input, write_text, writing

if TYPE_CHECKING:
    from ..detect import Result

PREDICTIONS = "predictions.jpg"
LONG = 10  # images from which a progress bar helps


@dataclass(frozen=True)
class Wanted:
    """What the user asked for."""

    out: Path | None
    labels: Path | None
    json: str | None  # "-": standard output
    jsonl: str | None
    coordinates: bool
    overwrite: bool  # labels
    inputs: Sequence[str]  # all files that are read, as far as they are known

    @classmethod
    def of(cls, options: dict[str, object], inputs: Sequence[str]) -> Wanted:
        """From the options of the command; makes the folders.

        Raises:
            DarkparseError: a file to write is one to read, or named twice
        """
        out, labels = (Path(str(options[key])) if options[key] else None for key in ("out", "save_labels"))
        for folder in (out, labels):
            if folder:
                make(folder)
        json, jsonl = (str(options[key]) if options[key] else None for key in ("json", "jsonl"))
        if json and json == jsonl:
            raise DarkparseError(f"{json}: named for --json and for --jsonl")
        known = [*inputs, *(str(options[key]) for key in ("names", "data") if options[key])]
        for path in (json, jsonl):
            if path:
                check_not_input(path, known)
        return cls(out, labels, json, jsonl, bool(options["ext_output"]), bool(options["overwrite"]), known)

    @property
    def text(self) -> bool:
        """Whether standard output is for people."""
        return "-" not in (self.json, self.jsonl)


def make(folder: Path) -> None:
    """Make a folder, and those above it.  Raises DarkparseError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise DarkparseError(f"{folder}: {why.strerror}") from None


class Results:
    """Takes results one by one and puts them where they are wanted; what is done stays when the rest is cut short."""

    def __init__(self, wanted: Wanted, total: int | None) -> None:
        self.wanted, self.total, self.seen, self.failed, self.frames = wanted, total, 0, 0, 0
        self.written: dict[Path, str] = {}
        self.stack = ExitStack()
        self.bar = Bar(total)

    def __enter__(self) -> Results:
        self.json, self.jsonl = (
            self.stack.enter_context(writing(name)) if name not in (None, "-") else None
            for name in (self.wanted.json, self.wanted.jsonl)
        )
        self.stack.enter_context(self.bar)
        return self

    def __exit__(self, *of: object) -> None:
        if self.wanted.json:
            self.write_json("\n]\n" if self.frames else "[\n]\n")
        self.stack.close()

    def write_json(self, text: str) -> None:
        """Append to the file of --json."""
        if self.json:
            self.json.write(text.encode())
        else:
            click.echo(text.encode(), nl=False)

    def add(self, result: Result) -> None:
        """One image."""
        self.seen += 1
        self.bar.clear()
        line = report.json_line(result.path, result.detections, result.error).encode()
        if self.jsonl:
            self.jsonl.write(line + b"\n")
        elif self.wanted.jsonl:
            click.echo(line)
        if result.detections is None:
            self.fail(result.error)
        else:
            self.show(result)
            try:
                self.store(result)
            except DarkparseError as why:
                self.fail(str(why))
        self.bar.step()

    def fail(self, message: str) -> None:
        """Report an image that was not processed."""
        self.failed += 1
        click.echo(f"Error: {message}", err=True)

    def show(self, result: Result) -> None:
        """Darknet's text."""
        assert result.detections is not None
        if not self.wanted.text:
            return
        click.echo(report.predicted(result.path, result.milliseconds))
        for line in report.lines(result.detections, self.wanted.coordinates):
            click.echo(line)

    def store(self, result: Result) -> None:
        """JSON, labels and the picture."""
        assert result.detections is not None
        if self.wanted.json:
            start = ", \n" if self.frames else "[\n"
            self.write_json(start + report.json_frame(result.path, self.frames + 1, result.detections))
            self.frames += 1
        if self.wanted.labels:
            path = self.free(self.wanted.labels / f"{Path(result.path).stem}.txt", result.path)
            if path.exists() and not self.wanted.overwrite:
                raise DarkparseError(f"{path}: is there already; not overwritten without --overwrite")
            write_text(path, report.label_lines(result.detections))
        if self.wanted.out:
            draw(result, self.free(self.wanted.out / picture_name(result.path), result.path))
        elif self.total == 1:
            draw(result, self.free(Path(PREDICTIONS), result.path))

    def free(self, path: Path, image: str) -> Path:
        """The path, unless another image of this run has taken it, or is it.  Raises DarkparseError then."""
        if path in self.written:
            raise DarkparseError(f"{image}: {path} was already written for {self.written[path]}; not overwritten")
        check_not_input(path, [image, *self.wanted.inputs])
        self.written[path] = image
        return path


def picture_name(path: str) -> str:
    """The name of an image with its boxes drawn: of the same kind where that is a common one."""
    name = Path(path).name
    return name if name.lower().endswith((".jpg", ".jpeg", ".png", ".bmp", ".webp")) else f"{Path(path).stem}.jpg"


def draw(result: Result, path: Path) -> None:
    """Write an image with its boxes drawn.  Raises DarkparseError where it cannot be written."""
    import cv2
    import numpy as np

    from ..draw import draw as drawn

    assert result.detections is not None
    assert result.image is not None
    order = [2, 1, 0] if result.image.shape[2] > 2 else [0, 0, 0]
    picture = np.ascontiguousarray(result.image[..., order])
    if picture.dtype == np.float32:
        picture = np.rint(picture.clip(0, 1) * 255).astype(np.uint8)
    shown = result.detections.shown()
    picture = drawn(picture, shown.boxes, shown.scores, shown.labels, shown.names)
    is_jpeg = path.suffix.lower() in (".jpg", ".jpeg")
    done, data = cv2.imencode(path.suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 92] if is_jpeg else [])
    if not done:
        raise DarkparseError(f"{path}: OpenCV cannot write this kind of image")
    with writing(path) as file:
        file.write(data.tobytes())


class Bar:
    """A progress bar on stderr for long lists, where a person looks at it; text goes above it."""

    def __init__(self, total: int | None) -> None:
        self.bar = None
        self.stream: IO[str] = sys.stderr
        if total is not None and total >= LONG and self.stream.isatty():
            self.bar = click.progressbar(length=total, file=self.stream, label="detect", show_pos=True)

    def __enter__(self) -> Bar:
        if self.bar:
            self.bar.__enter__()
        return self

    def __exit__(self, *of: object) -> None:
        if self.bar:
            self.bar.render_finish()

    def clear(self) -> None:
        """Take it away, for a line of text."""
        if self.bar:
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def step(self) -> None:
        """Show it, one image further."""
        if self.bar:
            self.bar.update(1)
