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
    resize: Literal["stretch", "letterbox"]  # src/detector.c test_detector
    planar_region: bool  # src/region_layer.c forward_region_layer: x, y and single classes go through logistic there
    top_of_tree: bool  # src/region_layer.c get_region_detections: the node where the walk down the tree stops
    xnor_pads_with_zero: bool  # src/convolutional_layer.c forward_convolutional_layer: else padding counts as -1
    xnor_folds_norm: bool  # src/network.c calculate_binary_weights: binarized after batch norm is folded in
    plain_recurrence: bool  # src/parser.c load_weights_upto, parse_rnn, parse_crnn: order, names and sizes of its own
    normed_without_bias: bool  # src/parser.c load_batchnorm_weights
    transposed: bool = False  # src/parser.c load_connected_weights: files of versions above 1000, of either fork


ALEXEYAB = Dialect(
    name="AlexeyAB",
    resize="stretch",
    planar_region=False,
    top_of_tree=False,
    xnor_pads_with_zero=False,
    xnor_folds_norm=True,
    plain_recurrence=False,
    normed_without_bias=False,
)
PJREDDIE = Dialect(
    name="pjreddie",
    resize="letterbox",
    planar_region=True,
    top_of_tree=True,
    xnor_pads_with_zero=True,
    xnor_folds_norm=False,
    plain_recurrence=True,
    normed_without_bias=True,
)
