"""What the leading process of a run writes down: results.csv, chart.png, TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

from ..files import blamed
from ..net import Net
from .backup import Backup
from .chart import write
from .records import Progress, Records, Row, TensorBoard
from .team import Team

CHART_EVERY = 100  # iterations; src/image_opencv.cpp draw_train_loss


class Keeper:
    """Takes each row to every place where it is kept; in the other processes of a team it does nothing."""

    def __init__(self, backup: Backup, net: Net, iteration: int, team: Team) -> None:
        """Of a run that goes on behind `iteration`.

        Raises:
            DarkparseError: a file cannot be written, or TensorBoard is not installed
        """
        self.backup, self.net = backup, net
        self.progress = Progress(net.max_batches, None)
        self.records: Records | None = None
        self.board: TensorBoard | None = None
        if team.leads:
            self.records = Records(backup.folder / "results.csv", iteration)
            self.board = TensorBoard(backup.tensorboard, iteration) if backup.tensorboard else None

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        for place in (self.records, self.board):
            if place is not None:
                place.close()

    def add(self, row: Row) -> None:
        """Keep an iteration; the chart is drawn now and then."""
        if self.records is None:
            return
        self.progress.add(row)
        self.records.add(row)
        if self.board is not None:
            self.board.add(row)
        if row.iteration % CHART_EVERY == 0 or row.is_evaluated or row.iteration == self.net.max_batches:
            self.draw()

    def list_bad(self, lines: Sequence[str]) -> None:
        """Append images that could not be read in the midst of the run to bad.list.

        Raises:
            DarkparseError: it cannot be written
        """
        path = self.backup.folder / "bad.list"
        if lines and self.records is not None:
            with blamed(path), open(path, "a", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(f"{line}\n" for line in lines)

    def rewind(self, iteration: int) -> None:
        """Forget what comes after an iteration."""
        if self.records is not None:
            self.records.rewind(iteration)
        if self.board is not None:
            self.board.close()
            self.board = TensorBoard(self.backup.tensorboard, iteration)

    def draw(self) -> None:
        """Draw the chart."""
        if self.records is not None:
            steps = zip(self.net.steps, self.net.scales, strict=False) if self.net.policy == "steps" else ()
            path, history, end = self.backup.folder / "chart.png", self.records.history, self.net.max_batches
            write(path, history, end, self.backup.base, left=self.progress.left, steps=list(steps))
