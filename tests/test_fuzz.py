"""20,000 mutated cfgs and weights files give a network or a DarkparseError, in less than a GiB of memory.

Edits are drawn as numbers and applied by plain functions, so that a failing example shrinks to a few edits.
"""

import contextlib
import resource
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from darkparse import inspection, weights
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.layout import FLOAT, count
from darkparse.network import Network, empty_network
from darkparse.registry import registered
from darkparse.summary import table

ROOT = Path(__file__).parents[1]
GIB = 2**30
ALLOCATED = 2**24  # bytes up to which a mutated network is built with its memory: larger ones only take time
pytestmark = pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
OPERATIONS = 10**6  # what a mutated network may cost that is run
CHANGED_LINES, CHANGED_BYTES, WEIGHTS = 10_000, 4_000, 6_000  # examples, 20,000 in all

FUZZ = settings(derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])

NASTY_WORDS = """
    0 -1 1 2 3 -2 -0 +1 1.0 1.5 .5 00007 1e3 1e9 1e400 -1e400 NaN inf 0x10 17 255 1000 65536 1000000 99999999
    2147483647 -2147483648 2147483648 , ,, 1, ,1 1,2 0,0,0 -1,-2,-3,-4 1,x 1;2 1#2 # = 1=2 [net] ] stride=2
    two yes leaky linear softmax per_channel avg_relu relu mish normalize_channels coco.names / . .. /dev/null
    ٣ ½ 𝟗 ﬁve %s%n
"""
LONG = ("9" * 30, "9" * 5000, "9" * 5000 + "x", "é" * 300, "a" * 300, "x/" * 300, "-1," * 300, "1,2," * 200)
NASTY = ("", "\ufeff1", "\0", "1\0", *LONG, *NASTY_WORDS.split())
LINE_WORDS = """
    # ; [ ] [] [net] [network] [convolutional] [conv] [crnn] [yolo] [nope] [yolo [a]b = =1 stride stride=
    batch_normalize=1 cbn=1 groups=2 size=3 stride_x=2 antialiasing=1 xnor=1 share_index=-1 share_index=0
    dontload=1 dontloadscales=1 flipped=1 from=-2 layers=-1,-2 width=0 channels=0 inputs=30 tree=coco.names
"""
HUGE = (f"{name}=2147483647" for name in ("num", "mask", "filters", "output", "size", "padding", "dilation", "stride"))
LINES = ("", "\r", "\0" * 50, *HUGE, *LINE_WORDS.split())

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
    [conv] filters=8 size=3 pad=1 antialiasing=2 flipped=1
    [conv] filters=8 size=3 pad=1 share_index=1
    [conv] filters=8 size=3 pad=1 batch_normalize=1 dontloadscales=1
    [avg]
    [scale_channels] from=-2 activation=logistic
    [sam] from=-1
    [dropout] probability=.2
    [local_avg] size=2 stride=1
    [conv] filters=11 dontload=1
    [Gaussian_yolo] mask=0 anchors=5,5 classes=2 num=1
    [contrastive] classes=2 yolo_layer=-1""",
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
    lines.insert(i, LINES[j % len(LINES)])


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """For networks as small as these a second thread only costs time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _frugal() -> Iterator[None]:
    before = peak_memory()
    yield
    assert peak_memory() - before < GIB


def peak_memory() -> int:
    """The most bytes of memory that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def all_of(path: Path) -> None:
    """Do with a cfg what can be done with one, as far as it is not refused; run it where that is quick."""
    with contextlib.suppress(DarkparseError):
        read_graph(path, width=64, height=96)
    with contextlib.suppress(DarkparseError):
        graph = read_graph(path)
        list(table(graph))
        network = empty_network(graph, GIB)
        assert len(network.layers) == len(graph.nodes)
        if FLOAT * (graph.parameters + graph.activations) <= ALLOCATED:
            run(Network(graph, GIB).eval())


@torch.inference_mode()
def run(network: Network) -> None:
    """What comes out has the shapes that the graph says."""
    graph = network.graph
    if sum(node.layer.operations(*node.inputs) for node in graph.nodes) < OPERATIONS:
        raw = network(torch.zeros(1, *graph.net.shape))
        assert [tuple(one.shape[1:]) for one in raw] == [graph.nodes[index].shape for index in graph.outputs]
        for (_, head), one in zip(graph.heads, raw, strict=False):
            head.decode(one, 8, 8)


@settings(FUZZ, max_examples=CHANGED_LINES)
@given(seed=st.sampled_from(SEEDS), changes=edits)
def test_cfgs_with_lines_changed(folder, seed, changes):
    path = folder / "lines.cfg"
    path.write_text(edited(seed, changes), encoding="utf-8")
    all_of(path)


def damaged(text: str, noise: list[tuple[int, bytes]], length: int) -> bytes:
    """Some bytes replaced by others, and the end cut off."""
    data = bytearray(text.encode())
    for place, other in noise:
        at = place % len(data)
        data[at : at + 1] = other
    return bytes(data[: length % len(data) if length else None])


@settings(FUZZ, max_examples=CHANGED_BYTES)
@given(
    seed=st.sampled_from(SEEDS),
    noise=st.lists(st.tuples(st.integers(0, 4095), st.binary(max_size=4)), max_size=4),
    length=st.integers(0, 4095),
)
def test_cfgs_with_bytes_changed(folder, seed, noise, length):
    path = folder / "bytes.cfg"
    path.write_bytes(damaged("\n".join(seed), noise, length))
    all_of(path)


def test_every_section_is_among_the_seeds():
    assert set(registered()) <= {line[1:-1] for seed in SEEDS for line in seed if line.startswith("[")}


@pytest.fixture(scope="module")
def networks(folder) -> list[Network]:
    graphs = []
    for number, text in enumerate(SMALL):
        path = folder / f"{number}.cfg"
        path.write_text("\n".join(small(text)))
        graphs.append(read_graph(path))
    return [Network(graph) for graph in graphs]


versions = st.sampled_from([(0, 1, 0), (0, 2, 0), (0, 2, 5)]) | st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3)
prefixes = st.sampled_from([b"", b"PK\x03\x04", b"<", b"{", b"#", b"version https://git-lfs"]) | st.binary(max_size=40)


@settings(FUZZ, max_examples=WEIGHTS)
@given(
    which=st.integers(0, len(SMALL) - 1),
    version=versions,
    seen=st.integers(0, 2**64 - 1),
    start=st.none() | prefixes,
    length=st.integers(-9, 9) | st.integers(-(2**12), 2**12),
    partial=st.booleans(),
)
def test_weights_files(networks, folder, which, version, seen, start, length, partial):
    network, path, out = networks[which], folder / "x.weights", folder / "x.part"
    whole = 20 + FLOAT * count(network.graph, loading=True)
    header = struct.pack("<3iQ", *version, seen) if start is None else start
    path.write_bytes((header + bytes(whole))[: max(0, whole + length)])
    for use in (
        lambda: weights.load(network, path, partial=partial),
        lambda: list(inspection.head(path)),
        lambda: list(inspection.tensors(path, network.graph)),
        lambda: weights.save_first_layers(network.graph, path, out, 2),
    ):
        with contextlib.suppress(DarkparseError):
            use()
