"""One file that holds all of a model: what goes in comes out, to the bit, and runs as cfg and .weights do."""

import json
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import checkpoints
import darkparse
from checkpoints import MODELS, bits, same, source, write
from conftest import ROOT
from darkparse import checkpoint, weights
from darkparse.checkpoint.safetensors import as_json, opened, sealing
from darkparse.cli import main
from darkparse.errors import CfgError, DataError, WeightsError
from darkparse.generate import load_writer
from darkparse.graph import read_graph
from darkparse.layout import Header
from darkparse.network import Network
from darkparse.sources import read_source
from darkparse.training import checkpoint as of_run

FORMS = ("pt", "pth", "safetensors")
BOTH = ("pt", "safetensors")
DIGITS = ROOT / "cfg" / "digits.cfg", ROOT / "weights" / "digits.weights"
PICTURE = ROOT / "tests" / "data" / "digits.jpg"
pytestmark = pytest.mark.filterwarnings("ignore::darkparse.errors.OddValue", "ignore::darkparse.errors.UnusedOption")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_there_and_back(tmp_path: Path, name: str, form: str) -> None:
    (tmp_path / "files").mkdir()
    model, path = source(tmp_path / "files", name), tmp_path / f"m.{form}"
    assert (model.cfg, model.header) == (MODELS[name].cfg, MODELS[name].header)
    assert model.names == MODELS[name].names
    assert model.files == {key: text for key, text in MODELS[name].files if not key.endswith(".names")}
    checkpoint.write(path, model)
    content = (tmp_path / "files" / "net.weights").read_bytes()
    (tmp_path / "files").rename(tmp_path / "elsewhere")  # nothing beside the file is needed
    for found in (read_source(path), read_source("", path)):
        assert same(found, model)
        assert not any(parameter.requires_grad for parameter in found.network.parameters())
        assert not found.network.training
        weights.save(found.network, tmp_path / "back.weights", found.header)
        assert (tmp_path / "back.weights").read_bytes() == content


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", MODELS)
def test_the_same_file_for_the_same_model(tmp_path: Path, name: str, form: str) -> None:
    model = source(tmp_path, name)
    for part in ("one", "two"):
        checkpoint.write(tmp_path / f"{part}.{form}", model)
    checkpoint.write(tmp_path / f"three.{form}", read_source(tmp_path / f"two.{form}"))
    one, two, three = ((tmp_path / f"{part}.{form}").read_bytes() for part in ("one", "two", "three"))
    assert one == two
    if form == "safetensors":
        assert three == one


def test_pt_is_plain_pytorch(tmp_path: Path) -> None:
    model = source(tmp_path, "shared")
    checkpoint.write(tmp_path / "m.pt", model)
    found = torch.load(tmp_path / "m.pt", weights_only=True)
    network = Network(read_graph(tmp_path / "net.cfg"))
    network.load_state_dict(found["state_dict"], strict=True)
    assert bits(network.state_dict()) == bits(model.network.state_dict())
    assert found["cfg"] == MODELS["shared"].cfg
    assert found["header"] == {"major": 0, "minor": 2, "revision": 5, "seen": 7, "long_seen": True}
    tensors = found["state_dict"]
    assert tensors["layers.1.conv.weight"].data_ptr() == tensors["layers.2.conv.weight"].data_ptr()
    sizes = {tensor.untyped_storage().nbytes() - tensor.nbytes for tensor in tensors.values()}
    assert sizes == {0}  # a part of it may be saved anew without the rest


def test_safetensors_are_plain(tmp_path: Path) -> None:
    model = source(tmp_path, "class-tree")
    checkpoint.write(tmp_path / "m.safetensors", model)
    assert bits(load_file(tmp_path / "m.safetensors")) == bits(model.network.state_dict())
    with safe_open(tmp_path / "m.safetensors", framework="np") as file:
        found = json.loads(file.metadata()["darkparse"])
    assert found["names"] == ["thing", "plant", "dog", "cat"]
    assert found["files"] == {"x.tree": checkpoints.TREE}


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path: Path) -> None:
    for form in FORMS:
        checkpoint.write(tmp_path / f"m.{form}", source(tmp_path, "shared"))
        network = read_source(tmp_path / f"m.{form}").network
        assert network.layers[1].conv.weight is network.layers[2].conv.weight
    assert "layers.2.conv.weight" not in load_file(tmp_path / "m.safetensors")


