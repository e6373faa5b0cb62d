"""Files with the same content, and images that a data set has more than once."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

from ..findings import ERROR, WARNING, Finding
from .survey import Seen

_HEAD = 4096  # bytes, in which images of the same length almost always differ


def contents(paths: Iterable[str]) -> dict[str, Hashable]:
    """For each path a key that two paths have in common if they lead to the same file, or to files of the same bytes.

    A file is read only as far as others are like it.
    """
    files = {path: os.path.realpath(path) for path in paths}
    keys: dict[str, tuple[Hashable, ...]] = {file: (_length(file),) for file in files.values()}
    for count in (_HEAD, -1):
        counts = Counter(keys.values())
        keys = {file: (*key, _digest(file, count)) if counts[key] > 1 else key for file, key in keys.items()}
    return {path: keys[file] for path, file in files.items()}


def _length(file: str) -> Hashable:
    return os.path.getsize(file) if os.path.isfile(file) else file


def _digest(file: str, count: int) -> Hashable:
    """Of the first bytes of a file, or of all; of one that cannot be read its name."""
    try:
        with open(file, "rb") as opened:
            return hashlib.sha256(opened.read(count)).digest()
    except OSError:
        return file


def same_images(images: Iterable[Seen]) -> list[list[Seen]]:
    """Those that are the same file, or have the same bytes, in groups; in the order in which they are given."""
    there = [image for image in images if image.bytes > 0]
    keys = contents(image.path for image in there)
    groups: dict[Hashable, list[Seen]] = defaultdict(list)
    for image in there:
        groups[keys[image.path]].append(image)
    return [group for group in groups.values() if len(group) > 1]


def is_same_file(one: Seen, other: Seen) -> bool:
    """Whether their paths lead to one file."""
    return os.path.realpath(one.path) == os.path.realpath(other.path)


def repeated(images: Sequence[Seen]) -> Iterator[Finding]:
    """Images that are named twice, or are in train and valid."""
    for group in same_images(images):
        for at, image in enumerate(group[1:], 1):
            if image.split != group[0].split:
                message = f"{image.path}: {_how(image, group[0])}, which is trained on; the mAP says too much"
                yield Finding("in-both", ERROR, *image.place, message)
            if earlier := next((one for one in group[:at] if one.split == image.split), None):
                yield _twice(image, earlier)


def _twice(image: Seen, earlier: Seen) -> Finding:
    how = _how(image, earlier)
    if is_same_file(image, earlier):
        return Finding("image-twice", WARNING, *image.place, f"{image.path}: {how}; it counts twice")
    said = "" if Counter(image.rows) == Counter(earlier.rows) else ", with other labels"
    return Finding("same-bytes", WARNING, *image.place, f"{image.path}: {how}{said}; it counts twice")


def _how(image: Seen, earlier: Seen) -> str:
    """In what the image is the same as an earlier one."""
    file, line = earlier.place
    place = f"{file}:{line}" if line else file
    if os.path.abspath(image.path) == os.path.abspath(earlier.path):
        return f"the same image as {place}"
    same = "file" if is_same_file(image, earlier) else "bytes"
    return f"the same {same} as {earlier.path} ({place})"
