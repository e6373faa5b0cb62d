"""A sound project of a cfg, weights and images, for tests of `darkparse check` to plant faults in."""

from pathlib import Path

import numpy as np

from darkparse.check.project import Project, check
from darkparse.graph import read_graph
from darkparse.layout import Header, layout
from planted import Planted

CFG = """\
# two heads on 64 x 64 px, with cells of 32 and of 16 px
[net]
width=64
height=64
channels=3
batch=16       # images a step
subdivisions=2
momentum=.9
decay=.0005
learning_rate=.001
burn_in=100
max_batches=6000
policy=steps
steps=4800,5400
scales=.1,.1

[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=8
size=3
stride=4
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[convolutional]
filters=21     # 3 boxes x (5 + 2 classes)
activation=linear

# the coarse head
[yolo]
mask=3,4,5
anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40
num=6
classes=2

[route]
layers=-3

[upsample]
stride=2

[route]
layers=-1, 1

[convolutional]
filters=21
activation=linear

[yolo]
mask=0,1,2
anchors=6,7, 9,12, 14,11, 20,22, 31,25, 44,40
num=6
classes=2
"""


class Sound(Planted):
    """The project, in which a test plants a fault."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cfg = self.write("net.cfg", CFG)
        self.weights = folder / "net.weights"
        self.values = self.random()
        self.store(self.values)

    def random(self) -> np.ndarray:
        """Weights that fit the cfg as it is now, variances above 0."""
        slots = list(layout(read_graph(self.cfg)))
        return np.random.default_rng(3).uniform(0.1, 1, slots[-1].stop).astype("<f4")

    def store(self, values: np.ndarray) -> None:
        """Write them."""
        self.weights.write_bytes(Header().pack() + values.tobytes())

    def line(self, text: str, nth: int = 0) -> int:
        """The number of the line of the cfg that says `text`, of several of them the `nth`."""
        lines = self.cfg.read_text().split("\n")
        return [number for number, line in enumerate(lines, 1) if line.partition("#")[0].strip() == text][nth]

    def edit(self, text: str, new: str, nth: int = 0) -> int:
        """Make a line of the cfg another, or several; the number of the first."""
        at, lines = self.line(text, nth) - 1, self.cfg.read_text().split("\n")
        lines[at] = new
        self.cfg.write_text("\n".join(lines))
        return at + 1

    def check(self, *, weights: bool = True, data: bool = True) -> list[tuple[str, str, str, int]]:
        """Rule, severity, name of the file, and line of each finding."""
        project = Project(self.cfg, self.weights if weights else None, self.data if data else None)
        return [(f.rule, f.severity, Path(f.file).name, f.line) for f in check(project)]
