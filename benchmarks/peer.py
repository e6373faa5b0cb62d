"""One engine with one network, in a process of its own that runs when told; `peers.py` starts it.

Usage: python peer.py ENGINE JOB.json

Runs in environments that have the engine and NumPy alone.  It first says, in JSON, the engine's version and how
much memory its libraries take; then it answers each line that it reads with the milliseconds of a round.  Between
rounds it does nothing.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from turns import WARM, one_round

Call = Callable[[], Sequence[Any]]  # one batch through the network; its raw outputs


def darkparse(job: dict[str, Any], **how: Any) -> tuple[str, Call]:
    import torch

    from darkparse.deployment import PRECISIONS, deploy
    from darkparse.sources import open_files

    torch.set_num_threads(job["threads"])
    network = open_files(job["cfg"], job["weights"]).build().network
    images = torch.from_numpy(np.load(job["images"]))
    network = deploy(network, "cpu", batch=len(images), size=(images.shape[2], images.shape[3]), **how)
    kind = PRECISIONS[how["precision"]]

    @torch.inference_mode()
    def call() -> list[Any]:
        return [raw.float() for raw in network(images.to(kind).contiguous(memory_format=torch.channels_last))]

    return f"torch {torch.__version__}", call


def eager(job: dict[str, Any]) -> tuple[str, Call]:
    """The network as it is trained: nothing folded, nothing rearranged."""
    import torch

    from darkparse.sources import open_files

    torch.set_num_threads(job["threads"])
    network = open_files(job["cfg"], job["weights"]).build().network.eval().requires_grad_(False)
    images = torch.from_numpy(np.load(job["images"]))
    return f"torch {torch.__version__}", torch.inference_mode()(lambda: network(images))


def opencv(job: dict[str, Any], decoded: bool) -> tuple[str, Call]:
    """Its importer of Darknet's files: boxes from its own heads, or what the layers before these give."""
    import cv2

    cv2.setNumThreads(job["threads"])
    dnn: Any = cv2.dnn  # that of OpenCV 5 has no readNetFromDarknet
    net = dnn.readNetFromDarknet(job["cfg"], job["weights"])
    names = net.getUnconnectedOutLayersNames() if decoded else [f"conv_{head - 1}" for head in job["heads"]]
    images = np.load(job["images"])

    def call() -> Sequence[Any]:
        net.setInput(images)
        outputs: Sequence[Any] = net.forward(names)
        return outputs

    return f"opencv-python {cv2.__version__}", call


def onnx_runtime(job: dict[str, Any]) -> tuple[str, Call]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # its threads spin in a run, not between runs
    session = onnxruntime.InferenceSession(job["onnx"], options, providers=["CPUExecutionProvider"])
    images = np.load(job["images"])
    return f"onnxruntime {onnxruntime.__version__}", lambda: session.run(None, {"images": images})


ENGINES: dict[str, Callable[[dict[str, Any]], tuple[str, Call]]] = {
    "fp32": partial(darkparse, precision="fp32"),
    "bf16": partial(darkparse, precision="bf16"),
    "compiled": partial(darkparse, precision="fp32", compiled=True),
    "eager": eager,
    "opencv": partial(opencv, decoded=True),
    "opencv-raw": partial(opencv, decoded=False),
    "onnxruntime": onnx_runtime,
}

LIBRARIES = {
    "opencv": ("cv2",),
    "opencv-raw": ("cv2",),
    "onnxruntime": ("onnxruntime",),
    "eager": ("torch", "darkparse.sources"),
}
OWN = ("torch", "darkparse.sources", "darkparse.deployment")


def peak_memory(process: int | str) -> int | None:
    """Bytes that a process had at most so far, where the system tells."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(found[1]) * 1024 if found else None


def main(engine: str, file: str) -> None:
    for library in LIBRARIES.get(engine, OWN):
        import_module(library)
    libraries = peak_memory("self")
    job = json.loads(Path(file).read_text(encoding="utf-8"))
    version, call = ENGINES[engine](job)
    for _ in range(WARM):
        outputs = call()
    np.savez(job["outputs"], *[np.asarray(output) for output in outputs])
    del outputs
    print(json.dumps({"version": version, "libraries": libraries}), flush=True)
    for _ in sys.stdin:
        print(one_round(call), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
