"""Gradients as Darknet computes them, where they are not those of what it computes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _StraightThrough(torch.autograd.Function):
    """The first input forwards, the second backwards."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, source: Tensor) -> Tensor:
        """The value."""
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        """All of it to the source."""
        return None, gradient


class _Given(torch.autograd.Function):
    """A function, and what its output's gradient is multiplied by, computed from the output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> Tensor:
        """The function's value."""
        y = function(x)
        ctx.slope = slope
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Times the slope."""
        (y,) = ctx.saved_tensors
        return gradient * ctx.slope(y), None, None


def straight_through(value: Tensor, source: Tensor) -> Tensor:
    """`value`; its gradient goes to `source`, of the same shape, as if it were that."""
    result: Tensor = _StraightThrough.apply(value.detach(), source)  # type: ignore[no-untyped-call]
    return result


def with_slope(x: Tensor, function: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> Tensor:
    """`function(x)`; its gradient is multiplied by `slope` of it."""
    result: Tensor = _Given.apply(x, function, slope)  # type: ignore[no-untyped-call]
    return result
