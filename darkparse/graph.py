"""Sections -> a checked graph: every layer placed, its sources absolute, its shape known."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from . import layers as _layers  # noqa: F401  (fills the registry)
from .cfg import Section, read_cfg
from .dialect import ALEXEYAB, Dialect
from .errors import CfgError, Complain, DarkparseError, GraphError, Location, OddValue, ignore, warn
from .net import Net
from .options import read_options
from .plan import Step, peak, plan
from .registry import HeadDef, LayerDef, Reader, Shape, Stored, define

IMAGE = -1  # the source index of the network's own input
ROUND = 512  # px; a multiple of all strides in use
LARGEST = 2**31 - 1  # Darknet counts values in C ints


@dataclass(frozen=True)
class Node:
    """A layer in its place."""

    index: int
    layer: LayerDef
    sources: tuple[int, ...]
    inputs: tuple[Shape, ...]
    shape: Shape
    where: Location
    shares: int | None = None  # the layer whose tensors this one uses

    @cached_property
    def tensors(self) -> tuple[Stored, ...]:
        """What a .weights file holds of this layer, in order: nothing where another layer's tensors are used."""
        return () if self.shares is not None else tuple(self.layer.tensors(*self.inputs))

    @property
    def operations(self) -> float:
        """Operations for one image, as Darknet counts them."""
        return self.layer.operations(*self.inputs)

    @property
    def head(self) -> HeadDef | None:
        """The layer, where its output means boxes."""
        return self.layer if isinstance(self.layer, HeadDef) else None


@dataclass(frozen=True)
class Graph:
    """A checked network without parameters; sections: what it was made of."""

    file: str
    net: Net
    dialect: Dialect
    nodes: tuple[Node, ...]
    sections: tuple[Section, ...] = field(default=(), compare=False, repr=False)

    @property
    def texts(self) -> dict[str, str]:
        """What the class trees and maps say that options of the cfg name, by these names."""
        return dict(self.sections[0].companions.texts) if self.sections else {}

    @cached_property
    def heads(self) -> tuple[tuple[int, HeadDef], ...]:
        """Index and definition of each layer whose output means boxes."""
        return tuple((node.index, node.head) for node in self.nodes if node.head)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Indices of the layers whose outputs leave the network: the heads, or else the last layer."""
        return tuple(index for index, _ in self.heads) or (len(self.nodes) - 1,)

    @cached_property
    def last(self) -> Node:
        """The last layer that does something at inference."""
        return next((node for node in reversed(self.nodes) if not node.layer.passes_on), self.nodes[-1])

    @cached_property
    def steps(self) -> list[Step]:
        """What to run, and when to free what."""
        return plan([node.sources for node in self.nodes])

    @cached_property
    def parameters(self) -> int:
        """Number of values in all tensors."""
        return sum(stored.size for node in self.nodes for stored in node.tensors)

    @cached_property
    def activations(self) -> int:
        """The most values that one image needs at one time."""
        most = max(node.layer.workspace(*node.inputs) for node in self.nodes)
        return peak(self.steps, [node.shape.size for node in self.nodes], self.net.shape.size) + most

    @cached_property
    def classes(self) -> int:
        """Number of classes of the heads.

        Raises:
            DarkparseError: there is no head, or they differ
        """
        counts = {head.classes for _, head in self.heads}
        if len(counts) != 1:
            found = f"heads with {' and '.join(str(n) for n in sorted(counts))} classes" if counts else "no head"
            raise DarkparseError(
                f"{self.file}: {found}; expected [yolo], [Gaussian_yolo] or [region] sections that agree"
            )
        return counts.pop()

    @cached_property
    def stride(self) -> int:
        """Cells of the input a cell of the coarsest head, across."""
        return max((self.net.width // self.nodes[index].shape.w for index, _ in self.heads), default=1) or 1


def read_graph(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    dialect: Dialect = ALEXEYAB,
    complain: Complain = warn,
) -> Graph:
    """The network that a cfg file describes.

    Args:
        path: the file
        width, height: another size of the input than the cfg's, px
        dialect: whose Darknet is meant where the two differ
        complain: what to do with oddities (unknown and repeated options): `errors.warn` or `errors.refuse`
    Raises:
        CfgError: the text, an option or a shape is wrong; says file, line, section and option
        DarkparseError: the file cannot be read
    """
    return from_sections(read_cfg(path, complain), width=width, height=height, dialect=dialect, complain=complain)


def from_sections(
    sections: Sequence[Section], *, width: int | None, height: int | None, dialect: Dialect, complain: Complain
) -> Graph:
    """The network of `sections`, at a size that suits it; see `read_graph`."""
    own = sections[0].entries
    asked = {"width": width, "height": height}
    others = {name: size for name, size in asked.items() if name not in own or own[name].value != str(size)}
    if any(others.values()):
        check_stride(sections, others.get("width"), others.get("height"))
    return resolve(sections, width=width, height=height, dialect=dialect, complain=complain)


def check_stride(sections: Sequence[Section], width: int | None, height: int | None) -> None:
    """Raises GraphError where another size than the cfg's is no multiple of what its heads need."""
    try:
        stride = resolve(sections, width=ROUND, height=ROUND, complain=ignore).stride
    except CfgError:
        return  # at its own size the cfg is wrong; the other size may be right
    for name, size in (("width", width), ("height", height)):
        if size and (size < 1 or size % stride):
            raise GraphError(
                f"expected a multiple of {stride}, the network's stride, got {size}", sections[0].where(name)
            )


