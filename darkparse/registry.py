"""The one table: the name of a cfg section -> the class that knows all about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from .cfg import Section
from .dialect import ALEXEYAB, Dialect
from .errors import Complain, UnknownSection, warn
from .options import ignored, option, read_options, unsupported

if TYPE_CHECKING:
    from torch import Tensor, nn


class Shape(NamedTuple):
    """One image's activations: channels, rows, columns."""

    c: int
    h: int
    w: int

    @property
    def size(self) -> int:
        """Number of values."""
        return self.c * self.h * self.w

    def __str__(self) -> str:
        return f"{self.w}x{self.h}x{self.c}"


class Stored(NamedTuple):
    """One tensor of a .weights file: Darknet's name, its shape in C order, and where its module keeps it."""

    name: str
    shape: tuple[int, ...]
    path: str  # attribute path below the layer's module: "norm.bias"
    transposed: bool = False  # the file has it as a matrix with rows and columns exchanged

    @property
    def size(self) -> int:
        """Number of values."""
        total = 1
        for n in self.shape:
            total *= n
        return total


def norm_tensors(channels: int, path: str = "norm.") -> Iterator[Stored]:
    """Batch norm behind its biases, of the module at `path`."""
    yield Stored("scales", (channels,), f"{path}weight")
    yield Stored("rolling_mean", (channels,), f"{path}running_mean")
    yield Stored("rolling_variance", (channels,), f"{path}running_var")


class Predictions(NamedTuple):
    """What a head says of a batch, decoded.

    boxes: `(B, N, 4)` cxcywh, relative to the network's input; objectness: `(B, N)`, 0..1;
    scores: `(B, N, C)`, objectness x class probability;
    needs_objectness, needs_score: which of them must be above the threshold for a box to count;
    is_certain: as a proposal, whatever its class, each box counts as if its objectness were 1
    """

    boxes: Tensor
    objectness: Tensor
    scores: Tensor
    needs_objectness: bool = True
    needs_score: bool = True
    is_certain: bool = False

    def likely(self, thresh: float, images: slice = slice(None)) -> Likely:
        """The boxes of `images` whose objectness is above `thresh`, where it must be."""
        objectness = self.objectness[images]
        image, box = ((objectness > thresh) | (not self.needs_objectness)).nonzero(as_tuple=True)
        found = self.boxes[images][image, box], objectness[image, box], self.scores[images][image, box]
        return Likely(image, *found, self.needs_score)


class Likely(NamedTuple):
    """Boxes of a batch that may count: image by image, and in each as in `Predictions`.

    images: `(M,)`, the number of each one's image; boxes: `(M, 4)`; objectness: `(M,)`; scores: `(M, C)`
    """

    images: Tensor
    boxes: Tensor
    objectness: Tensor
    scores: Tensor
    needs_score: bool = True

    def classes(self, thresh: float) -> tuple[Tensor, Tensor]:
        """The scores that are above `thresh`, or, where none need be, above 0: boxes and labels."""
        box, label = (self.scores > (thresh if self.needs_score else 0)).nonzero(as_tuple=True)
        return box, label


@dataclass(frozen=True, kw_only=True)
class LayerDef:
    """What one section asks for: a frozen dataclass of its options, and what they decide.

    The options here are those that src/parser.c parse_network_cfg_custom reads for every section.
    """

    section: ClassVar[str]
    short: ClassVar[str]
    is_head: ClassVar[bool] = False
    passes_on: ClassVar[bool] = False  # at inference its output is its input
    gives_probabilities: ClassVar[bool] = False
    has_cost: ClassVar[bool] = False  # training compares its output with the truth
    in_place: ClassVar[bool] = False  # in training its output takes the place of its input
    overwrites: ClassVar[bool] = False  # in Darknet's backward pass: what later readers of its input gave is lost
    is_trained: ClassVar[bool] = True  # Darknet updates its tensors
    width_option: ClassVar[str] = ""  # the option that says how many channels, or values, it gives
    dialect: Dialect = option(ALEXEYAB)
    dontload: bool = False
    dontloadscales: bool = False
    clip: float = 0.0
    onlyforward: bool = False
    dont_update: int = 0
    numload: int = unsupported(0)  # pjreddie: only so many of the filters are in the file
    burnin_update: int = 0
    stopbackward: int = 0
    train_only_bn: bool = False
    learning_rate: float = 1.0
    truth: int = ignored(0)
    dontsave: bool = ignored(False)
    smooth: float = 0.0

    def sources(self, index: int) -> Sequence[int]:
        """Absolute indices of the layers that layer `index` reads; -1 is the image."""
        return (index - 1,)

    def shares(self, index: int) -> int | None:
        """Absolute index of the layer whose tensors layer `index` uses, if any."""
        return None

    @property
    def skips_scales(self) -> bool:
        """Whether a file lacks its scales, means and variances."""
        return self.dontloadscales

    def needs_values(self, position: int) -> bool:
        """Whether it reads the values, not just the signs, of the source at `position` of its sources."""
        return False

    def names(self, position: int) -> bool:
        """Whether the cfg names the source at `position`, so that Darknet takes its size from there."""
        return False

    def placed(self, readers: Sequence[Reader]) -> LayerDef:
        """This layer, knowing who reads it.  Raises ValueError where one of `readers` cannot."""
        return self

    def oddities(self) -> Iterator[str]:
        """What its options ask for that its author can hardly have meant."""
        return iter(())

    @property
    def centres_gradients(self) -> bool:
        """Whether the gradients of each filter are made to have a mean of 0."""
        return False

    def untrainable(self) -> Iterator[str]:
        """What its options ask for that only inference can do here."""
        return iter(())

    def output(self, *inputs: Shape) -> Shape:
        """Shape of the result.  Raises ValueError where `inputs` cannot be served."""
        raise NotImplementedError

    def build(self, *inputs: Shape) -> nn.Module:
        """The module that maps batches of `inputs` to batches of `output`."""
        raise NotImplementedError

    def tensors(self, *inputs: Shape) -> Iterator[Stored]:
        """The layer's tensors in the order of a .weights file."""
        return iter(())

    def initial(self, stored: Stored) -> tuple[float, float]:
        """Between what its weights lie before training, spread evenly: +-sqrt(2 / inputs of an output)."""
        bound = (2 * stored.shape[0] / stored.size) ** 0.5
        return -bound, bound

    def operations(self, *inputs: Shape) -> float:
        """Operations for one image, as Darknet counts them."""
        return 0.0

    def workspace(self, *inputs: Shape) -> int:
        """Values that it needs for one image while it runs, besides its inputs and its output."""
        return 0

    def describe(self) -> tuple[str, str]:
        """The columns `filters` and `size/strd(dil)` of Darknet's table."""
        return "", ""


