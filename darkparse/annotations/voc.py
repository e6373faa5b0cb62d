"""PASCAL VOC's XML, as of the VOC devkit itself, LabelImg, CVAT, Roboflow, ..., to `Annotations`.

A box is (xmin, ymin) to (xmax, ymax), px from the corner of the image, and nothing is subtracted.  (Darknet's
scripts/voc_label.py moves the centres by a pixel.)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..cfg import read_lines
from ..errors import DataError
from . import Annotations
from .convert import Report, Sheet, Thing, convert
from .image_finder import Finder, base_of
from .split import divided
from .voc_xml import read_xml

_TRAIN, _VALID = ("trainval", "train"), ("test", "val", "valid", "validation")  # of each, the first that there is
_PARTS = ("valid", "val", "validation", "test")  # the same of folders, where test is for later


@dataclass
class _Source:
    """A folder of annotations.

    folder: of all; place: of the XML files, by name in xmls; images: where to look for the images
    """

    folder: Path
    place: Path
    images: Path

    @cached_property
    def xmls(self) -> dict[str, Path]:
        """By path below `place`, without suffix."""
        found = sorted(path for path in self.place.rglob("*") if path.suffix.lower() == ".xml" and path.is_file())
        if not found:
            raise DataError(f"{self.place}: no XML file in this folder")
        return {path.relative_to(self.place).with_suffix("").as_posix(): path for path in found}

    @cached_property
    def finder(self) -> Finder:
        """Of its images."""
        return Finder([self.images])

    @cached_property
    def lists(self) -> dict[str, Path]:
        """The lists of ImageSets/Main, by name."""
        return {path.stem: path for path in sorted((self.folder / "ImageSets" / "Main").glob("*.txt"))}

    @property
    def sets(self) -> list[str]:
        """What the XML files are divided into: by lists, or else by the folders that they are in."""
        return list(self.lists) or sorted({name.partition("/")[0] for name in self.xmls if "/" in name})

    def files(self, name: str) -> list[Path]:
        """The XML files of one of these."""
        if not self.lists:
            return [path for stem, path in self.xmls.items() if stem.startswith(f"{name}/")]
        stems = [line for line in read_lines(self.lists[name], DataError) if line] if name in self.lists else []
        return [self.xmls.get(stem) or self.place / f"{stem}.xml" for stem in stems]


def read(
    folders: Iterable[str | Path],
    *,
    images: str | Path | None = None,
    names: Sequence[str] | None = None,
    train: Sequence[str] = (),
    valid: Sequence[str] | float = (),
    seed: int = 1,
    keep_difficult: bool = False,
    skip_bad: bool = False,
) -> Annotations:
    """The objects of VOC data sets: of their roots, of a VOCdevkit with several, or of any folders of XML files.

    An image is found by the name of its XML file, or else by the <filename> in it.

    Args:
        images: folder of the images; else JPEGImages of a root, or the folder itself
        names: of the classes; else all that occur, by alphabet
        train, valid: sets, that is lists of ImageSets/Main or else folders of XML files; without them trainval, or else
            train, and test, or else val (of folders valid, or else val); without any, all files are to train on
        valid: or the fraction of all images, or of those of `train`, to keep for evaluation; see `split.divided`
        keep_difficult: use objects marked so, which VOC's evaluation passes over and Darknet's script leaves out
        skip_bad: leave out files that cannot be used, in place of refusing
    Raises:
        DataError: files cannot be used, a set is missing, or nothing is left
    Source: scripts/voc_label.py (AlexeyAB 59596d7)
    """
    report = Report()
    sources = [source for folder in folders for source in _sources(Path(folder), images)]
    fraction = valid if isinstance(valid, float) else None
    wanted = {"train": list(train), "valid": [] if isinstance(valid, float) else list(valid)}
    if fraction is None:
        _choose(sources, wanted)
    files = {split: list(_files(sources, wanted[split])) for split in wanted if split == "train" or wanted[split]}
    report.notes += _told(sources, wanted, files)
    splits = {split: list(_sheets(some, report, keep_difficult)) for split, some in files.items()}
    if names is None:
        names = sorted({thing.name for sheets in splits.values() for sheet in sheets for thing in sheet.things})
        report.notes.append(f"classes, by alphabet: {', '.join(names)}")
    found = convert(splits, names, report, what="XML files", skip_bad=skip_bad)
    return found if fraction is None else divided(found, fraction, seed)


def _sources(folder: Path, images: str | Path | None) -> Iterator[_Source]:
    """The folder itself, if it is a root or has XML files, or else the roots in it."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected a VOC root, or a folder of XML files")
    roots = [folder] if (folder / "Annotations").is_dir() else sorted(p.parent for p in folder.glob("*/Annotations"))
    for root in roots:
        near = root / "JPEGImages" if (root / "JPEGImages").is_dir() else root
        yield _Source(root, root / "Annotations", Path(images or near))
    if not roots:
        yield _Source(folder, folder, Path(images or folder))


