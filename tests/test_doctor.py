"""The doctor: nothing is wrong with what is well, and each illness that is planted is found, and told first."""

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from conftest import ROOT, SHARED
from darkparse import weights as weights_file
from darkparse.data import read_names, shipped
from darkparse.doctor import cfg_rules, passes, run_rules, trial_rules
from darkparse.doctor.diagnosis import Diagnosis
from darkparse.doctor.examine import diagnose
from darkparse.doctor.trials import Trial
from darkparse.errors import DarkparseError, DarkparseWarning
from darkparse.findings import ERROR, NOTE, WARNING, Finding
from darkparse.graph import read_graph
from darkparse.layout import Header, layout, read_header
from darkparse.network import Network
from darkparse.training.initial import initialise

CFG, WEIGHTS, NAMES = ROOT / "cfg/digits.cfg", ROOT / "weights/digits.weights", ROOT / "cfg/digits.names"
PICTURE = ROOT / "tests/data/digits.jpg"
REAL, BCCD, BLOOD = SHARED / "real", SHARED / "training/bccd", SHARED / "datasets/bccd/JPEGImages"

needs_bccd = pytest.mark.skipif(
    not (BCCD.is_dir() and BLOOD.is_dir()), reason=f"no {BCCD} or {BLOOD}; set DARKPARSE_SHARED"
)
pytestmark = pytest.mark.filterwarnings("ignore::darkparse.errors.DarkparseWarning")  # of others' cfgs