def resolve(
    sections: Sequence[Section],
    *,
    width: int | None = None,
    height: int | None = None,
    dialect: Dialect = ALEXEYAB,
    complain: Complain = warn,
) -> Graph:
    """The graph of `sections`; see `read_graph`."""
    head, *rest = sections
    if head.name not in ("net", "network"):
        raise GraphError("expected [net] to be the first section", head.where())
    net = read_options(Net, head, complain)
    net = replace(net, width=width or net.width, height=height or net.height)
    if not net.shape.size:
        raise GraphError("expected width, height and channels (or else inputs), each at least 1", head.where())
    check_size(net.shape, "[net]", head.where())
    if not rest:
        raise GraphError("no layer after it", head.where())
    nodes: list[Node] = []
    for index, part in enumerate(rest):
        nodes.append(place(index, part, define(part, dialect, complain), nodes, net.shape))
        for oddity in nodes[-1].layer.oddities():
            complain(OddValue, oddity, part.where())
    return Graph(head.file, net, dialect, aware_of_readers(nodes), tuple(sections))


def place(index: int, part: Section, layer: LayerDef, before: Sequence[Node], image: Shape) -> Node:
    """Layer `index`, with its sources looked up among the nodes `before` it.

    Raises:
        GraphError: a source, a shape or a size that cannot be
    """
    where = part.where()
    sources = tuple(layer.sources(index))
    for source in sources:
        if source != index - 1:  # the layer before, or the image
            check_index(index, "reads", source, where)
    if (shared := layer.shares(index)) is not None:
        check_index(index, "shares", shared, where)
    inputs = tuple(before[source].shape if source >= 0 else image for source in sources)
    try:
        node = Node(index, layer, sources, inputs, layer.output(*inputs), where, shared)
    except ValueError as why:
        raise GraphError(str(why), where) from None
    check_size(node.shape, "the output", where)
    for stored in node.tensors:
        if stored.size > LARGEST:
            raise GraphError(f"{stored.name} has {stored.size:,} values; expected at most {LARGEST:,}", where)
    if shared is not None:
        check_sharing(node, before[shared])
    return node


def check_index(index: int, verb: str, of: int, where: Location) -> None:
    """Raises GraphError where layer `index` names a layer `of` that is not before it."""
    if 0 <= of < index:
        return
    named = f"layer {of}" if of >= 0 else f"{of - index}, a layer before the first"
    wanted = f"expected one from 0 to {index - 1}" if index else "expected none, as it is the first"
    raise GraphError(f"layer {index} {verb} {named}; {wanted}", where)


def check_size(shape: Shape, what: str, where: Location) -> None:
    """Raises GraphError where a shape is empty or beyond what Darknet could count."""
    if min(shape) < 1:
        raise GraphError(f"{what} would be {shape} (width x height x channels); expected at least 1x1x1", where)
    if shape.size > LARGEST:
        raise GraphError(f"{what} would be {shape}, {shape.size:,} values; expected at most {LARGEST:,}", where)


def check_sharing(node: Node, other: Node) -> None:
    """Raises GraphError where the tensors of `other` would not fit `node`."""
    own = [stored.shape for stored in node.layer.tensors(*node.inputs)]
    theirs = [stored.shape for stored in other.layer.tensors(*other.inputs)]
    if type(other.layer) is type(node.layer) and own[-1] == theirs[-1] and len(own) > len(theirs):
        raise GraphError(f"layer {other.index} [{other.layer.section}] has no batch norm to share", node.where)
    if type(other.layer) is not type(node.layer) or own[-1] != theirs[-1]:
        wanted = "x".join(str(n) for n in own[-1])
        raise GraphError(f"layer {other.index} [{other.layer.section}] has no weights of {wanted} to share", node.where)


def aware_of_readers(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes, each knowing who reads it.

    Raises:
        GraphError: a layer cannot be read as it is
    """
    readers: list[list[Reader]] = [[] for _ in nodes]
    for node in nodes:
        for position, source in enumerate(node.sources):
            if source >= 0:
                readers[source].append(Reader(node.layer, position))
    result = []
    for node, who in zip(nodes, readers, strict=True):
        try:
            result.append(replace(node, layer=node.layer.placed(who)))
        except ValueError as why:
            raise GraphError(str(why), node.where) from None
    return tuple(result)
