"""The few places where the same section means different things in the two Darknets.

AlexeyAB's fork decides by default; a .weights header that names its writer decides otherwise.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Dialect:
    """What a fork does its own way.

    Source: AlexeyAB/darknet 59596d7 and pjreddie/darknet f6afaab, functions named beside each field.
    """

    name: str
    resize: Literal["stretch", "letterbox"]  # src/detector.c test_detector; examples/detector.c
    crops_for_classes: bool  # predict_classifier: the middle of the image, else letterboxed
    leaves_only: bool  # predict_classifier: of a class tree only the leaves count
    planar_region: bool  # src/region_layer.c forward_region_layer: x, y and single classes go through logistic there
    top_of_tree: bool  # src/region_layer.c get_region_detections: the node where the walk down the tree stops
    xnor_pads_with_zero: bool  # src/convolutional_layer.c forward_convolutional_layer: else padding counts as -1
    xnor_folds_norm: bool  # src/network.c calculate_binary_weights: binarized after batch norm is folded in
    plain_recurrence: bool  # src/parser.c load_weights_upto, parse_rnn, parse_crnn: order, names and sizes of its own
    normed_without_bias: bool  # src/parser.c load_batchnorm_weights
    plain_reorg: bool  # src/parser.c parse_reorg_old: `flatten` and `extra` have no effect
    valid_thresh: float  # src/detector.c; examples/detector.c validate_detector: the least score that is written
    valid_nms: float  # and the overlap above which the weaker box goes
    transposed: bool = False  # src/parser.c load_connected_weights: files of versions above 1000, of either fork


ALEXEYAB = Dialect(
    name="AlexeyAB",
    resize="stretch",
    crops_for_classes=True,
    leaves_only=False,
    planar_region=False,
    top_of_tree=False,
    xnor_pads_with_zero=False,
    xnor_folds_norm=True,
    plain_recurrence=False,
    normed_without_bias=False,
    plain_reorg=True,
    valid_thresh=0.001,
    valid_nms=0.6,
)
PJREDDIE = Dialect(
    name="pjreddie",
    resize="letterbox",
    crops_for_classes=False,
    leaves_only=True,
    planar_region=True,
    top_of_tree=True,
    xnor_pads_with_zero=True,
    xnor_folds_norm=False,
    plain_recurrence=True,
    normed_without_bias=True,
    plain_reorg=False,
    valid_thresh=0.005,
    valid_nms=0.45,
)
