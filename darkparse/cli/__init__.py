"""The command line: options in, one call of the library, results out."""

from .main import main
from .process import run

__all__ = ["main", "run"]
