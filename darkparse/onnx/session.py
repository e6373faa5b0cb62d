"""ONNX Runtime on a .onnx file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DarkparseError
from ..files import blamed
from ..guard import note_read
from ..kinds import recognise
from ..report import printable
from . import seal
from .package import package

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
LAYER = re.compile(r"\d{3,}_\w+")  # the name of a layer's output: its index and its section
STATE = re.compile(r"\d{3,}_\w+(\.\w+)+_in")  # of a recurrent layer, see recurrent.py
CODE = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : (Load model from .*? failed:\s*)?")
LONGEST = 300  # characters of a reason
FATAL = 4  # ONNX Runtime's log level: what it says comes as an exception, too
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class Session:
    """A network in an .onnx file, of darkparse or of whoever; several threads may use it at once.

    path: the file; metadata: what its writer noted; inputs: names and shapes, with None where any size will do;
    options: names of the numbers that may be given but need not be; outputs: names
    """

    def __init__(self, path: str | Path, *, inner: bool | Collection[str] = False, device: str = "cpu") -> None:
        """Load it.

        Args:
            inner: give the output of every layer, "NNN_section", too; or of these
            device: "cpu" or "cuda"
        Raises:
            DarkparseError: it cannot be read, is no ONNX or damaged, there is no such device, or ONNX Runtime is
                not installed
        """
        self.path = path
        runtime = package("onnxruntime")
        provider = _provider(runtime, device)
        check_file(path)
        model = _with_layers(path, inner) if inner else str(path)
        runtime.set_default_logger_severity(FATAL)
        options = runtime.SessionOptions()
        options.log_severity_level = FATAL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # PyTorch wants the processor, too
        with _told_plainly(path, "not an ONNX model that ONNX Runtime can load"):
            self._session = runtime.InferenceSession(model, options, providers=[provider], enable_fallback=0)
            self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
            self.inputs = {one.name: _shape(one.shape) for one in self._session.get_inputs()}
            self.options = tuple(one.name for one in self._session.get_overridable_initializers())
            self.outputs = tuple(one.name for one in self._session.get_outputs())
            self._types = {one.name: TYPES.get(one.type) for one in self._session.get_inputs()}
        seal.check(path, self.metadata)
        if provider not in self._session.get_providers():
            raise DarkparseError(f"device {device!r}: {provider} does not start, though ONNX Runtime has it")

    @property
    def shape(self) -> tuple[int | None, ...]:
        """`(B, C, H, W)` of the images, None where any size will do."""
        return next(iter(self.inputs.values()), ())

    @property
    def states(self) -> dict[str, str]:
        """Of a recurrent network the inputs that are its state, and the outputs that are the next one's."""
        return {name: f"{name.removesuffix('_in')}_out" for name in self.inputs if STATE.fullmatch(name)}

    def run(self, images: np.ndarray, more: Mapping[str, np.ndarray | float] | None = None) -> dict[str, np.ndarray]:
        """What the network gives for a batch, by the names of its outputs.

        Args:
            images: `(B, C, H, W)` float32, 0..1
            more: numbers for some of `options`; and `states`, which else are zeros: a sequence begins
        Raises:
            DarkparseError: the images do not fit, or the network fails on them
        """
        first, *rest = self.inputs or [""]
        self._check(first, rest, images, more or {})
        given = {first: images.astype(self._types[first], copy=False)}
        given |= {name: np.zeros([size or len(images) for size in self.inputs[name]], np.float32) for name in rest}
        given |= {name: np.asarray(value, np.float32) for name, value in (more or {}).items() if name in given}
        given |= {name: np.array([value], np.float32) for name, value in (more or {}).items() if name not in given}
        with _told_plainly(self.path, f"ONNX Runtime fails on images of {_times(images.shape)}"):
            return dict(zip(self.outputs, self._session.run(None, given), strict=True))

    def _check(self, first: str, rest: Sequence[str], images: np.ndarray, more: Collection[str]) -> None:
        """Raises DarkparseError where these cannot be what the network reads."""
        if set(rest) != set(self.states) or not self._types.get(first):
            kinds = ", ".join(f"{one.name} {one.type}" for one in self._session.get_inputs())
            raise DarkparseError(f"{self.path}: expected one input of float numbers, got {kinds or 'none'}")
        fits = len(images.shape) == len(self.shape) and all(
            wanted in (None, size) for wanted, size in zip(self.shape, images.shape, strict=True)
        )
        if not fits:
            raise DarkparseError(f"{self.path}: expected images of {_times(self.shape)}, got {_times(images.shape)}")
        if unknown := [name for name in more if name not in (*self.options, *self.states)]:
            takes = ", ".join((*self.options, *self.states)) or "none"
            raise DarkparseError(f"{self.path}: no option {unknown[0]!r}; expected one of: {takes}")


def _provider(runtime: Any, device: str) -> str:
    """ONNX Runtime's name of a device.  Raises DarkparseError where it is not there."""
    if device not in PROVIDERS:
        raise DarkparseError(f"device: expected one of {', '.join(PROVIDERS)}, got {device!r}")
    if (provider := PROVIDERS[device]) not in runtime.get_available_providers():
        raise DarkparseError(f"device {device!r}: this ONNX Runtime has no {provider}; see the package onnxruntime-gpu")
    return provider


def check_file(path: str | Path) -> None:
    """Raises DarkparseError where a file cannot be read, or is clearly no ONNX model."""
    with blamed(path), open(path, "rb") as file:
        head = file.read(512)
    note_read(path)
    if not head:
        raise DarkparseError(f"{path}: the file is empty; expected an ONNX model")
    if kind := recognise(head):
        raise DarkparseError(f"{path}: not an ONNX model; it is {kind}")


def _with_layers(path: str | Path, inner: bool | Collection[str]) -> bytes:
    """The model with the outputs of layers among its own."""
    onnx = package("onnx")
    with _told_plainly(path, "not an ONNX model"):
        model = onnx.load(str(path))
        known, wanted = {one.name for one in model.graph.output}, () if isinstance(inner, bool) else inner
        for name in (name for node in model.graph.node for name in node.output if name not in known):
            if name in wanted or (inner is True and LAYER.fullmatch(name)):
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        return bytes(model.SerializeToString())


@contextmanager
def _told_plainly(path: str | Path, what: str) -> Iterator[None]:
    """Turn whatever onnx and ONNX Runtime raise, which have no common base, into one line."""
    try:
        yield
    except Exception as why:
        reason = CODE.sub("", " ".join(printable(str(why)).split())) or type(why).__name__
        raise DarkparseError(f"{path}: {what}: {reason[:LONGEST]}") from None


def _shape(dimensions: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in dimensions)


def _times(shape: Sequence[int | None]) -> str:
    """A shape as text."""
    return " x ".join("any" if size is None else str(size) for size in shape) or "a number"
