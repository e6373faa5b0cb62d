"""What a check finds, and how it is told: to people a line each or as Markdown, to programs as JSON or SARIF."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import __version__

ERROR, WARNING, NOTE = "error", "warning", "note"  # will not work, works but hardly as meant, good to know
SEVERITIES = (ERROR, WARNING, NOTE)
SHOWN = 10  # of a rule, to people


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    rule: a short name of what was looked for, such as "filters"; severity: one of `SEVERITIES`
    file, line: where; line 0: the file as a whole
    message: what is wrong, and why it matters; remedy: what to do about it, or ""
    """

    rule: str
    severity: str
    file: str
    line: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.advice} [{self.rule}]"

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def advice(self) -> str:
        """Message and remedy."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def is_bad(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity == ERROR for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each severity, as in "2 errors, 1 warning"; "nothing found" where there is none."""
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in SEVERITIES if counts[kind]]
    return ", ".join(parts) or "nothing found"


def by_rule(findings: Sequence[Finding]) -> dict[tuple[str, str], list[Finding]]:
    """The findings of each severity and rule, the gravest first, each in its order."""
    groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.rule)):
        groups[finding.severity, finding.rule].append(finding)
    return groups


def lines(findings: Sequence[Finding], limit: int = SHOWN) -> Iterator[str]:
    """A line a finding, but no more than `limit` of a rule."""
    for (severity, rule), found in by_rule(findings).items():
        yield from map(str, found[:limit])
        if more := len(found[limit:]):
            yield f"... and {more} more: {severity} [{rule}]"


def as_markdown(findings: Sequence[Finding], title: str) -> str:
    """All findings as Markdown: how many of each rule, then each."""
    groups = by_rule(findings)
    counts = [f"| {rule} | {severity} | {len(found)} |" for (severity, rule), found in groups.items()]
    table = ["| rule | severity | count |", "|---|---|---:|", *counts, ""] if counts else []
    parts = [f"# {title}", "", summary(findings), "", *table]
    for (severity, rule), found in groups.items():
        points = (f"- `{finding.place}`: {finding.advice}" for finding in found)
        parts += [f"## {rule} ({severity}, {len(found)})", "", *points, ""]
    return "\n".join(parts)


def as_json(findings: Iterable[Finding]) -> str:
    """A JSON list of objects with the fields of `Finding`."""
    return json.dumps([vars(finding) for finding in findings], indent=1, ensure_ascii=False)


def as_sarif(findings: Sequence[Finding]) -> str:
    """A log in SARIF 2.1.0, which editors and code hosts read."""
    rules = [{"id": rule} for rule in sorted({finding.rule for finding in findings})]
    driver = {"name": "darkparse", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "results": [_result(finding) for finding in findings]}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=1, ensure_ascii=False)


def _result(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
    if finding.line:
        location["region"] = {"startLine": finding.line}
    return {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": finding.advice},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    """A relative path as one, an absolute one as a file: address; blanks and the like as %20."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(os.fsencode(path.as_posix()))
