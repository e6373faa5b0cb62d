"""3x3 convolutions by Winograd's F(4x4, 3x3) or F(3x3, 3x3): a quarter, or a third, of the multiplications.

Each 4x4 cells of the output are computed from a tile of 6x6 of the input, at 36 points: transform the tile, multiply at
each point over the channels, transform back.  A tile is `(36, C)`, the channels innermost, so that the products at all
points are one convolution of 36 groups.  With 3x3 cells, tiles of 5x5 and 25 points there are fewer weights to read.
Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015), sections 4 and 4.1
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mish import mish_of_negative, sign_for
from .onednn import Convolution, Way

aten = torch.ops.aten
TAPS = 3  # of the kernel, along a side
POINTS = {  # by cells of the output along a tile's side; with 1 and 2 for 2/3 and 3/2 rounding makes twice the error
    4: (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2),
    3: (0.0, 2 / 3, -2 / 3, 3 / 2),
}
SOME = 64  # filters whose weights are transformed at a time, which takes memory
VALUES = 8_000_000  # that are computed at a time, at most about, so that they stay in the cache


class WinogradConv(nn.Module):
    """A 3x3 convolution of stride 1 and padding 1, and its activation: `(B, C, H, W)` to `(B, K, H, W)`."""

    def __init__(
        self, weight: Tensor, bias: Tensor, activation: nn.Module, shape: Sequence[int], cells: int = 4
    ) -> None:
        """Transform and pack the weights.

        Args:
            weight: `(K, C, 3, 3)`, float32 or float64
            bias: `(K,)`, of the type in which to compute
            shape: of the inputs for which it is made, `(B, C, H, W)`; others work
            cells: along a side of a tile's output
        """
        super().__init__()
        self.cells, self.tile = cells, cells + TAPS - 1
        self.out_channels, self.in_channels = weight.shape[:2]
        self.activation, self.finish = activation, _FINISHES.get(type(activation), _plainly)
        sign = sign_for(activation)
        tiles, kernel, back = matrices(POINTS[cells])
        points = self.tile**2
        self.blocks = Blocks.of(shape, cells, max(1, VALUES // (points * (self.in_channels + self.out_channels))))
        everywhere = np.linalg.lstsq(back, np.ones(cells), rcond=None)[0]  # at the points: 1 in each cell
        biases = torch.from_numpy(np.kron(everywhere, everywhere))[:, None] * bias.double() * sign
        weights = at_points(weight, kernel, bias.dtype).mul_(sign)
        given = 1, points * self.in_channels, self.blocks.tiles, 1
        self.multiply = Convolution(weights, biases.flatten().to(bias.dtype), Way(groups=points), given)
        self.input, self.output = (steps(matrix, bias.dtype) for matrix in (tiles, back))

    def forward(self, x: Tensor) -> Tensor:
        """One batch."""
        (images, _, height, width), cells = x.shape, self.cells
        down, across = tiles_along(height, cells), tiles_along(width, cells)
        right, bottom = across * cells - width, down * cells - height
        padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + bottom))
        whole = x.new_empty(images, down * cells, across * cells, self.out_channels)
        fits = not (right or bottom)
        for some, rows in self.blocks.over(images, down, across):
            tiles = self.tiles_of(padded[some, rows.start * cells :], rows.stop - rows.start, across)
            y = self.through(tiles).view(*tiles.shape[:3], cells, cells, -1).transpose(2, 3)
            target = whole[some, rows.start * cells : rows.stop * cells].view(y.shape)
            self.finish(self.activation, y, target) if fits else target.copy_(y)
        if fits:
            return whole.permute(0, 3, 1, 2)
        result = x.new_empty(images, height, width, self.out_channels)
        self.finish(self.activation, whole[:, :height, :width], result)
        return result.permute(0, 3, 1, 2)

    def tiles_of(self, padded: Tensor, rows: int, across: int) -> Tensor:
        """The tiles of images `(n, H, W, C)` from the top, as a view `(n, rows, across, 6, 6, C)`."""
        image, row, column, channel = padded.stride()
        shape = len(padded), rows, across, self.tile, self.tile, padded.shape[3]
        return padded.as_strided(shape, (image, row * self.cells, column * self.cells, row, column, channel))

    def through(self, tiles: Tensor) -> Tensor:
        """Tiles `(n, h, w, 6, 6, C)` to cells `(n h w, 16, K)`."""
        used = prod(tiles.shape[:3])
        count = max(self.blocks.tiles, used)  # all calls of one size, for which the weights are packed
        given = _buffer("tiles", tiles.dtype, used, self.tile**2, self.in_channels)
        given.view(tiles.shape).copy_(tiles)
        points = _buffer("points", tiles.dtype, count, self.tile**2, self.in_channels)
        transform(given, self.input, points[:used])
        products = self.multiply(points.view(1, count, 1, -1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        cells = _buffer("cells", tiles.dtype, used, self.cells**2, self.out_channels)
        return transform(products.view(count, self.tile**2, -1)[:used], self.output, cells)


class Blocks:
    """What is computed at a time: some rows of tiles of one image, or all of several.

    All blocks are of one size, as the weights are packed for it: the last begins before the one before has ended.
    """

    def __init__(self, tiles: int) -> None:
        self.tiles = tiles

    @classmethod
    def of(cls, shape: Sequence[int], cells: int, most: int) -> Blocks:
        """For inputs of `shape`, `(B, C, H, W)`, of at most `most` tiles or a row of them."""
        images, _, height, width = shape
        down, across = tiles_along(height, cells), tiles_along(width, cells)
        some, rows = next(cls(most).over(images, down, across))
        return cls((some.stop - some.start) * (rows.stop - rows.start) * across)

    def over(self, images: int, down: int, across: int) -> Iterator[tuple[slice, slice]]:
        """Which images and which rows of tiles each block has."""
        together, rows = max(1, self.tiles // (down * across)), max(1, self.tiles // across)
        for image in overlapping(images, together):
            for row in overlapping(down, rows):
                yield image, row


def overlapping(total: int, most: int) -> Iterator[slice]:
    """As few slices of one size as cover `total` with at most `most` each.

    >>> list(overlapping(10, 4))
    [slice(0, 4, None), slice(4, 8, None), slice(6, 10, None)]
    """
    size = -(-total // -(-total // most))
    for end in range(size, total + size, size):
        yield slice(min(end, total) - size, min(end, total))


def tiles_along(length: int, cells: int) -> int:
    """How many tiles of so many cells cover a length."""
    return -(-length // cells)


def matrices(points: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The transforms of a tile, of a kernel, and back to cells along one side, at `points` and at infinity:
    (6, 6), (6, 3) and (4, 6) for five.

    Source: Winograd, Arithmetic Complexity of Computations (1980): Toom-Cook multiplication, transposed
    """
    tile = len(points) + 1
    others = [[b for j, b in enumerate(points) if j != i] for i in range(len(points))]
    polynomials = [np.poly(rest)[::-1] for rest in others] + [np.poly(points)[::-1]]
    tiles = np.array([np.pad(one, (0, tile - len(one))) for one in polynomials])
    scale = np.array([np.prod([a - b for b in rest]) for a, rest in zip(points, others, strict=True)])
    kernel = np.vstack([np.vander(points, TAPS, increasing=True) / scale[:, None], np.eye(TAPS)[-1:]])
    cells = tile - TAPS + 1
    back = np.hstack([np.vander(points, cells, increasing=True).T, np.eye(cells)[:, -1:]])
    return tiles, kernel, back


