"""The command line as a process of its own."""

import atexit
import os
import sys

from .main import main


def run() -> None:
    """Run the command that the arguments name, and leave without what Python does at the end of a process.

    It would take torch apart, object by object, for a quarter of a second.  Threads and all that is registered to be
    done at the end come first.
    """
    status = 1

    def leave() -> None:
        try:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        except (OSError, ValueError, AttributeError):
            return  # closed, or none: Python knows what to say of that
        os._exit(status)

    atexit.register(leave)  # the first one registered is the last one called
    try:
        main(prog_name="darkparse")
    except SystemExit as end:
        status = (end.code or 0) if isinstance(end.code, int | None) else 1
        raise
