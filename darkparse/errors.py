"""Everything darkparse can complain about.

DarkparseError
├── CfgError              the text of a cfg, or what it asks for, is wrong; has a `where`
│   ├── UnknownSection    no layer is registered under this name
│   ├── OptionError       one option of one section
│   └── GraphError        a layer names a layer, or a shape, that cannot be
├── WeightsError          the bytes of a .weights file or a checkpoint do not fit the network
│   ├── NotWeights        the file is something else (a web page, a zip, ...)
│   ├── Truncated         it ends too early
│   └── Trailing          it goes on after the last layer
├── DataError             a .data, .names, list or tree file
├── CheckpointError       the state of a training run, that it goes on from
├── ImageError            an image that cannot be read, or does not suit the network
└── DownloadError         a file that could not be fetched

DarkparseWarning          (a UserWarning)
├── UnusedOption          an option that no code reads
├── RepeatedOption        an option given twice; the first counts
├── OddValue              a value that reads, but not as its author may think
└── OddHeader             a .weights header that contradicts itself, read as it must be meant
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in a cfg file; prints as `file:line: [section] option`."""

    file: str
    line: int
    section: str = ""
    option: str = ""

    def __str__(self) -> str:
        section = f" [{self.section}]" if self.section else ""
        option = f" {self.option}" if self.option else ""
        return f"{self.file}:{self.line}:{section}{option}"


def brief(text: str) -> str:
    """What was found, quoted, for a message; cut where it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def first_of(words: Sequence[str], most: int) -> str:
    """Words for a message: the first ones, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more


class DarkparseError(Exception):
    """Base of all errors that a caller (or the command line) is meant to catch."""


class CfgError(DarkparseError):
    """What a cfg file says is wrong; prints as `file:line: [section] option: message`."""

    def __init__(self, message: str, where: Location) -> None:
        place = str(where)
        super().__init__(f"{place.removesuffix(':')}: {message}")
        self.message, self.where = message, where

    def __reduce__(self) -> tuple[type["CfgError"], tuple[str, Location]]:
        return type(self), (self.message, self.where)


class UnknownSection(CfgError):
    """No layer is registered under this name."""


class OptionError(CfgError):
    """One option of one section does not read, is out of bounds, or is missing."""


class GraphError(CfgError):
    """A layer names a layer, or a shape, that cannot be."""


class WeightsError(DarkparseError):
    """The bytes of a .weights file, or of a .pt or .safetensors that holds a model, do not fit the network."""


class NotWeights(WeightsError):
    """The file is not a .weights file at all."""


class Truncated(WeightsError):
    """The file ends before the last layer."""


class Trailing(WeightsError):
    """The file goes on after the last layer."""


class DataError(DarkparseError):
    """A .data, .names, list or tree file is wrong."""


class CheckpointError(DarkparseError):
    """The state of a training run is damaged, another run's, or cannot be written."""


class ImageError(DarkparseError):
    """An image cannot be read, or does not suit the network."""


class DownloadError(DarkparseError):
    """A file could not be fetched."""


class DarkparseWarning(UserWarning):
    """Base of all warnings."""


class UnusedOption(DarkparseWarning):
    """An option that no code reads."""


class RepeatedOption(DarkparseWarning):
    """An option given twice in one section; the first counts."""


class OddValue(DarkparseWarning):
    """A value that reads, but perhaps not as its author meant it."""


class OddHeader(DarkparseWarning):
    """A .weights header that contradicts itself, read as it must be meant."""


Complain = Callable[[type[DarkparseWarning], str, Location], None]


def warn(category: type[DarkparseWarning], message: str, where: Location) -> None:
    """Report an oddity and go on."""
    warnings.warn(f"{where}: {message}", category, stacklevel=2)


def ignore(*_: object) -> None:
    """Pass over an oddity, or whatever else is told of."""


def refuse(category: type[DarkparseWarning], message: str, where: Location) -> None:
    """Under `--strict` an oddity is an error.

    Raises:
        OptionError: always
    """
    raise OptionError(message, where)
