"""The activations that a cfg can name.  Source: src/activations.c get_activation (AlexeyAB 59596d7)."""

from collections.abc import Iterator

CONVOLUTIONAL = ("hard_mish", "normalize_channels", "normalize_channels_softmax", "normalize_channels_softmax_maxval")
ELSEWHERE = ("swish", "mish", *CONVOLUTIONAL)  # outside [convolutional] Darknet gives 0 for them, on a GPU too


def lacking(name: str, names: tuple[str, ...]) -> Iterator[str]:
    """What is odd about `activation=name` in a section where Darknet lacks `names`."""
    if name in names:
        yield f"activation={name}: Darknet gives 0 for it in this section; its value is taken"


NAMES = (
    "linear",
    "logistic",
    "loggy",
    "relu",
    "relu6",
    "elu",
    "selu",
    "gelu",
    "relie",
    "ramp",
    "revleaky",
    "leaky",
    "tanh",
    "plse",
    "stair",
    "hardtan",
    "lhtan",
    "swish",
    "mish",
    "hard_mish",
    "normalize_channels",
    "normalize_channels_softmax",
    "normalize_channels_softmax_maxval",
)
