"""What `peers.py` measured, as text."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import numpy as np

import turns
from darkparse.benchmark.machine import processor
from nets import Case

TITLES = {
    "fp32": "darkparse",
    "bf16": "darkparse, bf16",
    "compiled": "darkparse, compiled",
    "eager": "plain PyTorch (the network as trained)",
    "opencv": "OpenCV DNN, boxes decoded",
    "opencv-raw": "OpenCV DNN, raw heads",
    "onnxruntime": "ONNX Runtime",
    "darknet": "Darknet",
}
PEERS = ("opencv", "opencv-raw", "onnxruntime")
MISSING = "-"


@dataclass
class Run:
    """One engine on one network: the median of each round; distance: from plain PyTorch.

    libraries, memory: bytes at most, of the process before it had a network, and in the end
    """

    version: str
    libraries: int | None = None
    milliseconds: list[float] = field(default_factory=list)
    memory: int | None = None
    distance: float | None = None

    @property
    def median(self) -> float:
        return float(np.median(self.milliseconds))


@dataclass
class Timed:
    """All engines on one network; failed: why some are missing."""

    case: Case
    runs: dict[str, Run] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def best_peer(self) -> str:
        """The fastest of OpenCV and ONNX Runtime; "" where none ran."""
        return min((name for name in PEERS if name in self.runs), key=lambda name: self.runs[name].median, default="")

    def ratio(self, ours: str, other: str) -> float | None:
        """How many times as fast `ours` is: the median of the rounds' ratios."""
        if ours not in self.runs or other not in self.runs:
            return None
        return turns.ratio({name: self.runs[name].milliseconds for name in (ours, other)}, other, ours)


def told(timed: Timed) -> str:
    """A line for each engine."""
    lines = [f"{timed.case.title}:"]
    for name, run in timed.runs.items():
        low, high = np.percentile(run.milliseconds, [25, 75])
        apart = "" if run.distance is None else f", {run.distance:.1e} from plain"
        memory = "" if run.memory is None else f", {run.memory / 1e6:.0f} MB"
        lines.append(f"  {name:12s} {run.median:9.2f} ms ({low:.2f} to {high:.2f}){memory}{apart}, {run.version}")
    return "\n".join([*lines, *(f"  {name:12s} not measured: {why}" for name, why in timed.failed.items())])


def markdown(timed: Sequence[Timed], rounds: int, threads: int) -> str:
    """The whole of RESULTS.md."""
    parts = [
        "# darkparse beside its peers",
        f"Written by `python benchmarks/peers.py`, {datetime.now(timezone.utc):%Y-%m-%d}: {rounds} rounds in turns, "
        f"threads: {threads}, on {processor()}. Random weights, the network alone; batch 1 unless it says otherwise.",
        versions(timed),
        "How many times as fast, the median over rounds, and what was aimed at:",
        "\n".join(ratios(timed)),
        "Milliseconds, the median over rounds:",
        "\n".join(table(timed, lambda run: f"{run.median:.1f}")),
        "Peak memory of the process (VmHWM), MB, and of it what libraries take before there is a network:",
        "\n".join(table(timed, megabytes)),
        "Largest difference of a raw output from plain PyTorch's, as part of its largest value:",
        "\n".join(table(timed, lambda run: number(run.distance, "{:.1e}"))),
        *missing(timed),
    ]
    return "\n\n".join(parts) + "\n"


def ratios(timed: Sequence[Timed]) -> Iterator[str]:
    """The table of ratios beside the targets."""
    yield "| network | best peer | darkparse | aim | bf16 | aim | compiled | than Darknet | aim | than plain PyTorch |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for one in timed:
        peer, targets = one.best_peer(), one.case.targets
        aims = [f"{aim:g}" for aim in targets] if targets else [MISSING] * 3
        cells = [
            one.case.title,
            TITLES[peer] if peer else MISSING,
            *(number(one.ratio("fp32", peer)), aims[0]),
            *(number(one.ratio("bf16", peer)), aims[2]),
            number(one.ratio("compiled", peer)),
            *(number(one.ratio("fp32", "darknet")), aims[1]),
            number(one.ratio("fp32", "eager")),
        ]
        yield f"| {' | '.join(cells)} |"


def table(timed: Sequence[Timed], value: Callable[[Run], str]) -> Iterator[str]:
    """A row for each engine that has a value, a column for each network."""
    yield f"| engine | {' | '.join(one.case.title for one in timed)} |"
    yield "|---" * (len(timed) + 1) + "|"
    for name, title in TITLES.items():
        cells = [value(one.runs[name]) if name in one.runs else MISSING for one in timed]
        if set(cells) != {MISSING}:
            yield f"| {title} | {' | '.join(cells)} |"


def megabytes(run: Run) -> str:
    """Of memory."""
    if run.memory is None:
        return MISSING
    return f"{run.memory / 1e6:.0f}" + (f" ({run.libraries / 1e6:.0f})" if run.libraries else "")


def number(value: float | None, form: str = "{:.2f}") -> str:
    return MISSING if value is None else form.format(value)


def versions(timed: Sequence[Timed]) -> str:
    """Of all engines."""
    found = {run.version: None for one in timed for run in one.runs.values()}
    return f"Versions: Python {platform.python_version()}, {', '.join(found)}."


def missing(timed: Sequence[Timed]) -> Iterator[str]:
    """Why engines were not measured."""
    reasons = [f"- {TITLES[name]}, {one.case.title}: {why}" for one in timed for name, why in one.failed.items()]
    if reasons:
        yield "Not measured:"
        yield "\n".join(reasons)
