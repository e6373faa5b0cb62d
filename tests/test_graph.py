"""Layers in their places: sources, shapes, sizes, and what cannot be."""

import pytest

from darkparse.cfg import parse
from darkparse.errors import CfgError, DarkparseError, GraphError, UnknownSection, UnusedOption, refuse
from darkparse.graph import LARGEST, check_size, read_graph, resolve
from darkparse.layout import Header, size
from darkparse.registry import Shape, absolute, registered

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"
POOLS = "[maxpool]\nsize=2\nstride=2\n" * 3
HEAD = "[convolutional]\nfilters=18\n[yolo]\nclasses=1\nmask=0,1,2\nnum=3\nanchors=1,2, 3,4, 5,6\n"


def graph(layers, net=NET, **options):
    return resolve(list(parse(net + layers, "net.cfg")), **options)


def last(layers, **options):
    return graph(layers, **options).nodes[-1]


def why_not(layers, net=NET, **options):
    with pytest.raises(GraphError) as why:
        graph(layers, net, **options)
    return str(why.value)


def conv(**options):
    return "[convolutional]\n" + "".join(f"{name}={value}\n" for name, value in options.items())


@pytest.mark.parametrize(
    ("index", "of", "layer"), [(5, -1, 4), (5, -5, 0), (5, 0, 0), (5, 4, 4), (86, -4, 82), (86, 61, 61)]
)
def test_negative_indices_count_back(index, of, layer):
    assert absolute(index, of) == layer


@pytest.mark.parametrize(
    ("part", "sources"),
    [
        ("[maxpool]\n", (3,)),
        ("[route]\nlayers=-4\n", (0,)),
        ("[route]\nlayers=2\n", (2,)),
        ("[route]\nlayers=-1, 0, -3\n", (3, 0, 1)),
        ("[route]\nlayers = 1 ###P6\n", (1,)),
        ("[shortcut]\nfrom=-3\n", (3, 1)),
        ("[shortcut]\nfrom=0,-2\n", (3, 0, 2)),
        ("[sam]\nfrom=-4\n", (3, 0)),
        ("[scale_channels]\nfrom=0\n", (3, 0)),
    ],
    ids=lambda value: value.replace("\n", " ") if isinstance(value, str) else "",
)
def test_sources_are_absolute(part, sources):
    tiny = "[net]\nwidth=1\nheight=1\nchannels=3\n"
    assert graph(conv(filters=3) * 4 + part, tiny).nodes[4].sources == sources


# src/parser.c string_to_layer_type
@pytest.mark.parametrize(
    ("long", "short"),
    [("convolutional", "conv"), ("maxpool", "max"), ("local_avgpool", "local_avg"), ("avgpool", "avg"),
     ("connected", "conn"), ("softmax", "soft")],
)  # fmt: skip
def test_sections_with_two_names(long, short):
    assert registered()[long] is registered()[short]
    assert graph(f"[{short}]\n").nodes[0].layer == graph(f"[{long}]\n").nodes[0].layer


@pytest.mark.parametrize("name", ["net", "network"])
def test_both_names_of_the_first_section(name):
    assert graph(conv(filters=2), NET.replace("[net]", f"[{name}]")).net.shape == Shape(3, 32, 32)


