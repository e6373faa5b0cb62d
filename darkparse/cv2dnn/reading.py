"""From Darknet's files, or from what they hold, to a `Net`."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .. import weights as weights_file
from ..cfg import LONGEST, MARK, Section, encoding_of, read_cfg, sections_of
from ..checkpoint import is_checkpoint
from ..data import find_cfg
from ..errors import CfgError, DarkparseError, Location, UnusedOption, WeightsError
from ..graph import Graph, resolve
from ..layout import read_header
from ..network import Network
from ..sources import read_source
from .errors import NetError, as_opencv
from .misread import tell
from .net import Net

FileName = str | os.PathLike[str]
Buffer = bytes | bytearray | memoryview | NDArray[np.uint8]
CFG_BUFFER, WEIGHTS_BUFFER = "cfg buffer", "weights buffer"  # their names in messages


def readNetFromDarknet(
    cfgFile: FileName | Buffer | None = "",
    darknetModel: FileName | Buffer | None = "",
    *,
    bufferCfg: Buffer | None = None,
    bufferModel: Buffer | None = None,
) -> Net:
    """A network from a cfg and its weights, as cv2.dnn.readNetFromDarknet gave it until OpenCV 5.

    Args:
        cfgFile: a path, or what is in the file: bytes, bytearray or an array of uint8; files that such a cfg names
            (class trees) are looked for in the working folder
        darknetModel: the same of the weights; without them the network can name its layers but not run, unless
            the first is a .pt or .safetensors that holds both
        bufferCfg, bufferModel: the same, as OpenCV calls what is in the files
    Raises:
        NetError: the cfg is wrong, or the weights do not fit it
    """
    with as_opencv():
        with warnings.catch_warnings():  # OpenCV's own options; see rows.Cut
            warnings.filterwarnings("ignore", r".*\] (thresh|nms_threshold): no such option", UnusedOption)
            cfg = name_or_bytes(cfgFile if bufferCfg is None else bufferCfg)
            model = name_or_bytes(darknetModel if bufferModel is None else bufferModel)
            graph, network = read(cfg, model)
        tell(graph)
        return Net(graph, network)


def readNet(model: FileName, config: FileName | Buffer = "", framework: str | Buffer = "") -> Any:
    """A network from a .cfg and a .weights file in either order, or from one .pt or .safetensors that holds both.

    Or from "darknet", the weights and the cfg as buffers.  All else OpenCV reads itself, and gives a Net of its own.

    Raises:
        NetError: see `readNetFromDarknet`
    """
    first, second, third = (name_or_bytes(one) for one in (model, config, framework))
    if isinstance(first, str) and first == "darknet" and not isinstance(second, str):
        return readNetFromDarknet(third, second)
    names = [one.lower() for one in (first, second, third) if isinstance(one, str)]
    if not any(name.endswith((".cfg", ".weights", "darknet")) or is_checkpoint(name) for name in names):
        read_other: Any = cv2.dnn.readNet  # buffers, too
        return read_other(model, config, framework)
    if not isinstance(first, str) or not isinstance(second, str):
        raise NetError("expected a .cfg and a .weights file, or 'darknet', the weights and the cfg as buffers")
    cfg, weights = (first, second) if first.lower().endswith(".cfg") else (second, first)
    if not cfg.lower().endswith(".cfg") and (cfg or not is_checkpoint(weights)):
        raise NetError(f"{model}: expected a .cfg and a .weights file")
    return readNetFromDarknet(cfg or weights, weights if cfg else "")


def name_or_bytes(given: FileName | Buffer | None) -> str | NDArray[np.uint8]:
    """A path, or the bytes of a buffer, `(N,)`.  Raises NetError where it is neither."""
    if given is None or isinstance(given, str | os.PathLike):
        return os.fspath(given or "")
    if isinstance(given, np.ndarray) and given.dtype != np.uint8:
        raise NetError(f"expected a path, or a buffer of uint8, got one of {given.dtype}")
    try:
        return np.frombuffer(given, np.uint8)
    except (TypeError, ValueError) as why:
        raise NetError(f"expected a path or a buffer of bytes: {why}") from None


def sections_in(cfg: str | NDArray[np.uint8]) -> list[Section]:
    """The sections of a cfg, in a file or a buffer."""
    if isinstance(cfg, str):
        return read_cfg(find_cfg(cfg))
    if len(cfg) > LONGEST:
        raise CfgError(f"{len(cfg):,} bytes; expected at most {LONGEST:,}", Location(CFG_BUFFER, 1))
    data = cfg.tobytes()
    return sections_of(data.decode(encoding_of(data), errors="replace").removeprefix(MARK), CFG_BUFFER)


def read(cfg: str | NDArray[np.uint8], model: str | NDArray[np.uint8]) -> tuple[Graph, Network | None]:
    """A network of a cfg and its weights, each in a file or a buffer; of a cfg alone; or of a checkpoint."""
    if isinstance(cfg, str) and isinstance(model, str) and (model or is_checkpoint(cfg)):
        source = read_source(cfg, model)
        return source.graph, source.network
    if not len(cfg):
        raise NetError("no cfg; expected a path or a buffer of one")
    if not len(model):
        return resolve(sections_in(cfg)), None
    with on_disk(model) as path:
        graph = resolve(sections_in(cfg), dialect=read_header(path).dialect)
        network = Network(graph)
        weights_file.load(network, path)
    return graph, network


@contextmanager
def on_disk(model: str | NDArray[np.uint8]) -> Iterator[Path]:
    """The path of the weights; those of a buffer stand in a file as long as they are needed."""
    if isinstance(model, str):
        yield Path(model)
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, WEIGHTS_BUFFER)
        try:
            model.tofile(path)
            yield path
        except WeightsError as why:
            raise type(why)(str(why).replace(str(path), WEIGHTS_BUFFER)) from None
        except OSError as why:
            raise DarkparseError(f"{WEIGHTS_BUFFER}: cannot be kept in a file: {why.strerror}") from None