@pytest.fixture(autouse=True)
def _one_thread():
    """On small networks, two threads that share a core are far slower than one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def digits(tmp_path):
    """Writes copies of digits.cfg and digits.weights, changed, and examines them."""

    def examine(change=None, text=None, images=(PICTURE,), header=None, **options) -> Diagnosis:
        cfg = tmp_path / "digits.cfg"
        cfg.write_text(text(CFG.read_text()) if text else CFG.read_text())
        options.setdefault("names", NAMES)
        return diagnose(cfg, changed(tmp_path, change, header), images, device="cpu", **options)

    return examine


def changed(folder: Path, change=None, header=None, cfg=CFG, weights=WEIGHTS) -> Path:
    """A copy of a .weights file; `change` gets its tensors by layer and name, as views."""
    old = read_header(weights)
    values = weights_file.read_values(weights, old).copy()
    tensors = {
        (slot.node.index, slot.stored.name): values[slot.start : slot.stop].reshape(slot.stored.shape)
        for slot in layout(read_graph(cfg), loading=True)
    }
    if change:
        change(tensors)
    path = folder / Path(weights).name
    path.write_bytes((header or old).pack() + values.astype("<f4").tobytes())
    return path


def rules(diagnosis: Diagnosis) -> list[str]:
    """What is wrong, in the order in which it is told."""
    return [finding.rule for finding in diagnosis.ills]


def noted(diagnosis: Diagnosis) -> list[str]:
    """What is not wrong but good to know."""
    return [finding.rule for finding in diagnosis.findings if finding.severity == NOTE]


# What is well


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_shipped_networks_are_well(name) -> None:
    suffix = {"digits": "jpg", "shapes": "png"}[name]
    picture = ROOT / f"tests/data/{name}.{suffix}"
    diagnosis = diagnose(ROOT / f"cfg/{name}.cfg", ROOT / f"weights/{name}.weights", [picture], device="cpu")
    assert diagnosis.findings == []
    assert diagnosis.healthy
    assert [line.partition(":")[0] for line in diagnosis.well][:5] == ["names", "images", "weights", "layers", "heads"]


@pytest.mark.real
@pytest.mark.parametrize("pictures", ["all", "kite.jpg", "giraffe.jpg", "scream.jpg"])
@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("yolo-fastest-1.1", "coco"),
        ("MobileNetV2-YOLOv3-Nano-voc", "voc"),
        ("yolo-lite-trial3-nb", "voc"),
        ("yoloface-500k-v2", "face"),
    ],
)
def test_published_networks_are_well(name, names, pictures) -> None:
    models, images = REAL / "models", sorted((REAL / "images").glob("*.jpg"))
    seen = images if pictures == "all" else [REAL / "images" / pictures]
    cfg, weights = models / f"{name}.cfg", models / f"{name}.weights"
    diagnosis = diagnose(cfg, weights, seen, names=models / f"{names}.names", device="cpu")
    assert [str(finding) for finding in diagnosis.ills] == []
    if pictures == "all":
        assert diagnosis.findings == []


@needs_bccd
@pytest.mark.parametrize("number", [0, 2, 101, 364])
def test_a_network_of_blood_cells_is_well(number) -> None:
    picture = sorted(BLOOD.glob("*.jpg"))[number % len(list(BLOOD.glob("*.jpg")))]
    diagnosis = diagnose(BCCD / "bccd-tiny.cfg", BCCD / "bccd-tiny.weights", [picture], device="cpu")
    assert diagnosis.findings == []


@pytest.mark.kit
def test_official_cfgs_have_sound_anchors() -> None:
    odd = {"cspx-p7-mish_hp"}  # of a search for anchors: 4561 px at 896
    checked = 0
    for path in sorted((SHARED / "conformance/cfg").glob("*.cfg")):
        graph = read_graph(path)
        if graph.heads and path.stem not in odd:
            assert [str(one) for one in cfg_rules.judge_cfg(graph)] == []
            checked += 1
    assert checked > 50


# The file


def test_nan_is_told_with_its_layer(digits) -> None:
    def plant(tensors) -> None:
        tensors[10, "weights"][3, 1, 0, 2] = np.nan
        tensors[17, "biases"][:2] = np.inf

    diagnosis = digits(plant)
    assert rules(diagnosis) == ["nan"]
    (finding,) = diagnosis.ills
    assert finding.severity == ERROR
    assert finding.message.startswith("layer 10 [convolutional] weights: 1 of 9,216 values are NaN")  # 32 x 32 x 3 x 3
    assert "1 more tensor" in finding.message


@pytest.mark.parametrize(("layer", "tensor"), [(8, "weights"), (11, "weights"), (20, "scales"), (38, "weights")])
def test_tensors_of_zeros(digits, layer, tensor) -> None:
    diagnosis = digits(lambda tensors: tensors[layer, tensor].fill(0))
    assert rules(diagnosis) == ["zeros"]
    assert f"layer {layer} [convolutional] {tensor}" in diagnosis.ills[0].message


def test_negative_variances(digits) -> None:
    diagnosis = digits(lambda tensors: np.negative(tensors[4, "rolling_variance"], tensors[4, "rolling_variance"]))
    assert rules(diagnosis) == ["variance"]
    assert "layer 4 [convolutional] rolling_variance: 12 of 12" in diagnosis.ills[0].message


def fresh(path: Path, cfg, layers: int | None = None) -> Path:
    """A .weights file as it is before training."""
    network = Network(read_graph(cfg))
    initialise(network, torch.Generator().manual_seed(1))
    weights_file.save(network, path, Header(), layers=layers)
    return path


@pytest.mark.parametrize("normed", [1, 0])
def test_weights_that_were_never_trained(tmp_path, cfg, normed) -> None:
    text = CFG.read_text().replace("batch_normalize = 1", f"batch_normalize = {normed}")
    net = cfg(text)
    diagnosis = diagnose(net, fresh(tmp_path / "fresh.weights", net), [PICTURE], device="cpu")
    assert rules(diagnosis) == ["untrained"]
    assert diagnosis.ills[0].message.startswith("the network was never trained")


def test_heads_that_were_never_trained(digits, tmp_path) -> None:
    begun = weights_file.read_values(fresh(tmp_path / "fresh.weights", CFG), Header())

    def plant(tensors) -> None:
        names = list(tensors)
        first = names.index((28, "biases"))
        start = sum(tensors[name].size for name in names[:first])
        for name in names[first:]:
            tensors[name][...] = begun[start : start + tensors[name].size].reshape(tensors[name].shape)
            start += tensors[name].size

    diagnosis = digits(plant)
    assert rules(diagnosis) == ["untrained"]
    message = diagnosis.ills[0].message
    assert message.startswith("some layers were never trained: weights as they are drawn at random (layers 28, 29, 30")
    assert "running variances of 0 (layers 28, 29, 33, 36, 37)" in message


def test_a_partial_file_is_explained(digits, tmp_path) -> None:
    part = tmp_path / "digits.conv.20"
    weights_file.save_first_layers(read_graph(CFG), WEIGHTS, part, 20)
    diagnosis = diagnose(CFG, part, [PICTURE], device="cpu")
    assert rules(diagnosis) == ["partial"]
    assert "ends before layer 20 [convolutional] of 40" in diagnosis.ills[0].message
    assert "darkparse train" in diagnosis.ills[0].remedy


def test_weights_of_another_network() -> None:
    diagnosis = diagnose(ROOT / "cfg/shapes.cfg", WEIGHTS, [PICTURE], device="cpu")
    assert rules(diagnosis) == ["fit"]
    assert f"it fits {CFG}" in diagnosis.ills[0].remedy


def test_weights_of_other_classes(digits) -> None:
    diagnosis = digits(
        text=lambda text: text.replace("classes = 10", "classes = 3").replace("= 45", "= 24"), names=None
    )
    assert rules(diagnosis) == ["fit"]
    assert "classes=10: filters=45" in diagnosis.ills[0].remedy


@pytest.mark.parametrize(
    ("content", "message"), [(b"<!DOCTYPE html>", "an HTML page"), (b"", "an empty file"), (None, "No such file")]
)
def test_weights_that_are_none(tmp_path, content, message) -> None:
    path = tmp_path / "x.weights"
    if content is not None:
        path.write_bytes(content)
    diagnosis = diagnose(CFG, path, [PICTURE], device="cpu")
    assert rules(diagnosis) == ["file"]
    assert message in diagnosis.ills[0].message
    assert diagnosis.ills[0].file == str(path)


def test_a_cfg_that_is_wrong_is_told_with_its_line(digits) -> None:
    diagnosis = digits(text=lambda text: text.replace("\n[upsample]", "\n[upsmple]", 1))
    assert rules(diagnosis) == ["cfg"]
    line = CFG.read_text().splitlines().index("[upsample]") + 1
    assert (diagnosis.ills[0].line, diagnosis.ills[0].file.endswith("digits.cfg")) == (line, True)
    assert "did you mean [upsample]?" in diagnosis.ills[0].message


def test_a_classifier(tmp_path, cfg) -> None:
    net = cfg("[net]\nwidth=8\nheight=8\nchannels=3\n[convolutional]\n[avgpool]\n[softmax]\n")
    diagnosis = diagnose(net, fresh(tmp_path / "x.weights", net), [PICTURE], device="cpu")
    assert rules(diagnosis) == ["cfg"]
    assert "no detector" in diagnosis.ills[0].message


def test_few_iterations(digits) -> None:
    diagnosis = digits(header=Header(seen=16 * 40))  # batch = 16
    assert rules(diagnosis) == ["young"]
    assert "640 images, 40 iterations" in diagnosis.ills[0].message


def test_layers_that_are_not_loaded(digits, tmp_path) -> None:
    last = CFG.read_text().rindex("[convolutional]")
    marked = CFG.read_text()[:last] + CFG.read_text()[last:].replace("filters = 45", "filters = 45\ndontload = 1")
    values = weights_file.read_values(WEIGHTS, Header())[: -(45 + 45 * 64)]
    (tmp_path / "short.weights").write_bytes(Header().pack() + values.tobytes())
    (tmp_path / "marked.cfg").write_text(marked)
    diagnosis = diagnose(tmp_path / "marked.cfg", tmp_path / "short.weights", [PICTURE], names=NAMES, device="cpu")
    assert "dontload" in rules(diagnosis)
    finding = next(one for one in diagnosis.ills if one.rule == "dontload")
    assert "layer 38" in finding.message
    assert marked.splitlines()[finding.line - 1] == "[convolutional]"


# Layers and batch norms


@pytest.mark.parametrize(("layer", "severity"), [(8, ERROR), (17, WARNING)])  # all else depends on 8, 17 has a way past
def test_dead_layers(digits, layer, severity) -> None:
    diagnosis = digits(lambda tensors: tensors[layer, "scales"].fill(1e-30))
    assert rules(diagnosis)[0] == "dead"
    assert diagnosis.ills[0].severity == severity
    assert diagnosis.ills[0].message.startswith(f"layer {layer} [convolutional]: gives the same for every image")


def test_overflow_is_told_with_the_first_layer(digits) -> None:
    diagnosis = digits(lambda tensors: tensors[13, "scales"].fill(3e38))
    assert rules(diagnosis)[0] == "overflow"
    assert diagnosis.ills[0].message.startswith("layer 13 [convolutional] is the first to give NaN")


@pytest.mark.parametrize("factor", [1e-4, 1e-12, 1e-30, 1e12])
def test_running_variances_of_all_layers_out_of_all_proportion(digits, factor) -> None:
    def plant(tensors) -> None:
        for name, tensor in tensors.items():
            tensor[...] = tensor * (factor if name[1] == "rolling_variance" else 1)

    diagnosis = digits(plant)
    assert rules(diagnosis)[0] in {"overflow", "dead", "statistics"}
    json.loads(diagnosis.as_json(), parse_constant=pytest.fail)  # no NaN, no Infinity


@pytest.mark.parametrize("layer", [0, 4, 17, 37])
def test_a_running_variance_out_of_all_proportion(digits, layer) -> None:
    def plant(tensors) -> None:
        tensors[layer, "rolling_variance"] *= 1e4

    diagnosis = digits(plant)
    assert rules(diagnosis)[0] == "statistics"
    assert diagnosis.ills[0].message.startswith(f"layer {layer}: what reaches its batch norm has ")
    assert " less variance than in training" in diagnosis.ills[0].message


def test_statistics_of_another_layer(digits) -> None:
    def plant(tensors) -> None:  # layer 37 has variances a hundred times those of layer 23
        for name in ("rolling_mean", "rolling_variance"):
            one, other = tensors[23, name].copy(), tensors[37, name].copy()
            tensors[23, name][:], tensors[37, name][:] = other, one

    diagnosis = digits(plant)
    assert rules(diagnosis) == ["statistics"]
    assert "more variance than in training" in diagnosis.ills[0].message


@pytest.mark.parametrize("seed", range(3))
def test_weights_in_disorder(digits, seed) -> None:
    def plant(tensors) -> None:
        for name, tensor in tensors.items():
            if name[1] == "weights":
                tensor[...] = np.random.default_rng(seed).permutation(tensor.ravel()).reshape(tensor.shape)

    assert rules(digits(plant))[0] in {"statistics", "unlike", "flood"}


@pytest.mark.parametrize(
    ("found", "boxes", "flood"), [(90, 100, False), (300, 4000, False), (300, 1000, True), (1200, 20000, True)]
)
def test_more_detections_than_any_image_has_objects(found, boxes, flood) -> None:
    outcome = passes.Outcome([0.3] * found * 2 + [0.2] * 5000, boxes=boxes * 2, images=2)
    assert [one.rule for one in run_rules.judge_number(outcome, "x.weights")] == ["flood"] * flood


@pytest.mark.parametrize(("strangeness", "severity"), [(0.16, None), (0.5, NOTE), (0.7, WARNING)])
def test_images_unlike_those_of_the_training(strangeness, severity) -> None:
    norms = [passes.NormLook(number, 0.0, value) for number, value in enumerate([0.01, strangeness, 3.0])]  # the median
    found = run_rules.judge_likeness(passes.Outcome(norms=norms), "x.weights")
    assert [one.severity for one in found] == [severity] * (severity is not None)


def test_what_reaches_a_batch_norm_is_compared_in_nats() -> None:
    norm = torch.nn.BatchNorm2d(3, eps=0.0)
    norm.running_mean.copy_(torch.tensor([0.0, 1.0, 2.0]))
    norm.running_var.copy_(torch.tensor([4.0, 4.0, 4.0]))
    # two images: the mean of their means, and the mean of their variances and the variance of their means, (1 - 0)^2
    given = [(torch.tensor([-1.0, 0.0, 1.0]), torch.ones(3) * 3), (torch.tensor([1.0, 2.0, 3.0]), torch.ones(3) * 3)]
    look = passes.compare(7, norm, given)
    assert (look.layer, look.factor, look.strangeness) == (7, pytest.approx(0), pytest.approx(0))
    # a variance of 400 for 4, a mean 6 from it: (100 + 36 / 4 - 1 - ln 100) / 2
    look = passes.compare(7, norm, [(norm.running_mean + 6, torch.ones(3) * 400)])
    assert look.factor == pytest.approx(2)
    assert look.strangeness == pytest.approx((100 + 9 - 1 - np.log(100)) / 2)


# Heads


def test_a_threshold_that_is_too_high(digits) -> None:
    assert rules(diagnosis := digits(thresh=0.9999)) == ["thresh"]
    assert diagnosis.ills[0].remedy == "it is detected with --thresh 0.9"


@pytest.mark.parametrize(
    ("best", "thresh", "rule", "severity", "remedy"),
    [
        (0.13, 0.25, "thresh", NOTE, "--thresh 0.1"),
        (0.24, 0.25, "thresh", NOTE, "--thresh 0.2"),
        (0.3, 0.5, "thresh", WARNING, "--thresh 0.2"),
        (0.02, 0.25, "nothing", NOTE, "train it longer"),
        (0.02, 0.5, "nothing", NOTE, "train it longer"),
    ],
)
def test_the_best_score_against_the_threshold(best, thresh, rule, severity, remedy) -> None:
    look = passes.HeadLook(0, 1.0, np.array([0.01, best]), None, 0)
    (finding,) = run_rules.judge_scores([look], ["dog.jpg"], ["cat", "dog"], thresh)
    assert (finding.rule, finding.severity, finding.file) == (rule, severity, "dog.jpg")
    assert f"the best score is {best:.2f} (dog)" in finding.message
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("score", "lower"), [(0.99, 0.9), (0.13, 0.1), (0.019, 0.01), (0.3, 0.2), (0.1, 0.09), (1e-9, 5e-10)]
)
def test_the_threshold_that_is_proposed_is_below_the_score(score, lower) -> None:
    assert run_rules.rounded_down(score) == pytest.approx(lower)


def test_boxes_without_classes(digits) -> None:
    def plant(tensors) -> None:
        for layer in (30, 38):
            tensors[layer, "biases"].reshape(3, 15)[:, 5:] -= 30

    assert rules(digits(plant)) == ["classes"]


@pytest.mark.parametrize("factor", [1 / 32, 1 / 256], ids=["cells", "parts"])
def test_anchors_in_the_wrong_unit(digits, factor) -> None:
    anchors = "11,17, 17,26, 25,37, 35,52, 48,72, 65,93"
    small = ", ".join(f"{float(side) * factor:g}" for side in anchors.split(","))
    diagnosis = digits(text=lambda text: text.replace(anchors, small))
    assert rules(diagnosis) == ["anchors"]
    assert "counts in px" in diagnosis.ills[0].message
    line = CFG.read_text().splitlines().index("[yolo]") + 1
    assert diagnosis.ills[0].line == line


def test_anchors_beyond_all_bounds(digits) -> None:
    anchors = "11,17, 17,26, 25,37, 35,52, 48,72, 65,93"
    large = ", ".join(f"{float(side) * 32:g}" for side in anchors.split(","))
    diagnosis = digits(text=lambda text: text.replace(anchors, large))
    assert rules(diagnosis) == ["boxes"]
    assert "size" in noted(diagnosis)


@pytest.mark.parametrize(("anchors", "wrong"), [("1.5,2, 9,11", False), ("48,64, 288,352", True)])
def test_anchors_of_region_count_in_cells(cfg, anchors, wrong) -> None:
    net = "[net]\nwidth=416\nheight=416\nchannels=3\n[maxpool]\nsize=32\nstride=32\n[convolutional]\nfilters=14\n"
    graph = read_graph(cfg(f"{net}[region]\nclasses=2\nnum=2\nanchors={anchors}\n"))
    assert [one.rule for one in cfg_rules.judge_cfg(graph)] == ["anchors"] * wrong


# Names


def test_names_of_another_length(digits, tmp_path) -> None:
    (tmp_path / "some.names").write_text("one\ntwo\n")
    diagnosis = digits(names=tmp_path / "some.names")
    assert rules(diagnosis) == ["names"]
    assert diagnosis.ills[0].message.startswith("2 names, but")
    assert diagnosis.ills[0].file == str(tmp_path / "some.names")


def test_known_names_in_another_order(tmp_path) -> None:
    graph = read_graph(shipped() / "yolov3-tiny.cfg")
    names = read_names(shipped() / "coco.names")
    path = tmp_path / "coco.names"
    path.write_text("\n".join(names))
    assert cfg_rules.judge_names(graph, path, None)[2] == []
    path.write_text("\n".join(sorted(names)))
    (finding,) = cfg_rules.judge_names(graph, path, None)[2]
    assert (finding.rule, finding.severity, finding.file) == ("names", WARNING, str(path))
    path.write_text("\n".join(f"thing {number}" for number in range(80)))
    assert cfg_rules.judge_names(graph, path, None)[2] == []
    (finding,) = cfg_rules.judge_names(graph, None, None)[2]
    assert (finding.severity, "coco.names" in finding.message) == (NOTE, True)


def test_heads_that_disagree_about_classes(tmp_path) -> None:
    text, last = CFG.read_text(), CFG.read_text().rindex("[convolutional]")
    other = text[last:].replace("classes = 10", "classes = 3").replace("filters = 45", "filters = 24")
    (tmp_path / "net.cfg").write_text(text[:last] + other)
    values = weights_file.read_values(WEIGHTS, Header())
    own = 45 + 45 * 64  # biases and weights of the last layer, of which 24 + 24 * 64 are left
    cut = np.concatenate([values[:-own], values[-own:][:24], values[-45 * 64 :][: 24 * 64]])
    (tmp_path / "net.weights").write_bytes(Header().pack() + cut.tobytes())
    diagnosis = diagnose(tmp_path / "net.cfg", tmp_path / "net.weights", [PICTURE], device="cpu")
    (finding,) = (one for one in diagnosis.ills if one.rule == "names")
    assert "heads with 3 and 10 classes" in finding.message
    assert [len(head["classes"]) for head in diagnosis.figures["heads"]] == [10, 3]


# Images


def picture(path: Path, pixels: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def scene() -> np.ndarray:
    return cv2.imread(str(PICTURE))


def test_an_image_of_one_colour(digits, tmp_path) -> None:
    grey = picture(tmp_path / "grey.png", np.full((200, 300, 3), 120, np.uint8))
    diagnosis = digits(images=[grey])
    assert rules(diagnosis) == ["flat"]
    assert "nothing" in noted(diagnosis)
    assert rules(digits(images=[grey, PICTURE])) == ["flat"]


def test_images_that_cannot_be_read(digits, tmp_path) -> None:
    (tmp_path / "cut.jpg").write_bytes(PICTURE.read_bytes()[:2000])
    diagnosis = digits(images=[tmp_path / "cut.jpg", tmp_path / "gone.jpg", PICTURE])
    assert rules(diagnosis) == ["image", "image"]
    assert "truncated" in diagnosis.ills[0].message
    assert "no such file" in diagnosis.ills[1].message
    assert [bool(finding.remedy) for finding in diagnosis.ills] == [True, False]
    assert rules(digits(images=[tmp_path / "gone.jpg"])) == ["image"]


def test_a_tiny_image(digits, tmp_path) -> None:
    small = picture(tmp_path / "small.png", cv2.resize(scene(), (64, 64), interpolation=cv2.INTER_AREA))
    assert "tiny" in rules(digits(images=[small]))  # the network reads 256x256


def test_an_elongated_image_is_better_letterboxed(digits, tmp_path) -> None:
    side = cv2.resize(scene(), (800, 800), interpolation=cv2.INTER_CUBIC)
    long = np.full((800, 3300, 3), 128, np.uint8)
    long[:, 1200:2000] = side
    diagnosis = digits(images=[picture(tmp_path / "long.png", long)])
    assert "elongated" in rules(diagnosis)
    assert "resize" in rules(diagnosis)
    finding = next(one for one in diagnosis.ills if one.rule == "resize")
    assert "--resize letterbox" in finding.remedy


def test_a_line_of_a_pixel(digits, tmp_path) -> None:
    line = np.random.default_rng(1).integers(0, 255, (1, 2000, 3), np.uint8)
    assert rules(digits(images=[picture(tmp_path / "line.png", line)])) == ["elongated"]
    assert rules(digits(images=[tmp_path / "line.png", PICTURE])) == ["elongated"]


def test_sixteen_images_are_enough(digits) -> None:
    diagnosis = digits(images=[PICTURE] * 17)
    assert "images: the first 16" in diagnosis.notes
    assert any(line.startswith("images: 16 read") for line in diagnosis.well)


def test_what_reading_an_image_changes_is_noted(digits, tmp_path) -> None:
    clear = picture(tmp_path / "clear.png", np.dstack([scene(), np.full(scene().shape[:2], 200, np.uint8)]))
    deep = picture(tmp_path / "deep.png", scene().astype(np.uint16) * 257)
    turned = tmp_path / "turned.jpg"
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0\0\0\0\0"  # orientation 3: by 180 degrees
    data = PICTURE.read_bytes()
    turned.write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    diagnosis = digits(images=[PICTURE, clear, deep, turned])
    assert rules(diagnosis) == []
    found = {(one.rule, Path(one.file).name) for one in diagnosis.findings}
    assert found == {("alpha", "clear.png"), ("deep", "deep.png"), ("turned", "turned.jpg")}


# The images given otherwise


@needs_bccd
@pytest.mark.parametrize("count", [1, 4])
def test_red_and_blue_exchanged(tmp_path, count) -> None:
    def plant(tensors) -> None:
        tensors[0, "weights"][:] = tensors[0, "weights"][:, ::-1].copy()

    cfg = BCCD / "bccd-tiny.cfg"
    weights = changed(tmp_path, plant, cfg=cfg, weights=BCCD / "bccd-tiny.weights")
    diagnosis = diagnose(cfg, weights, sorted(BLOOD.glob("*.jpg"))[:count], device="cpu")
    assert rules(diagnosis) == ["colour"]
    assert "red and blue exchanged: BGR " in diagnosis.ills[0].message


def test_values_of_0_to_255(digits) -> None:
    def plant(tensors) -> None:
        tensors[0, "weights"] /= 255

    diagnosis = digits(plant)
    assert rules(diagnosis) == ["range"]
    assert diagnosis.ills[0].remedy == "multiply the first layer's weights by 255"


@pytest.mark.parametrize("side", [64, 1024])
def test_a_size_far_off(digits, side) -> None:
    text = CFG.read_text().replace("width = 256", f"width = {side}").replace("height = 256", f"height = {side}")
    diagnosis = digits(text=lambda _: text)
    nearer = {64: 128, 1024: 512}[side]
    assert rules(diagnosis) == ["size"]
    assert f"nearer to {nearer}x{nearer} than to {side}x{side}" in diagnosis.ills[0].message
    assert f"--width {nearer} --height {nearer}" in diagnosis.ills[0].remedy


def trial(*scores: float, strange: float | None = None, letterbox: bool = False, factor: float = 0.0) -> Trial:
    norms = [] if strange is None else [passes.NormLook(0, factor, strange)]
    return Trial("x", passes.Outcome(list(scores), [], max(scores, default=0.1), norms=norms), letterbox, 64, 64)


@pytest.mark.parametrize(
    ("judge", "base", "other", "severities"),
    [
        pytest.param(
            trial_rules.judge_colour, trial(0.5, strange=0.2), trial(0.9, strange=0.1), [WARNING], id="colour"
        ),
        pytest.param(trial_rules.judge_colour, trial(0.5, strange=0.1), trial(0.9, strange=0.09), [], id="as strange"),
        pytest.param(trial_rules.judge_colour, trial(0.5, strange=0.2), trial(0.5, strange=0.1), [], id="as much"),
        pytest.param(trial_rules.judge_fit, trial(), trial(0.7, letterbox=True), [WARNING], id="from nothing"),
        pytest.param(trial_rules.judge_fit, trial(), trial(0.5, letterbox=True), [], id="hardly"),
        pytest.param(trial_rules.judge_fit, trial(0.4), trial(0.9, 0.9, 0.9), [WARNING], id="three for one"),
        pytest.param(trial_rules.judge_fit, trial(0.9), trial(0.9, 0.9), [], id="two for one"),
        pytest.param(
            trial_rules.judge_size, trial(0.9, strange=0.3), trial(0.9, 0.9, 0.9, strange=0.1), [WARNING], id="size"
        ),
        pytest.param(
            trial_rules.judge_size,
            trial(0.9, strange=0.1),
            trial(0.9, 0.9, 0.9, strange=0.1),
            [],
            id="as strange a size",
        ),
        pytest.param(trial_rules.judge_size, trial(), trial(0.9), [NOTE], id="without batch norms"),
        pytest.param(trial_rules.judge_range, trial(strange=2, factor=-4.8), trial(strange=0.1), [WARNING], id="range"),
        pytest.param(trial_rules.judge_range, trial(strange=0.1), trial(strange=99, factor=4.8), [], id="in range"),
    ],
)
def test_when_another_trial_is_clearly_better(judge, base, other, severities) -> None:
    assert [severity for severity, _, _ in judge(base, other)] == severities


# The report


def test_causes_are_told_before_consequences_and_notes_last() -> None:
    diagnosis = Diagnosis()
    for rule, severity in [("thresh", NOTE), ("statistics", WARNING), ("nan", ERROR), ("young", WARNING)]:
        diagnosis.add([Finding(rule, severity, "x.weights", 0, f"said of {rule}", "do so")])
    diagnosis.add([], "all is well here")
    assert list(diagnosis.lines()) == [
        "found 1 error, 2 warnings, the likeliest cause first",
        " 1. x.weights: said of nan [nan]",
        "    -> do so",
        " 2. x.weights: said of statistics [statistics]",
        "    -> do so",
        " 3. x.weights: said of young [young]",
        "    -> do so",
        "note: x.weights: said of thresh; do so [thresh]",
        "well: all is well here",
    ]
    assert not diagnosis.healthy


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(DarkparseError, match="device 'nowhere'"):
        diagnose(CFG, WEIGHTS, [PICTURE], device="nowhere")


def test_a_header_of_the_other_length_is_warned_of_once(tmp_path) -> None:
    path = tmp_path / "x.weights"
    path.write_bytes(Header(0, 1, 0, 7000 * 16).pack() + WEIGHTS.read_bytes()[20:])  # 64 bits where 32 belong
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DarkparseWarning)
        assert rules(diagnose(CFG, path, [PICTURE], device="cpu")) == []
    assert len(caught) == 1
