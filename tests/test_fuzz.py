"""20,000 mutated cfgs and weights files give a network or a DarkparseError, in less than a GiB of memory.

Edits are drawn as numbers and applied by plain functions, so that a failing example shrinks to a few edits.
"""

import resource
import struct
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkparse import inspection, weights
from darkparse.errors import DarkparseError, DarkparseWarning
from darkparse.graph import Graph, read_graph
from darkparse.layout import FLOAT, count, size
from darkparse.network import Network, empty_network
from darkparse.registry import registered
from darkparse.summary import table

ROOT = Path(__file__).parents[1]
GIB = 2**30
ALLOCATED = 2**24  # bytes up to which a mutated network is built with its memory: larger ones only take time
LINES, BYTES, WEIGHTS = 10_000, 4_000, 6_000  # examples, 20,000 in all

fuzz = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow], print_blob=False
)

NASTY = (
    "0", "-1", "1", "2", "3", "-2", "-0", "+1", "1.0", "1.5", ".5", "00007", "1e3", "1e9", "1e400", "-1e400", "NaN", "inf",
    "17", "255", "1000", "65536", "1000000", "99999999", "2147483647", "-2147483648", "2147483648", "9" * 30, "9" * 5000,
    "0x10", "two", "", ",", ",,", "1,", ",1", "1,2", "0,0,0", "-1,-2,-3,-4", "-1," * 300, "1,2," * 200, "1,x", "1;2", "1#2",
    "#", "yes", "leaky", "linear", "softmax", "per_channel", "avg_relu", "relu", "mish", "normalize_channels", "٣", "½", "𝟗",
    "ﬁve", "é" * 300, "\ufeff1", "\0", "1\0", "%s%n", "/", ".", "..", "/dev/null", "coco.names", "a" * 300, "x/" * 300, "=",
    "1=2", "[net]", "]", "stride=2",
)  # fmt: skip
LINE = (
    "", "#", ";", "[", "]", "[]", "[net]", "[network]", "[convolutional]", "[conv]", "[yolo]", "[nope]", "[yolo", "[a]b",
    "=", "=1", "stride", "stride=", "batch_normalize=1", "groups=2", "size=3", "stride_x=2", "antialiasing=1", "xnor=1",
    "share_index=-1", "share_index=0", "dontload=1", "dontloadscales=1", "flipped=1", "from=-2", "layers=-1,-2", "\0" * 50,
    "width=0", "channels=0", "inputs=30", "num=2147483647", "mask=2147483647", "tree=coco.names", "\r", "[crnn]", "cbn=1",
    "filters=2147483647", "output=2147483647", "size=2147483647", "padding=2147483647", "dilation=2147483647",
)  # fmt: skip

SMALL = (
    """[net] width=16 height=16 channels=4
    [conv] batch_normalize=1 filters=8 size=3 stride=1 pad=1 activation=leaky
    [max] size=2 stride=2
    [conv] filters=8 size=3 pad=1 groups=2 activation=mish
    [shortcut] from=-2 weights_type=per_channel weights_normalization=softmax activation=linear
    [route] layers=-1,-2 groups=2 group_id=1
    [upsample] stride=2
    [reorg3d] stride=2
    [conv] filters=14 size=1 activation=linear
    [yolo] mask=0,1 anchors=10,14,23,27 classes=2 num=2 scale_x_y=1.05""",
    """[net] width=16 height=16 channels=3
    [conv] filters=8 size=3 pad=1 stride=2 xnor=1 bin_output=1 batch_normalize=1 activation=relu
    [conv] filters=8 size=3 pad=1 share_index=0 antialiasing=1
    [conv] filters=8 size=3 pad=1 stride=2 antialiasing=2 flipped=1 dontloadscales=1
    [avg]
    [scale_channels] from=-2 activation=logistic
    [sam] from=-1
    [dropout] probability=.2
    [local_avg] size=2 stride=1
    [conv] filters=11 dontload=1
    [Gaussian_yolo] mask=0 anchors=5,5 classes=2 num=1
    [contrastive] classes=2""",
    """[net] inputs=64
    [conn] output=16 activation=relu batch_normalize=1
    [crnn] output=8 hidden=4 batch_normalize=1 pad=1
    [connected] output=16 activation=linear
    [soft] groups=2
    [cost] type=sse""",
    """[net] width=32 height=32 channels=3
    [conv] filters=16 size=3 stride=2 pad=1
    [reorg] stride=2
    [conv] filters=14
    [region] anchors=1,2,3,4 classes=2 num=2 softmax=1 coords=4""",
)


