"""Which trial suits a network clearly better than what it gets; for "the healthy" see `file_rules`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from ..findings import NOTE, WARNING, Finding
from ..graph import Graph
from .trials import SCORED, Kind, Trial

# The exchange of red and blue leaves the healthy down to .4 of the strangeness, and gives up to 3.4 times the evidence,
# but never both; where order matters, the right one has .38 to .81 of the wrong one's strangeness, and 1.1 to 3 times
# its evidence.
COLOUR_STRANGENESS, COLOUR_EVIDENCE = 0.8, 1.3
# And what is better must be good: 95% of the healthy are below .1, at half the size up to .27.
AT_HOME, NEARLY = 0.12, 0.3
# Half or twice the size leaves the healthy down to .2 of the strangeness (a scene of one large digit), or gives up to
# 24 more evidence, but at most .9 with both; seen from a quarter of the right size, half of it has up to .57 of the
# strangeness.
SIZE_STRANGENESS, SIZE_EVIDENCE, SIZE_MORE = 0.6, 1.3, 1.0
# log10 of the first batch norm's variance over that of the training is -1.0 to +.31 in the healthy, with images of
# another kind -1.3 to +.36; a factor of 255 makes it 4.8 less, and strangeness several times as much.
OUT_OF_RANGE, IN_RANGE, RANGE_STRANGENESS = -2.0, (-1.2, 0.45), 0.5
# Where one of letterbox and stretch finds nothing with the healthy, the best of the other is at most .19, with images
# of another kind .45; otherwise the evidence differs by at most 2.4 times.
FIT_BEST, FIT_EVIDENCE, FIT_MORE = 0.6, 3.0, 1.5
CLOUDING = {"range", "size"}  # where the size or the range of the input is wrong, no other trial says much

Said = Iterator[tuple[str, str, str]]  # severity, message, remedy


def judge(base: Trial, others: Sequence[tuple[Kind, Trial]], graph: Graph, thresh: float) -> list[Finding]:
    """All of them."""
    rules = {"range": judge_range, "size": judge_size, "resize": judge_fit, "colour": judge_colour}
    findings: list[Finding] = []
    for kind, other in sorted(others, key=lambda pair: list(rules).index(pair[0])):
        if any(finding.rule in CLOUDING and finding.severity == WARNING for finding in findings):
            break
        for severity, message, remedy in rules[kind](base, other):
            told = f"{message}: {other.told(thresh)}, {base.told(thresh)}"
            findings.append(Finding(kind, severity, graph.file, 0, told, remedy))
    return findings


def judge_colour(base: Trial, other: Trial) -> Said:
    """Red and blue exchanged."""
    calmer = other.strangeness < min(AT_HOME, COLOUR_STRANGENESS * base.strangeness)
    if calmer and other.beats(base, COLOUR_EVIDENCE, SCORED):
        remedy = "exchange the first and the third input channel of the first layer's weights"
        yield WARNING, "it seems to have been trained on images with red and blue exchanged", remedy


def judge_range(base: Trial, other: Trial) -> Said:
    """Values of 0..255 in place of 0..1."""
    wrong, right = base.outcome.norms[0].factor, other.outcome.norms[0].factor
    calmer = other.strangeness < RANGE_STRANGENESS * base.strangeness
    if wrong < OUT_OF_RANGE and IN_RANGE[0] < right < IN_RANGE[1] and calmer:
        remedy = "multiply the first layer's weights by 255"
        yield WARNING, "it seems to have been trained on values of 0..255, and gets 0..1, as in Darknet", remedy


def from_nothing(base: Trial, other: Trial) -> bool:
    """Whether only the other finds something, and is sure of it."""
    return base.outcome.best <= SCORED and other.outcome.best >= FIT_BEST


def judge_fit(base: Trial, other: Trial) -> Said:
    """Letterboxed or stretched."""
    if from_nothing(base, other) or other.beats(base, FIT_EVIDENCE, FIT_MORE):
        name = "letterbox" if other.letterbox else "stretch"
        remedy = f"--resize {name}; letter_box={int(other.letterbox)} in [net], if it was trained so"
        yield WARNING, f"it finds more in images that are resized by {name}", remedy


def judge_size(base: Trial, other: Trial) -> Said:
    """Half or twice the size."""
    size, remedy = f"{other.width}x{other.height}", f"--width {other.width} --height {other.height}, or in [net]"
    calmer = other.strangeness < min(NEARLY, SIZE_STRANGENESS * base.strangeness)
    if calmer and (from_nothing(base, other) or other.beats(base, SIZE_EVIDENCE, SIZE_MORE)):
        own = f"{base.width}x{base.height}"
        yield WARNING, f"it seems to have been trained at a size nearer to {size} than to {own}", remedy
    elif from_nothing(base, other) or (calmer and base.outcome.best <= SCORED):
        yield NOTE, f"it may do better at {size}", remedy


def as_json(base: Trial, others: Sequence[tuple[Kind, Trial]], thresh: float) -> list[dict[str, Any]]:
    """What came of each."""
    return [
        {
            "name": one.name,
            "width": one.width,
            "height": one.height,
            "letterbox": one.letterbox,
            "detections": one.outcome.found(thresh),
            "best": finite(one.outcome.best),
            "strangeness": finite(one.strangeness),
        }
        for one in (base, *(other for _, other in others))
    ]


def finite(value: float) -> float | None:
    """None for what JSON has no number for: without batch norms, or where values were too large."""
    return value if math.isfinite(value) else None