def test_numbers_that_are_none(tmp_path: Path) -> None:
    cfg, path = write(tmp_path, "shared")
    header, size = Header(), path.stat().st_size
    path.write_bytes(header.pack() + np.random.default_rng(0).bytes(size - header.size))  # every kind of NaN
    for form in FORMS:
        checkpoint.write(tmp_path / f"m.{form}", read_source(cfg, path))
        found = read_source(tmp_path / f"m.{form}")
        weights.save(found.network, tmp_path / "back.weights", found.header)
        assert (tmp_path / "back.weights").read_bytes() == path.read_bytes()


def test_layers_that_the_weights_do_not_hold(tmp_path: Path) -> None:
    cfg, path = write(tmp_path, "detector")
    cfg.write_text(cfg.read_text().replace("filters=14", "dontload=1\nfilters=14"))
    path.write_bytes(path.read_bytes()[: -4 * (14 + 14 * 4)])
    model = read_source(cfg, path)
    checkpoint.write(tmp_path / "m.pt", model)
    assert same(read_source(tmp_path / "m.pt"), model)  # random numbers once drawn stay
    assert any(note.startswith("random: layers 1") for note in darkparse.load(cfg, path).notes)
    assert not any(note.startswith("random") for note in darkparse.load(tmp_path / "m.pt").notes)


# Running


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Callable[[str], Path]:
    """The digit detector as one file."""
    model, folder = read_source(*DIGITS), tmp_path_factory.mktemp("digits")
    for form in FORMS:
        checkpoint.write(folder / f"digits.{form}", model)
    return lambda form: folder / f"digits.{form}"


@pytest.mark.parametrize("size", [{}, {"width": 320, "height": 192}])
@pytest.mark.parametrize("form", BOTH)
def test_the_same_boxes(digits, form: str, size: dict[str, int]) -> None:
    one, other = darkparse.load(digits(form), **size), darkparse.load(*DIGITS, **size)
    images = [model.prepare(PICTURE) for model in (one, other)]
    for mine, usual in zip(one.forward(images[:1]), other.forward(images[1:]), strict=True):
        assert torch.equal(mine, usual)
    assert list(one.detect(PICTURE)) == list(other.detect(PICTURE))
    assert (one.header, one.names, one.letterbox) == (other.header, other.names, other.letterbox)
    assert one.notes[1] == f"names: those in {digits(form)}"


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("case", ["darknet19", "yolov4-tiny"])
def test_outputs_of_official_cfgs(tmp_path: Path, case: str, form: str) -> None:
    cfg = ROOT / "cfg" / f"{case}.cfg"
    graph = read_graph(cfg, width=64, height=64)
    network = Network(graph)
    torch.manual_seed(0)
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    weights.save(network, tmp_path / "w.weights", Header(0, 2, 0))
    pair = read_source(cfg, tmp_path / "w.weights", width=64, height=64)
    checkpoint.write(tmp_path / f"m.{form}", pair)
    found = read_source(tmp_path / f"m.{form}", width=64, height=64)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        for one, other in zip(pair.network(images), found.network(images), strict=True):
            assert torch.equal(one, other)
    assert same(pair, found)


@pytest.mark.parametrize("form", BOTH)
def test_the_writer_decides_the_dialect(tmp_path: Path, form: str) -> None:
    checkpoint.write(tmp_path / f"m.{form}", source(tmp_path, "pjreddie"))
    assert read_source(tmp_path / f"m.{form}").graph.dialect.name == "pjreddie"
    model = darkparse.load(tmp_path / f"m.{form}")
    assert model.letterbox
    assert model.notes[0] == "resize: letterbox, by version 0.2.0 of the weights: pjreddie's Darknet"
    assert not darkparse.load(tmp_path / f"m.{form}", resize="stretch").letterbox


