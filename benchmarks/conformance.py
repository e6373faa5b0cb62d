"""Compares darkparse with what Darknet itself computed, layer by layer and box by box.

Usage: python benchmarks/conformance.py KIT [--heads yolo,Gaussian_yolo,region] [--case NAME] ...

KIT is a folder with `cases/`, `cfg/`, `check.py` and `make_weights.py`.  Exit status 0 only when all cases agree;
the last line printed is their number.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from darkparse import weights
from darkparse.detections import candidates, select
from darkparse.dialect import ALEXEYAB, PJREDDIE
from darkparse.graph import Graph, read_graph
from darkparse.network import Network, empty_network

NMS = 0.45
HEADS = "yolo,Gaussian_yolo,region,detection"


class Kit:
    """A conformance kit, with the scripts that belong to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        sys.path.insert(0, str(folder))
        self.check, self.make = self.script("check"), self.script("make_weights")
        sys.path.remove(str(folder))

    def script(self, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"kit_{name}", self.folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    def cases(self, heads: list[str]) -> Iterator[Any]:
        """The cases with one of `heads` among their layers, all where it is empty; by name."""
        for path in sorted((self.folder / "cases").glob("*.npz")):
            case = self.check.Case.load(path)
            if not heads or any(layer["section"] in heads for layer in case.meta["layers"]):
                yield case


class Comparison:
    """One case, run and compared."""

    def __init__(self, kit: Kit, case: Any, scratch: Path) -> None:
        self.kit, self.case, self.meta = kit, case, case.meta
        self.missing = 0
        self.network = self.load(scratch / "case.weights")
        self.outputs: dict[int, list[np.ndarray]] = {}
        raw = self.run()
        self.report = kit.check.compare(case, self.output)
        self.detect(raw)

    def graph(self) -> Graph:
        dialect = PJREDDIE if self.meta["fork"] == "pj" else ALEXEYAB
        size = {key: self.meta["overrides"].get(key) for key in ("width", "height")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read_graph(self.kit.folder / self.meta["cfg"], dialect=dialect, **size)

    def load(self, path: Path) -> Network:
        self.kit.make.write_weights(self.meta["layout"], self.meta["seed"], path, self.meta["version"])
        network = empty_network(self.graph()).eval()
        weights.load(network, path)
        path.unlink()
        if self.meta["fork"] == "pj":
            normalize_as_pjreddie_cpu(network)
        return network

    @torch.inference_mode()
    def run(self) -> list[torch.Tensor]:
        """Every step through the network; layer outputs are kept as Darknet has them."""
        graph = self.network.graph
        for node in graph.nodes:
            self.network.layers[node.index].register_forward_hook(self.keeper(node.index))
        meta = self.meta
        inputs = self.kit.make.make_input(meta["input"], meta["seed"], meta["steps"])
        for step in inputs.reshape(meta["steps"], 1, *graph.net.shape):
            raw: list[torch.Tensor] = self.network(torch.from_numpy(step))
        return raw

    def keeper(self, index: int) -> Any:
        head = self.network.graph.nodes[index].head

        def keep(module: torch.nn.Module, given: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
            if head is not None:
                result = head.stored(result)
            self.outputs.setdefault(index, []).append(result.flatten().numpy())

        return keep

    def output(self, index: int) -> np.ndarray:
        return np.concatenate(self.outputs[index])

    def detect(self, raw: list[torch.Tensor]) -> None:
        """Count the detections that only one side has, with plain NMS and with the cfg's own."""
        if not self.meta["detections"]:
            return
        graph, (_, height, width) = self.network.graph, self.network.graph.net.shape
        hier, thresh = self.meta["detections"]["hier"], self.meta["detections"]["thresh"]
        heads = [head for _, head in graph.heads]
        found = candidates([h.decode(r, width, height, hier) for h, r in zip(heads, raw, strict=True)], 0, thresh)
        kinds = {"detections": ("default", 0.0), "detections_cfg_nms": heads[-1].suppression}
        for name, suppression in kinds.items():
            if name in self.case.arrays:
                kept = select(found, NMS, suppression)
                objectness = kept.objectness if not self.one_for_all() else np.ones_like(kept.scores)
                unit = [width, height] * 2 if heads[-1].section == "detection" else [1] * 4  # those are in px
                rows = np.column_stack([kept.labels, kept.scores, kept.boxes * unit, objectness])
                case = self.kit.check.Case(self.meta, self.case.stats, [], {"detections": self.case.arrays[name]})
                self.missing += len(self.kit.check.missing_detections(case, rows))

    def one_for_all(self) -> bool:
        """AlexeyAB's [region] gives every detection an objectness of 1."""
        return self.meta["fork"] == "ab" and self.network.graph.heads[-1][1].section == "region"

    @property
    def agrees(self) -> bool:
        return not self.report.first and not self.missing

    def __str__(self) -> str:
        worst = max((layer.relative for layer in self.report.layers), default=0.0)
        boxes = len(self.case.arrays.get("detections", ()))
        verdict = "agrees" if self.agrees else f"DIFFERS: {self.report.first or ''} {self.missing} boxes".strip()
        return f"{self.meta['name']:40s} {len(self.report.layers):4d} layers {worst:8.1e} {boxes:5d} boxes  {verdict}"


def normalize_as_pjreddie_cpu(network: Network) -> None:
    """Set variances such that sqrt(v' + 1e-5) = sqrt(v) + 1e-6.

    The kit's cases of pjreddie's fork are from its CPU build, whose batch norm divides by the right side; darkparse
    divides by sqrt(v + 1e-5), as that fork does on a GPU, and as AlexeyAB's does everywhere.
    """
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) and module.running_var is not None:
            module.running_var = ((module.running_var.double().sqrt() + 1e-6) ** 2 - module.eps).float()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kit", type=Path)
    parser.add_argument("--heads", default="", help=f"sections, one of which the case must have, as {HEADS}; all cases")
    parser.add_argument("--case", action="append", default=[], help="this case alone; may be given again")
    options = parser.parse_args(arguments)
    kit, agreed, total, start = Kit(options.kit), 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        for case in kit.cases([name for name in options.heads.split(",") if name]):
            if options.case and case.meta["name"] not in options.case:
                continue
            comparison = Comparison(kit, case, Path(scratch))
            print(comparison, flush=True)
            total, agreed = total + 1, agreed + comparison.agrees
    print(f"{time.monotonic() - start:.0f} s")
    print(f"{agreed} of {total} agree")
    return 0 if total and agreed == total else 1


if __name__ == "__main__":
    sys.exit(main())
