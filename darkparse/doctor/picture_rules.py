"""What is wrong with an image."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..findings import ERROR, NOTE, WARNING, Finding
from ..graph import Graph
from .pictures import Picture

FLAT = 0.02  # contrast: five grey levels; photographs have .12 to .3, blood under a microscope .07 and more
TINY = 4  # of an image enlarged so many times, a cell of 16 px is made of 4x4 px: too few to see anything in
ELONGATED = 4  # stretched, objects get so many times as wide as they are; letterboxed, three quarters are fill


def judge_picture(picture: Picture, graph: Graph) -> Iterator[Finding]:
    """One image."""
    if picture.pixels is None:
        message = picture.error.removeprefix(f"{picture.path}: ")
        remedy = "save it anew, as a JPEG or PNG" if os.path.isfile(picture.path) and "channels" not in message else ""
        yield Finding("image", ERROR, picture.path, 0, message, remedy)
        return
    yield from judge_contrast(picture)
    yield from judge_size(picture, graph)
    yield from to_know(picture, graph.net.channels)


def judge_contrast(picture: Picture) -> Iterator[Finding]:
    """All of one colour."""
    if picture.contrast < FLAT:
        message = f"all of one colour, or nearly: its values deviate by {picture.contrast * 255:.1f} of 255"
        remedy = (
            "does it use the lowest of its 16 bits only? then scale its values up" if picture.deep else "look at it"
        )
        yield Finding("flat", WARNING, picture.path, 0, message, remedy)


def judge_size(picture: Picture, graph: Graph) -> Iterator[Finding]:
    """Too small or too long for the network's input."""
    (width, height), net = picture.size, graph.net
    given, wanted = f"{width}x{height} px", f"the network's {net.width}x{net.height}"
    if width * TINY <= net.width and height * TINY <= net.height:
        message = f"{given}, enlarged to {wanted}: hardly anything is left to see"
        yield Finding("tiny", WARNING, picture.path, 0, message, "give the image as it was before it was reduced")
    squeeze = width / height * net.height / net.width
    if (times := max(squeeze, 1 / squeeze)) >= ELONGATED:
        message = f"{given}, {times:.1f} times as long as {wanted}: objects are squeezed or get small"
        yield Finding("elongated", WARNING, picture.path, 0, message, "cut it into parts of the network's shape")


def to_know(picture: Picture, channels: int) -> Iterator[Finding]:
    """What reading it changed."""
    if picture.turned:
        message = "turned as its EXIF orientation says"
        remedy = "Darknet without OpenCV does not, nor do all labelling tools: was the network trained on images so?"
        yield Finding("turned", NOTE, picture.path, 0, message, remedy)
    if picture.alpha and channels < 4:
        yield Finding("alpha", NOTE, picture.path, 0, "its transparency is dropped, and what was hidden by it shows")
    if picture.deep and channels in {1, 3}:
        yield Finding("deep", NOTE, picture.path, 0, "has more than 8 bits a value, of which the upper 8 count")
