"""Images in a folder of Darknet's: under which names, as links or copies, and whether it finds their labels."""

import filecmp
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..dataset.labels import PJREDDIE, label_files
from ..errors import DarkparseError
from ..files import blamed, writing

_SUFFIX = {".jpeg": ".jpg", ".jpe": ".jpg", ".tif": ".tiff"}  # that Darknet replaces by .txt in place of another
ALEXEYAB = frozenset({  # suffixes that it replaces by .txt; src/utils.c replace_image_to_label (59596d7)
    ".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".bmp", ".BMP", ".ppm", ".PPM", ".tiff", ".TIFF",
})  # fmt: skip
_PJREDDIE_SUFFIXES = (".jpg", ".png", ".JPG", ".JPEG")
_UNFIT = re.compile(r"[\0-\x1f\x7f\ud800-\udfff]")  # in a line of a list


def file_names(paths: Iterable[str]) -> dict[str, str]:
    """A name for each image: its own, but no two differ only in case or suffix, as they would share their labels."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in dict.fromkeys(paths):
        stem, suffix = os.path.splitext(_UNFIT.sub("_", os.path.basename(path)).strip())
        suffix = _SUFFIX.get(suffix.lower(), suffix.lower())
        free = next(name for name in _numbered(stem) if _key(name) not in taken)
        taken.add(_key(free))
        names[path] = free + suffix
    return names


def checked_name(name: str) -> str:
    """A name for files, or "".

    Raises:
        DarkparseError: it is of a folder, or leads to one
    """
    if name in {".", ".."} or os.path.basename(name) != name:
        raise DarkparseError(f"{name!r}: expected the name of a file without a folder")
    return name


def lines_of(words: Iterable[str]) -> str:
    """The text of a list, a line each.

    Raises:
        DarkparseError: a word has what a line cannot have
    """
    lines = list(words)
    if unfit := next(filter(_UNFIT.search, lines), None):
        raise DarkparseError(f"{unfit!r}: expected a name that can be written in a line of text")
    return "".join(f"{line}\n" for line in lines)


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 2
    while True:
        yield f"{stem}-{number}"
        number += 1


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def unseen(image: str, labels: str) -> Iterator[str]:
    """Each Darknet that looks elsewhere for the labels of an image, and where; both by their absolute paths.

    Source: src/utils.c replace_image_to_label (AlexeyAB 59596d7), src/data.c fill_truth_detection (pjreddie f6afaab)
    """
    place = next(label_files(image))[0] if os.path.splitext(image)[1] in ALEXEYAB else image
    if place != labels:
        yield f"AlexeyAB's Darknet looks for them: {place}"
    place = image
    for word in PJREDDIE:
        place = place.replace(word, "labels", 1)
    for suffix in _PJREDDIE_SUFFIXES:
        place = place.replace(suffix, ".txt", 1)
    if place != labels:
        yield f"pjreddie's Darknet looks for them: {place}"


def told_unseen(labels: Mapping[str, str]) -> Iterator[str]:
    """A line for each Darknet that will not find labels; takes files of labels by image, all paths absolute."""
    lines = [line for image, file in labels.items() for line in unseen(image, file)]
    for who in ("AlexeyAB", "pjreddie"):
        of = [line for line in lines if line.startswith(who)]
        if of:
            yield f"labels of {len(of)} images are not where {of[0]}"


def is_at(source: str, target: Path) -> bool:
    """Whether a file is what a link to `source` or a copy of it would be."""
    try:
        return os.path.samefile(source, target) or filecmp.cmp(source, target, shallow=False)
    except OSError:
        return False


def put(source: str, target: Path, copy: bool) -> str:
    """Put an image where it is looked for, in place of what is there; gives how: "link", "hard link" or "copy".

    Raises:
        DarkparseError: it cannot be read or written, or no link can be made
    """
    source = os.path.realpath(source)
    if copy:
        return _copy(source, target)
    with blamed(target):
        if os.path.lexists(target):
            if target.exists() and os.path.samefile(source, target):
                return "link"  # or the image itself
            target.unlink()
    try:
        os.symlink(source, target)
        return "link"
    except OSError:
        pass
    try:
        os.link(source, target)
        return "hard link"
    except OSError as why:
        raise DarkparseError(f"{target}: no link to {source} can be made ({why.strerror}); --copy copies it") from None


def _copy(source: str, target: Path) -> str:
    with blamed(target):
        if target.is_symlink():
            target.unlink()  # else what it leads to would be written
    with blamed(source):
        content = Path(source).read_bytes()
    with writing(target) as output:
        output.write(content)
    return "copy"