def small(text: str) -> list[str]:
    """One option a line."""
    return text.split()


def official(path: Path) -> list[str]:
    """The first 40 lines of a shipped cfg that are not comments."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    return lines[:40]


def every_option(name: str) -> list[str]:
    """A network with one section, all of its options given: their defaults, or else -1."""
    lines = ["[net]", "width=8", "height=8", "channels=4", "[conv]", "filters=4", f"[{name}]"]
    for f in fields(registered()[name]):
        value = -1 if f.default is MISSING else f.default
        text = ",".join(str(v) for v in value) or "1,2" if isinstance(value, tuple) else str(value)
        lines.append(f"{f.metadata.get('name') or f.name}={int(value) if isinstance(value, bool) else text}")
    return [line for line in lines if not line.endswith("=None") and not line.startswith("dialect=")]


SEEDS = [small(text) for text in SMALL] * 4
SEEDS += [official(path) for path in sorted((ROOT / "cfg").glob("*.cfg"))]
SEEDS += [every_option(name) for name in sorted(registered())]

Edit = Callable[[list[str], int, int, str], None]


def set_value(lines: list[str], i: int, _: int, text: str) -> None:
    lines[i] = lines[i].partition("=")[0] + "=" + text


def insert(lines: list[str], i: int, j: int, _: str) -> None:
    lines.insert(i, LINE[j % len(LINE)])


def set_known(lines: list[str], i: int, j: int, text: str) -> None:
    """Put an option of the file into another section, with a nasty value."""
    lines.insert(i, lines[j % len(lines)].partition("=")[0] + "=" + text)


def delete(lines: list[str], i: int, _j: int, _: str) -> None:
    del lines[i]


def repeat(lines: list[str], i: int, j: int, _: str) -> None:
    lines.insert(j % len(lines), lines[i])


def swap(lines: list[str], i: int, j: int, _: str) -> None:
    j %= len(lines)
    lines[i], lines[j] = lines[j], lines[i]


def multiply(lines: list[str], i: int, j: int, _: str) -> None:
    """Many times the part from line i to line j."""
    lines[i:i] = lines[min(i, j % len(lines)) : i] * 5


def truncate(lines: list[str], i: int, _j: int, _: str) -> None:
    del lines[i + 1 :]


EDITS: tuple[Edit, ...] = (set_value, set_value, set_value, set_known, insert, delete, repeat, swap, multiply, truncate)
places = st.integers(0, 255)
edits = st.lists(st.tuples(st.sampled_from(EDITS), places, places, st.sampled_from(NASTY)), min_size=1, max_size=5)


def edited(seed: list[str], changes: list[tuple[Edit, int, int, str]]) -> str:
    lines = list(seed)
    for change, i, j, text in changes:
        if lines:
            change(lines, i % len(lines), j, text)
    return "\n".join(lines)


@pytest.fixture(autouse=True, scope="module")
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DarkparseWarning)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(autouse=True)
def _frugal() -> Iterator[None]:
    before = peak_memory()
    yield
    assert peak_memory() - before < GIB


def peak_memory() -> int:
    """The most bytes of memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def all_of(path: Path) -> Graph | None:
    """Do with a cfg what can be done with one; its graph, or None where it is refused."""
    try:
        graph = read_graph(path)
        list(table(graph))
        read_graph(path, width=64, height=96)
        network = empty_network(graph, GIB)
        if FLOAT * (graph.parameters + graph.activations) <= ALLOCATED:
            network = Network(graph, GIB)
    except DarkparseError as why:
        assert "\n" not in str(why)
        return None
    assert len(network.layers) == len(graph.nodes)
    return graph
