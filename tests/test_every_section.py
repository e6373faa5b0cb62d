"""What must hold for every registered section; nothing but the examples names a layer."""

import itertools
import re

import pytest
import torch

import darkparse.layers
from arithmetic import section_of
from darkparse import weights
from darkparse.cfg import parse
from darkparse.deployment import deploy
from darkparse.graph import Graph, resolve
from darkparse.layout import Header, layout, size
from darkparse.network import Network, empty_network
from darkparse.registry import Shape, registered
from test_arithmetic_more import ALL

NET = "[net]\nwidth=8\nheight=8\nchannels=4\n"
CONV = "[convolutional]\nfilters={}\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"
EXAMPLES = {  # the least a section needs besides its defaults, and the channels that it reads where they matter
    "route": ("layers=-1,0", 4),
    "shortcut": ("from=0", 4),
    "sam": ("from=0", 4),
    "scale_channels": ("from=0\nscale_wh=1", 1),
    "yolo": ("classes=1\nmask=0\nanchors=1,1", 6),
    "Gaussian_yolo": ("classes=1\nmask=0\nanchors=1,1", 10),
    "region": ("classes=1\nanchors=1,1", 6),
    "crnn": ("output=3\nhidden=2\npad=1\nbatch_normalize=1", 4),
    "connected": ("output=5\nbatch_normalize=1", 4),
    "convolutional": ("filters=6\nsize=3\ngroups=2\nbatch_normalize=1", 4),
    "maxpool": ("size=3\nstride=2", 4),
    "local_avgpool": ("size=3\nstride=2", 4),
    "reorg": ("stride=2", 4),
    "detection": ("classes=2\ncoords=4\nside=4", 7),
    "crop": ("crop_width=6\ncrop_height=5", 4),
    "local": ("filters=3\nsize=3\npad=1", 4),
    "deconvolutional": ("filters=3\nsize=3\nstride=2\nbatch_normalize=1", 4),
    "rnn": ("output=3\nhidden=2\nbatch_normalize=1", 4),
    "gru": ("output=3\nbatch_normalize=1", 4),
    "lstm": ("output=3\nbatch_normalize=1", 4),
    "conv_lstm": ("output=3\npad=1\npeephole=1\nbatch_normalize=1", 4),
    "iseg": ("classes=2\nids=3", 5),
    "contrastive": ("yolo_layer=-1", 4),
    "implicit": ("filters=3\natoms=2", 4),
    "reorg3d": ("stride=2", 4),
}
SECTIONS = sorted({cls.section for cls in registered().values()})


def small(name: str) -> Graph:
    options, channels = EXAMPLES.get(name, ("", 4))
    net = NET.replace("8", "4") if name == "detection" else NET
    return resolve(list(parse(f"{net}{CONV.format(4)}{CONV.format(channels)}[{name}]\n{options}\n", "net.cfg")))


@pytest.mark.parametrize("name", SECTIONS)
def test_forward_gives_the_shape_that_was_inferred(name: str) -> None:
    graph = small(name)
    (out,) = Network(graph).eval()(torch.rand(2, *graph.net.shape))
    assert Shape(*out.shape[1:]) == graph.nodes[-1].shape


@pytest.mark.parametrize("name", SECTIONS)
def test_deployed_it_gives_the_same(name: str) -> None:
    network = Network(small(name)).eval()
    images = torch.rand(2, *network.graph.net.shape)
    (plain,) = network(images)
    network.reset()
    (deployed,) = deploy(network)(images)
    torch.testing.assert_close(deployed, plain)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_trained_tensor_is_listed_once_with_its_shape(name: str) -> None:
    network = Network(small(name))
    listed = [tensor for _, tensor in weights.tensors(network)]
    named = itertools.chain(network.named_parameters(), network.named_buffers())
    kept = [tensor for key, tensor in named if not key.endswith("num_batches_tracked")]
    assert sorted(map(id, listed)) == sorted(map(id, kept))
    for slot, tensor in weights.tensors(network):
        assert slot.stored.size == tensor.numel(), slot


@pytest.mark.parametrize("name", SECTIONS)
def test_save_then_load_is_the_identity(name: str, tmp_path) -> None:
    graph = small(name)
    first = Network(graph)
    for _, tensor in weights.tensors(first):
        torch.nn.init.normal_(tensor)
    weights.save(first, tmp_path / "a", Header(seen=7))
    assert (tmp_path / "a").stat().st_size == size(graph)
    for second in (Network(graph), empty_network(graph)):
        header, layers = weights.load(second, tmp_path / "a")
        assert (header.seen, layers) == (7, 3)
        weights.save(second, tmp_path / "b", header)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", SECTIONS)
def test_layout_has_no_holes(name: str) -> None:
    stops = [0] + [slot.stop for slot in layout(small(name))]
    assert [slot.start for slot in layout(small(name))] == stops[:-1]


@pytest.mark.parametrize("name", SECTIONS)
def test_it_says_where_it_is_from(name: str) -> None:
    assert re.search(r"Source: src/\w+\.c \w+", registered()[name].__doc__ or "")


def test_no_file_is_forgotten() -> None:
    from pathlib import Path

    files = {path.stem for path in Path(darkparse.layers.__file__).parent.glob("*.py")} - {
        "__init__",
        "antialiasing",
        "composite",
    }
    assert files == set(darkparse.layers.__all__)


@pytest.mark.parametrize("name", SECTIONS)
def test_darknets_own_numbers_are_recorded(name: str) -> None:
    """Arithmetic is compared in the cases of test_arithmetic*.py; each has its sections behind its own."""
    names = {alias for alias, cls in registered().items() if cls.section == name}
    cases = [case for case, text in ALL.items() if names & {section_of(part.split()) for part in text.split(" | ")[1:]}]
    assert cases, f"no case of test_arithmetic.py or test_arithmetic_more.py has a [{name}]"
