"""Weights fitted to a new cfg: what both networks know they answer alike, and everything else stays bit for bit."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from conftest import ROOT, SHARED
from darkparse.errors import DataError, Truncated, WeightsError
from darkparse.graph import Graph, read_graph
from darkparse.layout import fit, layout, read_header
from darkparse.network import Network
from darkparse.recipe import DataSet, Wishes, new_cfg
from darkparse.surgery import NewWeights, new_weights
from darkparse.weights import load

OLD = ("ant", "bee", "cat", "dog")
NEW = ("dog", "elk", "bee")
KEPT = {0: 3, 2: 1}  # new class: old class
BACKBONE = """[net]
width=32
height=32
channels={channels}

[convolutional]
batch_normalize=1
filters=6
size=3
stride=4
pad=1
activation=leaky

"""
CELLS = 64  # of a head behind it


def quiet(*_: object) -> None:
    """Complain to nobody."""


class Folder:
    """A cfg with random weights, and what is made of them."""

    def __init__(self, path: Path, text: str, header: bytes = struct.pack("<3iQ", 0, 2, 5, 640)) -> None:
        self.path, self.cfg, self.weights = path, path / "old.cfg", path / "old.weights"
        self.cfg.write_text(text)
        dialect = self.dialect_of(header)
        self.old = read_graph(self.cfg, dialect=dialect, complain=quiet)
        rng = np.random.default_rng(5)
        parts = []
        for slot in layout(self.old, loading=True):
            values = rng.normal(size=slot.stored.size) * 0.4
            parts.append(np.abs(values) + 0.5 if slot.stored.name in ("scales", "rolling_variance") else values)
        self.weights.write_bytes(header + np.concatenate(parts).astype("<f4").tobytes())

    def dialect_of(self, header: bytes):
        (self.path / "header").write_bytes(header + bytes(4))
        return read_header(self.path / "header").dialect

    def names(self, names: Sequence[str], file: str = "old.names") -> Path:
        path = self.path / file
        path.write_text("\n".join(names) + "\n")
        return path

    def operate(self, data: DataSet, wishes: Wishes | None = None, **options) -> NewWeights:
        """Make and write new.cfg and new.weights."""
        made = new_cfg(self.cfg, data, wishes, quiet)
        fitted = new_weights(self.cfg, made, self.weights, names=data.names, **options)
        made.text.write(self.path / "new.cfg")
        fitted.write(self.path / "new.weights")
        self.new = read_graph(self.path / "new.cfg", dialect=self.old.dialect, complain=quiet)
        return fitted

    def answers(self, images: Tensor, new_images: Tensor | None = None) -> list[list[np.ndarray]]:
        """The raw outputs of both networks."""
        return [
            outputs(self.old, self.weights, images),
            outputs(self.new, self.path / "new.weights", images if new_images is None else new_images),
        ]

    def tensors(self, name: str) -> list[np.ndarray]:
        """Of "old" or "new": all tensors, in file order."""
        graph, path = getattr(self, name), self.path / f"{name}.weights"
        values = np.fromfile(path, "<f4", offset=20)
        return [values[slot.start : slot.stop].reshape(slot.stored.shape) for slot in layout(graph, loading=True)]


def outputs(graph: Graph, weights: Path, images: Tensor) -> list[np.ndarray]:
    network = Network(graph).eval()
    assert load(network, weights).layers == len(graph.nodes)  # fits exactly
    with torch.inference_mode():
        return [output.numpy() for output in network(images)]


def pictures(channels: int = 3, side: int = 32) -> Tensor:
    return torch.rand((2, channels, side, side), generator=torch.Generator().manual_seed(1))


def head(text: str, filters: int, channels: int = 3) -> str:
    return f"{BACKBONE.format(channels=channels)}[convolutional]\nfilters={filters}\nactivation=linear\n\n{text}\n"


BOX_HEADS = {  # section and options; boxes, numbers of a box besides the classes
    "yolo": ("[yolo]\nmask=1,2,3\nnum=5\nclasses=4\n", 3, 5),
    "Gaussian_yolo": ("[Gaussian_yolo]\nmask=0,2\nnum=3\nclasses=4\n", 2, 9),
    "region": ("[region]\nnum=5\nclasses=4\nsoftmax=1\n", 5, 5),
}


# The rows of heads


@pytest.mark.parametrize("name", BOX_HEADS)
def test_heads_answer_alike_for_boxes_and_common_classes(tmp_path: Path, name: str) -> None:
    """Channels are box by box: its numbers, then its classes."""
    text, boxes, entries = BOX_HEADS[name]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.names(OLD)
    folder.operate(DataSet(3, names=NEW))
    (old,), (new,) = folder.answers(pictures())
    old, new = old.reshape(2, boxes, entries + 4, CELLS), new.reshape(2, boxes, entries + 3, CELLS)
    np.testing.assert_allclose(new[:, :, :entries], old[:, :, :entries], atol=1e-5)
    for after, before in KEPT.items():
        np.testing.assert_allclose(new[:, :, entries + after], old[:, :, entries + before], atol=1e-5)
    assert np.abs(new[:, :, entries + 1]).max() > 0  # the elk, of whom the old network knows nothing
    assert all(np.abs(new[:, :, entries + 1] - old[:, :, entries + i]).max() > 0.1 for i in range(4))


def test_every_head_of_several(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    second = f"[route]\nlayers=0\n[convolutional]\nfilters={boxes * (entries + 4)}\nactivation=linear\n{text}"
    folder = Folder(tmp_path, head(text + second, boxes * (entries + 4)))
    folder.names(OLD)
    folder.operate(DataSet(3, names=NEW))
    for before, after in zip(*folder.answers(pictures()), strict=True):
        old, new = before.reshape(2, boxes, entries + 4, CELLS), after.reshape(2, boxes, entries + 3, CELLS)
        np.testing.assert_allclose(new[:, :, [0, 1, 2, 3, 4, 5, 7]], old[:, :, [0, 1, 2, 3, 4, 8, 6]], atol=1e-5)


def test_detection_answers_alike(tmp_path: Path) -> None:
    """YOLOv1: the classes of all cells, then the objectness and the numbers of all boxes."""
    side, boxes = 3, 2
    text = "[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\nfilters=2\nsize=3\npad=1\n[connected]\noutput=126\n"
    text += f"activation=linear\n[detection]\nclasses=4\ncoords=4\nnum={boxes}\nside={side}\n"
    folder = Folder(tmp_path, text)
    folder.names(OLD)
    folder.operate(DataSet(3, names=NEW))
    old, new = (one.reshape(2, -1) for (one,) in folder.answers(pictures(side=8)))
    cells = side * side
    np.testing.assert_allclose(new[:, cells * 3 :], old[:, cells * 4 :], atol=1e-5)
    for after, before in KEPT.items():
        wanted = old[:, : cells * 4].reshape(2, cells, 4)[:, :, before]
        np.testing.assert_allclose(new[:, : cells * 3].reshape(2, cells, 3)[:, :, after], wanted, atol=1e-5)


CLASSIFIERS = {
    "convolutional": "[convolutional]\nbatch_normalize=1\nfilters=4\nactivation=leaky\n[avgpool]\n{end}",
    "connected": "[connected]\noutput=4\nbatch_normalize=1\nactivation=linear\n{end}",
    "behind avgpool": "[avgpool]\n[convolutional]\nfilters=4\nactivation=linear\n{end}",
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("major", [0, 1001], ids=["", "transposed"])
def test_classifiers_answer_alike(tmp_path: Path, name: str, major: int) -> None:
    """Before the softmax; pjreddie's versions above 1000 have the weights of [connected] transposed."""
    header = struct.pack("<3iQ", major, 2, 5, 640)
    text = BACKBONE.format(channels=3) + CLASSIFIERS[name].format(end="[cost]\n")
    folder = Folder(tmp_path, text, header)
    folder.operate(DataSet(3, names=NEW), old_names=folder.names(OLD, "other.names"))
    old, new = (one.reshape(2, -1) for (one,) in folder.answers(pictures()))
    np.testing.assert_allclose(new[:, [0, 2]], old[:, [3, 1]], atol=1e-5)
    assert (read_header(folder.path / "new.weights").major, read_header(folder.path / "new.weights").seen) == (major, 0)


