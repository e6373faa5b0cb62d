"""Damaged and malicious .pt and .safetensors: one clear error, or else the very same model; nothing is executed."""

import itertools
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import checkpoints
from darkparse import checkpoint
from darkparse.cli import main
from darkparse.errors import DarkparseError
from darkparse.sources import Source, read_source

FORMS = ("pt", "safetensors")
BOMB = "x" * 3_000_000
pytestmark = pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")


@pytest.fixture(scope="module", params=FORMS)
def whole(request, tmp_path_factory) -> tuple[Path, Source]:
    """A file, and the model in it: with names, a class tree, batch norm."""
    folder = tmp_path_factory.mktemp("whole")
    model = checkpoints.source(folder, "class-tree")
    checkpoint.write(folder / f"m.{request.param}", model)
    return folder / f"m.{request.param}", model


def check_message(message: str, path: Path) -> None:
    """One line that says which file, and not too much."""
    assert message.startswith(f"{path}:")
    assert message.isprintable()
    assert len(message.removeprefix(str(path))) < 300


class Outcomes:
    """What became of damaged files: all must be refused clearly, or hold what the whole one holds."""

    def __init__(self, path: Path, model: Source) -> None:
        self.path, self.model, self.refused, self.same = path, model, 0, 0

    def add(self, data: bytes) -> None:
        """Read a damaged file."""
        self.path.write_bytes(data)
        try:
            found = read_source(self.path)
        except DarkparseError as why:
            self.refused += 1
            check_message(str(why), self.path)
        else:
            self.same += 1
            assert checkpoints.same(found, self.model)


@pytest.fixture
def outcomes(whole, tmp_path) -> Outcomes:
    path, model = whole
    return Outcomes(tmp_path / path.name, model)


def flips(data: bytes, places: Iterator[int] | range) -> Iterator[bytes]:
    """The data with one byte changed: a bit of it, or all."""
    for place in places:
        for mask in (1 << place % 8, 0xFF):
            yield data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def test_cut_short(whole, outcomes: Outcomes) -> None:
    data = whole[0].read_bytes()
    for length in sorted({*range(40), *range(0, len(data), 37), len(data) - 1, len(data) - 4, len(data) - 22}):
        outcomes.add(data[:length])
    assert outcomes.same == 0


def test_bytes_appended_and_removed(whole, outcomes: Outcomes) -> None:
    data, draw = whole[0].read_bytes(), random.Random(1)
    for _ in range(100):
        start, length = draw.randrange(len(data)), draw.randrange(1, 100)
        outcomes.add(data[:start] + data[start + length :])
        outcomes.add(data[:start] + draw.randbytes(length) + data[start:])
    assert outcomes.refused > 150


def test_flipped_bytes(whole, outcomes: Outcomes) -> None:
    data, draw = whole[0].read_bytes(), random.Random(2)
    for damaged in flips(data, sorted(draw.sample(range(len(data)), 250))):
        outcomes.add(damaged)
    assert outcomes.refused > 250


@pytest.mark.slow
def test_every_byte_flipped(whole, outcomes: Outcomes) -> None:
    data = whole[0].read_bytes()
    for damaged in flips(data, range(len(data))):
        outcomes.add(damaged)
    assert outcomes.refused > len(data)


def parts_of(path: Path) -> dict[str, bytes]:
    """The members of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], path: Path, packed: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with sound checksums."""
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path.read_bytes()


