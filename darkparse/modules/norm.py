"""Batch norm, over one mini-batch or over those of a batch."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Share = Callable[[Tensor], Tensor]  # from sums of one process to those of all that share a mini-batch

BATCH_NORM_EPS = 1e-5  # src/blas.c normalize_cpu (AlexeyAB 59596d7)
BATCH_NORM_MOMENTUM = 0.01  # src/batchnorm_layer.c forward_batchnorm_layer_gpu


class _Normalize(torch.autograd.Function):
    """Batch norm with given statistics, and the gradient as if they were the mini-batch's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, given: tuple[Tensor, Tensor, Share]) -> Tensor:
        """`(B, C, H, W)` to the same; `given`: mean and variance, and how sums are shared."""
        mean, var, ctx.share = given
        factor = (var + BATCH_NORM_EPS).rsqrt()
        ctx.save_for_backward(x, weight, mean, factor)
        return F.batch_norm(x, mean, var, weight, bias, eps=BATCH_NORM_EPS)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of the input, the scales and the biases."""
        x, weight, mean, factor = ctx.saved_tensors
        normed = (x - _wide(mean)) * _wide(factor)
        scales, biases = (gradient * normed).sum((0, 2, 3)), gradient.sum((0, 2, 3))
        all_biases, all_scales, values = ctx.share(torch.stack([biases, scales, _count(x)]))
        left = gradient - _wide(all_biases / values) - normed * _wide(all_scales / values)
        return left * _wide(weight * factor), scales, biases, None


class CrossIterationNorm(nn.BatchNorm2d):
    """Batch norm with the mean statistics of the mini-batches of a batch so far.

    share: makes sums over this process's images those over all of a mini-batch
    Source: src/batchnorm_layer.c forward_batchnorm_layer_gpu, src/blas_kernels.cu fast_v_cbn_kernel (AlexeyAB 59596d7)
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
        self.minibatch = 1
        self.share: Share = _alone
        self.means = torch.empty(2, 0)  # (2, C): of the values and of their squares, over mini-batches

    def at(self, progress: float, minibatch: int) -> None:
        """What comes next is mini-batch `minibatch`, from 1, of a batch."""
        self.minibatch = minibatch

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        if not self.training:
            return super().forward(x)
        given = *self.gather(x), self.share
        result: Tensor = _Normalize.apply(x, self.weight, self.bias, given)  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def gather(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take a mini-batch into the means; mean and variance, `(C,)` each, that they come to."""
        assert self.running_mean is not None
        assert self.running_var is not None
        x = x.float()
        total, squares, values = self.share(torch.stack([x.sum((0, 2, 3)), x.square().sum((0, 2, 3)), _count(x)]))
        mean = total / values
        square = torch.maximum(squares / (values - 1), mean.square())
        means = torch.stack([mean, square])
        self.means = means if self.minibatch == 1 else self.means.lerp(means, 1 / self.minibatch)
        mean, var = self.means[0], (self.means[1] - self.means[0].square()).clamp(min=0)
        self.running_mean.lerp_(mean, BATCH_NORM_MOMENTUM)
        self.running_var.lerp_(var, BATCH_NORM_MOMENTUM)
        return mean, var


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None]


def _count(x: Tensor) -> Tensor:
    """`(C,)` how many values each channel has."""
    return x.new_full((x.shape[1],), x.numel() // x.shape[1], dtype=torch.float32)


def _alone(sums: Tensor) -> Tensor:
    return sums
