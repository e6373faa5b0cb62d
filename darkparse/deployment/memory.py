"""Memory that large layers gave back is kept for the next ones: where glibc returns it to the system, each image pays
for the zeroing of every page anew, a tenth of the time of a YOLOv3."""

import ctypes
import sys
from functools import cache

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # malloc.h
KEPT = 2**31 - 1  # bytes at the end of the heap that may stay unused
STEP = 1 << 26  # bytes by which the heap grows


@cache
def keep_memory() -> bool:
    """Tell the C library, for the whole process; whether it is one that listens."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return all([mallopt(MMAP_MAX, 0), mallopt(TRIM_THRESHOLD, KEPT), mallopt(TOP_PAD, STEP)])
