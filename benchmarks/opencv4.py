"""Runs one OpenCV script twice, on OpenCV 4's own importer of Darknet models and on darkparse.cv2dnn, and compares.

Usage: python benchmarks/opencv4.py KIT [--case NAME] ...

KIT is the conformance kit.  Of each of its networks that OpenCV 4 can run, the rows must be the same to 1e-3, and so
must what the script makes of them.  Exit status 0 only when all are; the last line printed is their number.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from conformance import Kit
from darkparse import cv2dnn
from darkparse.cv2dnn.errors import OpenCVDiffers

VERSION = "4.14.0.94"
INSTALL = "-m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --retries 1 --timeout 15"
LONGEST = 300  # seconds
SCRIPT = Path(__file__).parent.parent / "tests" / "data" / "opencv_script.py"
CHANGE = ("import cv2\n", "from darkparse.cv2dnn import cv2\n")
SAME = 1e-3
OBJECTS, NEAR = "objects", np.array([0, SAME, 1, 1, 1, 1])  # class, confidence, box in px (or SAME of it)
FIRST_SCORE = 5


class CannotInstall(Exception):
    """There is no network, no pip, or no wheel for this machine."""


def opencv4() -> Path:
    """A folder with OpenCV 4 alone, made by pip when first wanted and kept in the user's cache.

    A process with it in front of its path has OpenCV 4; all else is as in this one's environment.

    Raises:
        CannotInstall: with what pip said
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkparse" / "tests"
    made = home / f"opencv-python-{VERSION}-{sys.implementation.cache_tag}"
    if not made.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix="unfinished-") as scratch:
            install(Path(scratch) / made.name)
            move(Path(scratch) / made.name, made)
    return made


