"""`darkparse check`: what is found where, what is not told of twice, and the command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from check_project import Sound
from darkparse.check.project import Project, check
from darkparse.check.typos import meant
from darkparse.cli import main
from darkparse.findings import ERROR, NOTE, WARNING
from darkparse.layout import Header


@pytest.fixture
def sound(tmp_path) -> Sound:
    return Sound(tmp_path)


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["check", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


# Cfgs: the text, and for each finding its line, its severity, its rule and the message

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"  # the next line is the fifth
HEAD = "[convolutional]\nfilters=18\n[yolo]\nmask=0,1,2\nclasses=1\nnum=3\nanchors=4,5, 8,9, 20,18\n"  # seven lines
BIG = "4,5, 8,9, 20,18"

CFGS = {
    "nothing": (NET + HEAD, []),
    "empty": ("", ["1 error syntax: no [section] in it; expected a cfg that begins with [net]"]),
    "binary": ("\0\1\2", ["1 error syntax: binary data; expected the text of a cfg"]),
    "no-layer": (NET, ["1 error net: [net]: no layer after it"]),
    "no-net": (
        "[convolutional]\nfilters=18\nstride=two\n",
        [
            "1 error net: [convolutional]: expected [net] to be the first section",
            "3 error option: [convolutional] stride: expected an integer, got 'two'",
        ],
    ),
    "no-size": (
        "[net]\nwidth=32\n[avgpool]\n",
        ["2 error net: [net] width: expected width, height and channels (or else inputs), each at least 1"],
    ),
    "stray": (
        "width=32\n" + NET + HEAD,
        ["1 error syntax: 'width=32' stands before the first [section]"],
    ),
    "heading-of-net": (
        "net]\nwidth=32\nheight=32\nchannels=3\n" + HEAD,
        ["1 error syntax: 'net]' stands before the first [section]"],
    ),
    "heading": (
        NET + "[convolutional\nfilters=18\n" + HEAD.partition("18\n")[2],
        ["5 error syntax: expected '[section]', got '[convolutional'"],
    ),
    "value-missing": (
        NET + "[convolutional]\nsize=\nfilters=18\n" + HEAD.partition("18\n")[2],
        [
            "6 warning no-value: [convolutional] size: no value; expected 'option=value' (the line is passed over, "
            "as Darknet does); give it a value, or remove the line"
        ],
    ),
    "same-value-again": (
        NET + HEAD + "num=3\n",
        ["12 note repeated-option: [yolo] num: given again; as in line 10; remove one"],
    ),
    "section-unlike-any": (  # of what reads it nothing is said, as its shape is not known
        NET + "[mish_conv]\nfilters=8\n[shortcut]\nfrom=-3\n[route]\nlayers=0,7\n" + HEAD,
        [
            "5 error section: [mish_conv]: no such section; did you mean [conv]?",
            "8 error layers: [shortcut] from: layer 1 reads -3, a layer before the first; expected one from 0 to 0",
            "10 error layers: [route] layers: layer 2 reads layer 7; expected one from 0 to 1",
        ],
    ),
    "two-nets": (NET + HEAD + NET, ["12 error section: [net]: again; expected it once, at the beginning"]),
    "all-bad-values-of-a-section": (
        NET + "[convolutional]\nsize=0\nstride=x\nfilters=18\n" + HEAD.partition("18\n")[2],
        [
            "6 error option: [convolutional] size: expected an integer >= 1, got 0",
            "7 error option: [convolutional] stride: expected an integer, got 'x'",
        ],
    ),
    "missing-option": (
        NET + "[route]\ngroups=2\n" + HEAD,
        ["5 error option: [route] layers: missing, and it has no default"],
    ),
    "missing-option-misspelt": (
        NET + "[avgpool]\n[route]\nlayer=-1\n" + HEAD,
        ["7 warning unknown-option: [route] layer: no such option; it has no effect; write layers="],
    ),
    "misspelt-but-given": (
        NET + HEAD.replace("filters=18", "filters=18\nfilter=21"),
        ["7 warning unknown-option: [convolutional] filter: no such option; it has no effect; did you mean 'filters'?"],
    ),
    "another-option-not-a-slip": (  # learning_rate_max is a word of its own, not a slip of learning_rate_min
        NET + "learning_rate_max=1\n" + HEAD,
        [
            "5 warning unknown-option: [net] learning_rate_max: no such option; it has no effect; "
            "did you mean 'learning_rate_min'?"
        ],
    ),
    "shapes": (
        NET + "[maxpool]\nstride=2\n[route]\nlayers=-3,-1\n[route]\nlayers=-1\n" + HEAD,
        ["8 error layers: [route] layers: layer 1 reads -3, a layer before the first; expected one from 0 to 0"],
    ),
    "sizes-that-differ": (
        NET + "[avgpool]\n[upsample]\nstride=4\n[route]\nlayers=-1,-2\n" + HEAD,
        ["8 error layers: [route]: joins layers of different sizes: 4x4, 1x1"],
    ),
    "region": (
        NET + "[convolutional]\nfilters=425\n[region]\nclasses=20\nnum=5\nanchors=1,1, 2,2, 3,3, 4,4, 5,5\n",
        [
            "6 error filters: [convolutional] filters: 425, but [region] in line 7 reads 125: "
            "5 boxes x (5 + classes=20); set filters=125"
        ],
    ),
    "gaussian": (
        NET + HEAD.replace("[yolo]", "[Gaussian_yolo]"),
        [
            "6 error filters: [convolutional] filters: 18, but [Gaussian_yolo] in line 7 reads 30: "
            "3 boxes x (9 + classes=1); set filters=30"
        ],
    ),
    "detection": (
        NET + "[connected]\noutput=100\n[detection]\nclasses=20\ncoords=4\nnum=2\nside=7\n",
        [
            "6 error filters: [connected] output: 100, but [detection] in line 7 reads 1470: "
            "7x7 cells x (classes=20 + num=2 x 5); set output=1470"
        ],
    ),
    "no-anchors": (
        NET + HEAD.replace(f"anchors={BIG}\n", ""),
        [
            "7 error anchors: [yolo] anchors: none; 0.5 is taken for the width and the height of each; "
            "give a width and a height for each anchor"
        ],
    ),
    "odd-anchors": (
        NET + HEAD.replace("20,18", "20"),
        [
            "11 error anchors: [yolo] anchors: 5 values, but num=3; expected a width and a height for each anchor; "
            "look for the one that is missing"
        ],
    ),
    "few-anchors-without-mask": (
        NET + HEAD.replace("mask=0,1,2\n", "").replace(", 20,18", ""),
        [
            "10 error anchors: [yolo] anchors: 2 of num=3; 0.5 is taken for the width and the height of the others; "
            "give 3 pairs of width and height"
        ],
    ),
    "num-too-high": (
        NET + HEAD.replace("num=3", "num=9"),
        ["10 warning num: [yolo] num: 9, but anchors= has 3 pairs; 0.5 is taken for the others; set num=3"],
    ),
    "anchors-of-large-images": (
        NET + HEAD.replace(BIG, "40,50, 80,90, 200,180"),
        [
            "11 warning anchor-unit: [yolo] anchors: up to 200x180 px, but the input has 32x32; "
            "expected px of the input, not of images; scale them to the input"
        ],
    ),
    "anchors-as-parts": (
        NET + HEAD.replace(BIG, ".1,.2, .3,.3, .9,.8"),
        [
            "11 warning anchor-unit: [yolo] anchors: up to 0.9x0.8 px; expected px of the input, not parts of it; "
            "multiply them by width and height"
        ],
    ),
    "unread": (
        NET + "[avgpool]\n[maxpool]\n[route]\nlayers=0\n" + HEAD,
        [
            "6 note unread: [maxpool]: layer 1: no layer reads its output; "
            "mend the layer that should read it, or remove it"
        ],
    ),
    "batch-below-subdivisions": (
        NET + "max_batches=6000\nbatch=16\nsubdivisions=64\n" + HEAD,
        [
            "6 error batch: [net] batch: 16: expected a multiple of subdivisions=64; a mini-batch has no image; "
            "set batch=64"
        ],
    ),
    "small-batch": (
        NET + "max_batches=6000\nbatch=4\n" + HEAD,
        [
            "6 note batch: [net] batch: 4: few images to learn from at a time; AlexeyAB's Darknet warns below 8; "
            "to train set batch=64 and subdivisions=16"
        ],
    ),
    "no-steps": (
        NET + "max_batches=6000\nbatch=64\npolicy=steps\n" + HEAD,
        [
            "1 error steps: [net] steps: missing, but policy=steps; AlexeyAB's Darknet stops there; "
            "set steps=4800,5400 and scales=0.1,0.1"
        ],
    ),
    "no-rate": (
        NET + "max_batches=6000\nbatch=64\nlearning_rate=0\n" + HEAD,
        [
            "7 error learning-rate: [net] learning_rate: 0: nothing is learned; expected 1e-06 to 0.1; "
            "most cfgs have 0.001"
        ],
    ),
}


@pytest.mark.parametrize("name", CFGS)
def test_what_is_wrong_with_a_cfg(name, cfg):
    text, expected = CFGS[name]
    path = cfg(text)
    assert [str(one) for one in check(Project(path))] == [said(path, line) for line in expected]


def said(path: Path, line: str) -> str:
    """A finding as it is printed, from its line, severity and rule, and what it says."""
    number, severity, rest = line.split(" ", 2)
    rule, _, message = rest.partition(": ")
    return f"{path}:{number}: {severity}: {message} [{rule}]"


def test_findings_are_in_order_of_their_lines(sound):
    for old, new in (("width=64", "width=80"), ("batch=16", "batch=4"), ("filters=21", "filters=22")):
        sound.edit(old, new)
    sound.weights.write_bytes(b"")
    found = sound.check(data=False)
    assert [file for *_, file, _ in found] == ["net.cfg"] * 3 + ["net.weights"]
    assert [line for *_, line in found] == [*sorted(line for *_, line in found[:3]), 0]


def test_anchors_of_a_real_network_for_a_larger_grid_are_no_fault(cfg):
    """Those of tiny-yolo-voc, made for 13 x 13 cells, at 7 x 7 cells, as yolo-lite has them."""
    anchors = "1.08,1.19, 3.42,4.41, 6.63,11.38, 9.42,5.11, 16.62,10.52"
    layers = f"[maxpool]\nstride=32\n[convolutional]\nfilters=125\n[region]\nclasses=20\nnum=5\nanchors={anchors}\n"
    assert check(Project(cfg("[net]\nwidth=224\nheight=224\nchannels=3\n" + layers))) == []


def test_small_anchors_in_px_are_no_cells(cfg):
    """Objects of 4 to 12 px on 13 x 13 cells of 32 px are small, but not in cells."""
    text = "[net]\nwidth=416\nheight=416\nchannels=3\n[maxpool]\nstride=32\n" + HEAD.replace(BIG, "4,5, 7,7, 12,11")
    assert check(Project(cfg(text))) == []


CELLS = ("0.57273,0.677385, 1.87446,2.06253, 3.33843,5.47434", "1,2, 3,3, 9,7", "2.5,3.5, 3.42,4.41, 16.6,10.5")


@pytest.mark.parametrize("anchors", CELLS)
def test_anchors_in_cells(cfg, anchors):
    text = "[net]\nwidth=416\nheight=416\nchannels=3\n[maxpool]\nstride=32\n" + HEAD.replace(BIG, anchors)
    (found,) = check(Project(cfg(text)))
    assert (found.rule, found.severity, found.line) == ("anchor-unit", WARNING, 13)
    assert found.remedy == "multiply them by 32"


SLIPS = {
    ("widht", "width"), ("filter", "filters"), ("burnin", "burn_in"), ("Batch_Normalize", "batch_normalize"),
    ("max-batches", "max_batches"), ("filtrs", "filters"), ("filtters", "filters"), ("fulters", "filters"),
}  # fmt: skip
KNOWN = (
    "width",
    "height",
    "filters",
    "burn_in",
    "batch_normalize",
    "max_batches",
    "stride",
    "stride_x",
    "stride_y",
    "B1",
)


@pytest.mark.parametrize(("word", "other"), sorted(SLIPS))
def test_slips(word, other):
    assert meant(word, KNOWN) == other


@pytest.mark.parametrize("word", ["stride_z", "B2", "wide", "weight_x", "maxbatch", "dilation", "", "filt"])
def test_no_slips(word):
    assert meant(word, KNOWN) is None


# Weights and names


def test_the_first_layers_are_enough_to_begin_a_training_with(sound):
    values = sound.values[: 3 * 8 * 9 + 8 * 4]  # 8 filters of 3 x 3 x 3, and of their batch norm 4 numbers each
    sound.store(values)
    assert sound.check(data=False) == [("weights-part", ERROR, "net.weights", 0)]
    assert sound.check() == [("weights-part", NOTE, "net.weights", 0)]
    sound.weights = sound.weights.rename(sound.folder / "net.conv.1")
    assert sound.check(data=False) == [("weights-part", NOTE, "net.conv.1", 0)]


def test_a_header_alone(sound):
    sound.store(sound.values[:0])
    assert sound.check() == [("weights-fit", ERROR, "net.weights", 0)]
    sound.edit("layers=-3", "layers=-30")
    assert sound.check() == [("layers", ERROR, "net.cfg", sound.line("layers=-30"))]


def test_weights_that_have_seen_all(sound):
    sound.weights.write_bytes(Header(seen=6000 * 16).pack() + sound.values.tobytes())
    assert sound.check() == [("weights-seen", NOTE, "net.weights", 0)]
    assert sound.check(data=False) == []


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\3\4" + bytes(90)])
def test_what_is_no_weights(sound, data):
    sound.weights.write_bytes(data)
    assert sound.check() == [("weights", ERROR, "net.weights", 0)]


def test_what_would_fit_is_told(sound):
    sound.store(np.append(sound.values, np.ones(78, "<f4")))  # 3 boxes x (8 weights + a bias), and x (16 + 1)
    (found,) = check(Project(sound.cfg, sound.weights))
    assert found.remedy == "the file fits this cfg with classes=3: filters=24 before each [yolo]"


def test_the_layers_with_nan_are_named(sound):
    values = sound.values.copy()
    values[[0, 40, 300]] = np.nan  # 8 biases, 3 x 8 numbers of batch norm, 216 weights: of layer 0; then of layer 1
    sound.store(values)
    (found,) = check(Project(sound.cfg, sound.weights))
    where = "layer 0 [convolutional] biases, layer 0 [convolutional] weights, layer 1 [convolutional] weights"
    assert found.message == f"3 NaN or infinite values in {where}; the network gives no numbers with them"


def test_nan_is_found_in_weights_that_do_not_fit(sound):
    sound.store(np.append(sound.values, np.float32(np.inf)))
    assert [rule for rule, *_ in sound.check()] == ["weights-fit", "weights-finite"]


def test_a_variance_below_0(sound):
    values = sound.values.copy()
    values[8 + 8 + 8 + 2] = -1e-3  # behind 8 biases, scales and means
    sound.store(values)
    assert sound.check() == [("weights-finite", ERROR, "net.weights", 0)]


def test_names_beside_the_cfg(sound):
    sound.write("obj.names", "dot\n")
    assert sound.check(data=False) == [("names-count", ERROR, "obj.names", 1)]
    sound.write("obj.names", "dot\ndash\nring\nbar\n")
    assert sound.check(data=False) == [("names-count", ERROR, "obj.names", 3)]
    assert sound.check() == []  # the .data file has names of its own
    sound.write("net.names", "dot\n\n")
    assert sound.check(data=False) == [("names-count", ERROR, "net.names", 1)]
    sound.write("net.names", "\ndash\n")
    assert sound.check(data=False) == [("name-blank", WARNING, "net.names", 1)]
    sound.write("net.names", "dot\ndot\n")
    assert sound.check(data=False) == [("name-repeated", WARNING, "net.names", 2)]


def test_a_data_file_without_names_counts_classes(sound):
    lines = [line for line in sound.data.read_text().split("\n") if not line.startswith("names")]
    sound.data.write_text("\n".join(lines).replace("classes = 2", "classes = 3"))
    assert ("classes", WARNING, "a.data", 1) in sound.check()


def test_a_data_file_for_detection_has_names_alone(sound):
    sound.edit("batch=16", "batch=4")
    sound.data.write_text("classes = 2\nnames = a.names\n")
    assert sound.check() == [("batch", NOTE, "net.cfg", sound.line("batch=4"))]
    sound.write("a.names", "dot\n")
    assert ("names-count", ERROR) in [one[:2] for one in sound.check()]


def test_a_data_file_that_cannot_be_read(sound):
    sound.data.write_text("train = a\nvalid\n")
    assert sound.check() == [("data", ERROR, "a.data", 2)]
    sound.data.unlink()
    assert sound.check() == [("data", ERROR, "a.data", 0)]


def test_what_training_refuses(sound):
    sound.edit("channels=3", "channels=3\ntrack=1\nequidistant_point=9")
    sound.edit("size=3", "size=3\nsway=1")
    found = [("training", ERROR), ("training", WARNING), ("training", ERROR)]
    assert [one[:2] for one in sound.check()] == found
    assert sound.check(data=False) == []


def test_a_network_without_a_loss(sound):
    before = sound.cfg.read_text().partition("# the coarse head")[0]
    sound.cfg.write_text(before)
    assert sound.check(weights=False, data=False) == []
    assert ("training", ERROR, "net.cfg", sound.line("[convolutional]", 2)) in sound.check(weights=False)


def test_no_plan_to_train_by(sound):
    sound.edit("max_batches=6000", "")
    sound.edit("policy=steps", "")
    assert sound.check() == [("iterations", ERROR, "net.cfg", 2)]
    assert sound.check(data=False) == []


# The command


def test_any_order_and_the_exit_status(sound):
    clean = run(sound.data, sound.weights, sound.cfg)
    assert (clean.exit_code, clean.stdout, clean.stderr) == (0, "nothing found\n", "")
    line = sound.edit("batch=16", "batch=4")
    odd = run("--data", sound.data, sound.cfg)
    assert odd.exit_code == 0
    first, last = odd.stdout.splitlines()
    assert first.startswith(f"{sound.cfg}:{line}: warning: [net] batch: 4: few images")
    assert last == "1 warning"
    assert run("--data", sound.data, sound.cfg, "--strict").exit_code == 1
    sound.edit("filters=21", "filters=255")
    bad = run(sound.cfg)
    assert bad.exit_code == 1
    assert bad.stdout.splitlines()[-1] == "1 error, 1 note"


def test_a_cfg_by_its_name():
    result = run("yolov4-tiny")
    assert result.exit_code == 0
    assert "no mask names 0 (10x14)" in result.stdout


def test_names_are_taken_by_their_suffix(sound):
    names = sound.write("other.names", "a\nb\nc\n")
    assert run(sound.cfg, names).stdout.endswith(" [names-count]\n1 error\n")


@pytest.mark.parametrize("files", [("a.weights",), ("a.cfg", "b.cfg", "c.cfg"), ("a.cfg", "b.weights", "c")])
def test_files_that_do_not_go_together(files):
    result = run(*files)
    assert result.exit_code == 2
    assert "expected a .cfg and perhaps its .weights, got" in result.stderr


@pytest.mark.parametrize("more", [("a.data", "b.data"), ("a.names", "--names", "b.names")])
def test_of_two_data_sets_none_is_passed_over(more):
    result = run("a.cfg", *more)
    assert result.exit_code == 2
    assert re.search(r"expected one \.(data|names) file, got [ab]\.(data|names) and [ab]\.(data|names)", result.stderr)


def test_a_cfg_that_is_not_there():
    result = run("no.cfg")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: no.cfg: No such file or directory\n")


def test_json(sound, tmp_path):
    line = sound.edit("filters=21", "filters=255")
    expected = {
        "rule": "filters",
        "severity": "error",
        "file": str(sound.cfg),
        "line": line,
        "message": "[convolutional] filters: 255, but [yolo] in line 42 reads 21: 3 boxes x (5 + classes=2)",
        "remedy": "set filters=21",
    }
    result = run(sound.cfg, "--json", "-")
    assert json.loads(result.stdout) == [expected]
    assert result.exit_code == 1
    result = run(sound.cfg, "--json", tmp_path / "found.json")
    assert result.stdout.endswith("1 error\n")
    assert json.loads((tmp_path / "found.json").read_text()) == [expected]


def test_what_is_read_is_not_written_over(sound):
    before = sound.cfg.read_bytes()
    for option in ("--json", "--sarif"):
        result = run(sound.cfg, option, sound.cfg)
        assert result.exit_code == 1
        assert "not overwritten" in result.stderr
    assert "named for --json and for --sarif" in run(sound.cfg, "--json", "-", "--sarif", "-").stderr
    assert sound.cfg.read_bytes() == before


@pytest.mark.parametrize("option", ["--report", "--json", "--sarif"])
def test_images_and_labels_of_the_data_set_are_not_written_over(sound, option):
    for path in (sound.image("t1"), sound.image("v1"), sound.labels("t1"), sound.folder / "train.txt", sound.names):
        before = path.read_bytes()
        result = run(sound.cfg, sound.data, option, path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "not overwritten" in result.stderr
        assert path.read_bytes() == before


def test_boxes_are_counted_against_max_of_the_last_head(sound):
    sound.label("t1", "1 .2 .2 .1 .1\n1 .5 .5 .1 .1\n1 .8 .8 .1 .1\n")
    assert sound.check() == []  # max= is 200
    sound.edit("classes=2", "classes=2\nmax=2", 1)
    assert sound.check() == [("many-boxes", WARNING, "t1.txt", 0)]


LEVELS = ("none", "note", "warning", "error")


def test_sarif(sound, tmp_path, monkeypatch):
    """What the schema of SARIF 2.1.0 requires of the objects that are there."""
    line = sound.edit("filters=21", "filters=255")
    sound.edit("batch=16", "batch=4")
    sound.weights.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    result = run("net.cfg", sound.weights, "--sarif", "-")
    log = json.loads(result.stdout)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert driver["name"] == "darkparse"
    rules = [rule["id"] for rule in driver["rules"]]
    assert sorted(set(rules)) == rules == ["batch", "filters", "weights"]
    for found in one["results"]:
        assert found["message"]["text"]
        assert found["level"] in LEVELS
        assert found["ruleId"] in rules
        (place,) = [where["physicalLocation"] for where in found["locations"]]
        assert place["artifactLocation"]["uri"]
        assert place.get("region", {"startLine": 1})["startLine"] >= 1
    by_rule = {found["ruleId"]: found["locations"][0]["physicalLocation"] for found in one["results"]}
    assert by_rule["filters"] == {"artifactLocation": {"uri": "net.cfg"}, "region": {"startLine": line}}
    assert by_rule["weights"] == {"artifactLocation": {"uri": sound.weights.as_uri()}}


def test_places_in_sarif_are_addresses(sound, monkeypatch):
    (sound.folder / "a b").mkdir()
    (sound.folder / "a b" / "é.cfg").write_text("[net]")
    monkeypatch.chdir(sound.folder)
    (found,) = json.loads(run("a b/é.cfg", "--sarif", "-").stdout)["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "a%20b/%C3%A9.cfg"}


def test_of_a_data_set_few_lines_of_a_rule_and_all_in_the_report(sound, tmp_path):
    sound.label("t0", "0 .5 .5 .25 .25\n" + "".join(f"7 .{n} .5 .01 .25\n" for n in range(11, 36)))
    sound.edit("momentum=.9", "momentum=.9\n" + "\n".join(f"setting_{n}=1" for n in range(25)))
    result = run(sound.cfg, sound.data, "--json", tmp_path / "found.json")
    lines = result.stdout.splitlines()
    assert [sum(f"[{rule}]" in line for line in lines) for rule in ("unknown-option", "class-range")] == [25, 10 + 1]
    assert lines[-2:] == ["... and 15 more: error [class-range]", "25 errors, 25 warnings"]
    assert len(json.loads((tmp_path / "found.json").read_text())) == 50


def test_a_name_that_is_no_text(sound, monkeypatch):
    monkeypatch.chdir(sound.folder)
    name = os.fsdecode(b"caf\xe9.cfg")
    (sound.folder / name).write_text("[net]")
    for option, expected in (("--json", "caf\\udce9.cfg"), ("--sarif", "caf%E9.cfg")):
        assert run(name, option, "found").exit_code == 1
        assert expected in (sound.folder / "found").read_text()


def test_no_torch_for_a_cfg_and_its_weights(sound):
    code = f"""
import sys
from darkparse.cli import main
main(["check", {str(sound.cfg)!r}, {str(sound.weights)!r}, {str(sound.data)!r}], standalone_mode=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\ntry:\n exec({code!r})\nfinally:\n print('torch' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "nothing found\nFalse\n"
