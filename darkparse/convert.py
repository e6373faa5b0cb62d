"""From one kind of file to another, by the suffix of what is to be written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from . import checkpoint, exported, ports, weights
from .cfg import LONGEST, read_bytes, read_text, sections_of
from .checkpoint import is_checkpoint
from .classify import choose_fitting
from .data import find_cfg, known_names
from .detect import choose_resize
from .dialect import ALEXEYAB
from .errors import DarkparseError, NotWeights, first_of, refuse, warn
from .files import blamed, writing
from .graph import from_sections
from .guard import check_not_input
from .layout import Header
from .network import Network
from .onnx import export, metadata, tails
from .onnx.seal import sealed
from .onnx.verify import verify
from .sources import Files, Source, open_files

SHOWN = 3  # names in a note
FIRST_LAYERS = re.compile(r"\.conv\.(\d+)$")  # darknet53.conv.74: Darknet's habit for a file of 74 layers


class Wanted(NamedTuple):
    """What to write, as far as anything was said of it.

    names, data: a .names file, or a .data file that names one; width, height: of the network's input, px, in place of
    the cfg's; tail: what follows the heads: "raw" (nothing), "decode" or "nms"; batch: so many images and no others;
    fixed_size: only images of the network's size; layers: only so many of the first ones
    """

    names: str | Path | None = None
    data: str | Path | None = None
    width: int | None = None
    height: int | None = None
    tail: str | None = None
    batch: int | None = None
    fixed_size: bool = False
    layers: int | None = None


NOTHING = Wanted()
Write = Callable[[Path, Source, Wanted], list[str]]


class Form(NamedTuple):
    """A kind of file to write: how, and which of what is `Wanted` it can have."""

    write: Write
    takes: tuple[str, ...]


def convert(
    cfg: str | Path, source: str | Path, out: str | Path, wanted: Wanted = NOTHING, *, strict: bool = False
) -> list[str]:
    """Write a network with its weights as another kind of file; what there is to tell of it, a line each.

    The file appears whole or not at all.

    Args:
        cfg: a file, or the name of one that comes with darkparse; "" where `source` holds one
        source: a .weights file; a .pt or .safetensors; or the checkpoint of another PyTorch program that fits the cfg
        out: its suffix says what to write (`FORMS`); NAME.conv.N are weights of the first N layers
        strict: take oddities of the cfg for errors
    Raises:
        DarkparseError: something is asked for that this kind of file cannot have; what is read is wrong; or the file
            that was written does not answer as the network does
    """
    path = Path(out)
    suffix, wanted = suffix_of(path, wanted)
    form = FORMS[suffix]
    check_takes(suffix, form, wanted)
    given = [find_cfg(str(cfg)) if str(cfg) else "", source, wanted.names, wanted.data]
    check_not_input(path, filter(None, given))
    found, notes = read(cfg, source, suffix, wanted, strict)
    is_alone = not str(cfg) and suffix == ".weights" and wanted.layers is None
    companions = texts_of(path, found) if is_alone else {}
    with beside(path, companions):
        notes += form.write(path, found, wanted)
    if companions:
        notes.append(f"beside it: {', '.join(str(one) for one in companions)}")
    return notes


def read(cfg: str | Path, source: str | Path, suffix: str, wanted: Wanted, strict: bool) -> tuple[Source, list[str]]:
    """The network, and what there is to tell of it."""
    notes: list[str] = []
    files = opened(cfg, source, wanted, strict, notes)
    names = known_names(files.graph, wanted.names, wanted.data, files.names) if "names" in FORMS[suffix].takes else None
    network, header, random = files.build()
    network.eval().requires_grad_(False)
    if random and suffix != ".weights":
        layers = ", ".join(str(index) for index in random)
        notes.append(f"random: layers {layers} have dontload=1, so their weights are random numbers")
    own = names[0] if names else files.names
    return Source(files.graph, network, header, own, files.cfg, files.graph.texts), notes


def suffix_of(path: Path, wanted: Wanted) -> tuple[str, Wanted]:
    """The kind of file that a name asks for, and what is wanted of it, by its name, too.

    Raises:
        DarkparseError: there is no such kind
    """
    if first := FIRST_LAYERS.search(path.name):
        if wanted.layers not in (None, int(first[1])):
            raise DarkparseError(f"{path}: a name for {first[1]} layers, but {wanted.layers} were asked for")
        return ".weights", wanted._replace(layers=int(first[1]))
    suffix = path.suffix.lower()
    if suffix not in FORMS:
        raise DarkparseError(f"{path}: expected a name that ends in {', '.join(FORMS)} or .conv.N")
    return suffix, wanted


def check_takes(suffix: str, form: Form, wanted: Wanted) -> None:
    """Raises DarkparseError where something is wanted that has no effect on this kind of file."""
    for name, value in wanted._asdict().items():
        if value not in (None, False) and name not in form.takes:
            takes = ", ".join(map(flag, form.takes)) or "none"
            raise DarkparseError(f"{flag(name)} has no effect on {suffix} files; options that have: {takes}")


def flag(name: str) -> str:
    """How the command line calls what is `Wanted`."""
    return "--with" if name == "tail" else f"--{name.replace('_', '-')}"


def opened(cfg: str | Path, source: str | Path, wanted: Wanted, strict: bool, notes: list[str]) -> Files:
    """The files, opened: those of darkparse and Darknet, or else a cfg and the checkpoint of another program.

    Args:
        notes: get a line for each thing to tell, when the weights are read
    """
    try:
        return open_files(cfg, source, width=wanted.width, height=wanted.height, strict=strict)
    except NotWeights:
        if not str(cfg) or not is_checkpoint(source):
            raise
    return open_port(cfg, source, wanted, strict, notes)


def open_port(cfg: str | Path, source: str | Path, wanted: Wanted, strict: bool, notes: list[str]) -> Files:
    """A cfg and the checkpoint of another program."""
    path = find_cfg(str(cfg))
    text = read_text(path, limit=LONGEST)
    complain = refuse if strict else warn
    sections = sections_of(text, str(path), complain)
    graph = from_sections(sections, width=wanted.width, height=wanted.height, dialect=ALEXEYAB, complain=complain)

    def load(network: Network) -> Header:
        notes.extend(ports.load(network, source))
        return Header()

    return Files(graph, text, (), (), lambda: load)


def texts_of(out: Path, source: Source) -> dict[Path, str]:
    """What goes beside a .weights file: the cfg, the names, class trees and maps, by their place.

    A tree is where the cfg looks for it, unless that is not below the folder of `out`.

    Raises:
        DarkparseError: two of them, or one and `out`, would be at the same place
    """
    texts = [(out.with_suffix(".cfg"), source.cfg)]
    if source.names:
        texts.append((out.with_suffix(".names"), "".join(f"{name}\n" for name in source.names)))
    for name, text in source.files.items():
        inside = not os.path.isabs(name) and ".." not in Path(name).parts
        texts.append((out.parent / (name if inside else Path(name).name), text))
    places: dict[Path, str] = {}
    for path, text in texts:
        if path == out or places.setdefault(path, text) != text:
            raise DarkparseError(
                f"{path}: {out} and what the cfg names would be at the same place; expected another name"
            )
    return places


@contextmanager
def beside(out: Path, texts: Mapping[Path, str]) -> Iterator[None]:
    """Write what belongs beside `out`; it appears when all that is done within went well, or not at all.

    Raises:
        DarkparseError: a file is there already that says something else; or one cannot be written
    """
    missing = [path for path in texts if not os.path.lexists(path)]
    for path in texts.keys() - missing:
        if read_bytes(path) != texts[path].encode():
            raise DarkparseError(f"{path}: there is another file of that name; expected none, or the same text")
    with ExitStack() as stack:
        for path in missing:
            if path.parent != out.parent:
                with blamed(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(writing(path)).write(texts[path].encode())
        yield


def write_checkpoint(out: Path, source: Source, _: Wanted) -> list[str]:
    """A .pt or .safetensors."""
    checkpoint.write(out, source)
    return [f"{out}: {told(source.header)}; {named(source)}"]


def write_weights(out: Path, source: Source, wanted: Wanted) -> list[str]:
    """A .weights file: all layers with the header that they came with, or the first ones with nothing seen."""
    most, layers = len(source.graph.nodes), wanted.layers
    if layers is not None and not 1 <= layers <= most:
        raise DarkparseError(f"{out}: expected a number of layers from 1 to {most}, got {layers}")
    header = source.header if layers is None else source.header._replace(seen=0)
    weights.save(source.network, out, header, layers=layers, loading=True)
    held = f"the first {layers} layers" if layers else f"{most} layers"
    notes = [f"{out}: {told(header)}; {held}, {os.path.getsize(out):,} bytes"]
    skipped = [node for node in source.graph.nodes if node.tensors and (node.layer.dontload or node.layer.skips_scales)]
    if skipped:
        numbers = ", ".join(str(node.index) for node in skipped)
        notes.append(f"layers {numbers}: without what the cfg's dontload and dontloadscales say is not in the file")
    return notes


def write_onnx(out: Path, source: Source, wanted: Wanted) -> list[str]:
    """An ONNX model, verified before it appears."""
    tail = wanted.tail or "raw"
    model = export.build(source, tail=tail, dynamic_size=not wanted.fixed_size, batch=wanted.batch)
    metadata.attach(model, metadata.describe(source, tail=tail, resize=resize_of(source)))
    with writing(out) as file:
        file.write(sealed(model))
        file.file.flush()
        del model
        try:
            notes = verify(file.temporary or out, source, tail=tail)
        except DarkparseError as why:
            raise DarkparseError(str(why).replace(file.temporary or str(out), str(out))) from None
    return [*tails.notes(tail, source.graph), *(f"{out}: {note}" for note in notes)]


def write_torchscript(out: Path, source: Source, _: Wanted) -> list[str]:
    """A TorchScript file."""
    return exported.write_torchscript(out, source, metadata.describe(source, tail="raw", resize=resize_of(source)))


def write_program(out: Path, source: Source, _: Wanted) -> list[str]:
    """An exported program."""
    return exported.write_program(out, source, metadata.describe(source, tail="raw", resize=resize_of(source)))


def told(header: Header) -> str:
    """A header, for a note."""
    return f"header {header.version}, {header.seen:,} images seen in {64 if header.long_seen else 32} bits"


def named(source: Source) -> str:
    """The names, for a note."""
    return f"names: {first_of(source.names, SHOWN)}" if source.names else "no names"


def resize_of(source: Source) -> str:
    """How images become the network's size, "" where it reads none."""
    if source.graph.heads:
        return "letterbox" if choose_resize("auto", source.graph, source.header)[0] else "stretch"
    return choose_fitting("auto", source.header)[0] if source.graph.net.width else ""


_TEXTS, _SIZE = ("names", "data"), ("width", "height")
FORMS = {
    ".pt": Form(write_checkpoint, _TEXTS),
    ".pth": Form(write_checkpoint, _TEXTS),
    ".safetensors": Form(write_checkpoint, _TEXTS),
    ".weights": Form(write_weights, ("layers",)),
    ".onnx": Form(write_onnx, (*_TEXTS, *_SIZE, "tail", "batch", "fixed_size")),
    ".torchscript": Form(write_torchscript, _TEXTS + _SIZE),
    ".pt2": Form(write_program, _TEXTS + _SIZE),
}
