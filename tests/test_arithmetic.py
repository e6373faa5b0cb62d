"""Arithmetic that the official cfgs leave out; see arithmetic.py, and test_arithmetic_more.py for more sections."""

from pathlib import Path

import pytest

from arithmetic import Case, assert_agrees, assert_case, expected, run
from darkparse.activations import NAMES

C4, C6, C8 = (f"filters={n} size=3 pad=1 activation=leaky" for n in (4, 6, 8))
X32 = "filters=32 size=3 pad=1 xnor=1 activation=leaky"
ADD = "shortcut activation=leaky"
BOXES = "filters=14 activation=linear"  # two, of two classes
ANCHORS = "classes=2 num=2 anchors=2.5,3,5,4"
TREE_HEAD = "filters=26 activation=linear | region classes=8 num=2 anchors=1.5,2,.5,.7 tree=case.tree"

CASES = {  # CxHxW and the recipe | [convolutional] unless another section is named | ...
    **{f"activation-{name}": f"3x5x7 gain=3 | filters=6 size=3 pad=1 activation={name}" for name in NAMES},
    "convolutional-even-size": f"3x7x8 | {C4} size=2 pad=1 | filters=5 size=4 padding=1",
    "convolutional-no-pad": "3x7x8 | filters=6 size=3 activation=linear",
    "convolutional-strides": f"3x7x9 | filters=4 size=3 pad=1 stride_x=1 stride_y=2 | {C4} stride=2 stride_y=1",
    "convolutional-padding": "3x5x7 | filters=4 size=3 padding=2 stride=2",
    "convolutional-pad-goes-before-padding": "3x5x7 | filters=4 size=5 pad=1 padding=1",
    "convolutional-groups": "4x5x7 | filters=6 size=3 pad=1 groups=2",
    "convolutional-depthwise": f"4x5x7 | {C8} groups=4 batch_normalize=1",
    "convolutional-dilation": "3x7x9 | filters=6 size=3 pad=1 dilation=2",
    "convolutional-dilation-stride": "3x9x12 | filters=6 size=5 pad=1 dilation=2 stride=2",
    "convolutional-dilation-of-1x1": "3x5x7 | filters=6 size=1 pad=1 dilation=3",
    "convolutional-batch-normalize-2": f"3x5x7 | {C6} batch_normalize=2",
    "convolutional-cbn": f"3x5x7 | {C6} cbn=1",
    "convolutional-flipped": f"3x5x7 | {C6} flipped=1 batch_normalize=1",
    "convolutional-antialiasing-1": f"3x9x12 | {C4} stride=2 antialiasing=1 batch_normalize=1 | {C4}",
    "convolutional-antialiasing-2": f"3x9x12 | {C4} stride_x=2 antialiasing=2 | {C4}",
    "convolutional-share-index": f"4x5x7 | {C4} batch_normalize=1 | {C4} share_index=0 dilation=2 activation=mish",
    "convolutional-share-index-negative": f"4x5x7 | {C6} | {C6} flipped=1 | maxpool size=3 stride=1 | {C6} stride=2 "
    "share_index=-2",
    "convolutional-share-index-blurred": f"4x9x12 | {C4} antialiasing=1 stride=2 | {C4} share_index=0 antialiasing=2",
    "convolutional-xnor": f"32x4x5 | {X32} batch_normalize=1",
    "convolutional-xnor-bin-output": f"32x4x5 | {X32} activation=logistic bin_output=1 | {X32} stride=2",
    "convolutional-xnor-of-zeros": f"8x4x5 | filters=32 activation=relu | {X32}",
    "convolutional-xnor-groups-have-no-effect": f"32x4x5 | {X32} groups=2",
    "convolutional-xnor-pjreddie": "8x5x7 fork=pj | filters=6 size=3 pad=1 xnor=1 batch_normalize=1",
    "convolutional-xnor-pjreddie-groups": f"8x5x7 fork=pj | {C6} xnor=1 groups=2",
    "convolutional-dontload": f"3x5x7 | {C4} | {C6} dontload=1 | route layers=0 | {C4}",
    "convolutional-dontloadscales": f"3x5x7 | {C4} batch_normalize=1 | {C4} batch_normalize=1 dontloadscales=1",
    "connected": f"3x5x7 | {C4} | connected output=40 batch_normalize=1 activation=leaky",
    "connected-transposed": f"3x5x7 minor=1001 | {C4} | connected output=40 | connected output=30 activation=linear",
    "connected-transposed-pjreddie": f"3x5x7 minor=1001 fork=pj | {C4} | connected output=40 batch_normalize=1",
    "connected-dontloadscales": f"3x5x7 | {C4} | connected output=30 batch_normalize=1 dontloadscales=1 "
    "activation=linear",
    "crnn": f"4x5x7 steps=3 | crnn output=4 hidden=6 pad=1 batch_normalize=1 activation=leaky | {C4}",
    "crnn-shortcut": f"4x5x7 steps=3 | crnn output=4 hidden=6 size=5 pad=1 groups=2 activation=mish shortcut=1 | {C4}",
    "maxpool-stride-alone": "3x6x8 | maxpool stride=2",
    "maxpool-size-3-stride-2": "3x6x9 | maxpool size=3 stride=2",
    "maxpool-size-2-stride-1": "3x5x7 | maxpool size=2 stride=1",
    "maxpool-size-5": "3x5x7 | maxpool size=5 stride=1",
    "maxpool-strides": "3x7x9 | maxpool size=3 stride_x=1 stride_y=2",
    "maxpool-padding-0": "3x6x9 | maxpool size=3 stride=2 padding=0",
    "maxpool-padding": "3x5x7 | maxpool size=4 stride=2 padding=2",
    "maxpool-pjreddie": "3x6x9 fork=pj | maxpool size=3 stride=2 padding=1",
    "maxpool-antialiasing-1": f"3x9x12 | maxpool size=3 stride=2 antialiasing=1 | {C4}",
    "maxpool-antialiasing-2": f"3x9x12 | maxpool size=2 stride_x=2 antialiasing=2 | {C4}",
    "maxpool-depth": "7x5x7 | maxpool maxpool_depth=1 out_channels=3",
    "local_avgpool": "3x6x9 | local_avgpool size=3 stride=2",
    "local_avgpool-padding": "3x6x9 | local_avgpool size=2 stride_x=2 padding=0",
    "avgpool": f"3x5x7 | {C8} | avgpool",
    "route-groups": f"3x5x7 | {C4} | {C8} | route layers=-1,0,-1 groups=2 group_id=1",
    "shortcut-fewer-channels": f"3x5x7 | {C4} | {C8} | {ADD} from=0",
    "shortcut-more-channels": f"3x5x7 | {C8} | {C4} | {ADD} from=-2",
    "shortcut-several": f"3x5x7 | {C8} | {C4} | {C6} | {ADD} from=-3,1",
    "shortcut-several-weighted": f"3x5x7 gain=2 | {C8} | {C4} | {C6} | {ADD} from=-3,1 weights_type=per_channel "
    "weights_normalization=softmax",
    **{
        f"shortcut-{kind}-{norm}": f"3x5x7 gain=2 | {C4} | {C4} | {C4} | {ADD} from=0,-2 weights_type=per_{kind} "
        f"weights_normalization={norm}"
        for kind in ("feature", "channel")
        for norm in ("relu", "softmax")
    },
    "shortcut-of-larger": f"3x4x6 fork=pj | {C8} | maxpool size=2 stride=2 | {C6} | {ADD} from=0 alpha=.5 beta=2",
    "shortcut-of-smaller": f"3x4x6 fork=pj | {C4} | {C6} stride=2 | {C8} | upsample stride=2 | {ADD} from=1 beta=-.5",
    "upsample-scale": "3x3x4 | upsample stride=2 scale=.5",
    "upsample-negative": "3x4x6 | upsample stride=-2 scale=2",
    "reorg": "8x6x4 | reorg stride=2",
    "reorg-reverse": "8x3x5 | reorg stride=2 reverse=1",
    "reorg-pjreddie": "9x6x3 fork=pj | reorg stride=3",
    "reorg3d": "3x4x6 | reorg3d stride=2",
    "scale_channels": f"3x5x7 | {C4} | avgpool | filters=4 | scale_channels from=-3 activation=leaky",
    "scale_channels-scale-wh": f"3x5x7 | {C4} | filters=1 size=3 pad=1 | scale_channels from=-2 scale_wh=1",
    "sam": f"3x5x7 | {C4} | filters=4 size=3 pad=1 | sam from=0 activation=tanh",
    "dropout": f"3x5x7 | {C4} | dropout probability=.5 | {C4}",
    "cost": f"3x5x7 | {C4} | cost",
    "softmax-groups": f"3x5x7 | {C4} | connected output=24 activation=linear | softmax groups=4 temperature=.5",
    "softmax-tree": f"3x5x7 gain=3 | {C4} | connected output=8 activation=linear | softmax temperature=2 "
    "tree=case.tree",
    "yolo-scale-x-y": f"3x5x7 thresh=.4 | {BOXES} | yolo {ANCHORS} scale_x_y=1.2",
    "yolo-mask": f"3x5x7 thresh=.4 | {BOXES} | yolo classes=2 num=3 mask=2,0 anchors=1,2,3,4,5,6",
    "yolo-missing-anchors": f"3x5x7 thresh=.4 | {BOXES} | yolo classes=2 num=2 anchors=2,3",
    "yolo-new-coords": f"3x5x7 thresh=.4 | filters=14 | yolo {ANCHORS} new_coords=1 scale_x_y=2",
    "yolo-then-convolutional": f"3x5x7 | {BOXES} | yolo {ANCHORS} scale_x_y=1.1 | {C4}",
    **{
        f"yolo-nms-{kind}": f"3x5x7 gain=2 thresh=.2 nms=.3 | {BOXES} | yolo {ANCHORS} nms_kind={kind} beta_nms=.3"
        for kind in ("default", "greedynms", "diounms", "cornersnms")
    },
    **{
        f"Gaussian_yolo-{point}": f"3x4x5 thresh=.2 | filters=22 activation=linear | Gaussian_yolo {ANCHORS} "
        f"scale_x_y=1.1 yolo_point={point}"
        for point in ("center", "left_top", "right_bottom")
    },
    **{
        f"region-{fork}-softmax-{flag}": f"3x5x7 fork={fork} thresh=.4 | {BOXES} | region classes=2 num=2 "
        f"anchors=1.5,2,.5 softmax={flag}"
        for fork in ("ab", "pj")
        for flag in (0, 1)
    },
    "region-classfix": f"3x5x7 thresh=.1 | {BOXES} | region {ANCHORS} softmax=1 classfix=-1",
    "region-tree": f"3x5x7 gain=3 thresh=.7 | {TREE_HEAD}",
    "region-tree-pjreddie": f"3x5x7 gain=3 fork=pj thresh=.5 | {TREE_HEAD}",
    "region-then-convolutional": f"3x5x7 | {BOXES} | region {ANCHORS} softmax=1 | {C4}",
}


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")  # connected-transposed-pjreddie
@pytest.mark.parametrize("name", CASES)
def test_layers_agree_with_darknet(name: str, tmp_path: Path) -> None:
    assert_case(name, CASES[name], tmp_path)


def test_the_comparison_can_fail(tmp_path: Path) -> None:
    got, _ = run(Case(CASES["convolutional-groups"].replace("pad=1", "pad=1 flipped=1"), tmp_path))
    with pytest.raises(AssertionError):
        assert_agrees(got, expected("convolutional-groups"))