def _choose(sources: Sequence[_Source], wanted: dict[str, list[str]]) -> None:
    """Fill in the sets that the user has not named."""
    there = {name.lower(): name for source in sources for name in source.sets}
    orders = {"train": _TRAIN, "valid": _VALID if any(source.lists for source in sources) else _PARTS}
    for split, order in orders.items():
        wanted[split] = wanted[split] or [there[name] for name in order if name in there][:1]


def _files(sources: Sequence[_Source], sets: Sequence[str]) -> Iterator[tuple[_Source, Path]]:
    """The XML files of sets, or without any all."""
    for name in sets:
        if not any(name in source.sets for source in sources):
            known = ", ".join(sorted({one for source in sources for one in source.sets})) or "none at all"
            raise DataError(f"{sources[0].folder}: no set {name!r}; there are {known}")
    for source in sources:
        xmls = [xml for name in sets for xml in source.files(name)] if sets else source.xmls.values()
        yield from ((source, xml) for xml in xmls)


def _told(
    sources: Sequence[_Source], wanted: dict[str, list[str]], files: dict[str, list[tuple[_Source, Path]]]
) -> Iterator[str]:
    """Which sets were taken, and what is in none of them."""
    for split, some in files.items():
        yield f"{split}: {' and '.join(wanted[split]) or 'all'}, {len(some)} XML files"
    left = {xml for source in sources for xml in source.xmls.values()} - {
        xml for some in files.values() for _, xml in some
    }
    if left:
        there = {name for source in sources for name in source.sets} - {
            name for some in wanted.values() for name in some
        }
        of = sorted(there.intersection((*_TRAIN, *_PARTS)))
        yield f"not used: {len(left)} XML files{', of ' + ' and '.join(of) if of else ''}"


def _sheets(files: Iterable[tuple[_Source, Path]], report: Report, keep_difficult: bool) -> Iterator[Sheet]:
    """What the XML files say, those left out that cannot be used."""
    for source, xml in files:
        try:
            yield _sheet(source, xml, report, keep_difficult)
        except DataError as why:
            report.fail(str(why))


def _sheet(source: _Source, xml: Path, report: Report, keep_difficult: bool) -> Sheet:
    found = read_xml(xml)
    image = _image(source, xml, found.filename, report)
    things = []
    for one in found.objects:
        if one.difficult and not keep_difficult:
            report.count("objects marked difficult, left out (--difficult keeps them)")
        else:
            things.append(Thing(f"{xml}:{one.line}", one.name, one.edges))
    return Sheet(str(xml), image, found.size, things)


def _image(source: _Source, xml: Path, filename: str, report: Report) -> str:
    """The image of an XML file, by its own name, or else by the name that it says."""
    near = [xml.parent, source.images / xml.parent.relative_to(source.place)]
    said = base_of(filename)
    find = source.finder.find
    try:
        own = find(xml.stem, near, said)
        found = own or (said and (find(said, near) or find(Path(said).stem, near)))
    except DataError as why:
        raise DataError(f"{xml}: {why}") from None
    if not found:
        raise DataError(f"{xml}: no image {xml.stem!r}{f' or {said!r}' if said else ''} in {source.images}")
    if own and Path(said).stem != Path(own).stem and source.finder.has(said):
        line = f"{xml}: <filename> is {said}, but {own} is of its own name and taken"
        report.count("XML files with the <filename> of another image, taken for that of their own name", line)
    return found
