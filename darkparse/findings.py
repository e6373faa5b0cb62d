"""What a check finds, and how it is told: to people a line each, to programs as JSON or SARIF."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import __version__

ERROR, WARNING, NOTE = "error", "warning", "note"  # will not work, works but hardly as meant, good to know
SEVERITIES = (ERROR, WARNING, NOTE)


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
        place = f"{self.file}:{self.line}" if self.line else self.file
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}: {self.severity}: {self.message}{remedy} [{self.rule}]"


def is_bad(findings: Iterable[Finding]) -> bool:
    """Whether one of them is an error."""
    return any(finding.severity == ERROR for finding in findings)


def summary(findings: Sequence[Finding]) -> str:
    """How many there are of each severity, as in "2 errors, 1 warning"; "nothing found" where there is none."""
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[kind]} {kind}{'s' if counts[kind] > 1 else ''}" for kind in SEVERITIES if counts[kind]]
    return ", ".join(parts) or "nothing found"


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
    text = f"{finding.message}; {finding.remedy}" if finding.remedy else finding.message
    return {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": location}],
    }


def _uri(file: str) -> str:
    """A relative path as it is, an absolute one as a file: address."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else path.as_posix()
