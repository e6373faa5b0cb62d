"""What a run leaves to read: results.csv, the curves of its chart, a progress line, TensorBoard."""

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DarkparseError, DataError
from ..files import blamed, writing

_PAUSE = 10.0  # seconds between two lines of progress in a file


@dataclass(frozen=True)
class Row:
    """One iteration.

    Attributes:
        seen: images, this iteration's with them
        terms: the parts of the loss, by name
        rate: the learning rate that was used
        width, height: of the network's input, px
        skipped: the weights were left as they were
        mAP, accuracy: 0..1, where it was evaluated; a detector has the one, a classifier the other
        seconds: from the end of the iteration before to the end of this one
        images_per_second: of this iteration
    """

    iteration: int
    seen: int
    loss: float
    avg_loss: float
    rate: float
    width: int
    height: int
    skipped: bool = False
    mAP: float | None = None
    accuracy: float | None = None
    seconds: float = 0.0
    images_per_second: float = 0.0
    terms: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_evaluated(self) -> bool:
        """Whether it says how good the network is."""
        return self.mAP is not None or self.accuracy is not None


COLUMNS = tuple(Row.__dataclass_fields__)[:-1]  # of results.csv; those of the terms come behind them
TIMING = ("seconds", "images_per_second")  # the only columns in which a run that was resumed may differ


class History:
    """The curves of a run, a value a row; mAP and accuracy are NaN where it was not evaluated."""

    def __init__(self) -> None:
        self.iteration, self.loss, self.avg_loss = array("d"), array("d"), array("d")
        self.mAP, self.accuracy = array("d"), array("d")

    def add(self, values: Mapping[str, Any]) -> None:
        """Append a row, given by its columns."""
        for name, column in vars(self).items():
            value = values.get(name)
            column.append(float("nan") if value in ("", None) else float(value))


class Records:
    """results.csv: a line an iteration, written at once. A new term gets a column of its own behind the others.

    Attributes:
        history: the curves of what the file holds
    """

    def __init__(self, path: str | Path, iteration: int = 0) -> None:
        """A run that begins (`iteration` 0: what the file held goes), or goes on behind an iteration.

        Raises:
            DataError: the file is something else
            DarkparseError: it cannot be read or written
        """
        self.path = Path(path)
        self.file: BinaryIO | None = None
        self.rewind(iteration)

    def rewind(self, iteration: int) -> None:
        """Forget what comes after an iteration, and any line that was not written to its end.

        Raises:
            DataError, DarkparseError: as above
        """
        self.close()
        self.history = History()
        lines = list(self.kept(iteration)) if self.path.exists() else []
        if not iteration or not lines:
            lines = [",".join(COLUMNS)]
        self.columns = lines[0].split(",")
        self.rewrite(lines)

    def kept(self, iteration: int) -> Iterator[str]:
        """The header of the file as it is, and its lines up to an iteration, which go to the history too."""
        with blamed(self.path):
            *lines, _ = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        columns = lines[0].split(",") if lines else []
        if lines and tuple(columns[: len(COLUMNS)]) != COLUMNS:
            raise DataError(f"{self.path}:1: expected the columns {','.join(COLUMNS)} of a run; move this file away")
        yield from lines[:1]
        for line in lines[1:]:
            values = dict(zip(columns, line.split(","), strict=False))
            if len(values) == len(columns) and int(values["iteration"]) <= iteration:
                self.history.add(values)
                yield line

    def add(self, row: Row) -> None:
        """Append an iteration.

        Raises:
            DarkparseError: the disk is full, ...
        """
        if new := [name for name in row.terms if name not in self.columns]:
            self.widen(new)
        values = {**vars(row), **row.terms, "skipped": int(row.skipped)}
        line = ",".join("" if values.get(name) is None else str(values[name]) for name in self.columns)
        data = memoryview(f"{line}\n".encode())
        with blamed(self.path):
            while data:
                assert self.file is not None
                data = data[self.file.write(data) :]
        self.history.add(values)

    def widen(self, names: list[str]) -> None:
        """Add columns, empty in the lines before."""
        with blamed(self.path):
            _, *lines = self.path.read_text(encoding="utf-8").splitlines()
        self.close()
        self.columns += names
        self.rewrite([",".join(self.columns), *(line + "," * len(names) for line in lines)])

    def rewrite(self, lines: list[str]) -> None:
        """Replace the file, and go on behind its end."""
        with writing(self.path) as output:
            output.write("".join(f"{line}\n" for line in lines).encode())
        with blamed(self.path):
            self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115  (closed by `close`)

    def close(self) -> None:
        """Nothing can be added after this."""
        if self.file is not None:
            self.file.close()


