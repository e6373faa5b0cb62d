"""Batch norm, over one mini-batch or over those of a batch."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-5  # src/blas.c normalize_cpu (AlexeyAB 59596d7)
BATCH_NORM_MOMENTUM = 0.01  # src/batchnorm_layer.c forward_batchnorm_layer_gpu


class _Normalize(torch.autograd.Function):
    """Batch norm with given statistics, and the gradient as if they were the mini-batch's own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, means: tuple[Tensor, Tensor]) -> Tensor:
        """`(B, C, H, W)` to the same; `means`: mean and variance."""
        mean, var = means
        factor = (var + BATCH_NORM_EPS).rsqrt()
        ctx.save_for_backward(x, weight, mean, factor)
        return F.batch_norm(x, mean, var, weight, bias, eps=BATCH_NORM_EPS)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of the input, the scales and the biases."""
        x, weight, mean, factor = ctx.saved_tensors
        normed = (x - _wide(mean)) * _wide(factor)
        scales, biases = (gradient * normed).sum((0, 2, 3)), gradient.sum((0, 2, 3))
        values = x.numel() // x.shape[1]
        left = gradient - _wide(biases / values) - normed * _wide(scales / values)
        return left * _wide(weight * factor), scales, biases, None


class CrossIterationNorm(nn.BatchNorm2d):
    """Batch norm with the mean statistics of the mini-batches of a batch so far.

    Source: src/batchnorm_layer.c forward_batchnorm_layer_gpu, src/blas_kernels.cu fast_v_cbn_kernel (AlexeyAB 59596d7)
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
        self.minibatch = 1
        self.means = torch.empty(2, 0)  # (2, C): of the values and of their squares, over mini-batches

    def at(self, progress: float, minibatch: int) -> None:
        """What comes next is mini-batch `minibatch`, from 1, of a batch."""
        self.minibatch = minibatch

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        if not self.training:
            return super().forward(x)
        result: Tensor = _Normalize.apply(x, self.weight, self.bias, self.gather(x))  # type: ignore[no-untyped-call]
        return result

    @torch.no_grad()
    def gather(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Take a mini-batch into the means; mean and variance, `(C,)` each, that they come to."""
        assert self.running_mean is not None
        assert self.running_var is not None
        x = x.float()
        mean = x.mean((0, 2, 3))
        square = torch.maximum(x.square().sum((0, 2, 3)) / (x.numel() // x.shape[1] - 1), mean.square())
        means = torch.stack([mean, square])
        self.means = means if self.minibatch == 1 else self.means.lerp(means, 1 / self.minibatch)
        mean, var = self.means[0], (self.means[1] - self.means[0].square()).clamp(min=0)
        self.running_mean.lerp_(mean, BATCH_NORM_MOMENTUM)
        self.running_var.lerp_(var, BATCH_NORM_MOMENTUM)
        return mean, var


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None]
