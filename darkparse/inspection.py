"""What is in a .weights file, or in a checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .errors import DarkparseError, WeightsError, ignore
from .graph import Graph, read_graph
from .inputs import cfgs_in
from .layout import FLOAT, Header, fit, layout, read_header


def head(path: str | Path) -> Iterator[str]:
    """Size, version, writer, images seen and number of floats.

    Raises:
        WeightsError: it is no .weights file
    """
    header, size = read_header(path), Path(path).stat().st_size
    floats, rest = divmod(size - header.size, FLOAT)
    yield f"{path}: {size:,} bytes"
    yield f"version {header.version}: {header.writer}; header of {header.size} bytes"
    yield seen(header)
    yield f"{floats:,} floats" + (f" and {rest} bytes that are none" if rest else "")


def seen(header: Header) -> str:
    """How many images it was trained on."""
    return f"seen {header.seen:,} images ({header.seen // 64:,} batches of 64)"


def in_checkpoint(path: str | Path, cfg: str | Path = "") -> Iterator[str]:
    """What `head` and `tensors` say, of a .pt or .safetensors.

    Args:
        cfg: one that should be the one in it
    Raises:
        WeightsError: it is damaged, or holds another cfg
    """
    from .sources import read_source
    from .weights import tensors as tensors_of
    from .weights import to_file

    source = read_source(cfg, path)
    graph, header = source.graph, source.header
    yield f"{path}: {Path(path).stat().st_size:,} bytes"
    yield f"version {header.version}: {header.writer}"
    yield seen(header)
    parts = [f"{len(graph.nodes)} layers", f"{len(source.names)} names", *source.files]
    yield f"{graph.parameters:,} floats; a cfg of {', '.join(parts)}"
    for slot, tensor in tensors_of(source.network):
        yield f"{slot!s:48s} {describe(to_file(slot, tensor), slot.stored.shape)}"


def tensors(path: str | Path, graph: Graph) -> Iterator[str]:
    """How the file fits the network, then a line a tensor: shape, least and largest value, NaN and infinite values.

    Raises:
        WeightsError: it fits not even a part of the network
    """
    header, layers = fit(graph, path, partial=True)
    whole = layers == len(graph.nodes)
    yield f"fits {graph.file}: " + ("all" if whole else f"the first {layers} of") + f" {len(graph.nodes)} layers"
    values = np.memmap(path, "<f4", "r", offset=header.size)
    for slot in layout(graph, loading=True):
        if slot.node.index >= layers:
            break
        yield f"{slot!s:48s} {describe(values[slot.start : slot.stop], slot.stored.shape)}"


def describe(values: np.ndarray, shape: tuple[int, ...]) -> str:
    """Shape and range of a tensor; a count of what is not finite."""
    nans, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    least, largest = (np.nanmin(values), np.nanmax(values)) if nans < values.size else (np.nan, np.nan)
    note = f"  {nans} NaN, {infinite} infinite" if nans or infinite else ""
    return f"{'x'.join(str(n) for n in shape):>18s}  {least:11.5g} .. {largest:<11.5g}{note}"


def fitting(path: str | Path, folder: str | Path) -> Iterator[str]:
    """For each cfg in a folder, whether the file fits it.

    Raises:
        WeightsError: it is no .weights file
        DarkparseError: there is no cfg in the folder
    """
    read_header(path)
    for cfg in cfgs_in(folder):
        yield f"{cfg.name}: {verdict(path, cfg)}"


def verdict(path: str | Path, cfg: Path) -> str:
    """Whether a file fits a cfg, in a few words."""
    try:
        graph = read_graph(cfg, complain=ignore)
        layers = fit(graph, path, partial=True).layers
    except WeightsError as why:
        _, fits, classes = str(why).partition("; the file fits this cfg with ")
        return f"no; it would with {classes}" if fits else "no"
    except DarkparseError as why:
        return f"not read: {why}"
    return "fits" if layers == len(graph.nodes) else f"its first {layers} of {len(graph.nodes)} layers"
