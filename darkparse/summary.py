"""A network as a table, without building it."""

from collections.abc import Iterator

from .graph import Graph, Node
from .layout import size

HEADING = f"   layer{'filters':>25s} {'size/strd(dil)':>14s}      input                output"


def table(graph: Graph) -> Iterator[str]:
    """Darknet's table, a line a layer, then the sums.  Source: src/parser.c parse_network_cfg_custom (AlexeyAB)."""
    yield HEADING
    for node in graph.nodes:
        yield line(node, node.operations / 1e9)
    yield f"Total BFLOPS {sum(node.operations for node in graph.nodes) / 1e9:5.3f}"
    yield f"{graph.parameters:,} parameters"
    yield f"{size(graph):,} bytes of .weights"


def line(node: Node, billions: float) -> str:
    """A layer's line."""
    filters, kernel = node.layer.describe()
    x, out = node.inputs[0], node.shape
    name = node.layer.short
    if named := [str(source) for at, source in enumerate(node.sources) if node.layer.names(at)]:
        name = f"{name} {', '.join(named)}"
    if node.shares is not None:
        name = f"{name} of {node.shares}"
    flops = f" {billions:5.3f} BF" if billions else ""
    shapes = f"{x.w:4d} x{x.h:4d} x{x.c:4d} -> {out.w:4d} x{out.h:4d} x{out.c:4d}"
    return f"{node.index:4d} {name:18s}{filters:>10s} {kernel:>14s}  {shapes}{flops}"
