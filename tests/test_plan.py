"""What is kept and until when; the memory that a network takes; the table of `darkparse summary`."""

import re

import pytest

from darkparse.cfg import parse
from darkparse.data import shipped
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph, resolve
from darkparse.layout import Header, size
from darkparse.plan import Step, peak, plan
from darkparse.summary import HEADING, line, table

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"


@pytest.mark.parametrize(
    ("sources", "dead"),
    [
        ([], []),
        ([(-1,)], [(-1, 0)]),
        ([(-1,), (0,), (1,)], [(-1,), (0,), (1, 2)]),
        ([(-1,), (0,), (1, 0)], [(-1,), (), (0, 1, 2)]),
        ([(-1,), (0,), (0,)], [(-1,), (1,), (0, 2)]),  # nobody reads layer 1
        ([(-1,), (-1,)], [(0,), (-1, 1)]),
        ([(-1,), (0, 0)], [(-1,), (0, 1)]),
        ([(-1,), (0,), (1,), (2, 0), (3, 0)], [(-1,), (), (1,), (2,), (0, 3, 4)]),
    ],
    ids=["nothing", "one", "chain", "skip", "unread", "image-twice", "same-twice", "long-skip"],
)
def test_plan(sources, dead):
    assert plan(sources) == [Step(reads, gone) for reads, gone in zip(sources, dead, strict=True)]


SOURCES = [(-1,), (0,), (1,), (2, 0), (3,), (4, 1), (5, -1)]


def test_every_output_is_forgotten_once_and_never_before_its_last_use():
    alive, forgotten = {-1}, []
    for index, step in enumerate(plan(SOURCES)):
        assert alive.issuperset(step.sources)
        alive = (alive | {index}) - set(step.dead)
        forgotten += step.dead
    assert sorted(forgotten) == list(range(-1, len(SOURCES)))
    assert not alive


@pytest.mark.parametrize(
    ("sources", "sizes", "most"),
    [
        ([(-1,)], [5], 15),
        ([(-1,), (0,), (1,)], [5, 5, 5], 15),
        ([(-1,), (0,), (1,)], [5, 20, 30], 50),
        ([(-1,), (0,), (1, 0)], [5, 6, 7], 18),  # 0, 1 and 2 at one time
        ([(-1,), (0,), (1, -1)], [1, 1, 1], 12),
    ],
    ids=["one", "chain", "growing", "skip", "image-kept"],
)
def test_peak_of_an_image_of_10_values(sources, sizes, most):
    assert peak(plan(sources), sizes, 10) == most


def test_activations_of_a_network():
    graph = resolve(list(parse(NET + "[upsample]\nstride=-2\n[convolutional]\nfilters=8\n")))
    assert graph.activations == 3 * 32 * 32 + 3 * 16 * 16  # the image and the first output


GIGABYTES = NET + "[convolutional]\nfilters=100000\n[convolutional]\nfilters=20000\n"


@pytest.mark.parametrize(
    ("text", "limit", "needed"),
    [
        # weights and biases, then two maps of 32x32
        (GIGABYTES, 10**9, "8.5 GB (2,000,420,000 parameters, and 122,880,000 values"),
        (NET + "[convolutional]\nfilters=2000000\n", 10**9, "8.2 GB (8,000,000 parameters, and 2,048,003,072 values"),
    ],
    ids=["parameters", "activations"],
)
def test_a_network_larger_than_the_memory_is_refused(text, limit, needed):
    from darkparse.network import Network

    graph = resolve(list(parse(text, "net.cfg")))
    with pytest.raises(DarkparseError) as why:
        Network(graph, limit)  # before anything is built
    assert str(why.value) == f"net.cfg: needs {needed} for an image of 32x32x3); expected at most 1.0 GB"


def test_a_network_as_large_as_the_memory_is_not():
    from darkparse.network import check_memory

    graph = resolve(list(parse(NET + "[upsample]\nstride=-2\n[convolutional]\nfilters=8\n")))
    exactly = 4 * (3 * 8 + 8 + 3 * 32 * 32 + 3 * 16 * 16)
    check_memory(graph, exactly)
    with pytest.raises(DarkparseError):
        check_memory(graph, exactly - 1)


# What the darknet of AlexeyAB 59596d7 prints on stderr when it reads these cfgs at these sizes: "Total BFLOPS"; and the
# sizes of the published files, of which that of yolov2 has the older header, 16 bytes for version 0.1.0
PUBLISHED = {
    ("yolov3", 416): (107, "65.879", 248_007_048),
    ("yolov3", 608): (107, "140.723", 248_007_048),
    ("yolov3-tiny", 416): (24, "5.571", 35_434_956),
    ("yolov4", 608): (162, "128.459", 257_717_640),
    ("yolov4-tiny", 416): (38, "6.910", 24_251_276),
    ("yolov2", 416): (32, "29.475", 203_934_260),
}
HEADERS = {"yolov2": Header(0, 1, 0, long_seen=False)}