# src/convolutional_layer.c convolutional_out_width, src/maxpool_layer.c make_maxpool_layer, and their kin
@pytest.mark.parametrize(
    ("part", "shape"),
    [
        (conv(filters=8), (8, 32, 32)),
        (conv(filters=8, size=3), (8, 30, 30)),
        (conv(filters=8, size=3, pad=1), (8, 32, 32)),
        (conv(filters=8, size=3, stride=2, pad=1), (8, 16, 16)),
        (conv(filters=8, size=4, pad=1), (8, 33, 33)),
        (conv(filters=8, size=3, padding=2), (8, 34, 34)),
        (conv(filters=8, size=3, padding=2, pad=1), (8, 32, 32)),
        (conv(filters=8, size=3, pad=1, stride_x=2, stride_y=4), (8, 8, 16)),
        (conv(filters=8, size=3, pad=1, stride=2, stride_x=4), (8, 16, 8)),
        (conv(filters=8, size=3, pad=1, dilation=2), (8, 32, 32)),
        (conv(filters=8, size=1, dilation=3), (8, 32, 32)),
        ("[maxpool]\nsize=2\nstride=2\n", (3, 16, 16)),
        ("[maxpool]\nstride=2\n", (3, 16, 16)),
        ("[maxpool]\nsize=2\nstride=1\n", (3, 32, 32)),
        ("[maxpool]\nsize=3\nstride=2\n", (3, 16, 16)),
        ("[maxpool]\nsize=3\nstride=2\npadding=0\n", (3, 15, 15)),
        ("[maxpool]\nmaxpool_depth=1\nout_channels=2\n", (2, 32, 32)),
        ("[local_avgpool]\nsize=5\nstride=1\n", (3, 32, 32)),
        ("[avgpool]\n", (3, 1, 1)),
        ("[upsample]\n", (3, 64, 64)),
        ("[upsample]\nstride=-4\n", (3, 8, 8)),
        ("[reorg3d]\nstride=2\n", (12, 16, 16)),
        ("[dropout]\n", (3, 32, 32)),
        ("[connected]\noutput=10\n", (10, 1, 1)),
        ("[softmax]\n", (3, 32, 32)),
    ],
    ids=lambda value: value.replace("\n", " ") if isinstance(value, str) else "",
)
def test_shapes(part, shape):
    assert last(part).shape == shape


# layers 0 to 2: 6 and 8 channels, then 8 of half the size
@pytest.mark.parametrize(
    ("part", "shape"),
    [
        ("[route]\nlayers=0,1\n", (14, 32, 32)),
        ("[route]\nlayers=-2,-3\ngroups=2\n", (7, 32, 32)),  # each is sliced, then they are joined
        ("[route]\nlayers=1\ngroups=2\ngroup_id=1\n", (4, 32, 32)),
        ("[shortcut]\nfrom=1\n", (8, 16, 16)),  # pjreddie's: every other cell of the larger one
        ("[route]\nlayers=1\n[shortcut]\nfrom=2\n", (8, 32, 32)),
        ("[route]\nlayers=1\n[shortcut]\nfrom=0\n", (8, 32, 32)),  # the channels of the layer before
        ("[route]\nlayers=0\n[shortcut]\nfrom=1\n", (6, 32, 32)),
        ("[route]\nlayers=0\n[shortcut]\nfrom=1,0\n", (6, 32, 32)),
    ],
    ids=lambda value: value.replace("\n", " ") if isinstance(value, str) else "",
)
def test_shapes_of_several_inputs(part, shape):
    assert last(conv(filters=6) + conv(filters=8) + "[maxpool]\nstride=2\n" + part).shape == shape


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (NET, (3, 32, 32)),
        ("[net]\ninputs=256\n", (256, 1, 1)),
        ("[net]\ninputs=256\nwidth=8\nheight=4\nchannels=2\n", (2, 4, 8)),
    ],
)
def test_the_input(net, shape):
    assert graph("[connected]\noutput=2\n", net).net.shape == shape


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (conv(filters=2), GraphError, "net.cfg:1: [convolutional]: expected [net] to be the first section"),
        ("[Net]\n" + conv(), GraphError, "net.cfg:1: [Net]: expected [net] to be the first section"),
        (NET, GraphError, "net.cfg:1: [net]: no layer after it"),
        (NET + "[mxpool]\n", UnknownSection, "net.cfg:5: [mxpool]: no such section; did you mean [maxpool]?"),
        (NET + "[Convolutional]\n", UnknownSection,
         "net.cfg:5: [Convolutional]: no such section; did you mean [convolutional]?"),
        (NET + "[gaussian_yolo]\n", UnknownSection,
         "net.cfg:5: [gaussian_yolo]: no such section; did you mean [Gaussian_yolo]?"),
        (NET + "[xyz]\n", UnknownSection, "net.cfg:5: [xyz]: no such section"),
    ],
    ids=["no-net", "net-in-capitals", "net-alone", "misspelt", "capital", "small-letter", "unknown"],
)  # fmt: skip
def test_sections_that_cannot_be(text, error, message):
    with pytest.raises(error) as why:
        resolve(list(parse(text, "net.cfg")))
    assert str(why.value) == message


