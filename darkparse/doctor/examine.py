"""The examination, from the files to the trials.

Where something is found that nothing works with, what comes after would show its consequences alone, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..data import find_cfg
from ..detect import FITTINGS, check_detector, choose_resize
from ..errors import DarkparseError
from ..findings import is_bad
from ..graph import Graph
from ..images import Pixels
from ..layout import Header, read_header
from ..loading import choose_device
from ..network import Network
from ..sources import open_files
from . import cfg_rules, file_rules, passes, pictures, run_rules, tensors, trial_rules
from .diagnosis import Diagnosis
from .picture_rules import FLAT, judge_picture
from .trials import Trials

MOST = 16  # images: what is wrong shows in few


def diagnose(
    cfg: str | Path,
    weights: str | Path,
    images: Iterable[str | Path],
    *,
    names: str | Path | None = None,
    data: str | Path | None = None,
    thresh: float = 0.25,
    device: str = "auto",
) -> Diagnosis:
    """Why a detector finds nothing, or the wrong things.

    Args:
        cfg: a file, or the name of a cfg that comes with darkparse
        weights: a .weights file
        images: files that show what the network should find; the first 16 count
        names, data: a .names file, or a .data file that names one; else one is looked for
        thresh: the threshold that detections should be above, 0..1
        device: as for `darkparse.load`
    Returns:
        all that was found, also of files that cannot be read or do not fit
    Raises:
        DarkparseError: there is no such device, or not enough memory
    """
    place = choose_device(device)
    diagnosis = Diagnosis(notes=[f"device: {place}"])
    if not (graph := read(cfg, weights, diagnosis)):
        return diagnosis
    known, source, found = cfg_rules.judge_names(graph, names, data)
    diagnosis.notes.append(f"names: {source}")
    diagnosis.add(found, f"names: {len(known)}, {source}")
    diagnosis.add(cfg_rules.judge_cfg(graph))
    paths = [str(image) for image in islice(images, MOST + 1)]
    if len(paths) > MOST:
        diagnosis.notes.append(f"images: the first {MOST}")
    seen = look_at_images(graph, paths[:MOST], diagnosis)
    if (header := look_at_file(graph, weights, diagnosis)) and seen:
        letterbox, why = choose_resize("auto", graph, header)
        diagnosis.notes.append(f"resize: {why}")
        Examination(graph, weights, seen, known, letterbox, thresh, place, diagnosis).run()
    return diagnosis


def read(cfg: str | Path, weights: str | Path, diagnosis: Diagnosis) -> Graph | None:
    """The network of the cfg, if both files can be read."""
    rule, file = "file", Path(weights)
    try:
        read_header(weights)
        rule, file = "cfg", find_cfg(str(cfg))
        graph = open_files(file, weights).graph
        check_detector(graph)
    except DarkparseError as why:
        diagnosis.add([cfg_rules.of_error(why, rule, file)])
        return None
    return graph


def look_at_images(graph: Graph, paths: list[str], diagnosis: Diagnosis) -> list[pictures.Picture]:
    """Those that can be read and resized."""
    seen = [pictures.read(path, graph.net.channels) for path in paths]
    found = [finding for picture in seen for finding in judge_picture(picture, graph)]
    diagnosis.add(found, f"images: {len(seen)} read, none of one colour, tiny or too long")
    return [picture for picture in seen if picture.fits(graph.net.width, graph.net.height)]


def look_at_file(graph: Graph, weights: str | Path, diagnosis: Diagnosis) -> Header | None:
    """Its header, if it holds what is worth running."""
    held, found = file_rules.judge_fit(graph, weights)
    if not held:
        diagnosis.add(found)
        return None
    looks = list(tensors.look(graph, weights, held))
    found += file_rules.judge_tensors(looks, weights)
    found += file_rules.judge_header(graph, held.header, weights)
    numbers = f"{sum(look.slot.stored.size for look in looks):,} numbers fit all layers"
    trained = f"{file_rules.iterations(graph, held.header):,} iterations" if held.header.seen else "images not counted"
    diagnosis.add(found, f"weights: {numbers}, none NaN or infinite, no layer as drawn at random; {trained}")
    return None if is_bad(found) else held.header


@dataclass(frozen=True)
class Examination:
    """A network at work."""

    graph: Graph
    weights: str | Path
    seen: list[pictures.Picture]
    names: tuple[str, ...]
    letterbox: bool
    thresh: float
    device: torch.device
    diagnosis: Diagnosis

    def run(self) -> None:
        """Layers, heads, and if they work, trials."""
        network = passes.load(self.graph, self.weights, self.device)
        channels, height, width = self.graph.net.shape
        fitted = (FITTINGS[self.letterbox](pixels, width, height) for pixels in self.pixels(0))
        layers, heads = passes.look(network, fitted, pictures.probe(channels, height, width), self.device)
        found = run_rules.judge_layers(layers, self.graph, self.weights)
        largest = max(layers, key=lambda look: look.largest)
        all_finite = f"all {len(layers)} give finite values, up to {largest.largest:.3g} in layer {largest.index}"
        self.diagnosis.add(found, f"layers: {all_finite}, that change with the image")
        if not is_bad(found):
            self.judge_heads(heads)
            self.judge_trials(network)

    def pixels(self, contrast: float) -> Iterable[Pixels]:
        """The images that have so much of it."""
        return (one.pixels for one in self.seen if one.pixels is not None and one.contrast >= contrast)

    def judge_heads(self, heads: list[passes.HeadLook]) -> None:
        """Objectness, classes, scores."""
        found = run_rules.judge_scores(heads, [one.path for one in self.seen], self.names, self.thresh)
        best = max(heads, key=lambda look: look.best)
        well = f"heads: the best score is {best.best:.2f} ({self.names[best.label]}), above --thresh {self.thresh:g}"
        self.diagnosis.add(found, "" if found else well)
        self.diagnosis.add(run_rules.judge_classes(heads, self.graph))
        self.diagnosis.figures["heads"] = [self.of_head(look) for look in heads]

    def of_head(self, look: passes.HeadLook) -> dict[str, Any]:
        """For JSON: the highest objectness, and the highest score of each class."""
        scores = zip(self.names, look.scores.tolist(), strict=False)  # heads may differ in how many they have
        classes = [{"name": name, "score": score} for name, score in scores]
        return {"layer": look.index, "objectness": look.objectness, "best": look.best, "classes": classes}

    def judge_trials(self, network: Network) -> None:
        """What other ways to give the images change, and what batch norms say."""
        if not (vivid := list(self.pixels(FLAT))):
            return
        trials = Trials(network, self.weights, vivid, self.letterbox, self.thresh, self.device)
        base = trials.base()
        others = list(trials.others(base))
        self.diagnosis.figures["trials"] = trial_rules.as_json(base, others, self.thresh)
        found = trial_rules.judge(base, others, self.graph, self.thresh)
        told = [base.told(self.thresh), *(trial.told(self.thresh) for kind, trial in others if kind != "range")]
        self.diagnosis.add(found, f"tried, with how many detections: {', '.join(told)}; nothing is clearly better")
        rules = {finding.rule for finding in self.diagnosis.ills}
        if not rules & {"range", "size"}:  # else batch norms get the wrong values because of that
            self.judge_norms(base.outcome)
        self.diagnosis.add(run_rules.judge_number(base.outcome, self.weights))
        if "anchors" not in rules:
            self.diagnosis.add(run_rules.judge_boxes(base.outcome, self.graph))

    def judge_norms(self, outcome: passes.Outcome) -> None:
        """What no trial explains."""
        found = run_rules.judge_statistics(outcome, self.weights)
        if not found:
            found = run_rules.judge_likeness(outcome, self.weights)
        well = f"batch norms: all {len(outcome.norms)} get what they got in training"
        self.diagnosis.add(found, well if outcome.norms and not found else "")