class Step(NamedTuple):
    """A product of a matrix, (rows, columns), with each of `parts` parts of a tile."""

    matrix: Tensor
    parts: int


def steps(matrix: np.ndarray, dtype: torch.dtype) -> list[Step]:
    """How to transform both sides of a tile: one side after the other, or at once where that rounds less often."""
    if dtype != torch.float32:
        return [Step(torch.from_numpy(np.kron(matrix, matrix)).to(dtype), 1)]
    one = torch.from_numpy(matrix).to(dtype)
    return [Step(one, 1), Step(one, len(matrix))]


def transform(x: Tensor, ways: Sequence[Step], out: Tensor) -> Tensor:
    """Tiles `(n, values, C)` transformed: into `out`, and that."""
    count, _, channels = x.shape
    for number, (matrix, parts) in enumerate(ways, 1):
        rows, columns = matrix.shape
        left = matrix.expand(count * parts, -1, -1)
        right = x.view(count * parts, columns, -1)
        shape = len(left), rows, right.shape[2]
        last = number == len(ways)
        x = out.view(shape) if last else _buffer("between", x.dtype, *shape)
        torch.bmm(left, right, out=x)
    return out.view(count, -1, channels)


def at_points(weight: Tensor, kernel: np.ndarray, dtype: torch.dtype) -> Tensor:
    """Weights `(K, C, 3, 3)` at the points, `(36 K, C, 1, 1)`, computed in float64, some filters at a time."""
    filters, channels = weight.shape[:2]
    both = torch.from_numpy(np.kron(kernel, kernel))
    values = torch.empty(len(both), filters, channels, dtype=dtype)
    for first in range(0, filters, SOME):
        some = weight[first : first + SOME].double().reshape(-1, TAPS**2)
        values[:, first : first + SOME] = (both @ some.T).view(len(both), -1, channels)
    return values.view(-1, channels, 1, 1)


class _Own(threading.local):
    """Buffers of each thread, since several may run one network."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, torch.dtype], Tensor] = {}


_own = _Own()


def _buffer(name: str, dtype: torch.dtype, *shape: int) -> Tensor:
    """Memory for a while, `shape`: whatever was in it."""
    size = prod(shape)
    found = _own.buffers.get((name, dtype))
    if found is None or found.numel() < size:
        with torch.inference_mode(mode=False):  # or nothing else could write to it
            found = _own.buffers[name, dtype] = torch.zeros(size, dtype=dtype)
    return found[:size].view(shape)


def _plainly(activation: nn.Module, source: Tensor, out: Tensor) -> None:
    if isinstance(activation, nn.Identity):
        out.copy_(source)
    else:  # some look at all channels, and for them where every network has them
        out.copy_(activation(source.movedim(-1, 1)).movedim(1, -1))


def _mish(activation: nn.Module, source: Tensor, out: Tensor) -> None:
    out.copy_(source)
    mish_of_negative(out)


_FINISHES: dict[type[nn.Module], Callable[[Any, Tensor, Tensor], object]] = {
    nn.LeakyReLU: lambda module, source, out: aten.leaky_relu.out(source, module.negative_slope, out=out),
    nn.SiLU: lambda module, source, out: aten.silu.out(source, out=out),
    nn.Mish: _mish,
    nn.ReLU: lambda module, source, out: torch.clamp_min(source, 0, out=out),
}
