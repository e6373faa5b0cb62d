"""Where the results of a list of images go: text for people, JSON for programs, a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Generic, TypeVar

import click

from ..errors import DarkparseError
from ..files import writing
from ..guard import check_not_input, check_not_read

if TYPE_CHECKING:
    from ..loading import Result

LONG = 10  # images from which a progress bar helps


Found = TypeVar("Found")
Me = TypeVar("Me", bound="Sink[Any]")


@dataclass(frozen=True)
class Targets:
    """The JSON files that the user asked for."""

    json: str | None  # "-": standard output
    jsonl: str | None
    inputs: Sequence[str]  # all files that are read, as far as they are known

    @classmethod
    def of(cls, options: dict[str, object], inputs: Sequence[str]) -> Targets:
        """From the options of the command.

        Raises:
            DarkparseError: a file to write is one to read, or named twice
        """
        json, jsonl = (str(options[key]) if options[key] else None for key in ("json", "jsonl"))
        if json and json == jsonl:
            raise DarkparseError(f"{json}: named for --json and for --jsonl")
        known = [*inputs, *(str(options[key]) for key in ("names", "data") if options[key])]
        for path in (json, jsonl):
            if path:
                check_not_input(path, known)
        return cls(json, jsonl, known)

    @property
    def text(self) -> bool:
        """Whether standard output is for people."""
        return "-" not in (self.json, self.jsonl)


class Sink(Generic[Found]):
    """Takes results one by one and puts them where they are wanted; what is done stays when the rest is cut short."""

    command: str
    draws = False  # whether pictures are wanted

    def __init__(self, targets: Targets, total: int | None) -> None:
        self.targets, self.total, self.seen, self.failed, self.frames = targets, total, 0, 0, 0
        self.stack = ExitStack()
        self.bar = Bar(total, self.command)

    def __enter__(self: Me) -> Me:
        for path in (self.targets.json, self.targets.jsonl):
            if path:
                check_not_read(path)  # by now the names and the class tree are known, too
        self.json, self.jsonl = (
            self.stack.enter_context(writing(name)) if name not in (None, "-") else None
            for name in (self.targets.json, self.targets.jsonl)
        )
        self.stack.enter_context(self.bar)
        return self

    def __exit__(self, *of: object) -> None:
        if self.targets.json:
            self.write_json("\n]\n" if self.frames else "[\n]\n")
        self.stack.close()

    def take(self, results: Generator[Result[Found]]) -> None:
        """All results; of many, pictures are drawn by threads while the next results are sought."""
        with closing(results):
            if not self.draws or self.total is None or self.total < LONG:
                for result in results:
                    self.add(result)
                return
            from ..dataset.threads import ahead, cores

            with closing(ahead(self.attempt, results, cores(), cores())) as attempts:
                for result, drawn in attempts:
                    self.add(result, drawn)

    def attempt(self, result: Result[Found]) -> tuple[Result[Found], bytes]:
        """The result, and its picture; if that fails, none: it is tried again, and told, when its turn has come."""
        try:
            return result, self.picture(result)
        except DarkparseError:
            return result, b""

    def add(self, result: Result[Found], drawn: bytes = b"") -> None:
        """One image.

        Args:
            drawn: its picture, if it is drawn already
        """
        self.seen += 1
        self.bar.clear()
        self.spare(result.path)
        line = self.json_line(result).encode()
        if self.jsonl:
            self.jsonl.write(line + b"\n")
        elif self.targets.jsonl:
            click.echo(line)
        if result.error:
            self.fail(result.error)
        else:
            self.show(result)
            try:
                self.store(result, drawn)
            except DarkparseError as why:
                self.fail(str(why))
        self.bar.step()

    def spare(self, path: str) -> None:
        """Raises DarkparseError, and gives up the JSON files, where one of them would replace this image."""
        for output, name in ((self.json, self.targets.json), (self.jsonl, self.targets.jsonl)):
            if output and name:
                try:
                    check_not_input(name, [path])
                except DarkparseError:
                    output.abandon()
                    raise

    def fail(self, message: str) -> None:
        """Report an image that was not processed."""
        self.failed += 1
        click.echo(f"Error: {message}", err=True)

    def show(self, result: Result[Found]) -> None:
        """Darknet's text."""
        if self.targets.text:
            for line in self.lines(result):
                click.echo(line)

    def store(self, result: Result[Found], drawn: bytes) -> None:
        """JSON, and whatever else is written."""
        if self.targets.json:
            self.write_json((", \n" if self.frames else "[\n") + self.json_frame(result, self.frames + 1))
            self.frames += 1

    def write_json(self, text: str) -> None:
        """Append to the file of --json."""
        if self.json:
            self.json.write(text.encode())
        else:
            click.echo(text.encode(), nl=False)

    def picture(self, result: Result[Found]) -> bytes:
        """The file of its picture; empty without one."""
        return b""

    def lines(self, result: Result[Found]) -> Iterator[str]:
        """The text of one image."""
        raise NotImplementedError

    def json_line(self, result: Result[Found]) -> str:
        """Its line of JSON."""
        raise NotImplementedError

    def json_frame(self, result: Result[Found], number: int) -> str:
        """Its object in the JSON file, `number` from 1."""
        raise NotImplementedError

    def finish(self) -> None:
        """Say how many failed, and exit with status 1 if any did.

        Raises:
            DarkparseError: there was no image at all
        """
        if not self.seen:
            raise DarkparseError("no image: the list is empty")
        if self.failed:
            click.echo(f"{self.failed} image{'s' if self.failed > 1 else ''} could not be processed", err=True)
            sys.exit(1)


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
