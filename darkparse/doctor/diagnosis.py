"""What the doctor says."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..findings import NOTE, SEVERITIES, Finding, summary

LIKELIEST = (  # which rule's finding is told first, of those of the same severity: causes before what comes of them
    "cfg", "file", "fit", "partial", "nan", "variance", "untrained", "zeros", "image", "overflow", "dead", "range",
    "statistics", "unlike", "flood", "size", "anchors", "colour", "resize", "flat", "tiny", "elongated", "boxes",
    "classes", "young", "huge", "dontload", "names", "thresh", "nothing",
)  # fmt: skip


@dataclass
class Diagnosis:
    """What is wrong with a network, and what was looked at and found to be well.

    findings: the likeliest cause first; well: a line each; figures: what was measured, as JSON knows it
    notes: what was decided, and why
    """

    findings: list[Finding] = field(default_factory=list)
    well: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def ills(self) -> list[Finding]:
        """What is wrong: all but the notes."""
        return [finding for finding in self.findings if finding.severity != NOTE]

    @property
    def healthy(self) -> bool:
        """Whether nothing is."""
        return not self.ills

    def add(self, findings: Sequence[Finding], well: str = "") -> None:
        """Take in what one examination found; `well` is said of it where that is nothing but notes."""
        self.findings = sorted([*self.findings, *findings], key=rank)
        if well and all(finding.severity == NOTE for finding in findings):
            self.well.append(well)

    def lines(self) -> Iterator[str]:
        """The report, for people."""
        ills = self.ills
        likeliest = ", the likeliest cause first" if len(ills) > 1 else ""
        yield f"found {summary(ills)}{likeliest}" if ills else "found nothing wrong"
        for number, finding in enumerate(ills, 1):
            yield f"{number:2d}. {finding.place}: {finding.message} [{finding.rule}]"
            if finding.remedy:
                yield f"    -> {finding.remedy}"
        for finding in self.findings:
            if finding.severity == NOTE:
                yield f"note: {finding.place}: {finding.advice} [{finding.rule}]"
        for line in self.well:
            yield f"well: {line}"

    def as_json(self) -> str:
        """All of it."""
        said = {"healthy": self.healthy, "findings": [vars(finding) for finding in self.findings], "well": self.well}
        return json.dumps({**said, **self.figures}, indent=1, ensure_ascii=False)


def rank(finding: Finding) -> tuple[int, int]:
    """Its place in the report."""
    known = finding.rule in LIKELIEST
    return SEVERITIES.index(finding.severity), LIKELIEST.index(finding.rule) if known else len(LIKELIEST)
