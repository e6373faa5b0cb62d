"""What is wrong with a cfg and with names, as far as it bears on detecting nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..data import COUNTS, names_for, read_names, shipped
from ..errors import CfgError, DarkparseError
from ..findings import ERROR, NOTE, WARNING, Finding
from ..graph import Graph, Node
from ..layers.region import Region
from ..layers.yolo import AnchorHead
from .file_rules import listed

# The largest anchor, over the width or height of the input, or for [region] over that of the head in cells: in the
# official cfgs up to .92 and 1.28 (but for one with anchors from a search), in a network that was cut down with its
# anchors left 2.4.  Anchors in px, where cells are meant, would make it 30; and the smallest of them, which are up to
# 1.4 cells in those cfgs, some dozen.
LARGE_ANCHOR, ANCHOR_IN_PX, SMALLEST_IN_PX = 2.0, 6.0, 4.0
SMALL_ANCHOR = 8.0  # px: the finest stride in use, so all objects would be within a cell; the official ones reach 64


def of_error(why: DarkparseError, rule: str, file: str | Path) -> Finding:
    """What kept the examination from going on."""
    if isinstance(why, CfgError):
        where = why.where
        message = str(why).removeprefix(f"{where.file}:{where.line}:").strip()
        return Finding(rule, ERROR, where.file, where.line, message)
    return Finding(rule, ERROR, str(file), 0, str(why).removeprefix(f"{file}: "))


def judge_cfg(graph: Graph) -> list[Finding]:
    """Layers that are not loaded, and anchors that cannot be meant."""
    anchors = (finding for node in graph.nodes for finding in judge_anchors(node, graph))
    findings = [finding for finding in [next(anchors, None)] if finding]  # all heads have the same fault
    if random := {node.index for node in graph.nodes if node.layer.dontload and node.tensors}:
        message = f"dontload=1 in {listed(random)}: their weights are random numbers"
        line = graph.nodes[min(random)].where.line
        findings.append(Finding("dontload", WARNING, graph.file, line, message, "take dontload=1 out of it"))
    return findings


def judge_anchors(node: Node, graph: Graph) -> Iterator[Finding]:
    """Those of one head: in px where cells are meant, or the other way, or made for another size of the input."""
    head, net = node.layer, graph.net
    if not isinstance(head, AnchorHead | Region) or not head.anchors:
        return
    largest, where = max(head.anchors), (graph.file, node.where.line)
    across, down = max(head.anchors[::2]), max(head.anchors[1::2], default=0)
    if isinstance(head, Region):
        in_px = max(across / node.shape.w, down / node.shape.h) > ANCHOR_IN_PX and min(head.anchors) > SMALLEST_IN_PX
        if in_px:
            cell = net.width // node.shape.w
            message = f"the largest anchor is {largest:g}, but the head has {node.shape.w}x{node.shape.h} cells"
            yield Finding("anchors", WARNING, *where, message, f"[region] counts in cells: divide by {cell}, their px")
    elif largest < SMALL_ANCHOR or (largest < net.width / graph.stride and any(side % 1 for side in head.anchors)):
        message = f"the largest anchor is {largest:g}, but [{head.section}] counts in px: all boxes will be tiny"
        remedy = f"if they count cells, as in [region], multiply them by {graph.stride}, the px of a cell"
        yield Finding("anchors", WARNING, *where, message, remedy)
    elif max(across / net.width, down / net.height) > LARGE_ANCHOR:
        message = f"the largest anchor is {largest:g} px, but the network's input {net.width}x{net.height}"
        remedy = "was it trained at a larger size? then give [net] that width and height"
        yield Finding("size", NOTE, *where, message, remedy)


def judge_names(
    graph: Graph, names: str | Path | None, data: str | Path | None
) -> tuple[tuple[str, ...], str, list[Finding]]:
    """The names of the classes (numbers, where those given do not do), where they are from, and what is wrong."""
    try:
        found, source = names_for(graph, names, data)
    except DarkparseError as why:
        file, _, message = str(why).partition(": ")
        remedy = "give the list that it was trained with: a line a class, in the order of the labels' numbers"
        numbers = tuple(f"class_{number}" for number in range(max(head.classes for _, head in graph.heads)))
        return numbers, "numbers instead", [Finding("names", ERROR, file, 0, message, remedy)]
    known = COUNTS.get(len(found), "")
    if not known:
        return found, source, []
    if source.startswith(known):
        message, remedy = f"no names given: those of {known} are taken", "if it was trained on others, give --names"
        return found, source, [Finding("names", NOTE, graph.file, 0, message, remedy)]
    usual = read_names(shipped() / known)
    if found != usual and sorted(found) == sorted(usual):
        message = f"has the names of {known} in another order, so that objects may be called by others' names"
        remedy = f"unless it was trained so, give the order of {known}"
        return found, source, [Finding("names", WARNING, source.partition(", found")[0], 0, message, remedy)]
    return found, source, []
