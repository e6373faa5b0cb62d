"""Which word was meant, where that is plain.  More than one slip is no slip: `iou_thresh` is not `ignore_thresh`."""

from collections.abc import Iterable

SHORTEST = 4  # letters; shorter words are too much alike


def meant(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that differs from `word` by one slip alone; None where there is none, or another one."""
    found = [other for other in known if other != word and slip(word, other)]
    return found[0] if len(found) == 1 else None


def slip(word: str, other: str) -> bool:
    """Whether two words differ by case, by - and _, or by one letter: another, missing, or exchanged with the next."""
    a, b = (one.lower().replace("_", "").replace("-", "") for one in (word, other))
    if a == b:
        return True
    if min(len(a), len(b)) < SHORTEST:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    one_other, one_more = a[1:] == b[1:], a[1:] == b or a == b[1:]
    exchanged = a[:2] == b[1::-1] and a[2:] == b[2:]
    return one_other or one_more or exchanged
