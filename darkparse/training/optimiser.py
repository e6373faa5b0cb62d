"""From gradients to new weights, by Darknet's rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..graph import Graph, Node
from ..network import Network
from ..weights import tensors
from .freezing import updated

CENTRED = 32  # weights of a filter must be a multiple of it; src/blas_kernels.cu gradient_centralization_gpu


class Rule(NamedTuple):
    """What parameters of several layers may have in common."""

    learning_rate: float  # times that of the iteration
    decays: bool
    dont_update: int
    burnin_update: int

    def is_due(self, iteration: int, burn_in: int) -> bool:
        """Whether they change after this iteration; until then gradients add up.  Source: update_network_gpu."""
        return self.dont_update < iteration and self.burnin_update * burn_in <= iteration


class Optimiser:
    """SGD or, with adam=1, Adam, on the sums of gradients over a batch.

    untrained: the layers with weights that Darknet never changes
    Source: src/network_kernels.cu update_network_gpu, src/convolutional_kernels.cu update_convolutional_layer_gpu,
    src/blas_kernels.cu adam_update_gpu (AlexeyAB 59596d7); which weights decay: its C code
    """

    def __init__(self, network: Network) -> None:
        graph, self.net = network.graph, network.graph.net
        owned: dict[int, dict[str, nn.Parameter]] = {node.index: {} for node in graph.nodes}
        for slot, tensor in tensors(network):
            if isinstance(tensor, nn.Parameter):
                owned[slot.node.index][slot.stored.name] = tensor
        nodes = updated(graph)
        self.rules = grouped(nodes, owned)
        self.parameters = [one for group in self.rules.values() for one in group]
        self.inner = self.create()
        self.again = shared(graph, nodes, owned)
        weights = [(node, owned[node.index]["weights"]) for node in nodes if "weights" in owned[node.index]]
        self.centred = [w for node, w in weights if node.layer.centres_gradients and w[0].numel() % CENTRED == 0]
        self.clipped = [(w, node.layer.clip) for node, w in weights if node.layer.clip]
        self.held: dict[nn.Parameter, Tensor] = {}  # gradients of what is not yet due
        self.untrained = [
            f"layer {node.index} [{node.layer.section}]"
            for node in graph.nodes
            if owned[node.index] and not node.layer.is_trained
        ]

    def create(self) -> torch.optim.Optimizer:
        """PyTorch's own, with a group for each rule."""
        groups = [{"params": group} for group in self.rules.values()]
        if not self.net.adam:
            return torch.optim.SGD(groups, lr=0.0, momentum=self.net.momentum)
        adam = torch.optim.Adam(groups, lr=0.0, betas=(self.net.B1, self.net.B2), eps=self.net.eps)
        for one in self.parameters:  # now, as its count of steps is Darknet's of batches
            adam.state[one] = {
                "step": torch.zeros(()),
                "exp_avg": torch.zeros_like(one),
                "exp_avg_sq": torch.zeros_like(one),
            }
        return adam

    @torch.no_grad()
    def step(self, rate: float, batch: int, iteration: int) -> None:
        """Change the weights, and forget the gradients.

        Args:
            rate: the learning rate
            batch: images whose gradients were added up in `.grad`
            iteration: which this is, from 1: batches by images seen
        """
        for rule, group in zip(self.rules, self.inner.param_groups, strict=True):
            group["lr"] = rate * rule.learning_rate / (1 if self.net.adam else batch)
            group["weight_decay"] = self.net.decay * batch if rule.decays or self.net.adam else 0.0
            self.collect(group["params"], rule.is_due(iteration, self.net.burn_in))
        self.centre()
        self.advance(iteration)
        for parameters in self.again:
            self.inner.zero_grad()
            for one in parameters:
                one.grad = torch.zeros_like(one)
            self.advance(iteration)
        self.inner.zero_grad()
        for one, limit in self.clipped:
            one.clamp_(-limit, limit)

    def collect(self, parameters: list[nn.Parameter], is_due: bool) -> None:
        """Give each its gradient, 0 where none reached it; where it is not due, put it by."""
        for one in parameters:
            gradient, one.grad = one.grad, None
            if one in self.held:
                gradient = self.held.pop(one) if gradient is None else self.held.pop(one) + gradient
            if is_due:
                one.grad = torch.zeros_like(one) if gradient is None else gradient
            elif gradient is not None:
                self.held[one] = gradient

    def centre(self) -> None:
        """Take the mean of each filter from its gradient and its momentum.  Source: gradient_centralization_gpu."""
        for one in self.centred:
            for values in (one.grad, self.inner.state[one].get("momentum_buffer")):
                if values is not None:
                    values.sub_(values.mean((1, 2, 3), keepdim=True))

    def advance(self, iteration: int) -> None:
        """One step of PyTorch's."""
        for state in self.inner.state.values():
            if "step" in state:
                state["step"].fill_(iteration - 1)
        self.inner.step()

    def state_dict(self) -> dict[str, Any]:
        """Momentum or moments, and gradients put by, by the number of the parameter."""
        held = {number: self.held[one] for number, one in enumerate(self.parameters) if one in self.held}
        return {"state": self.inner.state_dict()["state"], "held": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave; rates and decay are the cfg's."""
        self.inner.load_state_dict({"state": state["state"], "param_groups": self.inner.state_dict()["param_groups"]})
        self.held = {
            self.parameters[number]: gradient.to(self.parameters[number].device)
            for number, gradient in state["held"].items()
        }


def grouped(nodes: list[Node], owned: dict[int, dict[str, nn.Parameter]]) -> dict[Rule, list[nn.Parameter]]:
    """The parameters of layers by the rule that they follow."""
    groups: dict[Rule, list[nn.Parameter]] = {}
    for node in nodes:
        layer = node.layer
        for name, one in owned[node.index].items():
            rule = Rule(layer.learning_rate, name == "weights", layer.dont_update, layer.burnin_update)
            groups.setdefault(rule, []).append(one)
    return groups


def shared(graph: Graph, nodes: list[Node], owned: dict[int, dict[str, nn.Parameter]]) -> list[list[nn.Parameter]]:
    """Parameters that are updated again after the first time: once for each layer that uses those of another.

    Source: update_network_gpu, src/convolutional_layer.c make_convolutional_layer with `share_layer`
    """
    rounds: list[list[nn.Parameter]] = []
    times: dict[int, int] = {}
    for node in nodes:
        root = node
        while root.shares is not None:
            root = graph.nodes[root.shares]
        if root is not node and root in nodes:
            at = times.setdefault(root.index, 0)
            times[root.index] += 1
            rounds += [[]] * (at == len(rounds))
            rounds[at] = rounds[at] + list(owned[root.index].values())
    return rounds