def test_rows_in_another_order(tmp_path: Path) -> None:
    """As many classes as before, but others."""
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.names(OLD)
    folder.operate(DataSet(4, names=("dog", "cat", "bee", "ant")))
    old, new = (one.reshape(2, boxes, entries + 4, CELLS) for (one,) in folder.answers(pictures()))
    np.testing.assert_allclose(new[:, :, entries:], old[:, :, : entries - 1 : -1], atol=1e-5)


def test_all_else_stays_bit_for_bit(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.names(OLD)
    folder.operate(DataSet(3, names=NEW))
    old, new = folder.tensors("old"), folder.tensors("new")
    for before, after in zip(old[:-2], new[:-2], strict=True):
        assert before.tobytes() == after.tobytes()
    wanted = [0, 1, 2, 3, 4, 8, None, 6]  # x, y, w, h, objectness, dog, elk, bee
    for box in range(boxes):
        for row, source in enumerate(wanted):
            if source is not None:
                at, was = box * 8 + row, box * 9 + source
                assert new[-2][at] == old[-2][was]
                assert new[-1][at].tobytes() == old[-1][was].tobytes()


def test_rows_that_begin_anew_begin_as_in_training(tmp_path: Path) -> None:
    """src/convolutional_layer.c: weights within +-sqrt(2 / inputs of a filter), biases 0; scales 1, the rest 0."""
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.names(OLD)
    folder.operate(DataSet(50, names=tuple(f"new{i}" for i in range(50))))
    biases, weights = folder.tensors("new")[-2:]
    fresh = np.array([row % 55 >= entries for row in range(boxes * 55)])
    assert (biases[fresh] == 0).all()
    assert (biases[~fresh] != 0).all()
    bound = (2 / 6) ** 0.5
    assert 0.95 * bound < np.abs(weights[fresh]).max() <= bound
    assert abs(weights[fresh].mean()) < 0.1 * bound


def test_batch_norm_of_rows_that_begin_anew(tmp_path: Path) -> None:
    folder = Folder(tmp_path, BACKBONE.format(channels=3) + CLASSIFIERS["connected"].format(end="[cost]\n"))
    folder.operate(DataSet(3, names=NEW), old_names=folder.names(OLD, "other.names"))
    biases, weights, scales, mean, variance = folder.tensors("new")[-5:]
    assert (biases[1], scales[1], mean[1], variance[1]) == (0, 1, 0, 0)
    assert weights[1].any()


def test_seed(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    written = []
    for seed in (1, 1, 2):
        folder.operate(DataSet(2), seed=seed)
        written.append((folder.path / "new.weights").read_bytes())
    assert written[0] == written[1] != written[2]


# Which classes are the same


def cut(folder: Folder, data: DataSet, **options) -> list[str]:
    return folder.operate(data, **options).notes[1:]


def test_names_that_are_not_given(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    assert cut(folder, DataSet(4)) == ["classes: as many as before, so taken for the same"]
    assert (tmp_path / "new.weights").read_bytes()[20:] == folder.weights.read_bytes()[20:]
    assert cut(folder, DataSet(2)) == [
        "classes: other ones, begin anew",
        "layer 1 [convolutional]: 15 of 27 rows kept, 6 begin anew",
    ]
    assert cut(folder, DataSet(3, names=NEW)) == [
        "old classes: their names are not known",
        "classes that begin anew: dog, elk, bee",
        "layer 1 [convolutional]: 15 of 27 rows kept, 9 begin anew",
    ]


def test_names_beside_the_cfg(tmp_path: Path) -> None:
    """old.names is the first choice; obj.names may well be the new names, and counts only if it can be the old ones."""
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.names(NEW, "obj.names")
    assert cut(folder, DataSet(3, names=NEW))[0] == "old classes: their names are not known"
    folder.names(OLD, "obj.names")
    assert cut(folder, DataSet(3, names=NEW))[0] == f"old classes: {tmp_path / 'obj.names'}, found beside the cfg"
    folder.names(("w", "x", "y", "z"))
    assert cut(folder, DataSet(3, names=NEW))[1] == "classes that begin anew: dog, elk, bee"


def test_names_that_are_too_many_to_show(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    names = tuple(f"new{number}" for number in range(20))
    assert cut(folder, DataSet(20, names=names))[1].endswith(": " + ", ".join(names[:8]) + " and 12 more")


@pytest.mark.parametrize(("classes", "names", "known"), [(80, ("dog", "zebu"), "dog"), (20, ("tvmonitor",), "")])
def test_names_by_number(tmp_path: Path, classes: int, names: tuple[str, ...], known: str) -> None:
    """80 classes are COCO's, 20 are VOC's; tvmonitor is one of VOC's, zebu is of neither."""
    folder = Folder(tmp_path, head(f"[yolo]\nclasses={classes}\n", 5 + classes))
    assert cut(folder, DataSet(len(names), names=names))[1] == f"classes kept: {known or names[0]}"


def test_names_of_a_class_tree(tmp_path: Path) -> None:
    (tmp_path / "x.tree").write_text("animal -1\nthing -1\ndog 0\ncat 0\n")
    folder = Folder(tmp_path, head("[region]\nnum=1\nclasses=4\nsoftmax=1\ntree=x.tree\n", 9))
    notes = cut(folder, DataSet(2, names=("dog", "elk")))
    assert notes[:2] == ["old classes: the class tree", "classes kept: dog"]


def test_a_classifier_of_80_classes_is_not_of_coco(tmp_path: Path) -> None:
    text = CLASSIFIERS["behind avgpool"].format(end="[softmax]\n").replace("filters=4", "filters=80")
    folder = Folder(tmp_path, BACKBONE.format(channels=3) + text)
    assert cut(folder, DataSet(1, names=("dog",)))[0] == "old classes: their names are not known"


def test_old_names_of_another_number(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    with pytest.raises(DataError, match=r"x.names: 3 names, but .*old.cfg has 4 classes"):
        folder.operate(DataSet(3, names=NEW), old_names=folder.names(NEW, "x.names"))


# The channels of the image


def grey(channels: int) -> Tensor:
    return pictures(1).repeat(1, channels, 1, 1)


@pytest.mark.parametrize(("had", "have"), [(3, 1), (1, 3), (3, 2), (4, 3), (1, 1), (2, 5)])
def test_grey_images_give_the_same(tmp_path: Path, had: int, have: int) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4), had))
    folder.operate(DataSet(4), Wishes(channels=have))
    assert folder.new.net.channels == have
    (old,), (new,) = folder.answers(grey(had), grey(have))
    np.testing.assert_allclose(new, old, atol=1e-5)


def test_new_channels_do_not_matter_at_first(tmp_path: Path) -> None:
    """Any fourth channel, such as infrared, beside the three old ones, in colour."""
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.operate(DataSet(4), Wishes(channels=4))
    images = pictures(4)
    (old,), (new,) = folder.answers(images[:, :3], images)
    np.testing.assert_allclose(new, old, atol=1e-5)


def test_channels_and_classes_of_one_layer(tmp_path: Path) -> None:
    text = "[net]\nwidth=4\nheight=4\nchannels=3\n[convolutional]\nfilters=9\nactivation=linear\n[yolo]\nclasses=4\n"
    folder = Folder(tmp_path, text)
    folder.names(OLD)
    folder.operate(DataSet(3, names=NEW), Wishes(channels=1))
    images = pictures(1, 4)
    (old,), (new,) = folder.answers(images.repeat(1, 3, 1, 1), images)
    np.testing.assert_allclose(new[:, [0, 1, 2, 3, 4, 5, 7]], old[:, [0, 1, 2, 3, 4, 8, 6]], atol=1e-5)


def test_behind_crop(tmp_path: Path) -> None:
    """The classifiers of 2015 begin with it."""
    text = BACKBONE.format(channels=3).replace("[conv", "[crop]\ncrop_width=24\ncrop_height=24\n[conv")
    folder = Folder(tmp_path, text + CLASSIFIERS["convolutional"].format(end="[softmax]\n"))
    folder.operate(DataSet(4), Wishes(channels=1))
    (old,), (new,) = folder.answers(grey(3), grey(1))
    np.testing.assert_allclose(new, old, atol=1e-6)


@pytest.mark.parametrize(
    ("first", "channels"),
    [
        ("[connected]\noutput=4", 1),
        ("[convolutional]\nfilters=6\ngroups=3", 6),
        ("[convolutional]\nfilters=6\nxnor=1", 1),
        ("[normalization]\nsize=3\n[convolutional]\nfilters=6", 1),
        ("[reorg3d]\nstride=2\n[convolutional]\nfilters=6", 1),
    ],
    ids=["connected", "groups", "xnor", "normalization", "reorg"],
)
def test_channels_that_cannot_be_changed(tmp_path: Path, first: str, channels: int) -> None:
    text = f"[net]\nwidth=4\nheight=4\nchannels=3\n{first}\n[avgpool]\n[connected]\noutput=4\n[softmax]\n"
    folder = Folder(tmp_path, text)
    with pytest.raises(WeightsError, match=r"layer . \[c\w+\] weights: \(.*\) in .*old.cfg, but \(.*\) in the new cfg"):
        folder.operate(DataSet(4), Wishes(channels=channels))
    assert not (tmp_path / "new.weights").exists()


def test_size_that_a_dense_layer_depends_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path, BACKBONE.format(channels=3) + CLASSIFIERS["connected"].format(end="[softmax]\n"))
    with pytest.raises(
        WeightsError, match=r"layer 1 \[connected\] weights: \(4, 384\) in .*, but \(4, 96\) in the new"
    ):
        folder.operate(DataSet(4), Wishes(width=16, height=16))


def test_rows_of_groups(tmp_path: Path) -> None:
    text = head("[yolo]\nclasses=4\nnum=2\n", 18).replace("filters=18", "filters=18\ngroups=2")
    folder = Folder(tmp_path, text)
    with pytest.raises(WeightsError, match=r"layer 1 .* without groups, before a head"):
        folder.operate(DataSet(3))


# Files


def test_a_file_of_the_first_layers_stays_one(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    whole = folder.weights.read_bytes()
    first = 4 * (4 * 6 + 6 * 3 * 9)
    folder.weights.write_bytes(whole[: 20 + first])
    assert folder.operate(DataSet(2)).notes == [f"{folder.weights}: 1 of 3 layers of {folder.cfg}"]
    assert (tmp_path / "new.weights").read_bytes() == struct.pack("<3iQ", 0, 2, 5, 0) + whole[20 : 20 + first]
    assert fit(folder.new, tmp_path / "new.weights", partial=True).layers == 1


def test_a_file_that_does_not_fit(tmp_path: Path) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)))
    folder.weights.write_bytes(folder.weights.read_bytes()[:-4])
    with pytest.raises(Truncated, match=r"old.weights: 4 bytes too short for .*old.cfg"):
        folder.operate(DataSet(2))


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("<3iI", 0, 1, 0, 7), ("<3iI", 0, 1, 0, 0)),
        (("<3iQ", 0, 1, 0, 7), ("<3iI", 0, 1, 0, 0)),  # some PyTorch ports write 64 bits, and Darknet misreads them
        (("<3iI", 1001, 0, 0, 7), ("<3iI", 1001, 0, 0, 0)),
        (("<3iQ", 0, 2, 0, 7), ("<3iQ", 0, 2, 0, 0)),
    ],
    ids=["2015", "odd", "transposed", "2017"],
)
def test_header(tmp_path: Path, old: tuple, new: tuple) -> None:
    text, boxes, entries = BOX_HEADS["yolo"]
    folder = Folder(tmp_path, head(text, boxes * (entries + 4)), struct.pack(*old))
    folder.operate(DataSet(4))
    tensors = folder.weights.read_bytes()[struct.calcsize(old[0]) :]
    assert (tmp_path / "new.weights").read_bytes() == struct.pack(*new) + tensors