def install(target: Path) -> None:
    command = [sys.executable, *INSTALL.split(), "--target", str(target), f"opencv-python=={VERSION}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"pip took more than {LONGEST} s") from None
    if done.returncode:
        raise CannotInstall((done.stderr.strip() or "pip failed").splitlines()[-1])


def move(new: Path, made: Path) -> None:
    """Give the finished folder its name, unless another process was faster."""
    try:
        new.rename(made)
    except OSError:
        if not made.is_dir():
            raise


class Script:
    """A running script that answers each line of JSON with one line; its first line is the version of its OpenCV."""

    def __init__(self, path: Path, opencv: Path | None = None) -> None:
        """`opencv`: the folder of an OpenCV to use instead of the environment's."""
        search = os.pathsep.join(filter(None, [str(opencv or ""), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": search},
        )
        self.version = self.read()

    def __call__(self, *job: Any) -> str:
        """What the script answers; nothing where it broke down."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job, default=str) + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        """End it; it has no more lines to read."""
        self.process.communicate()


class Job(NamedTuple):
    """The files of one case."""

    cfg: Path
    weights: Path
    picture: Path
    width: int
    height: int
    thresh: float = 0.0  # scores up to it are 0 in OpenCV's rows


def write_job(kit: Kit, case: Any, folder: Path) -> Job:
    """The cfg at the kit's size, its weights, and the kit's input as a picture."""
    meta = case.meta
    cfg, weights, image = folder / "x.cfg", folder / "x.weights", folder / "x.png"
    text = (kit.folder / meta["cfg"]).read_bytes().decode("latin-1")
    for key, value in meta["overrides"].items():  # in place: of an option given twice OpenCV takes the last
        text = re.sub(rf"(?m)^\s*{key}\s*=.*$", f"{key}={value}", text, count=1)
    cfg.write_text(text, encoding="latin-1")
    if not (folder / "data").exists():  # class trees, that the cfg names so
        (folder / "data").symlink_to(kit.folder.resolve() / "data")
    kit.make.write_weights(meta["layout"], meta["seed"], weights, meta["version"])
    pixels = picture(kit, meta)
    cv2.imwrite(str(image), pixels)
    return Job(cfg, weights, image, pixels.shape[1], pixels.shape[0], cut_off(text))


def cut_off(cfg: str) -> float:
    """The score up to which OpenCV's rows have 0; its own default where the cfg has none."""
    given = re.search(r"(?m)^thresh *= *(\S+)", cfg)
    return float(given[1]) if given else 0.001 if "[region]" in cfg else 0.2


def picture(kit: Kit, meta: dict[str, Any]) -> np.ndarray:
    """The kit's input as BGR bytes `(h, w, c)`; a black one for a network without an image."""
    if len(meta["input"]) != 3:
        return np.zeros((16, 16, 3), np.uint8)
    planes = kit.make.make_input(meta["input"], meta["seed"], meta["steps"]).reshape(-1, *meta["input"])[0]
    bgr: np.ndarray = (planes * 255).round().astype(np.uint8).transpose(1, 2, 0)[..., ::-1]
    return bgr


class Outcome(NamedTuple):
    """One case, run on both sides."""

    refusal: str = ""  # why OpenCV 4 cannot run it
    failure: str = ""  # why the script fails here, or gives other outputs
    misread: str = ""  # what OpenCV makes of a section that is not Darknet's
    difference: float = 0.0  # the largest of the rows; infinite for another shape
    alone: int = 0  # objects that one side alone has
    objects: int = 0

    @property
    def same(self) -> bool:
        return not self.failure and self.difference <= SAME

    def __str__(self) -> str:
        if self.refusal:
            return f"refused by OpenCV: {self.refusal}"
        if self.misread:
            return f"{self.difference:.1e} misread by OpenCV: {self.misread}"
        objects = f", {self.alone} of {self.objects} objects differ" if self.alone else ""
        return f"{self.difference:.1e} " + (self.failure or ("same" if self.same else "DIFFERS")) + objects


class Sides:
    """The script on OpenCV 4, and with one line changed here."""

    def __init__(self, scratch: Path) -> None:
        self.changed = scratch / "changed.py"
        text = SCRIPT.read_text(encoding="utf-8")
        assert text.count(CHANGE[0]) == 1
        self.changed.write_text(text.replace(*CHANGE), encoding="utf-8")
        self.scratch, self.opencv, self.here = scratch, Script(SCRIPT, opencv4()), Script(self.changed)

    def compare(self, job: Job) -> Outcome:
        """Raises AssertionError where a script breaks down."""
        there, here = self.scratch / "there.npz", self.scratch / "here.npz"
        answer = self.opencv(*job[:-1], there)
        assert answer
        if answer != "done":
            return Outcome(refusal=re.sub(r"OpenCV\S* \S*/(\S*): error:", r"\1", answer))
        answer = self.here(*job[:-1], here)
        assert answer
        if answer != "done":
            return Outcome(failure=answer)
        outcome = compare(here, there, job.thresh)
        return outcome if outcome.same else outcome._replace(misread=misread(job))

    def close(self) -> None:
        self.opencv.close()
        self.here.close()


def misread(job: Job) -> str:
    """What OpenCV does otherwise than Darknet, as darkparse tells of it."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        cv2dnn.readNetFromDarknet(job.cfg, job.weights)
    return "; ".join(str(one.message) for one in told if issubclass(one.category, OpenCVDiffers))


def compare(here: Path, there: Path, thresh: float) -> Outcome:
    """Of two result files; the rows have no scores up to `thresh`."""
    with np.load(here) as a, np.load(there) as b:
        if a.files != b.files:
            return Outcome(failure=f"outputs {a.files}, in OpenCV {b.files}")
        worst = max(difference(a[name], b[name], thresh) for name in a.files if name != OBJECTS)
        return Outcome(difference=worst, alone=len(unmatched(a[OBJECTS], b[OBJECTS])), objects=len(b[OBJECTS]))


def difference(a: np.ndarray, b: np.ndarray, thresh: float) -> float:
    """Largest of |a - b| / max(1, |b|); of a score that one side cut off, how far the other's is above `thresh`."""
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return float("inf")
    far = np.abs(a - b) / np.maximum(1, np.abs(b))
    if a.ndim == 2 and a.shape[1] > FIRST_SCORE:
        scores = [rows[:, FIRST_SCORE:] for rows in (a, b)]
        cut = (scores[0] == 0) != (scores[1] == 0)
        far[:, FIRST_SCORE:][cut] = np.maximum(*scores)[cut] - np.float32(thresh)
    return float(far.max(initial=0))


def unmatched(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The objects that one side alone has."""
    far = (np.abs(a[:, None] - b[None]) > NEAR * np.maximum(1, SAME * np.abs(b))).any(2)
    return np.concatenate([a[far.all(1)], b[far.all(0)]])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--case", action="append", default=[], help="this case alone; may be given again")
    options = parser.parse_args(arguments)
    kit, outcomes = Kit(options.kit), []
    with tempfile.TemporaryDirectory() as scratch:
        sides = Sides(Path(scratch))
        for case in kit.cases([]):
            if not options.case or case.meta["name"] in options.case:
                outcomes.append(sides.compare(write_job(kit, case, Path(scratch))))
                print(f"{case.meta['name']:40s} {outcomes[-1]}", flush=True)
        sides.close()
    ran = [outcome for outcome in outcomes if not outcome.refusal]
    read = [outcome for outcome in ran if not outcome.misread]
    print(f"OpenCV {VERSION} runs {len(ran)} of {len(outcomes)}, {len(read)} as Darknet does")
    print(f"{sum(outcome.same for outcome in read)} of {len(read)} have the same rows")
    return 0 if read and all(outcome.same for outcome in read) else 1


if __name__ == "__main__":
    sys.exit(main())
