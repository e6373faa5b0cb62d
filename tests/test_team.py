"""Batch norm over the images of several processes, against the same over all of them in one."""

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, multiprocessing, nn

from darkparse.modules.norm import CrossIterationNorm
from darkparse.training.team import Team, share_norms

SHARES = ([0, 2, 4], [1, 3])  # of five images, by process
ORDER = [0, 3, 1, 4, 2]  # of the images, where the shares stand one after the other
OF_IMAGES = 2  # results that have a row for each image; the others are sums over images, or statistics


def cases() -> list[tuple[nn.Module, Tensor, Tensor]]:
    """A norm, its input, and the gradient of its output."""
    shapes = {nn.BatchNorm1d(4): (5, 4), nn.BatchNorm2d(4): (5, 4, 3, 2), CrossIterationNorm(4): (5, 4, 3, 2)}
    generator = torch.Generator().manual_seed(3)
    return [(norm, *(torch.randn(2, *shape, generator=generator) * 2 + 1)) for norm, shape in shapes.items()]


def run(norm: Any, x: Tensor, gradient: Tensor) -> list[Tensor]:
    """Output and gradient of the input; gradients of the parameters; the running statistics."""
    x = x.clone().requires_grad_()
    y = norm(x)
    y.backward(gradient)
    return [y.detach(), x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]


def member(rank: int, folder: str) -> None:
    """One process of a team."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    results = []
    for norm, x, gradient in cases():
        share_norms(norm, Team(rank, 2))
        results.append(run(norm, x[SHARES[rank]], gradient[SHARES[rank]]))
    torch.save(results, f"{folder}/{rank}")
    dist.destroy_process_group()


def test_norms_see_the_images_of_all_processes(tmp_path: Path) -> None:
    multiprocessing.spawn(member, (str(tmp_path),), nprocs=2)
    team = [torch.load(tmp_path / str(rank)) for rank in range(2)]
    for number, case in enumerate(cases()):
        for place, whole in enumerate(run(*case)):
            parts = [one[number][place] for one in team]
            if place < OF_IMAGES:
                parts = [torch.cat(parts)[ORDER]]
            elif place < OF_IMAGES + 2:
                parts = [parts[0] + parts[1]]
            for part in parts:
                torch.testing.assert_close(part, whole, rtol=1e-5, atol=1e-5)
