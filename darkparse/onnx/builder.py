"""The nodes and constants of an ONNX model, collected one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import CfgError
from ..registry import LayerDef, Shape
from .package import package

OPSET = 11  # the lowest with Resize as Darknet's upsample, NonMaxSuppression as wanted, and GatherND
IR_VERSION = 6  # of the first release of onnx that had this opset: older runtimes refuse newer ones

Dim = int | str  # a size, or the name of one that varies
BATCH = "batch"


class Inexpressible(CfgError):
    """What a section asks for cannot be said in ONNX; has a `where`."""


class Builder:
    """Collects nodes and constants; methods give the names of tensors.

    model: what has been collected, an `onnx.ModelProto`; scope: what the names of new nodes and tensors begin with;
    any_size: whether height and width of the images vary, so that no constant may hold what depends on them;
    batch: how many images there are, where that does not vary
    """

    def __init__(self, name: str = "darkparse", *, any_size: bool = False, batch: int | None = None) -> None:
        onnx = package("onnx")
        self._helper = onnx.helper
        self.model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="darkparse")
        self.model.opset_import.add(domain="", version=OPSET)
        self.graph = self.model.graph
        self.graph.name = name
        self.scope, self.any_size, self.batch = "", any_size, batch
        self._named: Counter[str] = Counter()
        self._initializers: set[str] = set()

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output; both are named "scope/op", where there are several "scope/op_1" and so on."""
        name = self._new(op)
        self.graph.node.append(self._helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """An initializer "scope.name"; one of that name that is there already is taken for the same.

        Without a name it is "scope/constant", for this use alone: OpenCV 4 makes a layer of a constant that is an
        operand, and then fails where the same one is a parameter.
        """
        name = f"{self.scope}.{name}" if name else self._new("constant")
        if name not in self._initializers:
            self._initializers.add(name)
            kind = self._helper.np_dtype_to_tensor_dtype(array.dtype)
            self.graph.initializer.add(name=name, dims=array.shape, data_type=kind, raw_data=array.tobytes())
        return name

    def ints(self, *values: int) -> str:
        """A constant: a vector of int64, as axes, shapes and indices are."""
        return self.constant(np.array(values, np.int64))

    def number(self, value: float) -> str:
        """A constant: one float32, a scalar."""
        return self.constant(np.array(value, np.float32))

    def layer(self, index: int, layer: LayerDef) -> str:
        """The name of a layer, and of the tensor that is its output."""
        return f"{index:03d}_{layer.section}"

    def rename(self, old: str, new: str) -> str:
        """Call the tensor that a node gives `new`, everywhere; gives `new`."""
        for node in self.graph.node:
            _replace(node.input, old, new)
            _replace(node.output, old, new)
        return new

    def like(self, y: str, x: str, shape: Shape) -> str:
        """The values `y`, `(B, ...)`, in the shape of `x`, which is `(B, *shape)` at the cfg's size."""
        return self.add("Reshape", y, self.add("Shape", x) if self.any_size else self.ints(0, *shape))

    def input(self, name: str, dims: Sequence[Dim]) -> str:
        """An input of the model, float32."""
        self.graph.input.append(self._value(name, dims))
        return name

    def output(self, name: str, dims: Sequence[Dim], kind: int = 1) -> str:
        """Make a tensor an output of the model; `kind` is one of `onnx.TensorProto`'s, by default FLOAT."""
        self.graph.output.append(self._value(name, dims, kind))
        return name

    @contextmanager
    def inside(self, scope: str) -> Iterator[None]:
        """New names begin with `scope` for a while."""
        before, self.scope = self.scope, scope
        yield
        self.scope = before

    def owns(self, tensor: str) -> bool:
        """Whether a node of the current scope gives it, under no name of its own yet."""
        return tensor.startswith(f"{self.scope}/") and tensor not in self._initializers

    def _value(self, name: str, dims: Sequence[Dim], kind: int = 1) -> Any:
        known = {BATCH: self.batch} if self.batch else {}
        return self._helper.make_tensor_value_info(name, kind, [known.get(str(dim), dim) for dim in dims])

    def _new(self, what: str) -> str:
        name = f"{self.scope}/{what}"
        self._named[name] += 1
        return name if self._named[name] == 1 else f"{name}_{self._named[name] - 1}"


def _replace(names: Any, old: str, new: str) -> None:
    """In place, in a node's list."""
    for i, name in enumerate(names):
        if name == old:
            names[i] = new