def test_layers_that_no_file_holds(tmp_path: Path) -> None:
    """`dontload`, `dontloadscales`: what is not in the file is not in the new one either."""
    text, boxes, entries = BOX_HEADS["yolo"]
    text = head(text, boxes * (entries + 4)).replace("batch_normalize=1", "batch_normalize=1\ndontloadscales=1")
    folder = Folder(tmp_path, text)
    folder.operate(DataSet(2))
    assert fit(folder.new, tmp_path / "new.weights").layers == 3


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_those_that_come_along(tmp_path: Path, name: str) -> None:
    """With the same names, only the number of images seen changes."""
    source, weights = (str(ROOT / folder / name) for folder in ("cfg", "weights"))
    names = tuple((ROOT / "cfg" / f"{name}.names").read_text().split())
    made = new_cfg(source + ".cfg", DataSet(len(names), names=names))
    new_weights(source + ".cfg", made, weights + ".weights", names=names).write(tmp_path / "new.weights")
    assert (tmp_path / "new.weights").read_bytes()[20:] == Path(weights + ".weights").read_bytes()[20:]
    assert read_header(tmp_path / "new.weights").seen == 0


# A published network

MODELS = SHARED / "real" / "models"
FASTEST = str(MODELS / "yolo-fastest-1.1")


