"""Images, found by their names below some folders."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from ..errors import DataError
from ..inputs import SUFFIXES


class Finder:
    """The images below some folders, looked through once and only if it is needed."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = list(folders)

    def find(self, name: str, near: Iterable[Path] = (), also: str = "") -> str:
        """The image of a name, with or without its suffix; "" if there is none.

        Args:
            near: folders whose image is taken before others of that name
            also: another name that decides between several
        Raises:
            DataError: there are several, none of them in these folders
        """
        found = self._images.get(_key(name)) or []
        close = {os.path.realpath(folder) for folder in near}
        for is_better in (
            lambda path: name in {os.path.basename(path), Path(path).stem},
            lambda path: also == os.path.basename(path),
            lambda path: os.path.realpath(os.path.dirname(path)) in close,
        ):
            found = list(filter(is_better, found)) or found
        if len(found) > 1:
            raise DataError(f"{len(found)} images of the name {name!r}: {', '.join(found[:3])}; expected one")
        return found[0] if found else ""

    def has(self, name: str) -> bool:
        """Whether there is any of that name."""
        return _key(name) in self._images

    @cached_property
    def _images(self) -> dict[str, list[str]]:
        """Paths by name, and by name without suffix."""
        images: dict[str, list[str]] = defaultdict(list)
        for top in dict.fromkeys(self.folders):
            for folder, _, files in os.walk(top):
                for file in files:
                    stem, suffix = os.path.splitext(file)
                    if suffix.lower() in SUFFIXES:
                        path = os.path.join(folder, file)
                        images[_key(file)].append(path)
                        images[_key(stem)].append(path)
        return images


def _key(name: str) -> str:
    """Names that a disk of some kind takes for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def base_of(name: str) -> str:
    """The last part of a path of any system."""
    return name.replace("\\", "/").rpartition("/")[2].strip()
