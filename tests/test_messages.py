"""What a user reads when something is wrong: place, what is wrong, what was expected, on one line."""

import struct

import pytest

from darkparse.cfg import parse
from darkparse.errors import CfgError, DarkparseWarning, WeightsError
from darkparse.graph import read_graph, resolve
from darkparse.layout import Header, fit

NET = "[net]\nwidth=32\nheight=32\nchannels=3\n"  # the next line is the fifth
TWO = NET + "[convolutional]\nfilters=8\n[maxpool]\nstride=2\n"  # 8 x 32 x 32, 8 x 16 x 16; the next line is the ninth
ANCHORS = "num=9\nanchors=10,13, 16,30, 33,23, 30,61, 62,45, 59,119, 116,90, 156,198, 373,326\n"

MESSAGES = {
    # options
    "two": (NET + "[convolutional]\nstride=two\n", "6: [convolutional] stride: expected an integer, got 'two'"),
    "atoi-2x": (NET + "[convolutional]\nsize=2x\n", "6: [convolutional] size: expected an integer, got '2x'"),
    "atoi-1e3": (NET + "[convolutional]\nfilters=1e3\n", "6: [convolutional] filters: expected an integer, got '1e3'"),
    "zero": (NET + "[convolutional]\nfilters=0\n", "6: [convolutional] filters: expected an integer >= 1, got 0"),
    "stride-0": (NET + "[maxpool]\nstride=0\n", "6: [maxpool] stride: expected an integer >= 1, got 0"),
    "no-layers": (NET + "[route]\ngroups=2\n", "5: [route] layers: missing, and it has no default"),
    "no-from": (NET + "[shortcut]\nactivation=linear\n", "5: [shortcut] from: missing, and it has no default"),
    "negative-width": ("[net]\nwidth=-416\n[conv]\n", "2: [net] width: expected an integer >= 0, got -416"),
    "policy": (
        "[net]\npolicy=stepps\n[conv]\n",
        "2: [net] policy: expected one of random, poly, constant, step, exp, sigmoid, steps, sgdr, got 'stepps'; "
        "did you mean 'steps'?",
    ),
    "antialiasing": (
        NET + "[conv]\nantialiasing=3\n",
        "6: [conv] antialiasing: expected one of 0, 1, 2, got 3",
    ),
    "coords": (NET + "[region]\ncoords=5\n", "6: [region] coords: only 4 is supported, got 5"),
    "reverse": (NET + "[reorg3d]\nreverse=1\n", "6: [reorg3d] reverse: only 0 is supported, got 1"),
    "nms-kind": (
        NET + "[yolo]\nnms_kind=greedy_nms\n",
        "6: [yolo] nms_kind: expected one of default, greedynms, diounms, cornersnms, got 'greedy_nms'; "
        "did you mean 'greedynms'?",
    ),
    # sections
    "no-net": ("[convolutional]\nfilters=1\n", "1: [convolutional]: expected [net] to be the first section"),
    "misspelt": (TWO + "[shortcurt]\nfrom=-1\n", "9: [shortcurt]: no such section; did you mean [shortcut]?"),
    # sizes
    "kernel": (
        NET + "[convolutional]\nsize=64\n",
        "5: [convolutional]: the output would be -31x-31x1 (width x height x channels); expected at least 1x1x1",
    ),
    "terabytes": (
        "[net]\nwidth=1000000\nheight=1000000\nchannels=3\n[conv]\n",
        "1: [net]: [net] would be 1000000x1000000x3, 3,000,000,000,000 values; expected at most 2,147,483,647",
    ),
    "filters": (
        NET + "[convolutional]\nfilters=2147483647\n",
        "5: [convolutional]: the output would be 32x32x2147483647, 2,199,023,254,528 values; "
        "expected at most 2,147,483,647",
    ),
    "upsample": (
        NET + "[upsample]\nstride=100000\n",
        "5: [upsample]: the output would be 3200000x3200000x3, 30,720,000,000,000 values; "
        "expected at most 2,147,483,647",
    ),
    "weights": (
        NET + "[connected]\noutput=2000000\n",
        "5: [connected]: weights has 6,144,000,000 values; expected at most 2,147,483,647",
    ),
    # layers that do not go together
    "itself": (TWO + "[route]\nlayers=2\n", "9: [route]: layer 2 reads layer 2; expected one from 0 to 1"),
    "later": (TWO + "[shortcut]\nfrom=7\n", "9: [shortcut]: layer 2 reads layer 7; expected one from 0 to 1"),
    "route-sizes": (TWO + "[route]\nlayers=0,1\n", "9: [route]: joins layers of different sizes: 32x32, 16x16"),
    "route-groups": (TWO + "[route]\nlayers=1\ngroups=3\n", "9: [route]: groups=3 does not divide 8 channels"),
    "route-group-id": (
        TWO + "[route]\nlayers=1\ngroups=2\ngroup_id=2\n",
        "9: [route]: group_id=2 of groups=2: expected 0 to 1",
    ),
    "groups": (
        TWO + "[convolutional]\nfilters=9\ngroups=3\n",
        "9: [convolutional]: groups=3 does not divide 8 channels and filters=9",
    ),
    "shortcut-weights": (
        TWO + "[shortcut]\nfrom=-1\nweights_type=per_channel\n",
        "9: [shortcut]: weights_type=per_channel needs weights_normalization=relu or softmax",
    ),
    "sam": (TWO + "[sam]\nfrom=0\n", "9: [sam]: multiplies 32x32x8 by 16x16x8; expected the same shape"),
    "scale": (TWO + "[scale_channels]\nfrom=0\n", "9: [scale_channels]: scales 32x32x8 by 16x16x8; expected 1x1x8"),
    "reorg": (TWO + "[reorg]\nstride=4\n", "9: [reorg]: stride=4: its square must divide 8 channels"),
    "reorg3d": (TWO + "[reorg3d]\nstride=3\n", "9: [reorg3d]: stride=3 must divide 16x16"),
    "upsample-0": (TWO + "[upsample]\nstride=0\n", "9: [upsample]: stride: expected another integer than 0"),
    "upsample-down": (
        TWO + "[upsample]\nstride=-3\n",
        "9: [upsample]: stride=-3 sums blocks that do not divide 16x16",
    ),
    "softmax": (TWO + "[softmax]\ngroups=3\n", "9: [softmax]: groups=3 does not divide 2048 values"),
    "depth": (
        TWO + "[maxpool]\nmaxpool_depth=1\nout_channels=9\n",
        "9: [maxpool]: out_channels=9 of only 8 channels",
    ),
    "dilation": (
        NET + "[convolutional]\nsize=3\ndilation=2\n",
        "5: [convolutional]: dilation=2 needs pad=1 and an odd size; Darknet's own sizes disagree",
    ),
    "share-pool": (
        TWO + "[convolutional]\nfilters=8\nshare_index=1\n",
        "9: [convolutional]: layer 1 [maxpool] has no weights of 8x8x1x1 to share",
    ),
    "share-size": (
        TWO + "[convolutional]\nfilters=8\nsize=3\npad=1\nshare_index=0\n",
        "9: [convolutional]: layer 0 [convolutional] has no weights of 8x8x3x3 to share",
    ),
    "share-later": (
        TWO + "[convolutional]\nshare_index=2\n",
        "9: [convolutional]: layer 2 shares layer 2; expected one from 0 to 1",
    ),
    # heads
    "255-before-1-class": (
        NET + "[convolutional]\nfilters=255\n[yolo]\nmask=0,1,2\nclasses=1\n" + ANCHORS,
        "7: [yolo]: reads 18 channels (3 boxes x (5 + classes=1)), but the layer before gives 255; "
        "expected filters=18 there",
    ),
    "18-before-80-classes": (
        NET + "[convolutional]\nfilters=18\n[yolo]\nmask=0,1,2\nclasses=80\n" + ANCHORS,
        "7: [yolo]: reads 255 channels (3 boxes x (5 + classes=80)), but the layer before gives 18; "
        "expected filters=255 there",
    ),
    "gaussian": (
        NET + "[convolutional]\nfilters=18\n[Gaussian_yolo]\nmask=0,1,2\nclasses=1\n" + ANCHORS,
        "7: [Gaussian_yolo]: reads 30 channels (3 boxes x (9 + classes=1)), but the layer before gives 18; "
        "expected filters=30 there",
    ),
    "region": (
        NET + "[convolutional]\nfilters=425\n[region]\nclasses=20\nnum=5\n",
        "7: [region]: reads 125 channels (5 boxes x (5 + classes=20)), but the layer before gives 425; "
        "expected filters=125 there",
    ),
    "no-tree": (
        NET + "[softmax]\ntree=no/such.tree\n",
        "6: [softmax] tree: no file 'no/such.tree' here, in . or above it",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_is_wrong_with_a_cfg(name):
    text, message = MESSAGES[name]
    with pytest.raises(CfgError) as why:
        resolve(list(parse(text, "net.cfg")))
    assert str(why.value) == f"net.cfg:{message}"


ODDITIES = {
    "mask": (
        NET + "[convolutional]\nfilters=18\n[yolo]\nmask=0,1,2\nclasses=1\nnum=3\nanchors=10,13, 16,30\n",
        "7: [yolo]: mask: names anchor 2, but num=3 and anchors= give 2; 0.5 px is taken",
    ),
    "filter": (
        NET + "[conv]\nfilter=3\n",
        "6: [conv] filter: no such option; it has no effect; did you mean 'filters'?",
    ),
    "burnin": (
        NET.replace("[net]", "[net]\nburnin=1000") + "[conv]\n",
        "2: [net] burnin: no such option; it has no effect; did you mean 'burn_in'?",
    ),
    "repeated": (NET + "[conv]\nsize=1\nsize=3\n", "7: [conv] size: given again; line 6 counts"),
    "comment": (
        NET + "[conv]\nactivation=leaky # was mish\n",
        "6: [conv] activation: '#wasmish' is dropped; Darknet would take it for a part of the word",
    ),
}


@pytest.mark.parametrize("name", ODDITIES)
def test_what_is_odd_about_a_cfg(name):
    text, message = ODDITIES[name]
    with pytest.warns(DarkparseWarning) as told:
        resolve(list(parse(text, "net.cfg")))
    assert [str(warning.message) for warning in told] == [f"net.cfg:{message}"]


HEAD = "[convolutional]\nfilters=18\n[yolo]\nmask=0,1,2\nclasses=1\nnum=3\nanchors=1,2, 3,4, 5,6\n"
FLOATS = 8 * 3 + 8 + 18 * 8 + 18  # of layer 0, of layer 2
HEADER = struct.pack("<3iQ", 0, 2, 5, 64)
FILES = {
    "4-bytes-short": (
        HEADER + bytes(4 * FLOATS - 4),
        "{weights}: 4 bytes too short for {cfg}: layer 2 [convolutional] weights wants 144 floats (18, 8, 1, 1), "
        "but the file ends after 143",
    ),
    "4-bytes-long": (
        HEADER + bytes(4 * FLOATS + 4),
        "{weights}: 4 bytes too long for {cfg}: 796 bytes end its last layer",
    ),
    "2-classes": (
        HEADER + bytes(4 * (FLOATS + 3 * 9)),
        "{weights}: 108 bytes too long for {cfg}: 796 bytes end its last layer; the file fits this cfg with classes=2: "
        "filters=21 before each [yolo]",
    ),
    "empty": (b"", "{weights}: an empty file; expected Darknet's .weights format"),
    "page": (
        b"<!DOCTYPE html><html><title>404</title></html>",
        "{weights}: an HTML page; expected Darknet's .weights format",
    ),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "{weights}: a Git LFS pointer, a note in place of the file; expected Darknet's .weights format",
    ),
    "zip": (
        b"PK\3\4" + bytes(60),
        "{weights}: a zip archive or a PyTorch checkpoint (.pt); expected Darknet's .weights format, which darkparse "
        "convert makes",
    ),
    "cfg": (NET.encode(), "{weights}: a cfg file; expected Darknet's .weights format"),
    "header-alone": (HEADER[:12], "{weights}: 12 bytes; expected a header of 16 or 20 and then the weights"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_wrong_with_weights(name, cfg, tmp_path):
    data, message = FILES[name]
    path, weights = cfg(TWO + HEAD), tmp_path / "net.weights"
    weights.write_bytes(data)
    with pytest.raises(WeightsError) as why:
        fit(read_graph(path), weights)
    assert str(why.value) == message.format(weights=weights, cfg=path)


def test_weights_that_fit(cfg, tmp_path):
    weights = tmp_path / "net.weights"
    weights.write_bytes(HEADER + bytes(4 * FLOATS))
    assert fit(read_graph(cfg(TWO + HEAD)), weights) == (Header(seen=64), 4)


@pytest.mark.parametrize("name", MESSAGES)
def test_one_line_without_a_full_stop(name):
    assert "\n" not in MESSAGES[name][1]
    assert not MESSAGES[name][1].endswith(".")
