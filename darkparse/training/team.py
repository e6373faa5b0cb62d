"""Several processes, on one machine or many, that train one network: what they share.

Each takes every n-th image of a mini-batch.  Batch norm sees the images of all, and gradients are summed over all, so
that the gradient is that of one process with the whole mini-batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..modules.norm import CrossIterationNorm

PATIENCE = timedelta(days=1)  # of the others while the leading process evaluates
LETTING_GO = 0.2  # s; gloo's threads free the last tensors with the interpreter's lock, and abort if that is at its end


class Team(NamedTuple):
    """This process among those that torchrun started."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on its machine
    local_size: int = 1  # processes there

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes files and speaks."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come this far."""
        if self.size > 1:
            dist.barrier()

    def agree(self, number: int) -> int:
        """The leading process's number."""
        numbers = [number]
        if self.size > 1:
            dist.broadcast_object_list(numbers)
        return numbers[0]

    def sum(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over all processes."""
        if self.size == 1:
            return
        parts = list(tensors)
        flat = torch.cat([part.flatten() for part in parts]) if parts else torch.empty(0)
        dist.all_reduce(flat)
        at = 0
        for part in parts:
            part.copy_(flat[at : at + part.numel()].view_as(part))
            at += part.numel()

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        if self.size == 1:
            return flag
        raised = torch.tensor(float(flag), device="cuda" if dist.get_backend() == "nccl" else "cpu")
        dist.all_reduce(raised)
        return bool(raised.item() > 0)


def join(device: str) -> Team:
    """The team that torchrun's environment describes; one alone without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size < 2:
        return Team()
    cuda = device != "cpu" and torch.cuda.is_available()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    place, places = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    team = Team(dist.get_rank(), size, place, places)
    if cuda:
        torch.cuda.set_device(team.local_rank)
    return team


def leave(team: Team) -> None:
    """End the team."""
    if team.size > 1 and dist.is_initialized():
        time.sleep(LETTING_GO)
        dist.destroy_process_group()


class Summed(torch.autograd.Function):
    """The sum over all processes, through which gradients flow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """`x` of each process to the sum in all of them."""
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Each process's `x` is in the sums of all."""
        return Summed.forward(ctx, gradients[0])


def summed(x: Tensor) -> Tensor:
    """The sum over all processes."""
    total: Tensor = Summed.apply(x)  # type: ignore[no-untyped-call]
    return total


class TeamNorm(_BatchNorm):
    """Batch norm over the images of all processes."""

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C)` or `(B, C, H, W)` to the same."""
        if not self.training:
            return super().forward(x)
        dims = (0, *range(2, x.ndim))
        count = x.new_tensor(x.numel() / x.shape[1], dtype=torch.float32)
        dist.all_reduce(count)
        rows = x.float().movedim(1, -1)  # channels last
        mean = summed(x.float().sum(dims)) / count
        centred = rows - mean
        variance = summed(centred.square().flatten(0, -2).sum(0)) / count
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        y: Tensor = centred * (self.weight * torch.rsqrt(variance + self.eps)) + self.bias
        return y.movedim(-1, 1).to(x.dtype)


class TeamNorm1d(TeamNorm, nn.BatchNorm1d):
    """That of [connected]."""


class TeamNorm2d(TeamNorm, nn.BatchNorm2d):
    """That of everything else."""


NORMS: dict[type, type] = {nn.BatchNorm1d: TeamNorm1d, nn.BatchNorm2d: TeamNorm2d}


def share_norms(module: nn.Module, team: Team) -> None:
    """Let every batch norm below `module` see the images of all processes; its tensors stay the same objects."""
    if team.size == 1:
        return
    for each in module.modules():
        each.__class__ = NORMS.get(type(each), type(each))
        if isinstance(each, CrossIterationNorm):
            each.share = reduced


def reduced(x: Tensor) -> Tensor:
    """The sum over all processes, in place."""
    dist.all_reduce(x)
    return x
