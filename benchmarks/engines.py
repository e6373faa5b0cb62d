"""Engines as processes that `peers.py` tells what to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from peer import peak_memory
from turns import ROUND

DARKNET = "darknet"
PROMPT = "Enter Image Path: "
PREDICTED = re.compile(r"Predicted in ([\d.]+) (milli-)?seconds")
QUIET = "-dont_show"
NOTHING = 2  # a threshold that no score is above: nothing to draw
NAMES = 80


class Broken(Exception):
    """An engine cannot run, or no longer."""


class Engine(Protocol):
    """A network, loaded and warm, that waits for its turn."""

    version: str
    libraries: int | None  # bytes that they take before there is a network, where that is known

    def round(self) -> float:
        """Milliseconds of a call: the median of some in a row."""

    def peak_memory(self) -> int | None:
        """Bytes that the process had at most, where the system tells."""

    def close(self) -> None:
        """End it."""


class Process:
    """A program that is told a line at a time what to do, and answers up to an `end`."""

    def __init__(self, command: list[str], folder: Path, env: dict[str, str], end: str) -> None:
        self.end, self.errors = end.encode(), open(folder / "errors.txt", "w+b")  # noqa: SIM115
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, cwd=folder, env=env
        )

    def read(self) -> str:
        """Raises Broken where it ends instead."""
        assert self.process.stdout is not None
        answer = b""
        while not answer.endswith(self.end):
            byte = self.process.stdout.read(1)
            if not byte:
                raise Broken(self.last_words())
            answer += byte
        return answer.decode(errors="replace")

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.read()

    def last_words(self) -> str:
        status = self.process.wait()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip() or f"ended with status {status}"
        return said.splitlines()[-1]

    def peak_memory(self) -> int | None:
        return peak_memory(self.process.pid)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


class Peer(Process):
    """An engine of `peer.py`."""

    def __init__(self, python: str, name: str, job: dict[str, Any], folder: Path) -> None:
        own = folder / f"{name}.json"
        own.write_text(json.dumps({**job, "outputs": str(folder / f"{name}.npz")}), encoding="utf-8")
        script = str(Path(__file__).with_name("peer.py"))
        inside = folder / name
        inside.mkdir()
        super().__init__([python, script, name, str(own)], inside, dict(os.environ), "\n")
        try:
            about = json.loads(self.read())
        except Broken:
            self.close()
            raise
        self.version, self.libraries = about["version"], about["libraries"]

    def round(self) -> float:
        return float(self.ask("round"))


class Darknet(Process):
    """Darknet's own binary, either fork: `detector test` asks for images, and tells how long the network took."""

    def __init__(self, binary: Path, job: dict[str, Any], folder: Path) -> None:
        if job["batch"] != 1:
            raise Broken("detector test takes one image at a time")
        inside = folder / DARKNET
        inside.mkdir()
        (inside / "data").symlink_to(binary.resolve().parent / "data")  # the letters that pjreddie's wants
        (inside / "obj.names").write_text("".join(f"{number}\n" for number in range(NAMES)), encoding="ascii")
        (inside / "obj.data").write_text(f"classes={NAMES}\nnames=obj.names\n", encoding="ascii")
        test = ["detector", "test", "obj.data", job["cfg"], job["weights"], "-thresh", str(NOTHING)]
        if QUIET.encode() in binary.read_bytes():  # pjreddie's would take it for an image
            test.append(QUIET)
        threads = {"OMP_NUM_THREADS": str(job["threads"])}
        self.picture, self.version = job["picture"], f"Darknet ({binary.resolve().parent.name})"
        self.libraries: int | None = None
        super().__init__([str(binary.resolve()), *test], inside, {**os.environ, **threads}, PROMPT)
        try:
            self.read()
            self.once()
        except Broken:
            self.close()
            raise

    def once(self) -> float:
        answer = self.ask(self.picture)
        found = PREDICTED.search(answer)
        if not found:
            raise Broken(f"said nothing of its time: {answer[-100:]!r}")
        return float(found[1]) * (1 if found[2] else 1e3)

    def round(self) -> float:
        self.once()
        times: list[float] = []
        while sum(times) < ROUND * 1e3:
            times.append(self.once())
        return float(np.median(times))
