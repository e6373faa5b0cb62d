"""The module of [route]."""

import torch
from torch import Tensor, nn


class Join(nn.Module):
    """Concatenates group `group_id` of the channels of each input."""

    def __init__(self, groups: int, group_id: int) -> None:
        super().__init__()
        self.groups, self.group_id = groups, group_id

    def forward(self, *inputs: Tensor) -> Tensor:
        """`(B, C_i, H, W)` each, to `(B, sum C_i / groups, H, W)`."""
        parts = [x.chunk(self.groups, dim=1)[self.group_id] for x in inputs] if self.groups > 1 else list(inputs)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