class Reader(NamedTuple):
    """A layer that reads another: as the source at `position` of its sources."""

    layer: LayerDef
    position: int


@dataclass(frozen=True, kw_only=True)
class HeadDef(LayerDef):
    """A layer whose raw output leaves the network and means boxes."""

    is_head: ClassVar[bool] = True
    has_cost: ClassVar[bool] = True
    stretched: ClassVar[bool] = False  # both Darknets stretch images for it, whoever wrote the weights
    classes: int

    @property
    def boxes_per_cell(self) -> int:
        """Boxes in each cell."""
        raise NotImplementedError

    @property
    def reads(self) -> int:
        """How many channels its input must have; of [detection] how many values."""
        raise NotImplementedError

    @property
    def suppression(self) -> tuple[str, float]:
        """Which non-maximum suppression the head asks for, and its beta."""
        return "default", 0.6

    def activate(self, raw: Tensor) -> Tensor:
        """Darknet's own output of this layer, `(B, A, entries, h, w)`, from `raw`, `(B, C, h, w)`."""
        raise NotImplementedError

    def stored(self, raw: Tensor) -> Tensor:
        """What a later layer reads: Darknet's own output, in the shape of `raw`."""
        return self.activate(raw).reshape(raw.shape)

    def decode(self, raw: Tensor, width: int, height: int, hier: float = 0.5) -> Predictions:
        """Boxes from `raw`, `(B, C, h, w)`, of a network that read `width` x `height` px.

        Args:
            hier: how sure a node of a class tree must be to be preferred to its parent
        """
        raise NotImplementedError

    def likely(self, raw: Tensor, width: int, height: int, thresh: float, hier: float = 0.5) -> Likely:
        """What `decode` says of the boxes whose objectness is above `thresh`, where it must be."""
        return self.decode(raw, width, height, hier).likely(thresh)


_LAYERS: dict[str, type[LayerDef]] = {}
Def = TypeVar("Def", bound=LayerDef)


def section(*names: str) -> Callable[[type[Def]], type[Def]]:
    """Class decorator: this is what `[name]` means, for each of `names`."""

    def register(cls: type[Def]) -> type[Def]:
        for name in names:
            if _LAYERS.setdefault(name, cls) is not cls:
                raise TypeError(f"[{name}] is already {_LAYERS[name].__qualname__}")
        cls.section, cls.short = names[0], min(names, key=len)
        return cls

    return register


def define(part: Section, dialect: Dialect = ALEXEYAB, complain: Complain = warn) -> LayerDef:
    """The layer that `part` asks for.

    Raises:
        UnknownSection: no layer has that name
        OptionError: an option is wrong
    """
    if part.name in ("net", "network"):
        raise UnknownSection("again; expected it once, at the beginning", part.where())
    if part.name not in _LAYERS:
        plain = {name.lower(): name for name in _LAYERS}
        near = get_close_matches(part.name.lower(), plain, n=1)
        raise UnknownSection("no such section" + "".join(f"; did you mean [{plain[n]}]?" for n in near), part.where())
    return read_options(_LAYERS[part.name], part, complain, dialect=dialect)


def registered() -> dict[str, type[LayerDef]]:
    """Every section name and its class."""
    return dict(_LAYERS)


def absolute(index: int, of: int) -> int:
    """The layer that `of` names from layer `index`: counted back from it when negative."""
    return of if of >= 0 else index + of
