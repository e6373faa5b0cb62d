"""A network on an NVIDIA GPU: its kernels launched as one, and batches that come while it is busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..network import Network
from .network import Deployed

MOST = 8  # shapes of batches that a network is recorded for; others run layer by layer
ALIGNMENT = 16  # bytes: where an image may begin in a buffer, whatever its type
_only_one = threading.Lock()  # recording at a time, whichever network it is of


class Replayed(Deployed):
    """A network on a GPU, recorded when a batch of some shape comes for the second time, and replayed from then on.

    The processor launches a recording (a CUDA graph) at once; layer by layer it is slower at launching than the GPU at
    computing.  Recurrent networks, and modules with hooks, run layer by layer.  float32 means float32: without TF32.
    Several threads may use it at once, on streams of their own, too.
    """

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(network, device, dtype)
        self._inside, self._recurrent = tuple(network.layers.modules()), network.is_recurrent
        self._seen: set[Any] = set()
        self._recordings: dict[Any, Recording | None] = {}  # None: it cannot be recorded
        self._lock = threading.Lock()
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def forward(self, images: Tensor) -> list[Tensor]:
        """See `Network.forward`."""
        with self._lock:
            recording = self._recording(images) if self._can_be_replayed() else None
            if recording is None:
                with exact():
                    return super().forward(images)
            stream = torch.cuda.current_stream(images.device)
            stream.wait_event(self._done)  # of the replay before, on whatever stream: they share memory
            outputs = recording.replay(images)
            self._done.record(stream)
            return outputs

    def _can_be_replayed(self) -> bool:
        hooked = any(one._forward_hooks or one._forward_pre_hooks for one in self._inside)
        return not hooked and not self._recurrent

    def _recording(self, images: Tensor) -> Recording | None:
        """That for the shape of `images`, once it has been seen before."""
        key = (images.shape, images.dtype, images.device)
        if key not in self._seen:
            self._seen.add(key)
        elif key not in self._recordings and len(self._recordings) < MOST:
            with _only_one:
                self._recordings[key] = record(super().forward, images, self._stream, self._pool)
        return self._recordings.get(key)


class Recording(NamedTuple):
    """A forward pass with the memory it works in.

    images: what it reads; outputs: where its results are until the next replay, of whatever recording of the network
    """

    graph: torch.cuda.CUDAGraph
    images: Tensor
    outputs: list[Tensor]

    def replay(self, images: Tensor) -> list[Tensor]:
        """The outputs for other images of that shape; memory of their own."""
        self.images.copy_(images)
        self.graph.replay()
        return [output.clone() for output in self.outputs]


def record(
    forward: Callable[[Tensor], list[Tensor]], images: Tensor, stream: torch.cuda.Stream, pool: Any
) -> Recording | None:
    """A recording of `forward` for batches like `images`; None where a layer waits for the GPU, which cannot be.

    Args:
        stream, pool: those of the network's other recordings, with which it then shares memory
    """
    mine = images.clone(memory_format=torch.channels_last)
    graph, here = torch.cuda.CUDAGraph(), torch.cuda.current_stream(images.device)
    stream.wait_stream(here)
    with torch.cuda.stream(stream), exact(benchmark=True):  # which is left even where recording fails
        forward(mine)  # chooses algorithms and makes what is made once
        stream.synchronize()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                outputs = forward(mine)
        except RuntimeError:
            return None
    here.wait_stream(stream)
    return Recording(graph, mine, outputs)


def exact(benchmark: bool = False) -> AbstractContextManager[None]:
    """While it lasts, cuDNN computes with all digits of float32.

    Args:
        benchmark: it also tries which of its algorithms is the fastest
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=benchmark, allow_tf32=False)


class Sent(NamedTuple):
    """A batch on its way to a GPU; arrived: what happens when it is there."""

    batch: Tensor
    arrived: torch.cuda.Event

    def take(self) -> Tensor:
        """The batch, for whatever the current stream does from now on."""
        stream = torch.cuda.current_stream(self.batch.device)
        stream.wait_event(self.arrived)
        self.batch.record_stream(stream)
        return self.batch


class Sender:
    """Sends images to a GPU and prepares them there while it computes something else: on a stream of its own, through
    two page-locked buffers, of which one is filled while the other is read.  Several threads may use it at once."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._buffers = [Buffer(), Buffer()]
        self._lock = threading.Lock()

    @torch.inference_mode()
    def send(self, images: Sequence[Tensor], fit: Callable[[list[Tensor]], Tensor]) -> Sent:
        """A batch of images that are in the processor's memory.

        Args:
            fit: what makes a batch, `(B, C, H, W)`, of them on the GPU
        """
        with self._lock, torch.cuda.stream(self._stream):
            buffer = self._buffers.pop(0)
            self._buffers.append(buffer)
            there = buffer.send(images, self.device)
            batch = fit(there).to(self.dtype).contiguous(memory_format=torch.channels_last)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._stream)
        return Sent(batch, arrived)


class Buffer:
    """Page-locked memory, as much as the largest batch needed; read: when the GPU has read it."""

    def __init__(self) -> None:
        self.memory = torch.empty(0, dtype=torch.uint8)
        self.read = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def send(self, images: Sequence[Tensor], device: torch.device) -> list[Tensor]:
        """The images on the device, once the current stream is there."""
        self.read.synchronize()
        size = places(images)[-1]
        if len(self.memory) < size:
            self.memory = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        for image, place in zip(images, cut(self.memory, images), strict=True):
            place.copy_(image)
        there = self.memory[:size].to(device, non_blocking=True)
        self.read.record(torch.cuda.current_stream(device))
        return list(cut(there, images))


def places(images: Sequence[Tensor]) -> list[int]:
    """Where each of the images begins in a buffer, bytes, and where the last one ends."""
    return list(accumulate((-(-image.nbytes // ALIGNMENT) * ALIGNMENT for image in images), initial=0))


def cut(memory: Tensor, images: Sequence[Tensor]) -> Iterator[Tensor]:
    """Parts of a buffer, `(bytes,)` uint8, each with the type and shape of one of the images."""
    for image, start in zip(images, places(images), strict=False):
        yield memory[start : start + image.nbytes].view(image.dtype).view(image.shape)
