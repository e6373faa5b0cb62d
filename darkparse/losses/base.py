"""What every loss takes and gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor


class Moment(NamedTuple):
    """Where in a run a mini-batch stands."""

    width: int  # px of the network's input, of this mini-batch
    height: int
    seen: int  # images, with this mini-batch's


class Scored(NamedTuple):
    """What a loss says of one mini-batch.

    delta: of the shape of the layer's output: Darknet's `l.delta`, minus the gradient, summed, not averaged;
    cost: `()` Darknet's `*l.cost`, for display: no gradient comes from it;
    terms: `()` each, what Darknet prints beside it, by name
    """

    delta: Tensor
    cost: Tensor
    terms: dict[str, Tensor]


class Loss(Protocol):
    """The loss of one layer."""

    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """Compare what the layer's module gave with the truth; nothing is recorded for autograd.

        Args:
            output: `(B, C, h, w)`: of a head the raw values, of [softmax] the probabilities, of [cost] its input
            truth: of boxes `(B, M, 5)`: centre, width and height relative to the input, 0..1, and the class; rows
                behind the last are 0.  Of classes `(B, K)`: the probability of each
        """
        ...