def duration(seconds: float) -> str:
    """A time as people say it: '45 s', '12 min', '3 h 20 min', '2 d 5 h'."""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def describe(row: Row, max_batches: int, left: float) -> str:
    """A line on an iteration, the more important the further to the left; `left`: seconds that the run still takes."""
    parts = [
        f"{row.iteration}/{max_batches}:",
        "skipped," if row.skipped else "",
        f"loss {row.loss:.4g}, average {row.avg_loss:.4g},",
        "" if row.mAP is None else f"mAP {row.mAP:.1%},",
        "" if row.accuracy is None else f"accuracy {row.accuracy:.1%},",
        f"{duration(left)} left, {row.images_per_second:.3g} images/s, rate {row.rate:.3g}, {row.width}x{row.height}"
        + "".join(f", {name} {value:.4g}" for name, value in row.terms.items()),
    ]
    return " ".join(filter(None, parts))


class Progress:
    """What to print as a run goes on.

    Attributes:
        left: seconds that the run still takes, by its newest iterations
    """

    def __init__(self, max_batches: int, columns: int | None) -> None:
        """Of a terminal with so many columns, where one line is written over and over; None: of a file."""
        self.max_batches, self.columns = max_batches, columns
        self.pace = self.left = 0.0  # pace: seconds an iteration, their mean over the first hundred, then an average
        self.added = 0
        self.silent = _PAUSE

    def add(self, row: Row) -> str:
        """What to print after an iteration, to the end of the line where it is to stay; often nothing in a file."""
        self.added += 1
        self.pace += (row.seconds - self.pace) / min(self.added, 100)
        self.left = self.pace * max(self.max_batches - row.iteration, 0)
        self.silent += row.seconds
        line = describe(row, self.max_batches, self.left)
        stays = row.skipped or row.is_evaluated or row.iteration >= self.max_batches
        if self.columns is not None:
            return f"\r{line[: self.columns - 1]}\x1b[K{chr(10) * stays}"
        if self.silent < _PAUSE and not stays:
            return ""
        self.silent = 0.0
        return f"{line}\n"


class TensorBoard:
    """The same for TensorBoard: loss, average, terms, rate, mAP or accuracy."""

    def __init__(self, folder: str | Path, iteration: int = 0) -> None:
        """Scalars into a folder; those behind `iteration`, where the run goes on, are replaced.

        Raises:
            DarkparseError: tensorboard is not installed
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise DarkparseError("TensorBoard is not installed: pip install 'darkparse[tensorboard]'") from None
        self.writer = SummaryWriter(str(folder), purge_step=iteration + 1)

    def add(self, row: Row) -> None:
        """Append an iteration."""
        values = {"loss": row.loss, "avg_loss": row.avg_loss, "rate": row.rate}
        values |= {f"terms/{name}": value for name, value in row.terms.items()}
        measured = {"mAP": row.mAP, "accuracy": row.accuracy}
        values |= {name: value for name, value in measured.items() if value is not None}
        for name, value in values.items():
            self.writer.add_scalar(name, value, row.iteration)

    def close(self) -> None:
        """Write what is still in memory."""
        self.writer.close()
