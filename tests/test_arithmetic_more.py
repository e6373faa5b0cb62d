"""Arithmetic of the sections that few or no official cfgs have; see arithmetic.py."""

from pathlib import Path

import pytest

import test_arithmetic
from arithmetic import assert_case, golden, section_of
from darkparse.registry import registered

C4 = "filters=4 size=3 pad=1 activation=leaky"
LRN = "6x3x4 | lrn alpha=.1"
FLAT = f"{C4} | connected output=108 activation=linear"
DETECTION = "detection classes=2 coords=4 num=2 side=3"

CASES = {  # as in test_arithmetic.py
    "activation": f"3x5x7 | {C4} | activation activation=tanh | {C4}",
    "activation-pjreddie": "3x5x7 fork=pj | activation activation=lhtan",
    "logistic": f"3x5x7 fork=pj | {C4} | logistic | {C4}",
    "batchnorm": f"3x5x7 | batchnorm | {C4}",
    "batchnorm-pjreddie": f"3x5x7 fork=pj | {C4} | batchnorm | {C4}",
    "batchnorm-of-connected": f"3x5x7 | {FLAT} | batchnorm",
    "batchnorm-dontloadscales-has-no-effect": f"3x5x7 | {C4} | batchnorm dontloadscales=1 | {C4}",
    "crop": f"3x7x10 | crop crop_height=4 crop_width=5 | {C4}",
    "crop-noadjust": "3x8x6 fork=pj | crop crop_height=5 crop_width=6 noadjust=1 flip=1 angle=7 shift=.2",
    "local": "3x6x9 | local filters=4 size=3 activation=leaky",
    "local-stride": f"3x6x9 | local filters=4 size=2 stride=2 | {C4}",
    "local-pad": "3x5x7 | local filters=4 size=5 pad=2 activation=elu",
    "local-pad-stride-pjreddie": "3x7x10 fork=pj | local filters=4 size=3 pad=1 stride=3 activation=leaky",
    **{f"normalization-size-{n}": f"{LRN} size={n} kappa=2" for n in range(1, 10)},
    "normalization": f"8x5x7 | {C4} | normalization | {C4}",
    "normalization-beta": f"{LRN} beta=.3 kappa=.7",
    "normalization-below-zero": "6x3x4 | lrn alpha=2 size=3",  # NaN where the sum that slides is negative
    "normalization-pjreddie": "6x3x4 fork=pj | normalization alpha=.1 size=4",
    "l2norm": f"3x5x7 fork=pj | {C4} | l2norm | {C4}",
    "deconvolutional": "3x4x5 fork=pj | deconvolutional filters=4 size=3",
    "deconvolutional-stride": f"3x4x5 fork=pj | deconvolutional filters=4 size=4 stride=2 padding=1 | {C4}",
    "deconvolutional-gaps": "3x4x5 fork=pj | deconvolutional filters=4 size=2 stride=3 activation=linear",
    "deconvolutional-pad-goes-before-padding": "3x4x5 fork=pj | deconv filters=4 size=3 stride=2 pad=1 padding=2",
    "deconvolutional-batch-normalize": f"3x4x5 fork=pj | {C4} | deconv filters=5 size=3 stride=2 pad=1 "
    "batch_normalize=1 activation=leaky",
    "implicit": f"3x5x7 | {C4} | implicit filters=5 atoms=4",
    "implicit-then-convolutional": f"3x5x7 | {C4} | implicit filters=5 atoms=4 mean=1 | {C4}",
    "empty": f"3x5x7 | {C4} | empty | {C4} | silence | shortcut from=1 activation=linear",
    "contrastive": "3x5x7 | filters=14 activation=linear | yolo classes=2 num=2 anchors=2.5,3,5,4 embedding_layer=0 | "
    "route layers=0 | contrastive classes=2 yolo_layer=-2",
    "history": f"3x5x7 steps=3 | {C4} | history history_size=3",
    "history-then-convolutional": f"3x5x7 steps=2 | {C4} | history | {C4}",
    "iseg": "3x5x7 fork=pj | filters=5 activation=linear | iseg classes=2 ids=3",
    "reorg-reverse-pjreddie": "8x3x5 fork=pj | reorg stride=2 reverse=1",
    "reorg-flatten": f"4x6x4 fork=pj | reorg stride=2 flatten=1 | {C4}",
    "reorg-flatten-reverse": f"8x3x5 fork=pj | reorg stride=2 flatten=1 reverse=1 | {C4}",
    "reorg-flatten-odd": f"3x6x4 fork=pj | reorg stride=2 flatten=1 | {C4}",
    "reorg-flatten-has-no-effect": f"4x6x4 | reorg stride=2 flatten=1 extra=5 | {C4}",
    "reorg-extra": "3x3x4 fork=pj | reorg extra=5 | connected output=9 activation=linear",
    "rnn": f"3x5x7 steps=4 | {C4} | rnn output=9 hidden=6",
    "rnn-batch-normalize": f"3x5x7 steps=4 | {C4} | rnn output=9 hidden=6 activation=leaky batch_normalize=1",
    **{
        f"rnn-logistic-{n}": f"3x5x7 steps=4 | {C4} | rnn output=9 hidden=6 activation=elu logistic={n} | connected "
        "output=5 activation=linear"
        for n in (1, 2)
    },
    "rnn-shortcut": f"3x5x7 steps=4 | {C4} | rnn output=9 hidden=6 activation=leaky shortcut=1",
    "rnn-pjreddie": f"3x5x7 steps=4 fork=pj | {C4} | rnn output=9 hidden=6 activation=leaky logistic=1",
    "rnn-shortcut-pjreddie": "3x5x7 steps=4 fork=pj | rnn output=9 activation=tanh batch_normalize=1 shortcut=1",
    "rnn-transposed": f"3x5x7 steps=4 minor=1001 | {C4} | rnn output=9 hidden=6 activation=leaky",
    "gru": f"3x5x7 steps=4 | {C4} | gru output=9",
    "gru-batch-normalize": f"3x5x7 steps=4 | {C4} | gru output=9 batch_normalize=1 | gru output=7",
    "gru-tanh-has-no-effect": f"3x5x7 steps=4 | {C4} | gru output=9 tanh=1",
    "gru-pjreddie": f"3x5x7 steps=4 fork=pj | {C4} | gru output=9 batch_normalize=1",
    "gru-tanh-pjreddie": f"3x5x7 steps=4 fork=pj | {C4} | gru output=9 tanh=1",
    "gru-transposed": f"3x5x7 steps=4 minor=1001 | {C4} | gru output=9",
    "lstm": f"3x5x7 steps=4 | {C4} | lstm output=9",
    "lstm-batch-normalize": f"3x5x7 steps=4 | {C4} | lstm output=9 batch_normalize=1 | lstm output=7",
    "lstm-pjreddie": f"3x5x7 steps=4 fork=pj | {C4} | lstm output=9 batch_normalize=1",
    "lstm-transposed-pjreddie": f"3x5x7 steps=4 fork=pj minor=1001 | {C4} | lstm output=9",
    "crnn-dilation": f"4x5x7 steps=3 | crnn output=4 hidden=6 size=3 pad=1 dilation=2 activation=elu | {C4}",
    "crnn-pjreddie": f"4x5x5 steps=3 fork=pj | crnn output_filters=4 hidden_filters=6 output=3 hidden=2 size=5 "
    f"batch_normalize=1 activation=leaky | {C4}",
    "crnn-shortcut-pjreddie": "4x5x5 steps=3 fork=pj | crnn output_filters=4 hidden_filters=3 shortcut=1",
    "conv_lstm": "3x5x7 steps=4 | conv_lstm output=4 pad=1",
    "conv_lstm-batch-normalize": f"3x5x7 steps=4 | conv_lstm output=4 pad=1 batch_normalize=1 activation=leaky | {C4}",
    "conv_lstm-peephole": "3x5x7 steps=4 gain=2 | conv_lstm output=4 pad=1 peephole=1 batch_normalize=1",
    "conv_lstm-state-constrain": "3x5x7 steps=6 gain=3 | conv_lstm output=4 pad=1 peephole=1 state_constrain=1",
    "conv_lstm-groups": f"3x5x7 steps=3 | {C4} | conv_lstm output=4 size=5 groups=2 dilation=2 pad=1 activation=mish",
    "detection": f"3x5x7 gain=2 thresh=.3 | {FLAT} | {DETECTION}",
    "detection-softmax": f"3x5x7 gain=2 thresh=.3 | {FLAT} | {DETECTION} softmax=1",
    "detection-sqrt": f"3x5x7 gain=2 thresh=.1 nms=.02 | {FLAT} | {DETECTION} sqrt=1 softmax=1",
    "detection-pjreddie": f"3x5x7 gain=2 thresh=.1 nms=.2 fork=pj | {FLAT} | {DETECTION} sqrt=1",
    "detection-softmax-pjreddie": f"3x5x7 gain=2 thresh=.2 fork=pj | {FLAT} | {DETECTION} softmax=1",
    "detection-of-cells": f"3x3x3 thresh=.2 | filters=12 size=3 pad=1 activation=linear | {DETECTION}",
    "detection-then-connected": f"3x5x7 | {FLAT} | {DETECTION} softmax=1 | connected output=9 activation=linear",
}
ALL = test_arithmetic.CASES | CASES


@pytest.mark.filterwarnings("ignore::darkparse.errors.OddHeader")  # lstm-transposed-pjreddie
@pytest.mark.parametrize("name", CASES)
def test_layers_agree_with_darknet(name: str, tmp_path: Path) -> None:
    assert_case(name, CASES[name], tmp_path)


def test_every_number_is_compared() -> None:
    boxes = {f"{name}.boxes" for name, text in ALL.items() if "thresh=" in text}
    assert set(golden()) == set(ALL) - {"activation-relu6"} | boxes


def test_no_case_hides_another() -> None:
    assert len(ALL) == len(CASES) + len(test_arithmetic.CASES)


def test_every_section_has_a_case() -> None:
    parts = (part.split() for text in ALL.values() for part in text.split(" | ")[1:])
    sections = registered()
    named = {sections[section_of(words)].section for words in parts}
    assert named == {cls.section for cls in sections.values()}