@pytest.mark.parametrize("form", BOTH)
def test_a_classifier_with_its_tree(tmp_path: Path, form: str, monkeypatch) -> None:
    cfg, path = write(tmp_path, "class-tree")
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    usual = darkparse.load_classifier(cfg, path).classify(image)
    checkpoint.write(tmp_path / f"m.{form}", read_source(cfg, path))
    for name in ("x.tree", "net.cfg", "net.weights"):
        (tmp_path / name).unlink()
    model = darkparse.load_classifier(tmp_path / f"m.{form}")
    found = model.classify(image)
    assert list(found) == list(usual)
    assert found.parents == (-1, -1, 0, 0)
    monkeypatch.chdir(tmp_path)
    Path("x.tree").write_text("another -1\n")  # does not matter
    assert list(darkparse.load_classifier(f"m.{form}").classify(image, hier=0.2))


@pytest.mark.parametrize("form", BOTH)
def test_text_from_one_file(tmp_path: Path, form: str) -> None:
    cfg, path = write(tmp_path, "characters")
    checkpoint.write(tmp_path / f"m.{form}", read_source(cfg, path))
    one, other = load_writer(tmp_path / f"m.{form}", temperature=0.5), load_writer(cfg, path, temperature=0.5)
    texts = [bytes(writer.generate(b"a", 30, np.random.default_rng(0))) for writer in (one, other)]
    assert texts[0] == texts[1]


# Names


def test_names_in_the_file_and_others(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector"))
    (tmp_path / "m.names").write_text("lies\nbeside\n")
    (tmp_path / "given.names").write_text("is\ngiven\n")
    (tmp_path / "x.data").write_text("names=given.names\n")
    assert darkparse.load(tmp_path / "m.pt").names == ("cat", "dög")
    for given in ({"names": tmp_path / "given.names"}, {"data": tmp_path / "x.data"}):
        assert darkparse.load(tmp_path / "m.pt", **given).names == ("is", "given")
        assert read_source(tmp_path / "m.pt", **given).names == ("is", "given")
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector")._replace(names=()))
    assert darkparse.load(tmp_path / "m.pt").names == ("lies", "beside")


def test_names_that_nobody_knows_are_not_stored(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "no-names"))
    assert checkpoint.read(tmp_path / "m.pt").names == ()
    assert darkparse.load(tmp_path / "m.pt").names == ("class_0", "class_1")


def test_heads_that_differ_have_no_names(tmp_path: Path) -> None:
    cfg, _ = write(tmp_path, "no-names")
    other = checkpoints.YOLO.replace("=14", "=16").replace("classes=2", "classes=3")
    cfg.write_text(cfg.read_text() + "[route]\nlayers=0\n" + other)
    network = Network(read_graph(cfg))
    weights.save(network, tmp_path / "x.weights", Header())
    assert read_source(cfg, tmp_path / "x.weights").names == ()
    (tmp_path / "net.names").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"net\.names: 2 names, but"):
        read_source(cfg, tmp_path / "x.weights", names=tmp_path / "net.names")


