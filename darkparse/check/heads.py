"""What is wrong with the heads of a cfg: classes, anchors, masks, and the filters before them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..findings import ERROR, NOTE, WARNING
from ..graph import LARGEST
from ..layers.detection import Detection
from ..layers.region import Region
from ..layers.yolo import UNSET_ANCHOR, AnchorHead
from ..registry import HeadDef
from .draft import Draft


def check_heads(draft: Draft) -> None:
    """All that needs no shapes."""
    original = {number: head.classes for number, head in draft.heads.items()}
    undecided = check_classes(draft)
    for number, head in draft.heads.items():
        if isinstance(head, AnchorHead | Region):
            check_anchors(draft, number, head)
    check_masks(draft)
    for number, head in draft.heads.items():
        check_filters(draft, number, head, original[number], decided=number not in undecided)


def check_classes(draft: Draft) -> set[int]:
    """Heads must agree in how many classes there are; those of which it is not plain how many they should have."""
    heads = {number: head for number, head in draft.heads.items() if number not in draft.unsure}
    counts = Counter(head.classes for head in heads.values())
    if len(counts) < 2:
        return set()
    fitting = {count: sum(fits(draft, number, head, count) for number, head in heads.items()) for count in counts}
    right = max(counts, key=lambda count: (fitting[count], counts[count]))
    example = next(number for number, head in heads.items() if head.classes == right)
    sure = counts[right] > len(heads) / 2 or fitting[right] > len(heads) / 2
    wrong = [number for number, head in heads.items() if head.classes != right]
    for number in wrong:
        message = f"{heads[number].classes}, but {named(draft, example)} has classes={right}"
        draft.tell("classes", ERROR, draft.where(number, "classes"), message, "make them agree")
        (draft.set if sure else draft.suppose)(number, "classes", right)
    return set() if sure else set(wrong)


def named(draft: Draft, number: int) -> str:
    """A section and its line."""
    return f"[{draft.sections[number].name}] in line {draft.sections[number].line}"


def fits(draft: Draft, number: int, head: HeadDef, classes: int) -> bool:
    """Whether the section before a head gives what that would read with as many classes."""
    more = (classes - head.classes) * (head.side**2 if isinstance(head, Detection) else head.boxes_per_cell)
    return width(draft, number - 1) == head.reads + more


def width(draft: Draft, number: int) -> int | None:
    """How many channels or values a section gives, if it says so."""
    layer = draft.layers.get(number)
    if layer is None or number in draft.unsure or not layer.width_option:
        return None
    text = draft.sections[number].entries.get(layer.width_option)
    return int(float(text.value.partition("#")[0])) if text else 1


def check_filters(draft: Draft, number: int, head: HeadDef, classes: int, *, decided: bool) -> None:
    """The section before a head must give what that reads.

    Args:
        classes: those that the file gives the head
        decided: whether it is plain that it should have those that it has now
    """
    given, before = width(draft, number - 1), draft.layers.get(number - 1)
    if given is None or before is None or number in draft.unsure or given == head.reads:
        return
    if isinstance(head, Detection) != (before.width_option == "output") or head.reads > LARGEST:
        return  # shapes will tell
    place = draft.where(number - 1, before.width_option)
    message = f"{given}, but {named(draft, number)} reads {reading(head)}"
    if head.classes == classes or not fits(draft, number, head, classes):
        draft.tell("filters", ERROR, place, message, f"set {before.width_option}={head.reads}")
    (draft.set if decided else draft.suppose)(number - 1, before.width_option, head.reads)


def reading(head: HeadDef) -> str:
    """What a head reads, and why."""
    if isinstance(head, Detection):
        return f"{head.reads}: {head.side}x{head.side} cells x (classes={head.classes} + num={head.num} x 5)"
    entries = head.reads // head.boxes_per_cell - head.classes
    return f"{head.reads}: {head.boxes_per_cell} boxes x ({entries} + classes={head.classes})"


def check_anchors(draft: Draft, number: int, head: AnchorHead | Region) -> None:
    """There must be as many anchors as `num` says, and as the masks name."""
    if number in draft.unsure:
        return
    given, odd = divmod(len(head.anchors), 2)
    used = last_of(head) + 1
    place = draft.where(number, "anchors")
    if not given:
        message = f"none; {UNSET_ANCHOR} is taken for the width and the height of each"
        draft.tell("anchors", ERROR, place, message, "give a width and a height for each anchor")
    elif odd:
        message = f"{len(head.anchors)} values, but num={head.num}; expected a width and a height for each anchor"
        draft.tell("anchors", ERROR if used > given else WARNING, place, message, "look for the one that is missing")
    elif given != head.num and given >= used:
        check_num(draft, number, head, given)
    elif given < used and not getattr(head, "mask", ()):
        message = f"{given} of num={head.num}; {UNSET_ANCHOR} is taken for the width and the height of the others"
        draft.tell("anchors", ERROR, place, message, f"give {head.num} pairs of width and height")


def last_of(head: AnchorHead | Region) -> int:
    """The highest number of an anchor that a head uses."""
    return max(head.mask) if isinstance(head, AnchorHead) and head.mask else head.num - 1


def check_num(draft: Draft, number: int, head: AnchorHead | Region, given: int) -> None:
    """Tell of a `num` that is not the number of anchors, of which there are enough."""
    masked = isinstance(head, AnchorHead) and head.mask
    beyond = last_of(head) >= head.num
    what = f"mask= names anchor {last_of(head)}" if beyond else "those beyond it do not count"
    what = what if given > head.num else f"{UNSET_ANCHOR} is taken for the others"
    message = f"{head.num}, but anchors= has {given} pairs; {what}"
    draft.tell("num", ERROR if beyond else WARNING, draft.where(number, "num"), message, f"set num={given}")
    if masked:  # without a mask, num is also how many boxes there are, and the filters follow it
        draft.set(number, "num", given)


def check_masks(draft: Draft) -> None:
    """Masks must name anchors that there are, and those of all heads together all of them."""
    heads = {
        number: head
        for number, head in draft.heads.items()
        if isinstance(head, AnchorHead) and number not in draft.unsure and head.anchors and not len(head.anchors) % 2
    }
    if tell_different(draft, heads) or not heads:
        return
    given = len(next(iter(heads.values())).anchors) // 2
    if missing := [number for number, head in heads.items() if head.mask and max(head.mask) >= given]:
        tell_missing(draft, missing, heads)
    else:
        tell_unused(draft, heads)


def tell_different(draft: Draft, heads: dict[int, AnchorHead]) -> bool:
    """Tell of heads that have other anchors than most; whether the number of them differs."""
    counts = Counter(head.anchors for head in heads.values())
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        example = named(draft, next(number for number, head in heads.items() if head.anchors == usual))
        for number, head in heads.items():
            if head.anchors != usual:
                message = f"others than those of {example}; each head judges by its own which objects are for it"
                draft.tell(
                    "anchors-differ", WARNING, draft.where(number, "anchors"), message, "give all heads the same"
                )
    return len({len(anchors) for anchors in counts}) > 1


def tell_missing(draft: Draft, missing: Sequence[int], heads: dict[int, AnchorHead]) -> None:
    """Tell of masks that name anchors which there are not; mended, if all anchors go round."""
    given = len(heads[missing[0]].anchors) // 2
    for number in missing:
        mask = heads[number].mask
        message = f"names anchor {max(mask)}, but there are {given}: 0 to {given - 1}"
        draft.tell("mask", ERROR, draft.where(number, "mask"), message, "name each anchor in one mask")
    if sum(len(head.mask) for head in heads.values()) != given:
        return
    start = 0
    for number, head in sorted(heads.items(), key=lambda item: min(item[1].mask, default=0)):
        mask = tuple(range(start, start := start + len(head.mask)))
        if mask != head.mask:
            draft.set(number, "mask", mask)


def tell_unused(draft: Draft, heads: dict[int, AnchorHead]) -> None:
    """Tell of anchors that no mask names."""
    if not all(head.mask for head in heads.values()):
        return  # without one, a head uses all
    number, first = next(iter(heads.items()))
    used = {anchor for head in heads.values() for anchor in head.mask}
    unused = [anchor for anchor in range(len(first.anchors) // 2) if anchor not in used]
    if not unused:
        return
    sizes = ", ".join(f"{i} ({first.anchors[2 * i]:g}x{first.anchors[2 * i + 1]:g})" for i in unused)
    severity, what = WARNING, "are not learned"
    if any(head.iou_thresh < 1 for head in heads.values()):
        severity, what = NOTE, "are learned with other anchors alone"
    message = f"no mask names {sizes}; objects of about that size {what}"
    draft.tell("unused-anchor", severity, draft.where(number, "anchors"), message, "name it in the mask of a head")
