"""One file of PASCAL VOC's XML."""

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from ..cfg import MARK, encoding_of, read_bytes
from ..errors import DataError, brief
from .convert import Edges, number_of

LONGEST = 1 << 24  # bytes; an object has some 300
DEEPEST = 32  # elements in each other; VOC has 4
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_DECLARED = re.compile(rb"""<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_WIDE = ("utf-16", "utf16", "utf-32", "utf32", "ucs")  # that could be read byte by byte, so it is another


class Marked(NamedTuple):
    """An object: the line where it begins, its name, its box, px, of which what is missing is nan."""

    line: int
    name: str
    difficult: bool
    edges: Edges


@dataclass
class Sheet:
    """What an XML file says: the name of the image, its size, px, 0 where that is missing, and the objects."""

    filename: str = ""
    size: tuple[int, int] = (0, 0)
    objects: list[Marked] = field(default_factory=list)


def read_xml(path: str | Path) -> Sheet:
    """Read one.

    Raises:
        DataError: it cannot be read, is not well-formed or something else, or has a document type (whose entities may
            grow without bound)
    """
    reader = _Reader(str(path))
    reader.read(_utf8(path))
    size = [number_of(reader.fields.get(f"size/{side}", "0")) for side in ("width", "height")]
    whole = [int(side) if 0 < side < LONGEST else 0 for side in size]
    return Sheet(reader.fields.get("filename", ""), (whole[0], whole[1]), reader.objects)


def _utf8(path: str | Path) -> bytes:
    """The text of an XML file, from the encoding that it declares, if it can be that, or else from `encoding_of`'s."""
    data = read_bytes(path, DataError, LONGEST)
    declared = _DECLARED.match(data.removeprefix(codecs.BOM_UTF8))
    encoding = declared[1].decode() if declared else ""
    if not encoding or encoding.lower().startswith(_WIDE):
        encoding = encoding_of(data)
    try:
        return data.decode(encoding).removeprefix(MARK).encode()
    except (LookupError, ValueError) as why:
        raise DataError(f"{path}: {why}; expected text in the encoding {encoding}") from None


class _Reader:
    """Follows the elements, and keeps the texts that are of use by their path below the root or the object."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fields: dict[str, str] = {}
        self.objects: list[Marked] = []
        self._tags: list[str] = []
        self._text: list[str] = []
        self._object: dict[str, str] | None = None
        self._line = 0
        self._expat = expat.ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text.append
        self._expat.StartDoctypeDeclHandler = self._doctype

    def read(self, text: bytes) -> None:
        """Raises DataError where it is not VOC's XML."""
        try:
            self._expat.Parse(text, True)
        except expat.ExpatError as why:
            reason = expat.ErrorString(why.code)
            raise DataError(f"{self.path}:{why.lineno}: {reason}; expected well-formed XML") from None

    def _fault(self, reason: str) -> DataError:
        return DataError(f"{self.path}:{self._expat.CurrentLineNumber}: {reason}")

    def _doctype(self, name: str, *_: object) -> None:
        raise self._fault(f"<!DOCTYPE {name}>: expected annotations without a document type")

    def _start(self, tag: str, _: object) -> None:
        if not self._tags and tag.lower() != "annotation":
            raise self._fault(f"<{brief(tag)[1:-1]}>: expected <annotation>, as in PASCAL VOC")
        self._tags.append(tag)
        self._text.clear()
        if len(self._tags) > DEEPEST:
            raise self._fault(f"{DEEPEST} elements in each other; expected PASCAL VOC's")
        if self._tags[1:] == ["object"]:
            self._object, self._line = {}, self._expat.CurrentLineNumber

    def _end(self, _: str) -> None:
        path, text = self._tags[1:], " ".join("".join(self._text).split())
        self._text.clear()
        self._tags.pop()
        if path == ["object"] and self._object is not None:
            self.objects.append(_marked(self._line, self._object))
            self._object = None
        elif self._object is not None:
            self._object.setdefault("/".join(path[1:]), text)
        else:
            self.fields.setdefault("/".join(path), text)


def _marked(line: int, fields: dict[str, str]) -> Marked:
    left, top, right, bottom = (number_of(fields.get(f"bndbox/{side}", "")) for side in _SIDES)
    difficult = fields.get("difficult", "").lower() in {"1", "true"}
    return Marked(line, fields.get("name", ""), difficult, (left, top, right, bottom))
