"""Takes the .weights of every case of the conformance kit to .safetensors and .pt and back, and compares bytes.

Usage: python benchmarks/roundtrip.py KIT [NAME] ...

Exit status 0 only when all are the same; the last lines printed are how many of the detectors, classifiers, others.
"""

from __future__ import annotations

import filecmp
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

from conformance import Kit
from darkparse.convert import convert
from darkparse.data import classes_of
from darkparse.graph import Graph, read_graph

FORMS = (".safetensors", ".pt")


def survives(kit: Kit, case: Any, graph: Graph, suffix: str, scratch: Path) -> bool:
    """Whether .weights, cfg, trees and maps come back bit by bit from a file of that kind."""
    cfg, first, holder = kit.folder / case.meta["cfg"], scratch / "a.weights", scratch / f"b{suffix}"
    last = scratch / suffix[1:] / "c.weights"
    last.parent.mkdir()
    if not first.exists():
        kit.make.write_weights(case.meta["layout"], case.meta["seed"], first, case.meta["version"])
    convert(cfg, first, holder)
    convert("", holder, last)
    texts = {last.parent / name: kit.folder / name for name in graph.texts}
    pairs = {last: first, last.with_suffix(".cfg"): cfg} | texts
    return all(filecmp.cmp(one, other, shallow=False) for one, other in pairs.items())


def main(folder: str, *names: str) -> int:
    warnings.simplefilter("ignore")
    kit, same, all_of = Kit(Path(folder)), Counter[str](), Counter[str]()
    for case in kit.cases([]):
        if names and case.meta["name"] not in names:
            continue
        graph = read_graph(kit.folder / case.meta["cfg"])
        kind = "detectors" if graph.heads else "classifiers" if classes_of(graph) else "others"
        with tempfile.TemporaryDirectory() as scratch:
            for suffix in FORMS:
                good = survives(kit, case, graph, suffix, Path(scratch))
                print(case.meta["name"], suffix, "the same" if good else "DIFFERENT", flush=True)
                all_of[f"{kind}, {suffix}"] += 1
                same[f"{kind}, {suffix}"] += good
    print(*(f"{what}: {same[what]} of {count}" for what, count in all_of.items()), sep="\n")
    return int(same != all_of)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
