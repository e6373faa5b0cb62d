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
    planar_region: bool  # src/region_layer.c forward_region_layer: x, y and single classes go through logistic there
    top_of_tree: bool  # src/region_layer.c get_region_detections: the node where the walk down the tree stops
    xnor_pads_with_zero: bool  # src/convolutional_layer.c forward_convolutional_layer: else padding counts as -1
    xnor_folds_norm: bool  # src/network.c calculate_binary_weights: binarized after batch norm is folded in
    transposed: bool = False  # src/parser.c load_connected_weights: files of versions above 1000, of either fork


ALEXEYAB = Dialect("AlexeyAB", "stretch", False, False, False, True)
PJREDDIE = Dialect("pjreddie", "letterbox", True, True, True, False)
