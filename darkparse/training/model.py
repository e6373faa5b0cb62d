"""A network as training runs it: Darknet's gradients, not always those of what it computes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..graph import IMAGE, Node
from ..modules.gradient import straight_through
from ..network import Network
from .freezing import first_running, stop, updated


class Trainable(nn.Module):
    """Runs a network in training; what autograd then leaves in `.grad` is minus Darknet's sums.

    Source: src/network_kernels.cu forward_network_gpu, backward_network_gpu (AlexeyAB 59596d7)
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.graph = network.graph
        self.minibatch = 0
        network.requires_grad_(False)
        for node in updated(self.graph):
            network.layers[node.index].requires_grad_(True)
        self.train()

    def train(self, mode: bool = True) -> Trainable:
        """As of any module; batch norm of frozen layers keeps to its running statistics."""
        super().train(mode)
        for layer in self.network.layers[: first_running(self.graph)]:
            for module in layer.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.eval()
        return self

    def begin(self) -> None:
        """What comes next is the first mini-batch of a batch."""
        self.minibatch = 0

    def forward(self, images: Tensor, iteration: int = 1) -> dict[int, Tensor]:
        """The outputs that have a cost, by the index of their layer; each can be given a gradient.

        Args:
            images: `(B, C, H, W)`, 0..1
            iteration: of this batch, from 1
        Returns:
            of a head its raw values, `(B, C_i, h_i, w_i)`; of [softmax] probabilities; of [cost] its input
        """
        self.tell(iteration)
        last = stop(self.graph, iteration)
        alive = {IMAGE: images}
        results: dict[int, Tensor] = {}
        for node, step, module in zip(self.graph.nodes, self.graph.steps, self.network.layers, strict=True):
            inputs = [alive[source] for source in step.sources]
            with torch.set_grad_enabled(node.index > last and not node.layer.onlyforward):
                output: Tensor = module(*inputs)
            if node.layer.has_cost:
                results[node.index] = output if output.requires_grad else output.detach().requires_grad_()
            if node.head is not None:  # for later readers, whose gradient it passes on as it is
                output = straight_through(node.head.stored(output.detach()), output)
            keep(node, output, alive)
            for source in step.dead:
                del alive[source]
        return results

    def tell(self, iteration: int) -> None:
        """Let the modules that want to know how far training is."""
        self.minibatch += 1
        progress = (iteration - 1) / max(1, self.graph.net.max_batches)
        for module in self.network.modules():
            if at := getattr(module, "at", None):
                at(progress, self.minibatch)


def keep(node: Node, output: Tensor, alive: dict[int, Tensor]) -> None:
    """Put the output of a layer, and what becomes of its input, where later readers find them."""
    alive[node.index] = output
    for source in node.sources:
        if node.layer.in_place:
            alive[source] = output
        if node.layer.overwrites:
            alive[source] = alive[source].detach()
