"""`Net`: a Darknet network with the methods of OpenCV 4's cv2.dnn.Net."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..boxes import Floats
from ..errors import DarkparseError, DarkparseWarning
from ..graph import Graph
from ..loading import choose_device
from ..network import Network
from .engine import Engine, Place
from .errors import NetError, as_opencv
from .names import INPUT, INPUT_LAYER, Blob, blobs, unread
from .rows import cuts, rows

CPU = Place()
CPUS = {cv2.dnn.DNN_TARGET_CPU, getattr(cv2.dnn, "DNN_TARGET_CPU_FP16", cv2.dnn.DNN_TARGET_CPU)}  # no fp16 before 4.9
CUDA = {
    cv2.dnn.DNN_TARGET_CUDA: Place("cuda"),
    cv2.dnn.DNN_TARGET_CUDA_FP16: Place("cuda", "fp16"),
}
DIMENSIONS = 4  # of a blob: images, channels, rows, columns
CHANNELS_OF_A_SCALAR = 4


class Layer(NamedTuple):
    """What `Net.getLayer` tells of a layer."""

    name: str
    type: str


class Net:
    """A network that runs on PyTorch and is asked as OpenCV 4's is.

    Names, numbers, shapes and values are those of OpenCV 4.14 wherever it gives what Darknet gives.  Every error is a
    `NetError`: a `DarkparseError` and a `cv2.error`.
    """

    def __init__(self, graph: Graph | None = None, network: Network | None = None) -> None:
        """A network of a graph, with its weights; without them it can name its layers but not run."""
        self.graph = graph
        self._blobs = blobs(graph) if graph else []
        self._numbers = {blob.name: number for number, blob in enumerate(self._blobs, 1)}
        self._cuts = cuts(graph) if graph else {}
        self._engine = Engine(network) if network else None
        self._images: Floats | None = None
        self._seconds = 0.0  # that the last forward took
        self._warned = False

    def empty(self) -> bool:
        """Whether there is no layer."""
        return not self._blobs

    def getLayerNames(self) -> tuple[str, ...]:
        """The names of all layers; the number of one is its place in here, counted from 1."""
        return tuple(blob.name for blob in self._blobs)

    def getLayerId(self, layer: str) -> int:
        """The number of a layer; -1 where there is none of that name."""
        return 0 if layer == INPUT_LAYER else self._numbers.get(layer, -1)

    def getLayer(self, layerId: int | str) -> Layer:
        """Name and type of a layer, by its number or its name.  Raises NetError where there is none."""
        number = self.getLayerId(layerId) if isinstance(layerId, str) else layerId
        if not 0 <= number <= len(self._blobs):
            raise NetError(f"layer {layerId!r}: not there; expected a name, or a number from 0 to {len(self._blobs)}")
        return Layer(*self._blobs[number - 1][:2]) if number else Layer(INPUT_LAYER, "")

    def getLayerTypes(self) -> tuple[str, ...]:
        """The types of layers that there are, sorted."""
        return tuple(sorted({blob.type for blob in self._blobs} | {"__NetInputLayer__"}))

    def getLayersCount(self, layerType: str) -> int:
        """How many layers have this type."""
        return sum(blob.type == layerType for blob in self._blobs)

    def getUnconnectedOutLayers(self) -> NDArray[np.int32]:
        """The numbers of the layers that no other reads, `(N,)`."""
        return np.array([1 + position for position in unread(self._blobs)], dtype=np.int32)

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        """The names of the layers that no other reads."""
        return tuple(self._blobs[position].name for position in unread(self._blobs))

    def setPreferableBackend(self, backendId: int) -> None:
        """Accepted; the target decides."""

    def setPreferableTarget(self, targetId: int) -> None:
        """Where to run: on CUDA for DNN_TARGET_CUDA and DNN_TARGET_CUDA_FP16, else on the CPU.

        A target that there is not is told of once, in a DarkparseWarning.
        """
        wanted, why = CUDA.get(targetId, CPU), ""
        try:
            choose_device(wanted.device)
        except DarkparseError as error:
            wanted, why = CPU, str(error)
        if targetId not in CPUS | CUDA.keys():
            why = "expected DNN_TARGET_CPU, DNN_TARGET_CUDA or DNN_TARGET_CUDA_FP16"
        if why and not self._warned:
            self._warned = True
            warnings.warn(f"target {targetId}: {why}; the network runs on the CPU", DarkparseWarning, stacklevel=2)
        if self._engine:
            self._engine.place = wanted

    def enableFusion(self, fusion: bool) -> None:
        """Accepted; batch norm is folded into convolutions wherever nobody asks for what is between."""

    def enableWinograd(self, useWinograd: bool) -> None:
        """Accepted; PyTorch chooses how to convolve."""

    def setInput(
        self,
        blob: NDArray[Any],
        name: str = "",
        scalefactor: float = 1.0,
        mean: float | Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    ) -> None:
        """Take images for the next `forward`: scalefactor x (blob - mean), copied.

        Args:
            blob: `(B, C, H, W)` numbers of any type, as of cv2.dnn.blobFromImages; H and W may differ from the cfg's
            name: "" or "data"
            mean: one a channel; one number is the first channel's, as cv2's scalars are
        Raises:
            NetError: no such input, or the blob is none that the network reads
        """
        if name not in ("", INPUT):
            raise NetError(f"input {name!r}: not there; expected {INPUT!r} or ''")
        images = self._checked(blob).astype(np.float32)
        given = np.zeros(max(CHANNELS_OF_A_SCALAR, images.shape[1]), np.float32)
        given[: np.size(mean)] = np.ravel(mean)[: len(given)]
        if scalefactor != 1 or given.any():
            images = (images - given[None, : images.shape[1], None, None]) * np.float32(scalefactor)
        self._images = images

    def _checked(self, blob: NDArray[Any]) -> NDArray[Any]:
        """The blob as `(B, C, H, W)`.  Raises NetError where it is none for this network."""
        if self.graph is None:
            raise NetError("an empty network; expected one that readNetFromDarknet gave")
        if not isinstance(blob, np.ndarray) or blob.dtype.kind not in "buif":
            raise NetError(f"blob: expected an array of numbers, got {getattr(blob, 'dtype', type(blob).__name__)}")
        shape = self.graph.net.shape
        images = blob[..., None, None] if blob.ndim == 2 and shape[1:] == (1, 1) else blob
        if images.ndim != DIMENSIONS or 0 in images.shape or images.shape[1] != shape.c:
            raise NetError(f"blob: expected (images, {shape.c}, height, width), got {blob.shape}")
        return images

    def forward(
        self,
        outputName: str | Iterable[str] | None = None,
        *,
        outBlobNames: Iterable[str] | None = None,
    ) -> Any:
        """Run the network on what `setInput` was given.

        Args:
            outputName: the layer whose output is wanted, by default the last; or the names of several
            outBlobNames: the names of several
        Returns:
            float32 `(B, C, H, W)`, `(B, C)` behind a [connected], and of heads the rows that `rows.rows` describes;
            for names a tuple of them
        Raises:
            NetError: there is no such layer, no input or no weights, or the network cannot take an input of that size
        """
        wanted = outputName if outBlobNames is None else outBlobNames
        if wanted is None or isinstance(wanted, str):
            return self._outputs([wanted or self._last()])[0]
        return tuple(self._outputs(list(wanted) or [self._last()]))

    def forwardAndRetrieve(self, outBlobNames: Iterable[str]) -> tuple[tuple[Floats, ...], ...]:
        """The same for the names of several, each in a tuple."""
        return tuple((one,) for one in self._outputs(list(outBlobNames)))

    def _last(self) -> str:
        if not self._blobs:
            raise NetError("an empty network; expected one that readNetFromDarknet gave")
        return self._blobs[-1].name

    def _outputs(self, names: list[str]) -> list[Floats]:
        """What layers give, by their names."""
        if unknown := [name for name in names if name not in self._numbers]:
            raise NetError(f"layer {unknown[0]!r}: not there; expected one of getLayerNames()")
        if self._engine is None:
            raise NetError("no weights; expected them in readNetFromDarknet")
        if self._images is None:
            raise NetError("no input; expected setInput before forward")
        wanted = [self._blobs[self._numbers[name] - 1] for name in names]
        if inside := [blob.name for blob in wanted if not blob.at]:
            raise NetError(f"layer {inside[0]!r}: has no output of its own here; expected the section's last layer")
        with as_opencv():
            found = self._engine.run(torch.from_numpy(self._images), {blob.at for blob in wanted})
            outputs = [self._view(blob, found[blob.at]) for blob in wanted]
        self._seconds = time.perf_counter() - self._engine.started
        return outputs

    def _view(self, blob: Blob, output: Tensor) -> Floats:
        """What a module gave, as OpenCV has it."""
        assert self.graph is not None
        assert self._images is not None
        if blob.view == "rows" and (head := self.graph.nodes[blob.layer].head):
            height, width = self._images.shape[2:]
            return rows(head, output, width, height, self._cuts[blob.layer])
        shaped = output.permute(0, 2, 3, 1) if blob.view == "permute" else output
        return np.array((shaped.flatten(1) if blob.flat else shaped).numpy(), order="C")

    def getPerfProfile(self) -> tuple[int, NDArray[np.float64]]:
        """What the last `forward` took, in ticks of cv2.getTickFrequency(): in all, and each layer, `(N,)`.

        What a section took stands at its last layer.  On CUDA a layer's time is that of starting it.
        """
        ticks = cv2.getTickFrequency()
        times = np.zeros(len(self._blobs))
        if self._engine and self._engine.seconds:
            last = {blob.layer: position for position, blob in enumerate(self._blobs)}
            times[list(last.values())] = np.array(self._engine.seconds) * ticks
        return int(self._seconds * ticks), times

    def dump(self) -> str:
        """The layers as a graph for Graphviz."""
        lines = [f'\t"{blob.name}" [label="{blob.name}\\n{blob.type}"];' for blob in self._blobs]
        for blob in self._blobs:
            readers = (self._blobs[source].name if source >= 0 else INPUT for source in blob.sources)
            lines += [f'\t"{name}" -> "{blob.name}";' for name in readers]
        return "\n".join(["digraph G {", *lines, "}"])
