"""An .onnx file, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..classify import FITTINGS
from ..dataset.reader import Reader
from ..errors import DarkparseError
from ..loading import Runner
from ..onnx import metadata
from ..onnx.session import LAYER, Session
from .network import interpret, interpreter
from .sides import Found, Layer, Note, Outcome, Picture, Side, Wanted, one_of


class OnnxSide(Side):
    """A network in an .onnx file: of one that darkparse wrote, with all layers that have a node of their own."""

    def __init__(self, path: str, device: str = "cpu") -> None:
        """Load it.

        Raises:
            DarkparseError: it cannot be read, is no ONNX or damaged; or there is no such device, or no ONNX Runtime
        """
        super().__init__(path)
        self.session = Session(path, device=device)
        self.told = metadata.read(self.session.metadata, path)
        self.graph = self.told.graph(path) if self.told else None
        self.runner: Runner | None = None
        self.keys: dict[str, int | str] = {name: name for name in self.session.outputs}  # of outputs that are compared
        if self.told:
            self.session = Session(path, inner=True, device=device)
            self.rule = self.told.resize
            if tail := [name for name in self.keys if not LAYER.fullmatch(name)]:
                said = f"{', '.join(tail)}: not compared; detections are those of the heads' raw outputs"
                self.notes.append(said)
            parts = (name.partition("_") for name in self.session.outputs if LAYER.fullmatch(name))
            self.layers = {int(index): Layer(int(index), section) for index, _, section in parts}
            self.keys = {f"{index:03}_{layer.section}": index for index, layer in self.layers.items()}
            self.notes.append(f"resize: {self.rule}, as it was converted")

    def prepare(self, rule: str) -> None:
        """See `Side.prepare`."""
        if self.told and self.graph:
            self.runner = interpreter(self.graph, self.told.header, self.told.names, rule)
            self.reader = self.runner.reader
        else:
            _, *shape = self.session.shape or (None,)
            channels, height, width = (*shape, None, None, None)[:3]
            if channels and height and width:
                self.reader = Reader((channels, height, width), FITTINGS[rule])

    def run(self, picture: Picture, wanted: Wanted, note: Note) -> Outcome:
        """See `Side.run`."""
        if picture.pixels is None:
            raise DarkparseError(f"{self.name}: does not say how large images must be; expected the other side to")
        given = self.session.run(picture.pixels[None])
        outputs: dict[int | str, np.ndarray] = {}
        leaving = self.graph.outputs if self.graph else tuple(self.keys.values())
        for name, key in self.keys.items():
            if given[name].shape[:1] != (1,):
                continue  # not a value an image
            output = one_of(given[name].astype(np.float32, copy=False))
            if isinstance(key, int):
                note(key, output)
            if key in leaving:
                outputs[key] = output
        return Outcome(outputs, self.interpret(picture, list(outputs.values()), wanted))

    def interpret(self, picture: Picture, outputs: Sequence[np.ndarray], wanted: Wanted) -> Found | None:
        """See `Side.interpret`."""
        return interpret(self.runner, picture, outputs, wanted) if self.runner else None
