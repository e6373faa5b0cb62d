"""Where results go: text, JSON; those of `darkparse detect` to pictures and labels, too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import click

from .. import report
from ..errors import DarkparseError
from ..files import write_text, writing

if TYPE_CHECKING:
    from ..detect import Result

PREDICTIONS = "predictions.jpg"
LONG = 10  # images from which a progress bar helps


class Outcome(Protocol):
    """What became of one image."""

    @property
    def path(self) -> str:
        """Its file."""

    @property
    def error(self) -> str:
        """Why it could not be read, if so."""


One = TypeVar("One", bound=Outcome)
Me = TypeVar("Me", bound="Sink[Any]")


@dataclass(frozen=True)
class Wanted:
    """What the user asked of `darkparse detect`."""

    out: Path | None
    labels: Path | None
    json: str | None
    jsonl: str | None
    coordinates: bool
    draw_here: bool  # as predictions.jpg

    @classmethod
    def of(cls, options: dict[str, object], draw_here: bool) -> Wanted:
        """From the options of the command; makes the folders."""
        out, labels = (Path(str(options[key])) if options[key] else None for key in ("out", "save_labels"))
        for folder in (out, labels):
            if folder:
                make(folder)
        json, jsonl = (str(options[key]) if options[key] else None for key in ("json", "jsonl"))
        return cls(out, labels, json, jsonl, bool(options["ext_output"]), draw_here and not out)


def make(folder: Path) -> None:
    """Make a folder, and those above it.  Raises DarkparseError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as why:
        raise DarkparseError(f"{folder}: {why.strerror}") from None


class Sink(Generic[One]):
    """Takes results one by one and puts them where they are wanted; JSON files appear when all is done."""

    command: str

    def __init__(self, json: str | None, jsonl: str | None, total: int | None) -> None:
        self.json_path, self.jsonl_path = json, jsonl
        self.failed, self.frames = 0, 0
        self.stack = ExitStack()
        self.bar = Bar(total, self.command)

    def __enter__(self: Me) -> Me:
        self.json = self.stack.enter_context(writing(self.json_path)) if self.json_path else None
        named = self.jsonl_path if self.jsonl_path != "-" else None
        self.jsonl = self.stack.enter_context(writing(named)) if named else None
        self.stack.enter_context(self.bar)
        return self

    def __exit__(self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None) -> None:
        if self.json and kind is None:
            self.json.write(b"\n]\n" if self.frames else b"[\n]\n")
        self.stack.__exit__(kind, why, at)

    def add(self, result: One) -> None:
        """One image."""
        self.bar.clear()
        line = self.json_line(result)
        if self.jsonl:
            self.jsonl.write(line.encode() + b"\n")
        elif self.jsonl_path:
            click.echo(line)
        if result.error:
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

    def show(self, result: One) -> None:
        """Darknet's text."""
        if self.jsonl_path != "-":
            for line in self.lines(result):
                click.echo(line)

    def store(self, result: One) -> None:
        """JSON."""
        self.frames += 1
        if self.json:
            start = "[\n" if self.frames == 1 else ", \n"
            self.json.write((start + self.json_frame(result)).encode())

    def lines(self, result: One) -> Iterator[str]:
        """The text of one image."""
        raise NotImplementedError

    def json_line(self, result: One) -> str:
        """Its line of JSON."""
        raise NotImplementedError

    def json_frame(self, result: One) -> str:
        """Its object in the JSON file."""
        raise NotImplementedError


class Results(Sink["Result"]):
    """The results of `darkparse detect`: also labels and pictures."""

    command = "detect"

    def __init__(self, wanted: Wanted, total: int | None) -> None:
        super().__init__(wanted.json, wanted.jsonl, total)
        self.wanted = wanted
        self.written: dict[Path, str] = {}

    def lines(self, result: Result) -> Iterator[str]:
        """See `Sink.lines`."""
        assert result.detections is not None
        yield report.predicted(result.path, result.milliseconds)
        yield from report.lines(result.detections, self.wanted.coordinates)

    def json_line(self, result: Result) -> str:
        """See `Sink.json_line`."""
        return report.json_line(result.path, result.detections, result.error)

    def json_frame(self, result: Result) -> str:
        """See `Sink.json_frame`."""
        assert result.detections is not None
        return report.json_frame(result.path, self.frames, result.detections)

    def store(self, result: Result) -> None:
        """JSON, labels and the picture."""
        assert result.detections is not None
        super().store(result)
        if self.wanted.labels:
            name = Path(result.path).with_suffix(".txt").name
            write_text(self.free(self.wanted.labels / name, result.path), report.label_lines(result.detections))
        if self.wanted.out:
            draw(result, self.free(self.wanted.out / picture_name(result.path), result.path))
        elif self.wanted.draw_here:
            draw(result, Path(PREDICTIONS))

    def free(self, path: Path, image: str) -> Path:
        """The path, unless another image of this run has taken it.  Raises DarkparseError then."""
        if path in self.written:
            raise DarkparseError(f"{image}: {path} was already written for {self.written[path]}; not overwritten")
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

    def __init__(self, total: int | None, command: str) -> None:
        self.bar = None
        self.stream: IO[str] = sys.stderr
        if total is not None and total >= LONG and self.stream.isatty():
            self.bar = click.progressbar(length=total, file=self.stream, label=command, show_pos=True)

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
