"""Whether an .onnx file answers as the network that it was made of."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boxes import cxcywh_to_xyxy
from ..errors import DarkparseError
from ..graph import Graph
from ..registry import Predictions
from ..sources import Source
from . import opencv
from .differences import TOLERANCE, Outputs, largest, rows_difference
from .package import package
from .session import Session
from .thresholds import clear_thresholds, rows
from .trials import Trial, make_trials

OUTPUTS = {"decode": ("boxes", "scores"), "nms": ("detections",)}  # by the tail
ROUNDING = 4  # times what PyTorch loses by rounding: so much others may; OpenCV was seen to lose three times as much


def verify(path: str | Path, source: Source, *, tail: str) -> list[str]:
    """Run a file in ONNX Runtime and in OpenCV, and compare with the network; what came out, a line each.

    A difference is |a - b| / max(1, largest |b|) of an output b of the network.

    Args:
        path: an .onnx file
        source: what it was made of
        tail: what it gives: "raw", "decode" or "nms"
    Raises:
        DarkparseError: it does not load, or differs by more than 1e-4, and by more than rounding explains
    """
    session = Session(path, inner=() if tail == "raw" else [*raw_names(source.graph), "boxes"])
    answers = [answer(session, trial, tail) for trial in make_trials(source, session)]
    runtime = f"ONNX Runtime {package('onnxruntime').__version__}"
    told = compare(path, runtime, answers, tail)
    if not told.worst:
        raise DarkparseError(f"{path}: cannot be compared with the network: {runtime} {told.unsteady[0]}")
    return [*told.lines, *in_opencv(path, session, answers, tail)]


class Answer(NamedTuple):
    """What a file gives for one input, after the last step; with the thresholds for suppression."""

    trial: Trial
    found: Outputs
    options: dict[str, float]


class Told(NamedTuple):
    """What a comparison has to say: the largest difference of each input, and on which rounding makes as much."""

    engine: str
    sizes: list[str]
    worst: list[float]
    unsteady: list[str]

    @property
    def lines(self) -> list[str]:
        """As text."""
        sizes = ", ".join(dict.fromkeys(self.sizes))
        said = [f"{self.engine}: largest difference {max(self.worst):.1e}, on {sizes}"] if self.worst else []
        return said + [f"{self.engine}: {note}" for note in self.unsteady]


def answer(session: Session, trial: Trial, tail: str) -> Answer:
    """What ONNX Runtime gives."""
    found = run(session, trial.steps)
    if tail != "nms":
        return Answer(trial, found, {})
    options = clear_thresholds(predictions(trial, found), len(trial.steps[0]))
    return Answer(trial, run(session, trial.steps, **options), options)


def compare(path: str | Path, engine: str, answers: Iterable[Answer], tail: str) -> Told:
    """Each answer with the network's.  Raises DarkparseError where one is too far off."""
    told = Told(engine, [], [], [])
    for one in answers:
        difference, own = apart(one, tail)
        size = one.trial.size
        if difference <= TOLERANCE:
            told.sizes.append(size)
            told.worst.append(difference)
        elif difference <= ROUNDING * own:
            told.unsteady.append(f"on {size} off by {difference:.1e}, where rounding alone makes {own:.1e} in PyTorch")
        else:
            raise DarkparseError(
                f"{path}: {engine} on {size} differs from the network by {difference:.1e}; expected {TOLERANCE:g}"
            )
    return told


def apart(one: Answer, tail: str) -> tuple[float, float]:
    """How far the file is from the network; and, where that is too far, how far the network is from an exact one.

    Where rounding decides, the exact one counts: it is the network with numbers of 64 bits.
    """
    heads, own = raw_names(one.trial.graph), 0.0
    difference = largest(raw_outputs(one.trial.raws, heads), one.found)
    if difference > TOLERANCE:
        exact = raw_outputs(one.trial.exact(), heads)
        own, difference = largest(exact, raw_outputs(one.trial.raws, heads)), largest(exact, one.found)
    return (difference if tail == "raw" else max(difference, _TAILS[tail](one))), own


def raw_names(graph: Graph) -> list[str]:
    """The tensors of the file that are what `Network.forward` gives."""
    return [f"{index:03}_{graph.nodes[index].layer.section}" for index in graph.outputs]


def run(session: Session, steps: Sequence[np.ndarray], **options: float) -> Outputs:
    """The outputs of the file after the last step."""
    found: Outputs = {}
    for images in steps:
        states = {name: found[later] for name, later in session.states.items() if found}
        found = session.run(images, {**states, **options})
    return found


