"""The losses of [softmax] and [cost]: what a classifier learns from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import DarkparseError
from ..layers.cost import Cost
from ..layers.softmax import Softmax
from ..tree import NOT_MEANT
from .base import Moment, Scored

SMALLEST = torch.finfo(torch.float32).tiny  # probability: a smaller one has no finite loss, but a good gradient


class SoftmaxLoss:
    """Cross-entropy of probabilities.

    Source: src/softmax_layer.c forward_softmax_layer_gpu, src/blas_kernels.cu softmax_x_ent_kernel (AlexeyAB 59596d7)
    """

    def __init__(self, layer: Softmax, true_gradient: bool = False) -> None:
        self.layer = layer

    @torch.no_grad()
    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """See `Loss`; delta is with respect to what the softmax reads, as if its temperature were 1.

        With `noloss` all is 0: Darknet still counts the layer in the mean of costs that it prints.
        """
        if self.layer.noloss:
            return Scored(torch.zeros_like(output), output.new_zeros(()), {})
        wanted = matching(self.layer, output, truth)
        delta, cost = wanted - output, torch.where(wanted == 0, 0.0, -output.clamp_min(SMALLEST).log())
        if self.layer.tree:
            delta, cost = (x.masked_fill(wanted == NOT_MEANT, 0.0) for x in (delta, cost))
        return Scored(delta, cost.sum(), {})


def matching(layer: Softmax | Cost, output: Tensor, truth: Tensor) -> Tensor:
    """The truth in the shape of the output.  Raises DarkparseError where the numbers of classes differ."""
    if truth[0].numel() != output[0].numel():
        raise DarkparseError(
            f"[{layer.section}]: gives {output[0].numel()} values for an image, but the truth has {truth[0].numel()} "
            "classes; expected as many"
        )
    return truth.to(output.device).reshape(output.shape)


class CostLoss:
    """Distance of values from what they should be.

    `ratio` changes nothing, as in both Darknets, which set the threshold that it finds to 0.
    Source: src/cost_layer.c forward_cost_layer_gpu (AlexeyAB 59596d7; `L1`, `seg`, `noobj` and `thresh` pjreddie
        f6afaab, but for `masked`, which masks another layer's delta there)
    """

    def __init__(self, layer: Cost, true_gradient: bool = False) -> None:
        """Raises ValueError where the type cannot be trained with."""
        if layer.type == "wgan":
            raise ValueError("type=wgan compares two networks; expected another type to train one")
        self.layer = layer

    @torch.no_grad()
    def __call__(self, output: Tensor, truth: Tensor, moment: Moment) -> Scored:
        """See `Loss`; delta includes `scale`, which the cost does not."""
        layer, wanted = self.layer, matching(self.layer, output, truth)
        delta, cost = DISTANCES.get(layer.type, squared)(wanted - output)
        if layer.type == "masked":
            delta, cost = (x.masked_fill(wanted == NOT_MEANT, 0.0) for x in (delta, cost))
        if layer.type == "seg":
            delta, cost = (torch.where(wanted == 0, x * layer.noobj, x) for x in (delta, cost))
        delta = torch.where(delta**2 < (layer.thresh / output[0].numel()) ** 2, 0.0, delta)
        return Scored(delta * layer.scale, cost.sum(), {})


def squared(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Delta and cost.  Source: src/blas_kernels.cu l2_kernel."""
    return difference, difference**2


def smooth(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Delta and cost, no steeper than 1.  Source: src/blas_kernels.cu smooth_l1_kernel."""
    size = difference.abs()
    return difference.clamp(-1, 1), torch.where(size < 1, difference**2, 2 * size - 1)


def absolute(difference: Tensor) -> tuple[Tensor, Tensor]:
    """Delta and cost; nothing pulls at what is right by 0, but for -1.  Source: src/blas_kernels.cu l1_kernel."""
    return torch.where(difference > 0, 1.0, -1.0), difference.abs()


DISTANCES: dict[str, Callable[[Tensor], tuple[Tensor, Tensor]]] = {"smooth": smooth, "L1": absolute}
