"""The option `antialiasing` of [convolutional] and [maxpool]: no stride, then a blur that has it."""

from collections.abc import Sequence

from ..registry import Reader, Shape


def blurred(x: Shape, kind: int, strides: tuple[int, int]) -> Shape:
    """Shape behind the blur; `kind` 0 is none, 1 a 3x3 kernel with a margin of 1, 2 a 2x2 one without.

    Source: src/convolutional_layer.c make_convolutional_layer, its end (AlexeyAB 59596d7)
    """
    if not kind:
        return x
    return Shape(x.c, *((n - kind) // step + 1 for n, step in zip((x.h, x.w), strides, strict=True)))


def check_readers(kind: int, strides: tuple[int, int], readers: Sequence[Reader]) -> None:
    """Raises ValueError where a layer names this one, and Darknet would give it the size before the blur."""
    if (kind == 2 or (kind == 1 and strides != (1, 1))) and any(r.layer.names(r.position) for r in readers):
        raise ValueError("antialiasing: Darknet gives a layer that names this one the size before the blur")
