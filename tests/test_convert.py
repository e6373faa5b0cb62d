"""darkparse convert: .weights there and back bit by bit, what goes beside them, and what it refuses."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from conformance import Kit
from conftest import ROOT, SHARED
from darkparse import weights
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.graph import read_graph
from darkparse.layout import FLOAT, Header, count
from roundtrip import FORMS, survives

SHAPES = (ROOT / "cfg/shapes.cfg", ROOT / "weights/shapes.weights")
KIT = SHARED / "conformance"
SMALL = 26_000_000  # bytes of weights up to which a case runs here; benchmarks/roundtrip.py runs all
NET = "[net]\nwidth=8\nheight=8\nchannels=4\n"


def convert(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["convert", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def done(*arguments: object) -> str:
    """What a conversion that succeeds says."""
    result = convert(*arguments)
    assert result.exit_code == 0, result.stderr
    assert not result.stdout
    return result.stderr


def kit_cases() -> list[str]:
    if not KIT.is_dir():
        return ["absent"]
    return [case.meta["name"] for case in Kit(KIT).cases([]) if case.meta["weights_bytes"] < SMALL]


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit(KIT)


@pytest.mark.kit
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
@pytest.mark.parametrize("name", kit_cases())
def test_networks_of_the_kit_come_back_bit_by_bit(name, kit, tmp_path):
    case = kit.check.Case.load(KIT / "cases" / f"{name}.npz")
    graph = read_graph(KIT / case.meta["cfg"])
    assert [survives(kit, case, graph, suffix, tmp_path) for suffix in FORMS] == [True, True]
    for path in tmp_path.rglob("*.*"):
        path.unlink()


@pytest.mark.kit
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
def test_the_comparison_can_fail(kit, tmp_path, monkeypatch):
    case = kit.check.Case.load(KIT / "cases" / "writing.npz")
    plain = weights.to_file
    monkeypatch.setattr(weights, "to_file", lambda slot, tensor: np.nextafter(plain(slot, tensor), np.float32(9)))
    assert not survives(kit, case, read_graph(KIT / case.meta["cfg"]), ".pt", tmp_path)


ODD = {  # layers that keep their tensors in other ways than most
    "shared": "[conv]\nfilters=4\nbatch_normalize=1\n[conv]\nfilters=4\nshare_index=0\n[conv]\nfilters=2\n",
    "flipped": "[conv]\nfilters=4\nflipped=1\ngroups=2\n",
    "weighted": "[conv]\nfilters=4\n[shortcut]\nfrom=-1\nweights_type=per_channel\nweights_normalization=softmax\n",
    "connected": "[connected]\noutput=3\nbatch_normalize=1\n[connected]\noutput=2\n",
    "recurrent": "[crnn]\noutput=4\npad=1\nbatch_normalize=1\n[gru]\noutput=2\n",
    "binary": "[conv]\nfilters=4\nxnor=1\ncbn=1\n[conv]\nantialiasing=1\n[batchnorm]\n",
    "local": "[local]\nfilters=2\n[implicit]\nfilters=3\n",
    "dontload": "[conv]\nfilters=4\nbatch_normalize=1\ndontload=1\n[conv]\nfilters=2\n",
    "dontloadscales": "[conv]\nfilters=4\nbatch_normalize=1\ndontloadscales=1\n[conv]\nfilters=2\n",
}
HEADERS = {
    "0.1": Header(0, 1, 0, 2**32 - 1, False),
    "0.2": Header(0, 2, 0, 5),
    "0.2.5": Header(0, 2, 5, 2**63),
    "0.1, 64 bits": Header(0, 1, 0, 5, True),  # contradicts itself
    "1001": Header(1001, 2, 3),
    "1001, 32 bits": Header(1001, 2, 3, 5, False),  # so does this
}


def odd_file(layers: str, header: Header, folder: Path) -> bytes:
    """A cfg and its weights: random bits, among them NaN with every kind of payload."""
    (folder / "x.cfg").write_text(NET + layers)
    graph = read_graph(folder / "x.cfg", dialect=header.dialect)
    data = header.pack() + np.random.default_rng(0).bytes(FLOAT * count(graph, loading=True))
    (folder / "x.weights").write_bytes(data)
    return data


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("layers", ODD.values(), ids=ODD)
def test_every_tensor_comes_back(layers, suffix, tmp_path):
    data = odd_file(layers, Header(), tmp_path)
    done(tmp_path / "x.cfg", tmp_path / "x.weights", tmp_path / f"y{suffix}")
    done(tmp_path / f"y{suffix}", tmp_path / "z.weights")
    assert (tmp_path / "z.weights").read_bytes() == data
    assert (tmp_path / "z.cfg").read_bytes() == (tmp_path / "x.cfg").read_bytes()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".weights"])
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_every_header_comes_back(header, suffix, tmp_path):
    data = odd_file(ODD["connected"], header, tmp_path)
    done(tmp_path / "x.weights", tmp_path / "x.cfg", tmp_path / f"y{suffix}")
    if suffix != ".weights":
        done(tmp_path / f"y{suffix}", tmp_path / "y.weights")
    assert (tmp_path / "y.weights").read_bytes() == data


def test_the_cfg_comes_back_byte_by_byte(tmp_path):
    """Line ends, blanks, comments in any script, and a last line without an end."""
    text = NET.replace("\n", "\r\n") + "  # größer ☃\r\n\r\n;\t\n[conv]\r\nfilters = 4 \nactivation=leaky"
    (tmp_path / "x.cfg").write_bytes(text.encode())
    (tmp_path / "x.weights").write_bytes(Header().pack() + bytes(FLOAT * 20))
    (tmp_path / "x.names").write_bytes("eins\nzwei\ndrei ☃\n\nfünf\n".encode())
    for suffix in (".pt", ".safetensors"):
        done(tmp_path / "x.cfg", tmp_path / "x.weights", tmp_path / f"y{suffix}")
        done(tmp_path / f"y{suffix}", tmp_path / f"of{suffix}.weights")
        assert (tmp_path / f"of{suffix}.cfg").read_bytes() == text.encode()
        assert not (tmp_path / f"of{suffix}.names").exists()  # no detector, no classifier


def test_the_names_come_back(tmp_path):
    classes = read_graph(SHAPES[0]).classes
    lines = [f"Form {number} ☃" for number in range(classes)]
    (tmp_path / "mine.names").write_text("\n".join(lines), encoding="utf-8")
    done(SHAPES[1], tmp_path / "mine.names", SHAPES[0], tmp_path / "y.pt")
    said = done(tmp_path / "y.pt", tmp_path / "z.weights")
    assert (tmp_path / "z.names").read_text(encoding="utf-8").split("\n") == [*lines, ""]
    assert f"beside it: {tmp_path}/z.cfg, {tmp_path}/z.names" in said


TREE = "root -1\nanimal 0\nthing 0\ndog 1\ncat 1\n"
TREE_NET = NET + "[conv]\nfilters=10\n[region]\ntree={}\nclasses=5\nnum=1\nanchors=1,1\n"


@pytest.mark.parametrize(("folder", "name", "place"), [
    ("", "my.tree", "my.tree"),
    ("data", "data/my.tree", "data/my.tree"),
    ("elsewhere", "{tmp}/elsewhere/my.tree", "my.tree"),  # an absolute name is not for others to write to
    ("elsewhere", "../elsewhere/my.tree", "my.tree"),
])  # fmt: skip
def test_class_trees_come_back(folder, name, place, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    source = tmp_path / "elsewhere" if folder == "elsewhere" else home / folder
    source.mkdir(exist_ok=True)
    (source / "my.tree").write_text(TREE)
    (home / "x.cfg").write_text(TREE_NET.format(name.format(tmp=tmp_path)))
    (home / "x.weights").write_bytes(Header().pack() + bytes(FLOAT * 50))
    monkeypatch.chdir(home)
    done("x.cfg", "x.weights", "x.safetensors")
    (source / "my.tree").unlink()
    (tmp_path / "back").mkdir()
    done("x.safetensors", tmp_path / "back" / "y.weights")
    assert (tmp_path / "back" / place).read_text() == TREE
    assert [path.name for path in source.glob("*.tree")] == []
    assert (tmp_path / "back" / "y.cfg").read_bytes() == (home / "x.cfg").read_bytes()


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_lies_beside_is_never_overwritten(tmp_path):
    done(*SHAPES, tmp_path / "x.pt")
    for name in ("z.cfg", "z.names"):
        (tmp_path / name).write_text("mine\n")
        before = listing(tmp_path)
        result = convert(tmp_path / "x.pt", tmp_path / "z.weights")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"Error: {tmp_path / name}: there is another file of that name")
        assert listing(tmp_path) == before
        (tmp_path / name).unlink()
    (tmp_path / "z.cfg").write_bytes(SHAPES[0].read_bytes())
    done(tmp_path / "x.pt", tmp_path / "z.weights")
    done(tmp_path / "x.pt", tmp_path / "z.weights")  # the same text is no obstacle
    assert (tmp_path / "z.weights").read_bytes() == SHAPES[1].read_bytes()


def test_all_or_nothing(tmp_path):
    """The folder of a tree is there, the weights cannot be written."""
    done(*SHAPES, tmp_path / "x.pt")
    (tmp_path / "z.weights").mkdir()
    before = listing(tmp_path)
    for out in (tmp_path / "z.weights", tmp_path / "nowhere" / "z.weights"):
        result = convert(tmp_path / "x.pt", out)
        assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
        assert listing(tmp_path) == before
        assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("how", [("z.weights", "--layers", 3), ("z.conv.3",)], ids=["option", "name"])
@pytest.mark.parametrize("suffix", [".weights", ".safetensors"])
def test_the_first_layers(how, suffix, tmp_path):
    """The floats of Darknet's file up to the fourth layer's, with nothing seen, as its `partial` writes them."""
    (tmp_path / "x.weights").write_bytes(struct.pack("<3iQ", 0, 2, 5, 7_000_000) + SHAPES[1].read_bytes()[20:])
    given: list[object] = [SHAPES[0], tmp_path / "x.weights"]
    if suffix != ".weights":
        done(*given, tmp_path / f"x{suffix}")
        given = [tmp_path / f"x{suffix}"]
    done(*given, tmp_path / how[0], *how[1:])
    graph, whole = read_graph(SHAPES[0]), SHAPES[1].read_bytes()
    floats = sum(stored.size for node in graph.nodes[:3] for stored in node.tensors)
    assert (tmp_path / how[0]).read_bytes() == struct.pack("<3iQ", 0, 2, 5, 0) + whole[20 : 20 + FLOAT * floats]
    assert sorted(path.name for path in tmp_path.glob("z*")) == [how[0]]


REFUSED = {
    "a suffix that it does not know": (["x.pt", "z.h5"], "expected a name that ends in .pt"),
    "no suffix": (["x.pt", "z"], "z: expected a name that ends in"),
    "the input itself": (["x.pt", "x.pt"], "x.pt: is one of the inputs"),
    "the input by another name": (["x.pt", "link.pt"], "link.pt: is one of the inputs"),
    "an input that is missing": (["none.pt", "z.weights"], "none.pt: No such file"),
    "a cfg that is missing": (["none.cfg", "shapes.weights", "z.pt"], "none.cfg: No such file"),
    "weights of another network": (["other.cfg", "shapes.weights", "z.pt"], "bytes too"),
    "no cfg": (["shapes.weights", "z.pt"], "shapes.weights: expected its .cfg, too"),
    "another cfg than the checkpoint's": (["other.cfg", "x.pt", "z.weights"], "holds a cfg of its own"),
    "a tail for weights": (["x.pt", "z.weights", "--with", "nms"], "--with has no effect on .weights files"),
    "a size for a checkpoint": (["x.pt", "z.safetensors", "--width", "64"], "--width has no effect on .safetensors"),
    "layers of a checkpoint": (["x.pt", "z.safetensors", "--layers", "2"], "--layers has no effect on .safetensors"),
    "names for weights": (["x.pt", "z.weights", "--names", "a.names"], "--names has no effect on .weights files"),
    "more layers than there are": (["x.pt", "z.conv.999"], "expected a number of layers from 1 to"),
    "two numbers of layers": (["x.pt", "z.conv.9", "--layers", "8"], "a name for 9 layers, but 8"),
    "names of another number": (["x.pt", "one.names", "z.safetensors"], "one.names: 1 names, but"),
}


@pytest.mark.parametrize(("arguments", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("shapes.weights").write_bytes(SHAPES[1].read_bytes())
    done(SHAPES[0], "shapes.weights", "x.pt")
    Path("link.pt").symlink_to("x.pt")
    Path("other.cfg").write_text(NET + "[conv]\n")
    Path("one.names").write_text("only\n")
    before = listing(tmp_path)
    result = convert(*arguments)
    assert result.exit_code == 1
    assert re.fullmatch(f"Error: .*{re.escape(message)}.*\n", result.stderr), result.stderr
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    "arguments", [[], ["x.pt"], ["a.cfg", "b.weights"], ["a.cfg", "x.pt", "y.pt", "z.pt"]], ids=str
)
def test_usage(arguments):
    result = convert(*arguments)
    assert result.exit_code == 2
    assert "convert [OPTIONS] CFG WEIGHTS OUT" in result.stderr


def test_two_files_of_weights():
    result = convert("x.pt", "y.weights", "z.pt")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "Error: expected one file of weights, got x.pt and y.weights, and then the file to write",
    )


def test_a_name_of_a_cfg_that_comes_along(tmp_path):
    done("shapes", SHAPES[1], tmp_path / "x.safetensors")
    done(tmp_path / "x.safetensors", tmp_path / "y.weights")
    assert (tmp_path / "y.cfg").read_bytes() == SHAPES[0].read_bytes()


def test_from_one_checkpoint_to_the_other(tmp_path):
    done(*SHAPES, tmp_path / "x.pt")
    done(tmp_path / "x.pt", tmp_path / "y.safetensors")
    done(SHAPES[0], tmp_path / "y.safetensors", tmp_path / "z.pt")  # with the cfg that it holds
    done(tmp_path / "z.pt", tmp_path / "z.weights")
    assert (tmp_path / "z.weights").read_bytes() == SHAPES[1].read_bytes()


@pytest.mark.parametrize("tail", ["raw", "decode", "nms"])
def test_onnx_is_written_when_it_is_verified(tail, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    said = done(*SHAPES, tmp_path / "x.onnx", "--with", tail, "--batch", 1, "--fixed-size")
    assert re.search(r"x\.onnx: ONNX Runtime \S+: largest difference \d", said)
    model = onnx.load(tmp_path / "x.onnx")
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert (about["tail"], about["resize"], about["cfg"]) == (tail, "stretch", SHAPES[0].read_text())
    image = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    assert image == [1, *read_graph(SHAPES[0]).net.shape]

    def differs(path: str, *_: object, **__: object) -> list[str]:
        raise DarkparseError(f"{path}: differs")

    monkeypatch.setattr("darkparse.convert.verify", differs)
    before = listing(tmp_path)
    result = convert(*SHAPES, tmp_path / "y.onnx", "--with", tail)
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path}/y.onnx: differs\n")
    assert listing(tmp_path) == before
