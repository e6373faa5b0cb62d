"""adversarial_lr: images moved so that the network overlooks what is in them, before it learns from them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ..layers.yolo import AnchorHead, Yolo
from ..losses import Loss, Moment
from ..net import Net
from .model import Trainable

SURE = 0.25  # a class that is likelier counts as seen; src/yolo_layer.c process_batch


def is_wanted(net: Net, iteration: int, draw: float) -> bool:
    """Whether a mini-batch of an iteration, from 1, is to be moved: with probability 1/2, after the burn-in.

    Args:
        draw: a random number, 0..1
    Source: src/network_kernels.cu train_network_datum_gpu (AlexeyAB 59596d7)
    """
    return bool(net.adversarial_lr) and draw < 1 / 2 and iteration - 1 > net.burn_in


def moved(
    model: Trainable, losses: Mapping[int, Loss], images: Tensor, truth: Tensor, where: tuple[Moment, int]
) -> Tensor:
    """The images, `(B, C, H, W)` 0..1, one step along the gradient towards a truth without objects.

    Batch norm keeps to its running statistics, and no parameter gets a gradient.

    Args:
        truth: of the mini-batch; only its shape counts
        where: the moment, and the iteration, from 1
    Source: src/network_kernels.cu train_network_datum_gpu, backward_network_gpu (AlexeyAB 59596d7)
    """
    moment, iteration = where
    nodes, net = model.graph.nodes, model.graph.net
    start, minibatch = images.detach().requires_grad_(), model.minibatch
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eval()
    try:
        outputs = model(start, iteration)
    finally:
        model.train().minibatch = minibatch
    deltas = []
    for index, output in outputs.items():
        layer, raw = nodes[index].layer, output.detach()
        if isinstance(layer, AnchorHead):
            delta = overlooking(layer, raw, moment) * layer.delta_normalizer
        else:
            delta = losses[index](raw, torch.zeros_like(truth), moment).delta
        deltas.append(-delta.to(raw.dtype))
    (gradient,) = torch.autograd.grad(list(outputs.values()), start, deltas, allow_unused=True)
    if gradient is None:
        return images
    rate = net.adversarial_lr * (iteration - 1) / net.max_batches
    return (images - rate * gradient).clamp(0, 1)


def overlooking(head: AnchorHead, raw: Tensor, moment: Moment) -> Tensor:
    """The delta, of the shape of `raw`, that makes a head forget what it is sure of; [yolo] also is to mistake it.

    Source: src/yolo_layer.c process_batch, src/gaussian_yolo_layer.c forward_gaussian_yolo_layer (AlexeyAB 59596d7)
    """
    y = head.activate(raw).permute(0, 3, 4, 1, 2)  # (B, h, w, A, E)
    boxes = head.decode(raw, moment.width, moment.height).boxes.reshape(*y.shape[:4], 4)
    scale = boxes[..., 2:].prod(-1, keepdim=True).sqrt()
    box, objectness, classes = torch.split(y, [head.entries - 1, 1, head.classes], -1)
    sure = classes * objectness > SURE
    mistaken = sure.any(-1, keepdim=True) & isinstance(head, Yolo)
    of_box = torch.where(mistaken, -scale * box, 0.0)
    of_classes = torch.where(sure, -scale * classes, torch.where(mistaken, scale * (1 - classes), 0.0))
    delta = torch.cat([of_box, -scale * head.obj_normalizer * objectness, of_classes], -1)
    return delta.permute(0, 3, 4, 1, 2).reshape(raw.shape)
