"""The size of an image from the first bytes of its file, many times faster than from its pixels."""

from collections.abc import Iterator

HEAD = 1 << 16  # bytes of a file that hold its header, unless it has a large thumbnail

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start of frame; the others are tables
_EXIF, _ORIENTATION = b"Exif\0\0", 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})  # orientations that swap width and height


def is_jpeg(head: bytes) -> bool:
    """Whether a file begins as a JPEG does."""
    return head.startswith(_JPEG)


def size_of(head: bytes) -> tuple[int, int] | None:
    """Width and height, px, as `images.read_image` gives them for 1 or 3 channels: turned as EXIF says.

    Returns:
        None where only decoding can tell: another format than JPEG and PNG, or a header that is not as usual
    """
    try:
        if is_jpeg(head):
            return _size_of_jpeg(head)
        if head.startswith(_PNG) and head[12:16] == b"IHDR" and b"eXIf" not in head:
            return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    except IndexError:
        pass
    return None


def orientation_of(head: bytes) -> int:
    """How EXIF says that a JPEG is to be turned, 1 to 8; 1: not at all."""
    tiff = next((part for marker, part in _segments(head) if marker == 0xE1 and part.startswith(_EXIF)), b"")
    return _orientation(tiff[len(_EXIF) :]) if tiff and is_jpeg(head) else 1


def _size_of_jpeg(head: bytes) -> tuple[int, int] | None:
    turned = False
    for marker, part in _segments(head):
        if marker == 0xE1 and part.startswith(_EXIF):
            turned = _orientation(part[len(_EXIF) :]) in _SIDEWAYS
        elif marker in _FRAMES and len(part) > 5:
            height, width = int.from_bytes(part[1:3], "big"), int.from_bytes(part[3:5], "big")
            return (height, width) if turned else (width, height)
    return None


def _segments(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of a JPEG."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        if head[at + 1] == 0xFF:  # fill
            at += 1
            continue
        length = int.from_bytes(head[at + 2 : at + 4], "big")
        yield head[at + 1], head[at + 4 : at + 2 + length]
        at += 2 + length


def _orientation(tiff: bytes) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none."""
    order = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)  # type: ignore[arg-type]

    first = number(4, 4)
    for entry in range(first + 2, first + 2 + 12 * number(first, 2), 12):
        if number(entry, 2) == _ORIENTATION:
            return number(entry + 8, 2)
    return 1
