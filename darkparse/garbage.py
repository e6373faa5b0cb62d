"""Python's collector of garbage, kept from looking through all that torch consists of again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, frozen: bool = False) -> Iterator[None]:
    """No collection meanwhile: for what makes many objects and no garbage.

    Args:
        frozen: what there is in the end is never looked through again; for the start of a process
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
        if frozen and not gc.get_freeze_count():
            gc.freeze()
    finally:
        if was:
            gc.enable()
