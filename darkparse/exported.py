"""A network as a TorchScript file, or as an exported program (.pt2): both run without darkparse.

Each is reloaded and compared with the network before it appears.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from .errors import DarkparseError
from .files import writing
from .graph import Graph
from .network import Network
from .sources import Source

LARGEST = 1e-4  # difference between the file and the network, as a part of the largest value of an output
BATCHES = (1, 2, 3)  # that are compared

Outputs = tuple[Tensor, ...]
Run = Callable[[Tensor], Outputs]


class Raw(nn.Module):
    """The raw outputs of a network as a tuple."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Outputs:
        """One batch."""
        return tuple(self.network(images))


def write_torchscript(path: str | Path, source: Source, about: Mapping[str, str]) -> list[str]:
    """Write a traced network; what there is to tell of it.

    Its `forward` takes `(B, C, H, W)`, 0..1, and gives the raw output of each head, `(B, C_i, h_i, w_i)`, as
    `Network.forward` does.

    Args:
        about: texts that the file holds beside the network (`_extra_files`, and in a .pt2 `extra_files`)
    Raises:
        DarkparseError: it cannot be traced, answers otherwise than the network, or cannot be written
    """
    check_state(source.network)
    buffer = io.BytesIO()
    with plainly(path, "torch.jit.trace"), torch.no_grad():
        traced = torch.jit.trace(Raw(source.network).eval(), example(source.graph, 1), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, buffer, _extra_files=dict(about))
        del traced
        buffer.seek(0)
        notes = compare(path, source, torch.jit.load(buffer))  # type: ignore[no-untyped-call]
    move(buffer, path)
    return [*notes, "PyTorch deprecates TorchScript in favour of .pt2"]


def write_program(path: str | Path, source: Source, about: Mapping[str, str]) -> list[str]:
    """Write an exported program (`torch.export`) for batches of any size; what there is to tell of it.

    Args:
        about: see `write_torchscript`
    Raises:
        DarkparseError: see `write_torchscript`
    """
    check_state(source.network)
    buffer = io.BytesIO()
    shapes = ({0: torch.export.Dim("batch")},)
    with plainly(path, "torch.export"), torch.no_grad():
        program = torch.export.export(Raw(source.network).eval(), (example(source.graph, 2),), dynamic_shapes=shapes)
        program.example_inputs = None  # which would be saved, too
        torch.export.save(program, buffer, extra_files=dict(about))
        del program
        buffer.seek(0)
        notes = compare(path, source, torch.export.load(buffer).module())
    move(buffer, path)
    return notes


def check_state(network: Network) -> None:
    """Raises DarkparseError where the result depends on what came before."""
    if network.is_recurrent:
        what = "has recurrent layers, whose state between two inputs such a file would not keep"
        raise DarkparseError(f"{network.graph.file}: {what}")


def example(graph: Graph, images: int) -> Tensor:
    """Images of noise, the same each time."""
    generator = torch.Generator().manual_seed(images)
    return torch.rand(images, *graph.net.shape, generator=generator)


def compare(path: str | Path, source: Source, run: Run) -> list[str]:
    """Run a reloaded network on several batches.

    Raises:
        DarkparseError: it answers otherwise than `source.network`
    """
    differences = [0.0]
    for images in BATCHES:
        batch = example(source.graph, images)
        for ours, theirs in zip(source.network(batch), run(batch), strict=True):
            if ours.shape != theirs.shape:
                raise DarkparseError(f"{path}: gives {tuple(theirs.shape)}, the network {tuple(ours.shape)}")
            differences.append(float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1)))
    for difference in differences:
        if not difference <= LARGEST:  # or it is NaN
            raise DarkparseError(f"{path}: differs from the network by {difference:.2g}; expected at most {LARGEST}")
    batches = ", ".join(str(n) for n in BATCHES)
    return [f"{path}: differs from the network by {max(differences):.2g} at most, in batches of {batches}"]


def move(buffer: io.BytesIO, path: str | Path) -> None:
    """Write what is in `buffer` to its place."""
    with writing(path) as file:
        file.write(buffer.getbuffer())


@contextmanager
def plainly(path: str | Path, tool: str) -> Iterator[None]:
    """Turn whatever torch raises into one line; pass over warnings that TorchScript is deprecated, which a note tells.

    Raises:
        DarkparseError: `tool` cannot express the network
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is deprecated", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]  # sizes become constants
        try:
            yield
        except DarkparseError:
            raise
        except Exception as why:
            reason = (str(why) or type(why).__name__).strip().partition("\n")[0]
            raise DarkparseError(f"{path}: {tool} cannot express this network: {reason}") from None