def raw_outputs(raws: Sequence[Tensor], heads: Sequence[str]) -> Outputs:
    """The network's."""
    return dict(zip(heads, (raw.numpy() for raw in raws), strict=True))


def predictions(trial: Trial, found: Outputs) -> list[Predictions]:
    """What the heads say, decoded by darkparse, of the raw outputs that the file has inside.

    Of the same raw outputs, as a class tree may turn the last digit of one into another class.
    """
    _, height, width = trial.graph.net.shape
    raws = [torch.from_numpy(found[name]) for name in raw_names(trial.graph)]
    return [head.decode(raw, width, height) for (_, head), raw in zip(trial.graph.heads, raws, strict=True)]


def all_boxes(said: Sequence[Predictions]) -> np.ndarray:
    """Corners of the boxes of all heads, `(B, N, 4)`."""
    return np.stack([cxcywh_to_xyxy(image) for image in torch.cat([one.boxes for one in said], 1).numpy()])


def decoded_difference(one: Answer) -> float:
    """Of boxes and scores."""
    said = predictions(one.trial, one.found)
    scores = [one.scores.minimum(one.objectness[..., None]) if one.needs_objectness else one.scores for one in said]
    return largest({"boxes": all_boxes(said), "scores": torch.cat(scores, 1).numpy()}, one.found)


def boxes_difference(one: Answer) -> float:
    """Of all boxes, before suppression."""
    return largest({"boxes": all_boxes(predictions(one.trial, one.found))}, one.found)


def kept_difference(one: Answer) -> float:
    """Of detections at thresholds that no score and no overlap is near, but that suppress some."""
    expected = rows(predictions(one.trial, one.found), len(one.trial.steps[0]), **one.options)
    return rows_difference(one.found["detections"], expected)


_TAILS: dict[str, Callable[[Answer], float]] = {
    "decode": decoded_difference,
    "boxes": boxes_difference,
    "nms": lambda one: max(boxes_difference(one), kept_difference(one)),
}


def in_opencv(path: str | Path, session: Session, answers: Sequence[Answer], tail: str) -> list[str]:
    """What became of it in OpenCV.  Raises DarkparseError where OpenCV takes it, but gives something else."""
    if session.states:
        return ["OpenCV: not tried, as the network keeps a state"]
    given: list[Answer] = []
    for part in [[one] for one in answers] if tail == "nms" else [answers]:
        with opened_up(path, part[0], tail) as model:
            version, outputs, reason = opencv.answers(model, [one.trial.steps[0] for one in part])
        given += [filled(one, found, tail) for one, found in zip(part, outputs, strict=False)]
        if reason:
            break
    engine = f"OpenCV {version}"
    told = compare(path, engine, given, "boxes" if tail == "nms" else tail)
    notes = list(otherwise(engine, given)) if tail == "nms" else []
    return [*told.lines, *notes, *([f"{engine}: does not run it: {reason}"] if reason else [])]


def otherwise(engine: str, answers: Sequence[Answer]) -> Iterator[str]:
    """Where OpenCV suppresses others, though of the same boxes: its own arithmetic decides among equal or huge ones."""
    for one in answers:
        if (difference := kept_difference(one)) > TOLERANCE:
            yield f"{engine}: on {one.trial.size} it suppresses otherwise; the detections differ by {difference:.1e}"


def filled(one: Answer, found: Outputs, tail: str) -> Answer:
    """OpenCV's answer, with ONNX Runtime's of what OpenCV 4 does not show: what is inside."""
    inside = {name: array for name, array in one.found.items() if tail != "raw" and name not in OUTPUTS[tail]}
    return one._replace(found={**inside, **found})


@contextmanager
def opened_up(path: str | Path, one: Answer, tail: str) -> Iterator[str | Path]:
    """A copy of the model that shows what is inside, and whose optional inputs have the values of `one`.

    OpenCV cannot be given any.
    """
    if tail == "raw":
        yield path
        return
    helper, model = package("onnx").helper, package("onnx").load(str(path))
    for tensor in model.graph.initializer:
        if tensor.name in one.options:
            tensor.float_data[:] = [one.options[tensor.name]]
    known = {output.name for output in model.graph.output}
    for name, array in one.found.items():
        if name not in known:
            sizes = [f"{name}.{axis}" for axis in range(array.ndim)]
            model.graph.output.append(helper.make_tensor_value_info(name, 1, sizes))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "model.onnx")
        copy.write_bytes(model.SerializeToString())
        yield copy
