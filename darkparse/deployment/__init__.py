"""From a network as the cfg has it to one that only infers, faster, with the same results: one step, `deploy`."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import ignore
from ..graph import Graph, resolve
from ..network import Network
from .compiled import compile_whole
from .cuda import Replayed
from .fold import fold_network, overwrite_network, part_from_file
from .memory import keep_memory
from .network import Deployed
from .onednn import available
from .packed import SURE, pack, taken
from .traced import alike, is_light, trace_whole

PRECISIONS = {"auto": torch.float32, "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FEW = 16  # images for which packing weights takes longer than it saves


class Use(NamedTuple):
    """What a network will be used for.

    batch: images at a time; images: how many in all, if that is known; compiled: whether torch.compile may be tried
    """

    batch: int = 1
    images: int | None = None
    compiled: bool = False


@torch.inference_mode()
def deploy(
    network: Network,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    *,
    batch: int = 1,
    size: tuple[int, int] | None = None,
    images: int | None = None,
    compiled: bool = False,
) -> Deployed:
    """Make `network` ready for inference: batch norm folded, channels last, on `device`; convolutions by whatever is
    quickest there.

    It takes the network over: what comes back computes the same outputs (fp32: to 1e-4) but can no longer be saved
    or trained.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps"
        precision: "fp32", "bf16" or "fp16"; "auto": fp32, as the others lose accuracy
        batch: images at a time that it is made fast for; others work
        size: height and width of the images that it is made fast for, px, if not the cfg's; others work
        images: how many will come, if that is known; few are not worth much preparation
        compiled: by torch.compile too, which takes up to a minute; used where a trial finds it quicker, and never for
            recurrent networks, as it would keep a state of its own
    Raises:
        DarkparseError: `compiled`, but nothing here can compile
    """
    place, dtype = torch.device(device), PRECISIONS[precision]
    graph, compiled = at_size(network.graph, size), compiled and not network.is_recurrent
    fold_network(network)
    if place.type == "cpu" and (images is None or images >= FEW) and available(dtype):
        return faster(network, graph, batch, dtype, compiled)
    overwrite_network(network)
    network.to(place, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    deployed = (Replayed if place.type == "cuda" else Deployed)(network, place, dtype)
    if compiled:
        like = example(graph, batch, dtype, place)
        deployed.take(compile_whole(network, like), like, is_compiled=True)
    return deployed


def faster(network: Network, graph: Graph, batch: int, dtype: torch.dtype, compiled: bool) -> Deployed:
    """A folded network on a CPU by the quickest of several ways, for batches of images as `graph` reads them."""
    keep_memory()
    part_from_file(network)
    like = example(graph, batch, dtype, torch.device("cpu"))
    traced = made = None
    if is_light(network, batch):
        network.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]  # or done to its constants
        traced = trace_whole(network, like)
    overwrite_network(network)
    if compiled:
        made = compile_whole(network, like)
    pack(network, graph, batch, dtype)
    network.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    deployed = Deployed(network, like.device, dtype)
    for whole in (traced, made):
        if whole is None or not alike(whole(like), deployed(like)):
            continue
        if taken(whole, like) < SURE * taken(deployed, like):
            deployed.take(whole, like, is_compiled=whole is made)
    return deployed


def example(graph: Graph, batch: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """A batch of noise, without a number from the generator that others draw from."""
    images = torch.rand(batch, *graph.net.shape, generator=torch.Generator()).to(device, dtype)
    return images.contiguous(memory_format=torch.channels_last)


def at_size(graph: Graph, size: tuple[int, int] | None) -> Graph:
    """The graph for images of another size, height and width."""
    if size is None or size == graph.net.shape[1:]:
        return graph
    return resolve(graph.sections, height=size[0], width=size[1], dialect=graph.dialect, complain=ignore)