def replaced(parts: dict[str, bytes], path: Path) -> Iterator[bytes]:
    """Archives with a member left out, emptied, cut, another's, or another name."""
    for name, other in itertools.permutations(parts, 2):
        yield zipped({**parts, name: parts[other]}, path)
    for name, data in parts.items():
        rest = {one: part for one, part in parts.items() if one != name}
        for change in (rest, {**rest, name: b""}, {**rest, name: data[: len(data) // 2]}, {**rest, name: data + data}):
            yield zipped(change, path)
        yield zipped({**rest, name.replace("/", "/x"): data}, path)
        yield zipped({**rest, name.partition("/")[2]: data}, path)


def test_members_of_the_archive_replaced(tmp_path: Path) -> None:
    model = checkpoints.source(tmp_path, "no-names")
    checkpoint.write(tmp_path / "m.pt", model)
    parts = parts_of(tmp_path / "m.pt")
    swaps, outcomes = list(replaced(parts, tmp_path / "x.zip")), Outcomes(tmp_path / "m.pt", model)
    refused = 0
    for data in swaps:
        (tmp_path / "m.pt").write_bytes(data)
        try:
            found = read_source(tmp_path / "m.pt")
        except DarkparseError as why:
            refused += 1
            check_message(str(why), tmp_path / "m.pt")
        else:  # whoever gives a sound checksum to other numbers has made another model, of the same cfg
            assert found[2:] == model[2:]
            assert [one.shape for one in found.network.parameters()] == [
                one.shape for one in model.network.parameters()
            ]
    assert refused > len(swaps) / 3
    outcomes.add(zipped(parts, tmp_path / "x.zip"))
    assert outcomes.same == 1


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_archive_is_not_inflated(tmp_path: Path, packed: int) -> None:
    checkpoint.write(tmp_path / "m.pt", checkpoints.source(tmp_path, "detector"))
    parts = parts_of(tmp_path / "m.pt")
    zipped({**parts, "m/bomb": bytes(20_000_000)}, tmp_path / "m.pt", packed)
    with pytest.raises(DarkparseError, match="a compressed zip archive"):
        read_source(tmp_path / "m.pt")


LENGTHS = (0, 1, 7, 2**20, 10**8, 10**8 + 1, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@pytest.mark.parametrize("length", LENGTHS)
def test_length_of_the_header(tmp_path: Path, length: int) -> None:
    model = checkpoints.source(tmp_path, "detector")
    checkpoint.write(tmp_path / "m.safetensors", model)
    data = (tmp_path / "m.safetensors").read_bytes()
    outcomes = Outcomes(tmp_path / "m.safetensors", model)
    outcomes.add(struct.pack("<Q", length) + data[8:])
    assert outcomes.refused == 1


def framed(header: str | bytes, data: bytes = b"") -> bytes:
    """A .safetensors with that header."""
    header = header.encode() if isinstance(header, str) else header
    return struct.pack("<Q", len(header)) + header + data


def metadata(text: str) -> bytes:
    """A .safetensors with that description."""
    return framed(json.dumps({"__metadata__": {"darkparse": text}}))


EMPTY = '{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
HEADERS = {
    "deep": framed('{"a":' + "[" * 1_000_000 + "]" * 1_000_000 + "}"),
    "deep-metadata": metadata("[" * 1_000_000 + "]" * 1_000_000),
    "deep-dicts": metadata('{"a":' * 500_000 + "1" + "}" * 500_000),
    "number": metadata("9" * 1_000_000),
    "exponent": metadata("1e999999999"),
    "list": metadata("[" + "0," * 500_000 + "0]"),
    "many-keys": framed("{" + ",".join(f'"{n}":{EMPTY}' for n in range(20_000)) + "}"),
    "text": metadata(BOMB),
    "surrogate": metadata('{"darkparse": 1, "cfg": "\\ud800", "crc32 of all this": 0}'),
    "metadata-is-list": framed('{"__metadata__":[]}'),
    "metadata-number": framed('{"__metadata__":{"darkparse":1}}'),
    "no-utf-8": framed(b'{"__metadata__":{"darkparse":"\xff"}}'),
    "shape-overflow": framed('{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}', b"0000"),
    "shape-negative": framed('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', b"0000"),
    "offsets-beyond": framed('{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,36]}}', b"0000"),
    "offsets-backwards": framed('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', b"0000"),
    "dtype": framed('{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}', b"0000"),
    "float4": framed('{"a":{"dtype":"F4","shape":[8],"data_offsets":[0,4]}}', b"0000"),
    "nothing": framed("{}"),
    "no-object": framed("[]"),
    "blank": framed("  "),
    "zeros": bytes(100),
    "ones": b"\xff" * 100,
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_headers(tmp_path: Path, case: str) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(HEADERS[case])
    with pytest.raises(DarkparseError) as why:
        read_source(path)
    check_message(str(why.value), path)


class Evil:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (self.path,)


class EvilState:
    """Its state does."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __setstate__(self, state: dict[str, str]) -> None:
        os.mkdir(state["path"])


def in_zip(evil: object, path: Path) -> None:
    """As torch.save writes it."""
    torch.save(evil, path)


def in_legacy(evil: object, path: Path) -> None:
    """As torch.save wrote it before 1.6."""
    torch.save(evil, path, _use_new_zipfile_serialization=False)


def in_plain(evil: object, path: Path) -> None:
    """As pickle does."""
    path.write_bytes(pickle.dumps(evil))


def in_oldest(evil: object, path: Path) -> None:
    """As pickle did once."""
    path.write_bytes(pickle.dumps(evil, protocol=0))


def in_ours(evil: object, path: Path) -> None:
    """In a checkpoint that is sound otherwise."""
    found = torch.load(path.with_name("sound.pt"), weights_only=True)
    torch.save({**found, "names": evil}, path)


def among_tensors(evil: object, path: Path) -> None:
    """In the place of a tensor."""
    found = torch.load(path.with_name("sound.pt"), weights_only=True)
    found["state_dict"]["layers.0.conv.weight"] = evil
    torch.save(found, path)


WAYS = (in_zip, in_legacy, in_plain, in_oldest, in_ours, among_tensors)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
@pytest.mark.parametrize("kind", [Evil, EvilState])
@pytest.mark.parametrize("way", WAYS)
def test_no_pickle_is_executed(tmp_path: Path, way: Callable, kind: type, suffix: str) -> None:
    checkpoint.write(tmp_path / "sound.pt", checkpoints.source(tmp_path, "detector"))
    mark, path = tmp_path / "executed", tmp_path / f"m{suffix}"
    way(kind(mark), path)
    with pytest.raises(DarkparseError) as why:
        read_source(path)
    check_message(str(why.value), path)
    result = CliRunner().invoke(main, ["detect", str(path), "x.jpg"])
    assert result.exit_code == 1
    assert not mark.exists()
    if way is in_plain:  # the files are what they claim to be
        pickle.loads(path.read_bytes())
        assert mark.exists()


def test_objects_in_a_checkpoint_are_named(tmp_path: Path) -> None:
    in_zip(Evil(tmp_path / "executed"), tmp_path / "m.pt")
    with pytest.raises(DarkparseError, match=r"m\.pt: holds a Python object \(posix\.mkdir\), which is not made"):
        read_source(tmp_path / "m.pt")


COMMANDS = {
    "detect": ["detect", "{}", "x.jpg"],
    "classify": ["classify", "{}", "x.jpg"],
    "generate": ["generate", "{}"],
    "summary": ["summary", "{}"],
    "inspect": ["inspect", "{}"],
    "map": ["map", "x.data", "{}"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", FORMS)
def test_one_line_on_the_command_line(tmp_path: Path, command: str, form: str, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.data").write_text("valid=x.txt\nnames=x.names\n")
    checkpoint.write(f"m.{form}", checkpoints.source(tmp_path, "detector"))
    data = Path(f"m.{form}").read_bytes()
    cut, flipped = data[: len(data) // 2], data[:-300] + bytes([data[-300] ^ 1]) + data[-299:]
    for damaged in (cut, flipped, b"", b"<html>404</html>", pickle.dumps([1])):
        Path(f"m.{form}").write_bytes(damaged)
        result = CliRunner().invoke(main, [part.format(f"m.{form}") for part in COMMANDS[command]])
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        lines = result.stderr.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith(f"Error: m.{form}: ")
        assert result.stdout == ""
