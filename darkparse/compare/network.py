"""A network, run by PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ..classify import FITTINGS as OF_CLASSIFIERS
from ..classify import Classifier, choose_fitting, class_names, count_classes
from ..data import names_for
from ..dataset.reader import Ready
from ..deployment import Use
from ..detect import RESIZES, Model, choose_resize
from ..errors import DarkparseError
from ..graph import Graph
from ..layout import Header
from ..loading import Runner, check_choice, choose_device, on_device, told_plainly
from ..network import Network, empty_network
from ..sources import Source
from .sides import Found, Layer, Note, Outcome, Picture, Side, Wanted, one_of

HIER = 0.5  # of darkparse detect


class NetworkSide(Side):
    """A network with its weights, as `darkparse detect` and `darkparse classify` run it."""

    source: Source
    runner: Runner
    complete = True

    def __init__(self, name: str, source: Source, device: str = "cpu", precision: str = "fp32") -> None:
        super().__init__(name)
        self.source, self.precision, self.device = source, precision, choose_device(device)
        graph = source.graph
        self.layers = {node.index: layer_of(graph, node.index) for node in graph.nodes}
        self.rule, why = rule_of(graph, source.header)
        self.notes = [f"resize: {why}"]
        if random := [str(node.index) for node in graph.nodes if node.layer.dontload and node.tensors]:
            self.notes.append(f"random: layers {', '.join(random)} have dontload=1: their weights are random numbers")

    def twin(self, device: str, precision: str) -> NetworkSide:
        """The same network once more, to be run otherwise."""
        source = self.source._replace(network=deepcopy(self.source.network))
        return NetworkSide(f"{self.name} ({precision}, {device})", source, device, precision)

    def prepare(self, rule: str) -> None:
        """Deploy it; see `Side.prepare`."""
        network = on_device(self.source.network, self.device, self.precision, Use(images=1))
        self.runner = runner_of(network, self.source.header, self.source.names, rule)
        self.reader = self.runner.reader

    @torch.inference_mode()
    def run(self, picture: Picture, wanted: Wanted, note: Note) -> Outcome:
        """See `Side.run`."""
        runner, shape = self.runner, self.source.graph.net.shape
        if picture.pixels is None or picture.pixels.shape != shape:
            got = "none" if picture.pixels is None else " x ".join(map(str, picture.pixels.shape))
            raise DarkparseError(
                f"{picture.name}: expected pixels of {' x '.join(map(str, shape))} for {self.name}, got {got}"
            )
        batch = torch.from_numpy(picture.pixels)[None].to(runner.device, runner.dtype)
        with telling(runner.network, note), told_plainly(runner.device):
            runner.network.reset()
            raw = runner.network(batch.contiguous(memory_format=torch.channels_last))
        outputs = [as_array(one) for one in raw]
        keyed: dict[int | str, np.ndarray] = dict(zip(runner.graph.outputs, outputs, strict=True))
        return Outcome(keyed, self.interpret(picture, outputs, wanted))

    def interpret(self, picture: Picture, outputs: Sequence[np.ndarray], wanted: Wanted) -> Found | None:
        """See `Side.interpret`."""
        return interpret(self.runner, picture, outputs, wanted)


def layer_of(graph: Graph, index: int) -> Layer:
    """What a report says of a layer."""
    node = graph.nodes[index]
    return Layer(index, node.layer.section, f"{node.where.file}:{node.where.line}")


def rule_of(graph: Graph, header: Header) -> tuple[str, str]:
    """How the network's own writer resizes images for it, and why.

    Raises:
        DarkparseError: it reads no images
    """
    if graph.heads:
        keeps_proportions, why = choose_resize("auto", graph, header)
        return "letterbox" if keeps_proportions else "stretch", why
    if not graph.net.width * graph.net.height * graph.net.channels:
        raise DarkparseError(f"{graph.file}: reads {graph.net.inputs} values; expected a network that reads images")
    if not is_classifier(graph):
        return "stretch", "stretch, as it neither detects nor classifies"
    kind, why = choose_fitting("auto", header)
    return kind, f"{kind}, {why}"


def is_classifier(graph: Graph) -> bool:
    """Whether its output is a value a class."""
    try:
        return count_classes(graph) > 0
    except DarkparseError:
        return False


def runner_of(network: Network, header: Header, names: tuple[str, ...], rule: str) -> Runner:
    """What runs images through `network` and knows what its outputs mean.

    Raises:
        DarkparseError: it cannot resize images by `rule`, or there is another number of names
    """
    graph = network.graph
    if graph.heads:
        check_choice("resize", rule, RESIZES[1:])
        return Model(network, header, names or names_for(graph)[0], rule == "letterbox")
    check_choice("resize", rule, OF_CLASSIFIERS)
    if not is_classifier(graph):
        return Runner(network, header, (), OF_CLASSIFIERS[rule])
    return Classifier(network, header, names or class_names(graph, count_classes(graph), None, None)[0], rule)


def interpreter(graph: Graph, header: Header, names: tuple[str, ...], rule: str) -> Runner:
    """The same without weights: it cannot run, but knows what outputs mean."""
    return runner_of(empty_network(graph), header, names, rule)


def interpret(runner: Runner, picture: Picture, outputs: Sequence[np.ndarray], wanted: Wanted) -> Found | None:
    """What raw outputs, `(C, H, W)` each, of one image mean; None where they are not those of the runner's network."""
    if [one.shape for one in outputs] != [runner.graph.nodes[index].shape for index in runner.graph.outputs]:
        return None
    raw = [torch.from_numpy(np.ascontiguousarray(one))[None].float() for one in outputs]
    if isinstance(runner, Classifier):
        return runner.interpret(raw, top=max(1, len(runner.names)))[0]
    if isinstance(runner, Model):
        width, height = picture.size
        ready = Ready(np.empty(0, np.float32), np.broadcast_to(np.uint8(0), (height, width, 1)))  # its size is read
        return runner.interpret([ready], raw, wanted.faint, wanted.nms, HIER)[0].shown()
    return None


@contextmanager
def telling(network: Network, note: Note) -> Iterator[None]:
    """While this lasts, `note` is told of each layer's output."""

    def tell(index: int, module: nn.Module, given: tuple[Tensor, ...], result: Tensor) -> None:
        note(index, as_array(result))

    handles = [layer.register_forward_hook(partial(tell, index)) for index, layer in enumerate(network.layers)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def as_array(batch: Tensor) -> np.ndarray:
    """The only image of a batch, float32."""
    return one_of(batch.detach().float().cpu().numpy())
