"""The files of weights that a run leaves in its folder, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..data import Data
from ..errors import DarkparseError
from ..files import PREFIX, SUFFIX, blamed
from ..graph import Graph

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

LONG = 10000  # iterations; src/detector.c train_detector: from here on fewer numbered files
SAVE_LAST = 100  # iterations; there


@dataclass(frozen=True)
class Backup:
    """A run's folder: names, and after how many iterations what is written.

    Source: src/detector.c train_detector, src/classifier.c train_classifier (AlexeyAB 59596d7)
    """

    folder: Path
    base: str  # of the cfg's name
    every: int  # iterations between numbered files
    every_last: int  # iterations between writings of _last
    tensorboard: str = ""  # folder of its events; none if empty

    def weights(self, kind: str | int) -> Path:
        """`<base>_<kind>.weights`."""
        return self.folder / f"{self.base}_{kind}.weights"

    @property
    def checkpoint(self) -> Path:
        """Beside `_last.weights`: what else the run needs to go on."""
        return self.folder / f"{self.base}_last.checkpoint"

    @contextmanager
    def held(self) -> Iterator[None]:
        """The folder, made where there is none, with no other run in it while this lasts; a kill ends it, too.

        Raises:
            DarkparseError: it cannot be made, or another run writes to it
        """
        with blamed(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder, os.O_RDONLY) if fcntl else None
        try:
            if not is_ours(handle):
                raise DarkparseError(f"{self.folder}: another run writes to it; expected another --backup")
            yield
        finally:
            if handle is not None:
                os.close(handle)

    def is_numbered(self, iteration: int) -> bool:
        """Whether the weights after this iteration get a file of their own."""
        return iteration % self.every == 0

    def is_last(self, iteration: int) -> bool:
        """Whether `_last` is due after this iteration."""
        return iteration % self.every_last == 0

    def sweep(self) -> None:
        """Remove what writes that were killed have left."""
        for path in self.folder.glob(f"{PREFIX}*{SUFFIX}"):
            path.unlink(missing_ok=True)


def is_ours(handle: int | None) -> bool:
    """Whether an open folder could be locked; where there are no locks it is, too."""
    try:
        if handle is not None:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without them
        pass
    return True


def backup_for(data: Data, graph: Graph, folder: str | Path | None, tensorboard: str) -> Backup:
    """The backup of a run, as the .data file says.

    Args:
        folder: another one than the file's
    Raises:
        DataError: `saveweights` or `savelast` is no number of iterations
    """
    usual = LONG if graph.heads and graph.net.max_batches >= LONG else LONG // 10
    every = data.positive("saveweights", usual)
    every_last = data.positive("savelast", SAVE_LAST)
    where = Path(folder or data.values.get("backup", "backup"))
    return Backup(where, Path(graph.file).stem, every, every_last, tensorboard)