def test_as_many_names_as_classes(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector")._replace(names=("one",)))
    with pytest.raises(DataError, match=r"m\.pt: 1 names in it, but 2 classes"):
        darkparse.load(tmp_path / "m.pt")


# Beside a cfg


def test_the_same_cfg_may_be_given(tmp_path: Path) -> None:
    cfg, _ = write(tmp_path, "detector")
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector"))
    cfg.write_text("# the same\n\n" + cfg.read_text().replace("=", " = ").replace("\n", " \r\n"))
    assert same(read_source(cfg, tmp_path / "m.pt"), read_source(tmp_path / "m.pt"))


OTHERS = {
    "other": (lambda text: text.replace("anchors=2,3", "anchors=2,4"), "line 18, 'anchors=2,4,8,9', is not in it"),
    "more": (lambda text: text + "max=3\n", "line 21, 'max=3', is not in it"),
    "less": (lambda text: text.replace("num=2\n", ""), "ends before it"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_another_cfg_is_refused(tmp_path: Path, case: str) -> None:
    change, what = OTHERS[case]
    cfg, _ = write(tmp_path, "detector")
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector"))
    cfg.write_text(change(cfg.read_text()))
    with pytest.raises(WeightsError) as why:
        darkparse.load(cfg, tmp_path / "m.pt")
    place = f"{tmp_path / 'm.pt'}: holds a cfg of its own, from which {cfg} differs"
    assert str(why.value) == f"{place}: {what}; expected one of the two"


def test_too_few_files_and_too_many(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path, "detector")
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector"))
    monkeypatch.chdir(tmp_path)
    for files, message in (
        (("net.cfg",), "net.cfg: expected its .weights, too, or one .pt or .safetensors in place of both"),
        (("net.weights",), "net.weights: expected its .weights, too, or one .pt or .safetensors in place of both"),
        (("", "net.weights"), "net.weights: expected its .cfg, too, or one .pt or .safetensors in place of both"),
        (("m.pt", "net.weights"), "m.pt: has weights of its own; expected a .cfg for net.weights, or m.pt alone"),
        (("m.pt", "m.pt"), "m.pt: has weights of its own; expected a .cfg for m.pt, or m.pt alone"),
    ):
        with pytest.raises(WeightsError) as why:
            read_source(*files)
        assert str(why.value) == message


# Files that are wrong


def run_state() -> dict[str, object]:
    """What a training run keeps, by the keys of training/run.py."""
    parts = ("state", "layout", "network", "optimiser", "ema", "stepper")
    return {part: {} for part in parts}


def in_pt(content: object) -> Callable[[Path], None]:
    """Writes what torch.save makes of something."""
    return lambda path: torch.save(content, path)


def in_bytes(content: bytes) -> Callable[[Path], None]:
    """Writes bytes."""
    return lambda path: path.write_bytes(content)


STATE = {"features.0.weight": torch.zeros(2, 3)}
HINT = "where it fits a cfg, darkparse convert CFG {} OUT.weights makes weights of it"
OURS = "expected what darkparse convert writes"
PICKLED = "a pickled PyTorch checkpoint (.pt)"
WRONG = {
    "missing": ("pt", lambda _: None, "No such file or directory"),
    "missing-2": ("safetensors", lambda _: None, "No such file or directory"),
    "folder": ("pt", Path.mkdir, "Is a directory"),
    "folder-2": ("safetensors", Path.mkdir, "Is a directory"),
    "empty": ("pt", Path.touch, f"no zip archive; {OURS} as .pt"),
    "empty-2": ("safetensors", Path.touch, f"no safetensors file; {OURS} as .safetensors"),
    "html": ("pt", in_bytes(b"<!DOCTYPE html>..."), f"an HTML page; {OURS} as .pt"),
    "html-2": ("safetensors", in_bytes(b"<!DOCTYPE html>..."), f"an HTML page; {OURS} as .safetensors"),
    "lfs": (
        "safetensors",
        in_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        f"a Git LFS pointer, a note in place of the file; {OURS} as .safetensors",
    ),
    "weights": ("pt", in_bytes(Header().pack() + bytes(40)), f"no zip archive; {OURS} as .pt"),
    "cfg": ("pt", in_bytes(b"[net]\nwidth=1\n"), f"a cfg file; {OURS} as .pt"),
    "pt-as-safetensors": (
        "safetensors",
        in_pt(STATE),
        f"a zip archive or a PyTorch checkpoint (.pt); {OURS} as .safetensors",
    ),
    "safetensors-as-pt": ("pt", lambda path: save_file(STATE, path), f"a safetensors file; {OURS} as .pt"),
    "legacy": (
        "pt",
        lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
        f"{PICKLED}; {OURS} as .pt",
    ),
    "state-dict": ("pt", in_pt(STATE), f"a PyTorch checkpoint, without a cfg; {OURS}; {HINT}"),
    "port": ("pt", in_pt({"epoch": 3, "model": STATE}), f"a PyTorch checkpoint, without a cfg; {OURS}; {HINT}"),
    "tensor": ("pt", in_pt(torch.zeros(3)), f"a PyTorch checkpoint, without a cfg; {OURS}; {HINT}"),
    "others": (
        "safetensors",
        lambda path: save_file(STATE, path, {"format": "pt"}),
        f"a safetensors file of 1 tensors, without a cfg; {OURS}; {HINT}",
    ),
    "whole-model": (
        "pt",
        in_pt(torch.nn.Sequential(torch.nn.Linear(1, 1))),
        "holds a Python object (torch.nn.modules.container.Sequential), which is not made, as that may execute "
        f"anything; {OURS}, or a state dict",
    ),
    "training-run": (
        "pt",
        lambda path: of_run.write(path, run_state()),
        "the state of a training run; its weights are in the .weights beside it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_files_that_are_something_else(tmp_path: Path, case: str) -> None:
    form, make, message = WRONG[case]
    path = tmp_path / f"m.{form}"
    make(path)
    with pytest.raises(WeightsError) as why:
        read_source(path)
    assert str(why.value) == f"{path}: {message.format(path)}"


def test_a_torchscript_program(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit.trace"):
        torch.jit.trace(torch.nn.Linear(1, 1), torch.zeros(1, 1)).save(tmp_path / "m.pt")
    with pytest.raises(WeightsError, match=r"m\.pt: a TorchScript program; expected what darkparse convert writes"):
        read_source(tmp_path / "m.pt")


def changed_pt(path: Path, change: Callable[[dict], object]) -> None:
    """Change what a .pt holds."""
    found = torch.load(path, weights_only=True)
    change(found)
    torch.save(found, path)


def changed_safetensors(path: Path, change: Callable[[dict], object]) -> None:
    """Change what a .safetensors holds, with sound checksums."""
    from darkparse.checkpoint.safetensors import checksum

    with safe_open(path, framework="pt") as file:
        found = opened(path, file.metadata()["darkparse"])
    found["state_dict"] = load_file(path)
    change(found)
    tensors = found.pop("state_dict")
    found["crc32"] = {name: checksum(tensor) for name, tensor in tensors.items()}
    save_file(tensors, path, {"darkparse": as_json(sealing(found))})


CHANGE = {"pt": changed_pt, "safetensors": changed_safetensors}


def put(*keys: str, value: object) -> Callable[[dict], None]:
    """Sets what lies at the end of `keys`."""

    def change(found: dict) -> None:
        for key in keys[:-1]:
            found = found[key]
        found[keys[-1]] = value

    return change


def drop(*keys: str) -> Callable[[dict], None]:
    """Takes it away."""

    def change(found: dict) -> None:
        for key in keys[:-1]:
            found = found[key]
        del found[keys[-1]]

    return change


FIRST, LAST = "layers.0.conv.weight", "layers.1.conv.bias"
CFG = "expected the text of a cfg, at most 1,048,576 characters"
INT, LONG = "expected a number from 0 to 2147483647", "expected a number from 0 to 18446744073709551615"
CONTENTS = {
    "format": (put("darkparse", value=2), "darkparse: expected format 1, got 2"),
    "no-cfg": (drop("cfg"), f"cfg: {CFG}, got nothing"),
    "cfg-number": (put("cfg", value=7), f"cfg: {CFG}, got 7"),
    "cfg-empty": (put("cfg", value=""), f"cfg: {CFG}, got ''"),
    "files-list": (put("files", value=[]), "files: expected a dict of texts, got a value of type list"),
    "files-numbers": (put("files", value={"a": 1}), "files: expected a dict of texts, got a value of type dict"),
    "names-text": (put("names", value="cat"), "names: expected a list of lines, got 'cat'"),
    "names-numbers": (put("names", value=["cat", 1]), "names: expected a list of lines, got a value of type list"),
    "names-lines": (put("names", value=["a\nb"]), "names: expected a list of lines, got a value of type list"),
    "no-names": (drop("names"), "names: expected a list of lines, got nothing"),
    "header": (
        put("header", value=[0, 2, 5]),
        "header: expected a dict of major, minor, revision, seen, long_seen, got a value of type list",
    ),
    "major": (put("header", "major", value=-1), f"header: major: {INT}, got -1"),
    "minor": (put("header", "minor", value=2**31), f"header: minor: {INT}, got 2147483648"),
    "revision": (put("header", "revision", value=5.0), f"header: revision: {INT}, got 5.0"),
    "no-seen": (drop("header", "seen"), f"header: seen: {LONG}, got nothing"),
    "seen": (put("header", "seen", value=2**64), f"header: seen: {LONG}, got {2**64}"),
    "seen-huge": (
        put("header", "seen", value=2**80),
        f"header: seen: {LONG}, got a value of type int",
    ),
    "seen-true": (put("header", "seen", value=True), f"header: seen: {LONG}, got True"),
    "long-seen": (put("header", "long_seen", value=1), "header: long_seen: expected True or False, got 1"),
    "short-seen": (
        lambda found: found["header"].update(seen=2**32, long_seen=False),
        "header: seen: expected at most 4,294,967,295, got 4,294,967,296",
    ),
    "no-tensor": (
        drop("state_dict", FIRST),
        f"no tensor {FIRST}; expected float32 4x3x3x3, by line 5 of its cfg, [convolutional]",
    ),
    "shape": (
        put("state_dict", FIRST, value=torch.zeros(4, 3, 3, 5)),
        f"{FIRST} is float32 4x3x3x5; expected float32 4x3x3x3, by line 5 of its cfg, [convolutional]",
    ),
    "dtype": (
        put("state_dict", FIRST, value=torch.zeros(4, 3, 3, 3).half()),
        f"{FIRST} is float16 4x3x3x3; expected float32 4x3x3x3, by line 5 of its cfg, [convolutional]",
    ),
    "another": (
        put("state_dict", "layers.2.weight", value=torch.zeros(1)),
        "'layers.2.weight': no tensors of its cfg; expected the 8 that are",
    ),
    "cfg-of-another-network": (
        lambda found: found.update(cfg=found["cfg"].replace("classes=2", "classes=3").replace("=14", "=16"), names=[]),
        "layers.1.conv.weight is float32 14x4x1x1; expected float32 16x4x1x1, by line 12 of its cfg, [convolutional]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("case", CONTENTS)
def test_contents_that_are_wrong(tmp_path: Path, case: str, form: str) -> None:
    change, message = CONTENTS[case]
    path = tmp_path / f"m.{form}"
    checkpoint.write(path, source(tmp_path, "detector"))
    CHANGE[form](path, change)
    with pytest.raises(WeightsError) as why:
        read_source(path)
    assert str(why.value) == f"{path}: {message}"


OBJECTS = {
    "state-list": (put("state_dict", value=[]), "state_dict: missing; expected a dict of tensors"),
    "number": (
        put("state_dict", FIRST, value=3),
        f"state_dict: '{FIRST}' is 3; expected the name of a tensor, and a plain tensor",
    ),
    "sparse": (
        put("state_dict", FIRST, value=torch.zeros(4, 3, 3, 3).to_sparse()),
        f"state_dict: '{FIRST}' is a value of type Tensor; expected the name of a tensor, and a plain tensor",
    ),
    "meta": (
        put("state_dict", FIRST, value=torch.zeros(4, 3, 3, 3, device="meta")),
        f"state_dict: '{FIRST}' is a value of type Tensor; expected the name of a tensor, and a plain tensor",
    ),
    "surrogate": (put("cfg", value="[net]\ud800"), f"cfg: {CFG}, got a text that cannot be encoded"),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_objects_that_only_a_pt_can_hold(tmp_path: Path, case: str) -> None:
    change, message = OBJECTS[case]
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "detector"))
    changed_pt(tmp_path / "m.pt", change)
    with pytest.raises(WeightsError) as why:
        read_source(tmp_path / "m.pt")
    assert str(why.value) == f"{tmp_path / 'm.pt'}: {message}"


def test_tensors_that_should_be_one(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "m.pt", source(tmp_path, "shared"))
    changed_pt(tmp_path / "m.pt", put("state_dict", "layers.2.conv.weight", value=torch.zeros(4, 4, 3, 3)))
    place = "by line 19 of its cfg, [convolutional]"
    with pytest.raises(WeightsError) as why:
        read_source(tmp_path / "m.pt")
    message = f"layers.2.conv.weight differs from layers.1.conv.weight; expected the same, {place}"
    assert str(why.value) == f"{tmp_path / 'm.pt'}: {message}"


def test_tensors_in_another_memory_format(tmp_path: Path) -> None:
    model = source(tmp_path, "detector")
    checkpoint.write(tmp_path / "m.pt", model)
    weight = model.network.state_dict()[FIRST].contiguous(memory_format=torch.channels_last)
    changed_pt(tmp_path / "m.pt", put("state_dict", FIRST, value=weight))
    assert same(read_source(tmp_path / "m.pt"), model)


TEXTS = {
    "missing": ({}, "no text of 'x.tree' in {}; expected it there, with the cfg"),
    "wrong": ({"x.tree": "a -1\nb 7\n"}, "{}: x.tree:2: parent 7 is not an earlier line"),
    "too-few": ({"x.tree": "a -1\n"}, None),
}


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("case", TEXTS)
def test_errors_of_a_cfg_inside_name_the_file(tmp_path: Path, case: str, form: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # where a file x.tree lies, which does not count
    files, message = TEXTS[case]
    checkpoint.write(f"m.{form}", source(tmp_path, "class-tree"))
    CHANGE[form](Path(f"m.{form}"), put("files", value=files))
    with pytest.raises(CfgError) as why:
        read_source(f"m.{form}")
    if message:
        assert str(why.value) == f"m.{form}:14: [softmax] tree: {message.format(f'm.{form}')}"
    else:
        assert str(why.value) == f"m.{form}:13: [softmax]: tree has 1 nodes, but the layer before gives 4 values"


# Writing


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, form: str) -> None:
    model, path = read_source(*DIGITS), tmp_path / f"m.{form}"
    path.write_bytes(b"before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(WeightsError) as why:
            checkpoint.write(path, model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(why.value).startswith(f"{path}: ")
    assert "File too large" in str(why.value)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("form", FORMS)
def test_a_device_is_written_to_and_stays_one(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"m.{form}"
    path.symlink_to("/dev/full")
    with pytest.raises(WeightsError) as why:
        checkpoint.write(path, source(tmp_path, "detector"))
    assert str(why.value) == f"{path}: No space left on device"
    assert path.is_symlink()
    assert path.is_char_device()


@pytest.mark.parametrize("form", FORMS)
def test_no_folder(tmp_path: Path, form: str) -> None:
    path = tmp_path / "nowhere" / f"m.{form}"
    with pytest.raises(WeightsError) as why:
        checkpoint.write(path, source(tmp_path, "detector"))
    assert str(why.value) == f"{path}: No such file or directory"


def test_other_suffixes(tmp_path: Path) -> None:
    for call in (lambda: checkpoint.write("m.bin", source(tmp_path, "detector")), lambda: checkpoint.read("m.bin")):
        with pytest.raises(WeightsError, match=r"m\.bin: expected a name that ends in \.pt, \.pth, \.safetensors"):
            call()
    assert checkpoint.is_checkpoint("A.PT")
    assert not checkpoint.is_checkpoint("a.pt2")


# Commands


def run(*arguments: object) -> Result:
    """A command that should work."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return result


@pytest.mark.parametrize("form", BOTH)
def test_detect(tmp_path: Path, digits, form: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    usual = run("detect", *DIGITS, PICTURE, "--json", "-")
    for arguments in ([digits(form), PICTURE], [PICTURE, digits(form)], [DIGITS[0], digits(form), PICTURE]):
        assert run("detect", *arguments, "--json", "-").stdout == usual.stdout
    assert "7" in run("detect", digits(form), PICTURE, "--names", ROOT / "cfg" / "digits.names").stdout
    small = [run("detect", *files, PICTURE, "--json", "-", "--width", 192).stdout for files in (DIGITS, [digits(form)])]
    assert small[0] == small[1] != usual.stdout


@pytest.mark.parametrize("form", BOTH)
def test_classify_and_generate(tmp_path: Path, form: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, command in (("classifier", ["classify"]), ("characters", ["generate"])):
        pair = write(tmp_path, name)
        checkpoint.write(f"m.{form}", read_source(*pair))
        rest = [PICTURE, "--json", "-"] if name == "classifier" else ["--length", 20, "--rng-seed", 1]
        assert run(*command, f"m.{form}", *rest).stdout == run(*command, *pair, *rest).stdout


@pytest.mark.parametrize("form", BOTH)
@pytest.mark.parametrize("command", ["map", "valid", "recall"])
def test_evaluation(tmp_path: Path, digits, command: str, form: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("images").mkdir()
    Path("images/a.jpg").write_bytes(PICTURE.read_bytes())
    Path("images/a.txt").write_text("3 0.5 0.5 0.2 0.2\n")
    Path("list.txt").write_text("images/a.jpg\n")
    Path("x.data").write_text(f"classes=10\nvalid=list.txt\nnames={ROOT / 'cfg' / 'digits.names'}\n")
    texts = []
    for files in (["x.data", *DIGITS], [digits(form), "x.data"]):
        Path("results").mkdir(exist_ok=True)
        texts.append(run(command, *files, "--workers", 0).stdout)
        texts[-1] += "".join(path.read_text() for path in sorted(Path("results").iterdir()))
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize("form", BOTH)
def test_summary_and_inspect(digits, form: str) -> None:
    assert run("summary", digits(form)).stdout == run("summary", DIGITS[0]).stdout
    usual, found = (
        run("inspect", *reversed(DIGITS)).stdout.splitlines(),
        run("inspect", digits(form)).stdout.splitlines(),
    )
    assert found[1:4] == [
        "version 0.2.5: AlexeyAB's Darknet or a fork of it",
        "seen 112,000 images (1,750 batches of 64)",
        "674,890 floats; a cfg of 40 layers, 10 names",
    ]
    assert found[4:] == usual[5:]


REFUSED = {
    "two": (["detect", "m.pt", "n.weights", "x.jpg"], 2, "expected one file of weights, got m.pt and n.weights"),
    "no-image": (["detect", "m.pt"], 2, "no image given; expected files, folders, patterns, a .txt list, or -"),
    "nothing": (["detect", "x.jpg"], 2, "expected a .cfg and its .weights, or one .pt or .safetensors"),
    "no-classifier": (
        ["classify", "m.pt", "x.jpg"],
        1,
        "m.pt: a detector, with a [yolo]; use darkparse detect (darkparse.load)",
    ),
    "training": (["train", "x.data", "m.pt"], 2, "expected a .data file, a .cfg and perhaps .weights, got x.data m.pt"),
    "doctor": (
        ["doctor", "m.pt", "x.jpg"],
        1,
        "m.pt: a zip archive or a PyTorch checkpoint (.pt); expected Darknet's .weights format, which darkparse "
        "convert makes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_commands_refuse(tmp_path: Path, case: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint.write("m.pt", source(tmp_path, "detector"))
    arguments, status, message = REFUSED[case]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status
    assert message in result.output
    assert isinstance(result.exception, SystemExit)
