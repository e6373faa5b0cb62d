"""A model by OpenCV's own reader of .onnx files, in a process of its own: OpenCV may crash on what it does not know.

Run as `python -m darkparse.onnx.opencv MODEL INPUTS.npz FOLDER`, which writes a file of outputs for each input there.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PATIENCE = 900  # seconds
GAVE = "outputs-{}.npz"
LONGEST = 160  # characters of a reason


class Answers(NamedTuple):
    """What OpenCV makes of a model.

    version: OpenCV's; outputs: of each input those that it gave, by their names; reason: why there are no more
    """

    version: str
    outputs: list[dict[str, np.ndarray]]
    reason: str


def answers(path: str | Path, inputs: Sequence[np.ndarray]) -> Answers:
    """The outputs of the model for each of `inputs`, `(B, C, H, W)`."""
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder, "inputs.npz")
        np.savez(given, *inputs)
        command = [sys.executable, "-m", __name__, str(path), str(given), folder]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return Answers("", [], f"it takes more than {PATIENCE} s")
        outputs: list[dict[str, np.ndarray]] = []
        for name in sorted(Path(folder).glob(GAVE.format("*"))):
            with np.load(name) as found:
                outputs.append(dict(found))
    version, _, said = done.stdout.decode(errors="replace").partition("\n")
    return Answers(version, outputs, why(done.returncode, said))


def why(status: int, said: str) -> str:
    """Why the process ended early, in one line; "" where it did not."""
    if status == 0:
        return ""
    return f"it crashes (signal {-status})" if status < 0 else said.strip() or f"it ends with status {status}"


def main(model: str, given: str, folder: str) -> int:
    """Run the model; writes a file for each input."""
    import cv2

    shape = ""
    sys.stdout.write(f"{cv2.__version__}\n")
    sys.stdout.flush()  # before it crashes
    try:
        net = cv2.dnn.readNetFromONNX(model)
        if hasattr(net, "enableWinograd"):
            net.enableWinograd(False)  # whose rounding is coarser
        names = list(net.getUnconnectedOutLayersNames())
        with np.load(given) as inputs:
            for number, images in enumerate(inputs.values()):
                shape = f"images of {'x'.join(map(str, images.shape))}: "
                net.setInput(images)
                outputs = dict(zip(names, net.forward(names), strict=True))
                found: dict[str, Any] = {name: np.zeros(0) if one is None else one for name, one in outputs.items()}
                np.savez(Path(folder, GAVE.format(f"{number:03}")), **found)
    except cv2.error as error:
        sys.stdout.write(shape + plainly(str(error)))
        return 1
    return 0


def plainly(error: str) -> str:
    """What OpenCV says, in one line: at which node, and the innermost reason."""
    text = " ".join(error.split())
    node = re.search(r"\(onnx_node!(\S+)\) parse error", text)
    reason = re.sub(r" in function '[^']*'[ >]*$", "", re.split(r"error: \(-\d+:[^)]*\) ", text)[-1])
    return (f"{node[1]}: " if node else "") + reason[:LONGEST]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