def test_shared_weights_are_not_in_the_file():
    shared = graph(conv(filters=3, size=3, pad=1) * 2 + conv(filters=3, size=3, pad=1, share_index=-2, dilation=2))
    assert [node.shares for node in shared.nodes] == [None, None, 0]
    assert [len(node.tensors) for node in shared.nodes] == [2, 2, 0]
    assert shared.parameters == 2 * (3 + 3 * 3 * 9)


def test_sizes_of_weights_without_tensors():
    empty = graph("[maxpool]\n")
    assert (size(empty), size(empty, Header(0, 1, 0, long_seen=False))) == (20, 16)


OVERRIDES = [
    ({"width": 64}, (32, 64)),
    ({"height": 64}, (64, 32)),
    ({"width": 96, "height": 8}, (8, 96)),
    ({"width": None}, (32, 32)),
]


@pytest.mark.parametrize(("options", "rows_columns"), OVERRIDES)
def test_another_size(options, rows_columns, cfg):
    other = read_graph(cfg(NET + POOLS + HEAD), **options)
    assert other.net.shape == (3, *rows_columns)
    assert other.nodes[-1].shape == (18, rows_columns[0] // 8, rows_columns[1] // 8)


@pytest.mark.parametrize(("name", "value"), [("width", 100), ("height", 100), ("width", 4), ("height", -32)])
def test_another_size_must_be_a_multiple_of_the_stride(name, value, cfg):
    path = cfg(NET + POOLS + HEAD)
    with pytest.raises(GraphError) as why:
        read_graph(path, **{name: value})
    line = {"width": 2, "height": 3}[name]
    message = f"expected a multiple of 8, the network's stride, got {value}"
    assert str(why.value) == f"{path}:{line}: [net] {name}: {message}"


def test_without_heads_any_size_will_do(cfg):
    assert read_graph(cfg(NET + POOLS), width=44, height=52).nodes[-1].shape == (3, 7, 6)


def test_strict_reading_refuses_what_else_is_a_warning(cfg):
    path = cfg(NET + "[convolutional]\nfilter=3\n")
    message = f"{path}:6: [convolutional] filter: no such option; it has no effect; did you mean 'filters'?"
    with pytest.warns(UnusedOption) as told:
        read_graph(path, width=64)
    assert [str(warning.message) for warning in told] == [message]  # once, though the size is another
    with pytest.raises(CfgError) as why:
        read_graph(path, complain=refuse)
    assert str(why.value) == message


@pytest.mark.parametrize("shape", [(0, 1, 1), (3, -1, 5), (LARGEST + 1, 1, 1), (2, 2**15, 2**15)])
def test_sizes_beyond_what_darknet_can_count(shape):
    with pytest.raises(GraphError):
        check_size(Shape(*shape), "it", next(parse(NET)).where())


def test_the_largest_size_is_allowed():
    check_size(Shape(LARGEST, 1, 1), "it", next(parse(NET)).where())


def test_classes_are_those_of_the_heads():
    assert graph(POOLS + HEAD + "[route]\nlayers=-3\n" + HEAD).classes == 1
    other = HEAD.replace("classes=1", "classes=2").replace("=18", "=21")
    for layers, found in ((POOLS, "no head"), (HEAD + "[route]\nlayers=0\n" + other, "heads with 1 and 2 classes")):
        with pytest.raises(DarkparseError) as why:
            _ = graph(layers).classes
        expected = "expected [yolo], [Gaussian_yolo] or [region] sections that agree"
        assert str(why.value) == f"net.cfg: {found}; {expected}"


def test_outputs_are_the_heads_or_else_the_last_layer():
    assert graph(POOLS + HEAD + "[route]\nlayers=-3\n" + HEAD).outputs == (4, 7)
    assert graph(POOLS).outputs == (2,)