def made_of(tmp_path: Path, names: tuple[str, ...], wishes: Wishes | None = None):
    """A model made of YOLO-Fastest."""
    import darkparse

    made = new_cfg(FASTEST + ".cfg", DataSet(len(names), names=names), wishes, quiet)
    new_weights(FASTEST + ".cfg", made, FASTEST + ".weights", names=names).write(tmp_path / "x.weights")
    made.text.write(tmp_path / "x.cfg")
    (tmp_path / "x.names").write_text("\n".join(names))
    return darkparse.load(tmp_path / "x.cfg", tmp_path / "x.weights", device="cpu")


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
@pytest.mark.parametrize("image", ["dog_320x320", "person_320x320", "horses_320x320"])
def test_published_network_still_detects_what_it_knows(tmp_path: Path, image: str) -> None:
    """Of its 80 classes horse, person and dog are left, and a gnu is new; the boxes are those of the 80."""
    import darkparse

    names = ("gnu", "horse", "person", "dog")
    path = SHARED / "real" / "images" / f"{image}.png"
    old = darkparse.load(FASTEST + ".cfg", FASTEST + ".weights", device="cpu").detect(path, thresh=0.1)
    new = made_of(tmp_path, names).detect(path, thresh=0.1)
    before = sorted((name, score, *box) for box, score, _, name in old if name in names)
    after = sorted((name, score, *box) for box, score, _, name in new if name != "gnu")
    assert [row[0] for row in before] == [row[0] for row in after]
    assert before
    np.testing.assert_allclose([row[1:] for row in after], [row[1:] for row in before], rtol=1e-4, atol=1e-4)


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
def test_published_network_on_grey_images(tmp_path: Path) -> None:
    """A grey image has three equal channels, or one."""
    old, weights = read_graph(FASTEST + ".cfg", complain=quiet), Path(FASTEST + ".weights")
    names = tuple((MODELS / "coco.names").read_text().splitlines())
    made_of(tmp_path, names, Wishes(channels=1))
    new = read_graph(tmp_path / "x.cfg", complain=quiet)
    image = pictures(1, 320)[:1]
    before, after = outputs(old, weights, image.repeat(1, 3, 1, 1)), outputs(new, tmp_path / "x.weights", image)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5 * max(1, np.abs(one).max()))


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")
def test_published_first_layers(tmp_path: Path) -> None:
    """The 57 layers of MobileNetV2-YOLO-Fastest.conv.57: the same bytes, but for the images seen."""
    cfg, weights = MODELS / "MobileNetV2-YOLO-Fastest-voc.cfg", MODELS / "MobileNetV2-YOLO-Fastest.conv.57"
    made = new_cfg(cfg, DataSet(2, names=("cat", "shoe")), None, quiet)
    new_weights(cfg, made, weights, names=("cat", "shoe")).write(tmp_path / "x.weights")
    assert (tmp_path / "x.weights").read_bytes()[20:] == weights.read_bytes()[20:]
    assert fit(made.graph, tmp_path / "x.weights", partial=True).layers == 57
