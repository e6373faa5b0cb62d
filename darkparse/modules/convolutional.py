"""The module of [convolutional], plain, binary and blurred."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .activation import activation
from .gradient import straight_through
from .norm import BATCH_NORM_EPS, BATCH_NORM_MOMENTUM, CrossIterationNorm

if TYPE_CHECKING:
    from ..layers.convolutional import Convolutional


class ConvNormAct(nn.Module):
    """Convolution, batch norm if asked for, activation: `(B, C, H, W)` to `(B, filters, h, w)`."""

    def __init__(self, layer: Convolutional, channels: int) -> None:
        super().__init__()
        normed = bool(layer.batch_normalize or layer.cbn)
        self.conv = nn.Conv2d(
            channels,
            layer.filters,
            layer.size,
            (1, 1) if layer.antialiasing else layer.strides,
            layer.margin * layer.spread,
            layer.spread,
            layer.parts,
            bias=not normed,
        )
        self.norm: nn.Module = nn.Identity()
        if layer.crosses_iterations:
            self.norm = CrossIterationNorm(layer.filters)
        elif normed:
            self.norm = nn.BatchNorm2d(layer.filters, BATCH_NORM_EPS, BATCH_NORM_MOMENTUM)
        self.activation = activation("linear" if layer.xnor and layer.bin_output else layer.activation)

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        y: Tensor = self.activation(self.norm(self.conv(x)))
        return y

    def share(self, other: nn.Module) -> None:
        """Use the tensors of `other`, keeping stride, dilation and activation."""
        other = getattr(other, "layer", other)  # behind a blur
        assert isinstance(other, ConvNormAct)
        self.conv.weight, self.conv.bias, self.norm = other.conv.weight, other.conv.bias, other.norm


class XnorConvNormAct(ConvNormAct):
    """Signs times signs: weights become +-mean|w| of their filter, inputs +-1.

    In training the gradient goes to the weights as if they were the signs, and to inputs between -1 and 1.
    Source: src/network.c fuse_conv_batchnorm, calculate_binary_weights, and for training
    src/convolutional_kernels.cu backward_convolutional_layer_gpu (AlexeyAB 59596d7);
    src/convolutional_layer.c forward_convolutional_layer (pjreddie f6afaab)
    """

    def __init__(self, layer: Convolutional, channels: int) -> None:
        super().__init__(layer, channels)
        self.folds, self.border = layer.dialect.xnor_folds_norm, 0.0 if layer.dialect.xnor_pads_with_zero else -1.0

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        if self.training:
            return self.train_step(x)
        factor, shift, weight = self.affine()
        padded = self.padded(signs(x), self.border)
        y = F.conv2d(padded, weight, None, self.conv.stride, 0, self.conv.dilation, self.conv.groups)
        result: Tensor = self.activation(y * factor + shift)
        return result

    def affine(self) -> tuple[Tensor, Tensor, Tensor]:
        """For inference: by what sums of signs are multiplied, what is added, `(filters, 1, 1)` each, and the signs.

        The sums are integers, the same in whatever order they are made.
        """
        norm = self.norm if isinstance(self.norm, nn.BatchNorm2d) else None
        weight, shift = self.conv.weight, self.conv.bias
        if norm is not None and self.folds:
            weight, shift = fold(weight, shift, norm)
        factor = weight.abs().mean((1, 2, 3), keepdim=True)
        if norm is not None and not self.folds:
            factor, shift = fold(factor, shift, norm)
        assert shift is not None
        return factor[:, 0], shift[:, None, None], signs(weight)

    def train_step(self, x: Tensor) -> Tensor:
        """One batch in training."""
        conv = self.conv
        mean = conv.weight.abs().mean((1, 2, 3), keepdim=True)
        weight = straight_through(signs(conv.weight) * mean, conv.weight)
        padded = self.padded(straight_through(signs(x), F.hardtanh(x)), 0.0)
        y: Tensor = self.activation(
            self.norm(F.conv2d(padded, weight, conv.bias, conv.stride, 0, conv.dilation, conv.groups))
        )
        return y

    def padded(self, x: Tensor, value: float) -> Tensor:
        """`x` with a border of `value`."""
        assert isinstance(self.conv.padding, tuple)
        down, across = self.conv.padding
        return F.pad(x, (across, across, down, down), value=value)


def signs(x: Tensor) -> Tensor:
    """1 above 0, else -1."""
    return torch.where(x > 0, 1.0, -1.0).to(x.dtype)


def fold(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weights and biases of a convolution that does what it and `norm` do; the factors are computed in float64.

    Source: src/network.c fuse_conv_batchnorm (AlexeyAB 59596d7)
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if bias is not None:
        shift = shift + bias.double() * scale
    return weight * scale.to(weight.dtype)[:, None, None, None], shift.to(weight.dtype)
