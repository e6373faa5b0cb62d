"""Side environments with the engines that darkparse is measured beside, made by venv and pip when first wanted."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from opencv4 import VERSION, CannotInstall, move

OPENCV = f"opencv-python-headless=={VERSION}"  # the last series that reads Darknet's files
ONNX_RUNTIME = "onnxruntime==1.31.1"
PIP = "-m pip install --quiet --disable-pip-version-check --only-binary :all: --retries 1 --timeout 15"
LONGEST = 300  # seconds
__all__ = ["ONNX_RUNTIME", "OPENCV", "CannotInstall", "environment"]


def environment(requirement: str) -> Path:
    """The Python of an environment with one package, kept in the user's cache.

    Raises:
        CannotInstall: with what venv or pip said
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkparse" / "peers"
    made = home / f"{requirement.replace('==', '-')}-{sys.implementation.cache_tag}"
    if not made.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home, prefix="unfinished-") as scratch:
            new = Path(scratch) / made.name
            run(sys.executable, "-m", "venv", str(new))
            run(str(python_of(new)), *PIP.split(), requirement)
            move(new, made)
    return python_of(made)


def python_of(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise CannotInstall(f"{command[2]} took more than {LONGEST} s") from None
    if done.returncode:
        raise CannotInstall(((done.stderr + done.stdout).strip() or f"{command[2]} failed").splitlines()[-1])
