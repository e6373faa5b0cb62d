"""What is wrong with a network as a whole: sizes, sources, anchors in another unit than the head's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..cfg import Section
from ..errors import CfgError, GraphError, ignore
from ..findings import ERROR, NOTE, WARNING
from ..graph import ROUND, Graph, Node, aware_of_readers, check_index, check_size, place
from ..layers.region import Region
from ..layers.yolo import AnchorHead
from ..net import Net
from ..registry import LayerDef
from .draft import Draft

FAR = 3  # times the side of the input, or of the grid: larger anchors hardly make sense
LARGE = 4  # cells; the smallest of all anchors in cells is smaller
BEYOND = 1.5  # times the grid: official anchors in cells reach that far
SMALLEST = 2  # px; anchors in px are hardly ever smaller
Tell = Callable[[CfgError], None]


def check_shapes(draft: Draft) -> Graph | None:
    """All that needs shapes; the graph, unless something hides a part of it."""
    if not draft.sections:
        return None
    first = draft.sections[0]
    if first.name not in ("net", "network"):
        draft.tell("net", ERROR, first.where(), "expected [net] to be the first section")
        return None
    net = draft.net
    if net is None or 0 in draft.unsure:
        return None
    if not net.shape.size:
        place = draft.where(0, "width", "height", "channels")
        draft.tell("net", ERROR, place, "expected width, height and channels (or else inputs), each at least 1")
        return None
    if len(draft.sections) == 1:
        draft.tell("net", ERROR, first.where(), "no layer after it")
        return None
    check_stride(draft, net)
    return connect(draft, draft.net or net)


def check_stride(draft: Draft, net: Net) -> None:
    """The input must be a multiple of the stride of the coarsest head; mended, so that what follows fits."""
    stride = stride_of(draft, net)
    if stride is None or not (net.width % stride or net.height % stride):
        return
    wanted = {name: size + -size % stride for name, size in (("width", net.width), ("height", net.height))}
    mended = {why.where.line for why in problems(draft, replace(net, width=wanted["width"], height=wanted["height"]))}
    due = [why for why in problems(draft, net) if why.where.line not in mended]
    severity, what = WARNING, "boxes are shifted, as the cells do not add up to it"
    if due:
        severity, what = ERROR, f"[{due[0].where.section}] in line {due[0].where.line} {due[0].message}"
    for name, size in wanted.items():
        if size != (given := getattr(net, name)):
            message = f"{given}: expected a multiple of {stride}, the network's stride; {what}"
            draft.tell("stride", severity, draft.where(0, name), message, f"set {name}={size}")
            draft.set(0, name, size)


def problems(draft: Draft, net: Net) -> list[CfgError]:
    """What is wrong with layers in their places, for an input of some size."""
    found: list[CfgError] = []
    connected(draft, net, found.append)
    return found


def stride_of(draft: Draft, net: Net) -> int | None:
    """Pixels of the input a cell of the coarsest head, across; None where that is not known, or there are no cells."""
    nodes = connected(draft, replace(net, width=ROUND, height=ROUND), ignore)
    widths = [node.shape.w for node in nodes if node and node.head and node.shape.w > 1]  # 1: behind [connected], ...
    return ROUND // min(widths) if widths and not ROUND % min(widths) else None


def connected(draft: Draft, net: Net, tell: Tell) -> list[Node | None]:
    """Every layer in its place; None for those of which the sources or their shapes are not known."""
    nodes: list[Node | None] = []
    for index, part in enumerate(draft.sections[1:]):
        layer = draft.layers.get(index + 1)
        node = None
        if layer is not None:
            try:
                needed = needs(index, part, layer)
                if all(nodes[source] for source in needed):
                    node = place(index, part, layer, nodes, net.shape)  # type: ignore[arg-type]  # no None of `needed`
            except GraphError as why:
                tell(why)
        nodes.append(None if index + 1 in draft.unsure else node)
    return nodes


def needs(index: int, part: Section, layer: LayerDef) -> list[int]:
    """The layers of which layer `index` needs to know the shape.

    Raises:
        GraphError: one is not before it
    """
    named = [source for source in layer.sources(index) if source != index - 1]
    where = part.where(next((key for key in ("layers", "from") if key in part.entries), ""))
    for source in named:
        check_index(index, "reads", source, where)
    if (shared := layer.shares(index)) is not None:
        check_index(index, "shares", shared, part.where("share_index"))
        named.append(shared)
    return [*named, *(source for source in layer.sources(index) if source == index - 1 >= 0)]


def connect(draft: Draft, net: Net) -> Graph | None:
    """The graph, and what is wrong with it."""

    def tell(why: CfgError) -> None:
        draft.tell("layers", ERROR, why.where, why.message)

    try:
        check_size(net.shape, "[net]", draft.sections[0].where())
        nodes = connected(draft, net, tell)
        coarsest = min((node.shape.w for node in nodes if node and node.head), default=1)
        for node in filter(None, nodes):
            if not isinstance(node.layer, AnchorHead):  # whose anchors have rules of their own
                for oddity in node.layer.oddities():
                    draft.tell("odd-value", WARNING, node.where, oddity)
            check_unit(draft, node, net, coarsest)
        if None in nodes:
            return None
        graph = Graph(draft.file, net, draft.dialect, aware_of_readers([node for node in nodes if node]))
    except GraphError as why:
        tell(why)
        return None
    check_readers(draft, graph)
    return graph


def check_unit(draft: Draft, node: Node, net: Net, coarsest: int) -> None:
    """Anchors of [region] are in cells, those of the others in px of the input; each is easily taken for the other.

    Args:
        coarsest: how many cells the coarsest head has, across
    """
    head = node.head
    if not isinstance(head, AnchorHead | Region) or not head.anchors or len(head.anchors) % 2:
        return
    across, down = node.shape.w, node.shape.h
    widest, highest = (max(head.anchors[side::2], default=0) for side in (0, 1))
    size, stride = f"up to {widest:g}x{highest:g}", net.width // coarsest
    found = None
    if isinstance(head, Region):
        if (widest > FAR * across or highest > FAR * down) and looks_like_px(head.anchors):
            what = f"a grid of {across}x{down} cells; [{head.section}] takes them in cells, not in px"
            found = f"{size}, on {what}", f"divide them by {net.width // across}"
    elif widest > FAR * net.width or highest > FAR * net.height:
        what = f"the input has {net.width}x{net.height}; expected px of the input, not of images"
        found = f"{size} px, but {what}", "scale them to the input"
    elif max(widest, highest) <= 1:
        found = f"{size} px; expected px of the input, not parts of it", "multiply them by width and height"
    elif looks_like_cells(head.anchors, stride, coarsest):
        found = (
            f"{size} px, which look like cells; [{head.section}] takes px of the input",
            f"multiply them by {stride}",
        )
    if found:
        draft.tell("anchor-unit", WARNING, draft.where(node.index + 1, "anchors"), *found)


def looks_like_px(anchors: Sequence[float]) -> bool:
    """Whether anchors have no decimals, or no small one among them; those in cells may be made for a larger grid."""
    return not any(side % 1 for side in anchors) or min(anchors) > LARGE


def looks_like_cells(anchors: Sequence[float], stride: int, cells: int) -> bool:
    """Whether anchors look as those of YOLOv2 do: smaller than a cell has pixels, and hardly larger than the grid.

    As objects may be that small, they must have decimals, too, or be below 2, as anchors in px hardly ever do.
    """
    fine = any(side % 1 for side in anchors) or min(anchors) < SMALLEST
    return fine and max(anchors) < stride and max(anchors) <= BEYOND * cells


def check_readers(draft: Draft, graph: Graph) -> None:
    """Tell of layers whose output nobody reads."""
    read = {source for node in graph.nodes for source in node.sources}
    for node in graph.nodes[:-1]:
        if node.index not in read and not node.layer.has_cost:
            message = f"layer {node.index}: no layer reads its output"
            draft.tell("unread", NOTE, node.where, message, "mend the layer that should read it, or remove it")
