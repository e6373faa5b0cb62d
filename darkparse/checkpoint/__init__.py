"""One file that holds all of a model: .pt and .safetensors.

Both hold the tensors of the network by the names of its state dict, the text of the cfg, the texts of the class trees
and maps that it names, the names of classes, and the header of the .weights.  A .pt is a dict of plain values, which
`torch.load(path, weights_only=True)` gives; a .safetensors has all but the tensors as JSON in its metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cfg import Companions, sections_of
from ..errors import Complain, WeightsError, warn
from ..graph import Graph, from_sections
from ..guard import note_read
from . import pt, safetensors
from .contents import Checkpoint, describe
from .filling import fill

if TYPE_CHECKING:
    from ..sources import Source

__all__ = ["Checkpoint", "fill", "graph_of", "is_checkpoint", "read", "read_graph", "write"]

FORMS = {".pt": pt, ".pth": pt, ".safetensors": safetensors}


def is_checkpoint(path: str | Path) -> bool:
    """Whether a file is named as a checkpoint is."""
    return Path(path).suffix.lower() in FORMS


def write(path: str | Path, source: Source) -> None:
    """Write all of a model, in the form that the suffix of `path` says; it appears whole or not at all.

    Raises:
        WeightsError: it cannot be written
    """
    if not is_checkpoint(path):
        raise WeightsError(f"{path}: expected a name that ends in {', '.join(FORMS)}")
    FORMS[Path(path).suffix.lower()].write(Path(path), describe(source), source.network.state_dict())


def read(path: str | Path) -> Checkpoint:
    """What a file holds, checked but for whether the tensors suit the cfg; their data stay on the disk until needed.

    Nothing in it is executed.

    Raises:
        WeightsError: it is missing, damaged, or something else
    """
    if not is_checkpoint(path):
        raise WeightsError(f"{path}: expected a name that ends in {', '.join(FORMS)}")
    note_read(path)
    found: Checkpoint = FORMS[Path(path).suffix.lower()].read(Path(path))
    return found


def read_graph(path: str | Path, **options: Any) -> Graph:
    """The network of the cfg in a file; see `read` and `graph_of`."""
    return graph_of(read(path), path, **options)


def graph_of(
    checkpoint: Checkpoint,
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    complain: Complain = warn,
) -> Graph:
    """The network of the cfg in a checkpoint, as the writer of its weights means it; see `graph.read_graph`.

    Args:
        path: the checkpoint's file, for messages
    Raises:
        CfgError: the cfg is wrong
    """
    file = str(path)
    sections = sections_of(checkpoint.cfg, file, complain, Companions(None, file, dict(checkpoint.files)))
    return from_sections(sections, width=width, height=height, dialect=checkpoint.header.dialect, complain=complain)
