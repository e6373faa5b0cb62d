"""ONNX Runtime on .onnx files, and what those say of themselves."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import onnx_models
from darkparse.errors import DarkparseError
from darkparse.layout import Header
from darkparse.onnx import metadata, seal
from darkparse.onnx.session import Session
from darkparse.sources import Source

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return onnx_models.source(tmp_path_factory.mktemp("net"), onnx_models.DETECTOR)


@pytest.fixture(scope="module")
def file(detector: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return onnx_models.write(tmp_path_factory.mktemp("onnx") / "net.onnx", detector)


def test_a_file_of_another_program(tmp_path: Path) -> None:
    x = onnx_models.plain(tmp_path / "plain.onnx")
    session = Session(tmp_path / "plain.onnx")
    assert session.shape == (None, 3, None, None)
    assert session.metadata == {}
    assert metadata.read(session.metadata, "plain.onnx") is None
    np.testing.assert_allclose(session.run(x)["y"], 2 * x + 1, rtol=1e-6)
    np.testing.assert_allclose(session.run(x.astype(np.float64))["y"], 2 * x + 1, rtol=1e-6)


def test_inner_gives_every_layer_as_pytorch_has_it(detector: Source, file: Path) -> None:
    images = torch.rand(2, 3, 64, 64)
    seen: dict[int, np.ndarray] = {}
    hooks = [
        layer.register_forward_hook(lambda _, __, out, index=index: seen.update({index: out.numpy()}))
        for index, layer in enumerate(detector.network.layers)
    ]
    detector.network(images)
    for hook in hooks:
        hook.remove()
    found = Session(file, inner=True).run(images.numpy())
    layers = {int(name[:3]): array for name, array in found.items()}
    assert {0, 1, 2, 3, 4, 6, 7, 8, 9} <= set(layers)
    for index, array in layers.items():
        np.testing.assert_allclose(array, seen[index], rtol=1e-4, atol=1e-5)
    assert set(Session(file, inner=["002_convolutional"]).outputs) == {"004_yolo", "009_yolo", "002_convolutional"}


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((1, 3, 64), "expected images of any x 3 x any x any, got 1 x 3 x 64"),
        ((1, 4, 64, 64), "got 1 x 4 x 64 x 64"),
        ((1, 3, 60, 64), "ONNX Runtime fails on images of 1 x 3 x 60 x 64"),
    ],
    ids=str,
)
def test_images_that_do_not_fit(shape: tuple[int, ...], said: str, file: Path, capfd) -> None:
    with pytest.raises(DarkparseError, match=said) as caught:
        Session(file).run(np.zeros(shape, np.float32))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_other_numbers_of_images_and_sizes_by_the_file(detector: Source, tmp_path: Path) -> None:
    path = onnx_models.write(tmp_path / "a.onnx", detector, dynamic_size=False, batch=2)
    assert Session(path).shape == (2, 3, 64, 64)
    with pytest.raises(DarkparseError, match="expected images of 2 x 3 x 64 x 64, got 1 x 3 x 64 x 64"):
        Session(path).run(np.zeros((1, 3, 64, 64), np.float32))


def test_optional_inputs(detector: Source, tmp_path: Path) -> None:
    session = Session(onnx_models.write(tmp_path / "a.onnx", detector, "nms"))
    assert session.options == ("thresh", "nms")
    images = np.random.default_rng(0).random((1, 3, 64, 64), np.float32)
    few, many = (session.run(images, {"thresh": thresh})["detections"] for thresh in (0.3, 0.05))
    assert len(few) < len(many)
    np.testing.assert_array_equal(
        session.run(images)["detections"], session.run(images, {"thresh": 0.25, "nms": 0.45})["detections"]
    )
    with pytest.raises(DarkparseError, match="no option 'hier'; expected one of: thresh, nms"):
        session.run(images, {"hier": 0.5})


def test_states_go_from_step_to_step(tmp_path: Path) -> None:
    model = onnx_models.source(tmp_path, onnx_models.RECURRENT)
    session = Session(onnx_models.write(tmp_path / "a.onnx", model))
    assert list(session.states) == ["000_gru.state_in"]
    x = np.random.default_rng(0).random((2, 1, 5, 1, 1), np.float32)
    model.network.reset()
    first, second = (model.network(torch.from_numpy(one))[0].numpy() for one in x)
    found = session.run(x[0])
    np.testing.assert_allclose(found["001_connected"], first, atol=1e-6)
    later = session.run(x[1], {"000_gru.state_in": found["000_gru.state_out"]})
    np.testing.assert_allclose(later["001_connected"], second, atol=1e-6)
    assert np.abs(session.run(x[1])["001_connected"] - second).max() > 1e-4


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("nothing", None, "No such file"),
        ("empty", b"", "the file is empty"),
        ("text", b"these are no numbers\n" * 50, "not an ONNX model"),
        ("page", b"<!DOCTYPE html><html>", "it is an HTML page"),
        ("zip", b"PK\x03\x04" + bytes(100), "it is a zip archive"),
        ("safetensors", b'\x40\0\0\0\0\0\0\0{"a":{}}', "it is a safetensors file"),
        ("zeros", bytes(1000), "not an ONNX model"),
        ("no graph", b"\x08\x06", "not an ONNX model"),
    ],
)
def test_what_is_no_model(inner: bool, name: str, data: bytes | None, said: str, tmp_path: Path, capfd) -> None:
    path = tmp_path / "a.onnx"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(DarkparseError, match=said) as caught:
        Session(path, inner=inner)
    assert str(caught.value).startswith(f"{path}:")
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DarkparseError, match="directory"):
        Session(tmp_path)


def test_weights_in_a_file_beside_that_is_not_there(tmp_path: Path, capfd) -> None:
    onnx_models.plain(tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.save(
        model,
        tmp_path / "b.onnx",
        save_as_external_data=True,
        location="b.bin",
        size_threshold=0,
        convert_attribute=True,
    )
    if not (tmp_path / "b.bin").exists():
        pytest.skip("this onnx keeps scalars inside")
    (tmp_path / "b.bin").unlink()
    for inner in (False, True):
        with pytest.raises(DarkparseError, match=r"b\.bin"):
            Session(tmp_path / "b.onnx", inner=inner)
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_nobody_knows(tmp_path: Path, capfd) -> None:
    onnx_models.plain(tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    model.graph.node[0].op_type = "Bewitch"
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(DarkparseError, match="Bewitch"):
        Session(tmp_path / "a.onnx")
    assert capfd.readouterr() == ("", "")


def test_several_inputs_of_another_program(tmp_path: Path) -> None:
    x = onnx_models.plain(tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    del model.graph.initializer[:]
    for name in ("two", "one"):
        model.graph.input.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, []))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(DarkparseError, match=r"expected one input of float numbers, got x tensor\(float\), two"):
        Session(tmp_path / "a.onnx").run(x)


@pytest.mark.parametrize("missing", ["onnxruntime", "onnx"])
def test_without_the_extra(missing: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(DarkparseError, match=rf"needs {missing}, .* pip install 'darkparse\[onnx\]'"):
        Session(file, inner=True)


def test_devices(file: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(DarkparseError, match="device 'cuda': this ONNX Runtime has no CUDAExecutionProvider"):
            Session(file, device="cuda")
    with pytest.raises(DarkparseError, match="device: expected one of cpu, cuda, got 'tpu'"):
        Session(file, device="tpu")


def test_a_file_says_what_it_is(detector: Source, file: Path) -> None:
    said = metadata.read(Session(file).metadata, file)
    assert said is not None
    assert said[:6] == ("raw", "stretch", (), 64, 64, 3)
    assert said.cfg == onnx_models.DETECTOR
    assert said.header == Header()
    assert [node.shape for node in said.graph(file).nodes] == [node.shape for node in detector.graph.nodes]
    assert said.graph(file, width=96).net.width == 96
    entries = Session(file).metadata
    assert entries["anchors"] == (
        '{"004_yolo": [[30.0, 24.0], [26.0, 40.0], [50.0, 50.0]], "009_yolo": [[4.0, 6.0], [9.0, 8.0], [14.0, 20.0]]}'
    )
    assert entries["classes"] == "3"


def test_anchors_of_a_region_are_in_pixels(tmp_path: Path) -> None:
    cfg = "[net]\nwidth=64\nheight=32\nchannels=3\n[convolutional]\nfilters=12\nstride=16\nsize=1\n"
    model = onnx_models.source(tmp_path, cfg + "[region]\nanchors=1,2, 0.5,3\nnum=2\nclasses=1\n")
    entries = metadata.describe(model, tail="raw", resize="letterbox")
    assert entries["anchors"] == '{"001_region": [[16.0, 32.0], [8.0, 48.0]]}'  # cells of 16 x 16 px


def test_names_and_trees_come_back(tmp_path: Path) -> None:
    (tmp_path / "small.tree").write_text("thing -1\nplant -1\ncat 0\n")
    cfg = "[net]\nwidth=64\nheight=32\nchannels=3\n[convolutional]\nfilters=8\nstride=16\nsize=1\n"
    model = onnx_models.source(tmp_path, cfg + "[region]\nnum=1\nclasses=3\ntree=small.tree\n")
    named = model._replace(names=("Ding", "Gewächs", "Katze"))
    said = metadata.read(metadata.describe(named, tail="raw", resize="letterbox"), "a.onnx")
    assert said is not None
    assert said.names == named.names
    (tmp_path / "small.tree").unlink()
    tree = said.graph("a.onnx").heads[0][1].tree
    assert tree.names == ("thing", "plant", "cat")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tail", "best"),
        ("names", "person, car"),
        ("names", "[1]"),
        ("names", '{"0": "person"}'),
        ("width", "0"),
        ("header", "[0, 2, 5, 0]"),
        ("header", '[0, 2, "5", 0, true]'),
        ("files", "[]"),
        ("resize", "squeeze"),
        ("cfg", None),
    ],
)
def test_damaged_entries(key: str, value: str | None, detector: Source) -> None:
    entries = metadata.describe(detector, tail="raw", resize="stretch")
    entries = {name: one for name, one in entries.items() if name != key} | ({key: value} if value else {})
    with pytest.raises(DarkparseError, match=rf"a\.onnx: metadata: {key}: expected what darkparse writes, got "):
        metadata.read(entries, "a.onnx")


@pytest.mark.parametrize("what", [{"resize": "squeeze", "tail": "raw"}, {"resize": "stretch", "tail": "best"}])
def test_what_cannot_be_noted(what: dict[str, str], detector: Source) -> None:
    with pytest.raises(DarkparseError, match="expected one of"):
        metadata.describe(detector, **what)


def test_a_damaged_weight_is_noticed_and_a_change_by_a_program_is_not(file: Path, tmp_path: Path) -> None:
    data, path = bytearray(file.read_bytes()), tmp_path / "a.onnx"
    weight = onnx.load(file).graph.initializer[0].raw_data
    data[data.index(weight) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(DarkparseError, match=r"a\.onnx: damaged: its bytes are not those that were written"):
        Session(path)
    model = onnx.load(file)
    model.graph.doc_string = "changed by a program that knows nothing of this"
    onnx.save(model, path)
    Session(path)
    model = onnx.load(file)
    assert seal.sealed(model) == file.read_bytes()
