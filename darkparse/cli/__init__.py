"""The command line: options in, one call of the library, results out."""

from .main import main

__all__ = ["main"]