@pytest.mark.parametrize(("name", "side"), PUBLISHED)
def test_figures_of_published_networks(name, side):
    graph = read_graph(shipped() / f"{name}.cfg", width=side, height=side)
    layers, billions, length = PUBLISHED[name, side]
    assert len(graph.nodes) == layers
    assert size(graph, HEADERS.get(name)) == length
    assert f"Total BFLOPS {billions}" in list(table(graph))


# Of the layer tables that it prints: number, billions of operations
DARKNET = {
    ("yolov3", 608): {0: 0.639, 1: 3.407, 2: 0.379, 4: 0.006, 81: 0.189, 84: 0.095, 87: 0.568, 93: 0.377, 105: 0.754},
    ("yolov4-tiny", 416): {0: 0.075, 1: 0.399, 2: 0.797, 4: 0.199, 7: 0.089, 9: 0.001, 36: 0.088},
}


@pytest.mark.parametrize(("name", "side"), DARKNET)
def test_operations_of_layers(name, side):
    graph = read_graph(shipped() / f"{name}.cfg", width=side, height=side)
    rows = [row for row in table(graph) if re.match(r" *[0-9]+ ", row)]
    found = {index: float(re.search(r"([0-9.]+) BF$", rows[index])[1]) for index in DARKNET[name, side]}
    assert found == DARKNET[name, side]


def test_table_of_a_network():
    conv = "[conv]\nfilters=16\nsize=3\npad=1\nstride=2\n"
    graph = resolve(list(parse(NET + conv + "[max]\nstride=2\n[route]\nlayers=0\n[shortcut]\nfrom=0\n[dropout]\n")))
    lines = list(table(graph))
    assert lines[0] == HEADING
    assert [row.split()[:2] for row in lines[1:6]] == [
        ["0", "conv"], ["1", "max"], ["2", "route"], ["3", "shortcut"], ["4", "dropout"]
    ]  # fmt: skip
    assert lines[6].startswith("Total BFLOPS ")
    assert lines[7:] == ["448 parameters", "1,812 bytes of .weights"]


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("[conv]\nfilters=16\nsize=3\npad=1\nstride=2\n", "conv 16 3 x 3/ 2 32 x 32 x 3 -> 16 x 16 x 16"),
        ("[conv]\nfilters=9\ngroups=3\n", "conv 9/ 3 1 x 1/ 1 32 x 32 x 3 -> 32 x 32 x 9"),
        ("[conv]\nfilters=4\nsize=3\npad=1\ndilation=2\n", "conv 4 3 x 3/ 1(2) 32 x 32 x 3 -> 32 x 32 x 4"),
        ("[conv]\nfilters=4\nstride_x=2\nstride_y=4\n", "conv 4 1 x 1/ 2x 4 32 x 32 x 3 -> 16 x 8 x 4"),
        ("[max]\nsize=2\nstride=1\n", "max 2 x 2/ 1 32 x 32 x 3 -> 32 x 32 x 3"),
        ("[upsample]\n", "upsample 2x 32 x 32 x 3 -> 64 x 64 x 3"),
        ("[reorg3d]\nstride=2\n", "reorg3d / 2 32 x 32 x 3 -> 16 x 16 x 12"),
        ("[avg]\n", "avg 32 x 32 x 3 -> 1 x 1 x 3"),
        ("[conv]\nfilters=4\n[max]\n[route]\nlayers=0,1\n", "route 0, 1 32 x 32 x 4 -> 32 x 32 x 8"),
        ("[conv]\nfilters=4\n[max]\n[route]\nlayers=0\ngroups=2\n", "route 0 0/2 32 x 32 x 4 -> 32 x 32 x 2"),
        ("[conv]\nfilters=4\n[max]\n[shortcut]\nfrom=0\n", "shortcut 0 32 x 32 x 4 -> 32 x 32 x 4"),
        ("[conv]\nfilters=3\n[conv]\nfilters=3\nshare_index=0\n", "conv of 0 3 1 x 1/ 1 32 x 32 x 3 -> 32 x 32 x 3"),
    ],
    ids=lambda value: value.partition("]")[0][1:] if value.startswith("[") else "",
)
def test_lines_of_the_table(layers, words):
    node = resolve(list(parse(NET + layers))).nodes[-1]
    assert " ".join(line(node, 0.0).split()[1:]) == words


@pytest.mark.parametrize(
    "layer",
    [
        "[convolutional]\nsize=3\nstride=100000\npadding=100000\nxnor=1\n",
        "[maxpool]\nsize=3\nstride=100000\npadding=100001\n",
        "[convolutional]\nfilters=1000000\nantialiasing=1\nstride=400\n",
    ],
    ids=["border of an xnor layer", "border of a pool", "before a blur"],
)
def test_memory_that_a_layer_takes_only_while_it_runs(layer):
    from darkparse.network import check_memory

    with pytest.raises(DarkparseError, match=r"needs .* GB"):
        check_memory(resolve(list(parse(NET.replace("32", "416") + layer))), 2**30)
