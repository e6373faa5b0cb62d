"""Which outputs to keep, and until when."""

from collections.abc import Sequence
from typing import NamedTuple


class Step(NamedTuple):
    """Run one layer: read `sources`, then forget `dead`."""

    sources: tuple[int, ...]
    dead: tuple[int, ...]


def plan(sources: Sequence[Sequence[int]]) -> list[Step]:
    """For each layer what it reads, and what nobody will read after it.

    An output that no layer reads is dead as soon as it is made.

    >>> plan([(-1,), (0,), (1, 0)])
    [Step(sources=(-1,), dead=(-1,)), Step(sources=(0,), dead=()), Step(sources=(1, 0), dead=(0, 1, 2))]
    """
    last_use = {index: index for index in range(len(sources))}
    last_use |= {source: index for index, reads in enumerate(sources) for source in reads}
    dead: list[list[int]] = [[] for _ in sources]
    for source, index in sorted(last_use.items()):
        dead[index].append(source)
    return [Step(tuple(reads), tuple(gone)) for reads, gone in zip(sources, dead, strict=True)]


def peak(steps: Sequence[Step], sizes: Sequence[int], image: int) -> int:
    """The most values held at one time, of an `image` and of outputs with these `sizes`."""
    held = most = image
    for step, size in zip(steps, sizes, strict=True):
        held += size
        most = max(most, held)
        held -= sum(image if source < 0 else sizes[source] for source in step.dead)
    return most
