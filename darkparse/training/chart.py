"""chart.png: loss and mAP, or accuracy, of a run against its iterations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..draw import Font, blend, fitted
from ..files import writing
from .records import History, duration

WIDTH, HEIGHT = 1200, 720
_LEFT, _TOP, _RIGHT, _BOTTOM = 72, 92, WIDTH - 72, HEIGHT - 60  # the edges of the plot
_FINE = 2  # lines are drawn so much larger, and scaled down
_DECADE = 10.0  # a loss that falls further than this is shown on a logarithmic axis
_POINT = 13  # size of small text
_APART = 80  # between two values of mAP or accuracy that are written out

_INK, _FAINT, _GRID, _MARK = (51, 35, 27), (120, 108, 98), (240, 237, 234), (190, 180, 172)  # BGR
_LOSS, _RAW, _MAP = (186, 92, 24), (245, 216, 190), (16, 84, 217)


def write(path: str | Path, history: History, max_batches: int, title: str, **options: Any) -> None:
    """Write the chart as a PNG; arguments as for `draw`.

    Raises:
        DarkparseError: it cannot be written
    """
    import cv2

    _, data = cv2.imencode(".png", draw(history, max_batches, title, **options))
    with writing(path) as output:
        output.write(data.tobytes())


def draw(
    history: History,
    max_batches: int,
    title: str,
    *,
    left: float | None = None,
    steps: Sequence[tuple[int, float]] = (),
    top: float | None = None,
) -> np.ndarray:
    """The chart of a run so far.

    Args:
        max_batches: where the axis of iterations ends
        left: seconds that the run still takes
        steps: iterations at which the learning rate changes, and the factors
        top: of the axis of losses, which then is linear; else both follow the losses
    Returns:
        (HEIGHT, WIDTH, 3) BGR, uint8
    """
    import cv2

    iteration, loss, average = (np.array(column) for column in (history.iteration, history.loss, history.avg_loss))
    measure, quality = measured(history)
    x = Axis(0, max(max_batches, iteration.max(initial=1)), _LEFT, _RIGHT)
    y = loss_axis(loss, average, top)
    percent = Axis(0, 100, _BOTTOM, _TOP)
    rows = np.isfinite(quality)
    sketch = Sketch(np.full((HEIGHT * _FINE, WIDTH * _FINE, 3), 255, np.uint8))
    shown = [(at, factor) for at, factor in steps if 0 < at < x.high]
    frame(sketch, x, y, percent if rows.any() else None, [at for at, _ in shown])
    sketch.line(*envelope(x.place(iteration), y.place(loss)), _RAW, 1)
    sketch.curve(*middle(x.place(iteration), y.place(average)), _LOSS)
    points = x.place(iteration[rows]), percent.place(quality[rows] * 100)
    sketch.curve(*points, _MAP)
    if rows.sum() <= 60:
        sketch.dots(*points, _MAP)
    image = cv2.resize(sketch.canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    pen = Pen(image)
    pen.axes(x, y, percent if rows.any() else None)
    pen.rates(x, shown)
    pen.head(title, status(history, max_batches, left), measure if rows.any() else "")
    pen.labels(*points, quality[rows])
    return image


@dataclass(frozen=True)
class Axis:
    """Values low..high along pixels start..end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, values: np.ndarray) -> np.ndarray:
        """The pixels of values, none outside; NaN where they are not finite."""
        low, high = self.low, self.high
        values = np.where(np.isfinite(values), values, np.nan)
        if self.log:
            low, high, values = math.log(low), math.log(high), np.log(np.maximum(values, low))
        part = (np.clip(values, low, high) - low) / (high - low)
        return np.asarray(self.start + part * (self.end - self.start))

    def ticks(self, count: int) -> np.ndarray:
        """Round values, about `count`."""
        if self.log:
            digits = (1, 2, 5) if self.high < 300 * self.low else (1,)
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = np.array([digit * 10.0**power for power in powers for digit in digits])
            return values[(values >= self.low) & (values <= self.high)]
        rough = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * next(digit for digit in (1, 2, 5, 10) if digit * unit >= rough * 0.99)
        return np.arange(math.ceil(self.low / step), math.floor(self.high / step * (1 + 1e-9)) + 1) * step


def loss_axis(loss: np.ndarray, average: np.ndarray, top: float | None) -> Axis:
    """From zero to the highest average and nearly all losses; logarithmic where the average falls far."""
    average, loss = average[np.isfinite(average)], loss[np.isfinite(loss)]
    if top or not average.size:
        return Axis(0, top or 1, _BOTTOM, _TOP)
    low, high = average.min(), average.max()
    least, most = np.quantile(loss, (0.002, 0.998)) if loss.size else (low, high)
    if low > 0 and high > _DECADE * low:
        return Axis(
            max(min(low, least), low / 2) * 0.85, max(high, min(most, 2 * high)) * 1.15, _BOTTOM, _TOP, log=True
        )
    return Axis(0, max(high, min(most, 2 * high)) * 1.05 or 1, _BOTTOM, _TOP)


def envelope(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest point of each pixel's column, in turn."""
    x, y, starts = columns(x, y)
    pairs = np.stack([np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)]) if y.size else np.empty((2, 0))
    return np.repeat(x[starts], 2), pairs.T.ravel()


def middle(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each pixel's column, at its last point."""
    x, y, starts = columns(x, y)
    if not y.size:
        return x, y
    ends = np.append(starts[1:], y.size)
    return x[ends - 1], np.add.reduceat(y, starts) / (ends - starts)


def columns(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The finite points, and where among them each pixel's column begins."""
    finite = np.isfinite(y)
    x, y = x[finite], y[finite]
    return x, y, np.flatnonzero(np.diff(np.floor(x * _FINE), prepend=-1))


class Sketch:
    """Lines on a canvas that is larger than the image, in the image's coordinates."""

    def __init__(self, canvas: np.ndarray) -> None:
        self.canvas = canvas

    def line(self, x: np.ndarray, y: np.ndarray, colour: Sequence[int], width: float) -> None:
        """A line through points."""
        import cv2

        points = np.rint(np.column_stack([x, y]) * _FINE * 16).astype(np.int32)
        cv2.polylines(self.canvas, [points], False, colour, round(width * _FINE), cv2.LINE_AA, 4)

    def curve(self, x: np.ndarray, y: np.ndarray, colour: Sequence[int]) -> None:
        """A line with a pale rim, and a dot at its end."""
        self.line(x, y, (255, 255, 255), 4)
        self.line(x, y, colour, 2)
        self.dots(x[-1:], y[-1:], colour)

    def dots(self, x: np.ndarray, y: np.ndarray, colour: Sequence[int]) -> None:
        """A dot with a pale rim at each point."""
        import cv2

        for at in np.rint(np.column_stack([x, y]) * _FINE).astype(int).tolist():
            cv2.circle(self.canvas, at, 5 * _FINE, (255, 255, 255), -1, cv2.LINE_AA)
            cv2.circle(self.canvas, at, round(3.5 * _FINE), colour, -1, cv2.LINE_AA)

    def dashes(self, x: float, colour: Sequence[int]) -> None:
        """A dashed line down the plot."""
        for y in range(_TOP, _BOTTOM, 8):
            self.line(np.array([x, x]), np.array([y, min(y + 4, _BOTTOM)]), colour, 1)


def frame(sketch: Sketch, x: Axis, y: Axis, percent: Axis | None, steps: Sequence[float]) -> None:
    """The grid, the edges of the plot, and where the learning rate changes."""
    for at in y.place(y.ticks(8)):
        sketch.line(np.array([_LEFT, _RIGHT]), np.array([at, at]), _GRID, 1)
    for at in x.place(x.ticks(10)):
        sketch.line(np.array([at, at]), np.array([_TOP, _BOTTOM + 5]), _GRID, 1)
    for at in x.place(np.array(steps)):
        sketch.dashes(float(at), _MARK)
    edges = [(_LEFT, _LEFT, _TOP, _BOTTOM), (_LEFT, _RIGHT, _BOTTOM, _BOTTOM)]
    if percent:
        edges += [(_RIGHT, _RIGHT, _TOP, _BOTTOM)]
        edges += [(_RIGHT, _RIGHT + 5, at, at) for at in percent.place(percent.ticks(10))]
    for x0, x1, y0, y1 in edges:
        sketch.line(np.array([x0, x1]), np.array([y0, y1]), _MARK, 1)


def measured(history: History) -> tuple[str, np.ndarray]:
    """What evaluations measured, and its values, NaN where there was none."""
    accuracy = np.array(history.accuracy)
    return ("accuracy", accuracy) if np.isfinite(accuracy).any() else ("mAP", np.array(history.mAP))


def status(history: History, max_batches: int, left: float | None) -> str:
    """How the run stands, in a line."""
    if not history.iteration:
        return ""
    measure, quality = measured(history)
    parts = [f"iteration {history.iteration[-1]:,.0f} of {max_batches:,}", f"average loss {history.avg_loss[-1]:.4g}"]
    if np.isfinite(quality).any():
        best = int(np.nanargmax(quality))
        newest = quality[np.isfinite(quality)][-1]
        parts += [f"{measure} {newest:.1%}", f"best {quality[best]:.1%} at {history.iteration[best]:,.0f}"]
    if left is not None:
        parts += [f"{duration(left)} left" if history.iteration[-1] < max_batches else "done"]
    return ",  ".join(parts)


class Pen:
    """Text on the image."""

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.font = image, Font()

    def text(
        self, text: str, at: tuple[float, float], colour: Sequence[int], size: int = _POINT, side: float = 0
    ) -> int:
        """Write a line of text; `at`: its left end (side 0), its middle (.5) or its right end (1), at half its height.

        Returns:
            its width
        """
        return self.stamp(self.font.mask(self.font.plain(text), size), at, colour, side)

    def stamp(self, mask: np.ndarray, at: tuple[float, float], colour: Sequence[int], side: float = 0) -> int:
        """A mask as `text` places it; its width."""
        height, width = int(mask.shape[0]), int(mask.shape[1])
        x, y = round(at[0] - side * width), round(at[1] - height / 2)
        blend(self.image, (x, y, x + width, y + height), mask, np.array(colour, np.float32))
        return width

    def axes(self, x: Axis, y: Axis, percent: Axis | None) -> None:
        """The ticks' values, and what the axes are."""
        for value, at in zip(x.ticks(10), x.place(x.ticks(10)), strict=True):
            self.text(f"{value:,.0f}", (at, _BOTTOM + 16), _FAINT, side=0.5)
        self.text("iterations", ((_LEFT + _RIGHT) / 2, _BOTTOM + 40), _FAINT, side=0.5)
        for value, at in zip(y.ticks(8), y.place(y.ticks(8)), strict=True):
            self.text(f"{value:,.6g}", (_LEFT - 10, at), _LOSS, side=1)
        if percent:
            for value, at in zip(percent.ticks(10), percent.place(percent.ticks(10)), strict=True):
                self.text(f"{value:.0f}%", (_RIGHT + 10, at), _MAP)

    def rates(self, x: Axis, steps: Sequence[tuple[int, float]]) -> None:
        """What happens to the learning rate, above its lines, where there is room."""
        free = float(_LEFT)
        for at, factor in steps:
            mask = self.font.mask(f"rate x{factor:.3g}", _POINT - 1)
            middle = float(x.place(np.array(at)))
            if middle - mask.shape[1] / 2 > free and middle + mask.shape[1] / 2 < WIDTH:
                self.stamp(mask, (middle, _TOP - 11), _FAINT, 0.5)
                free = middle + mask.shape[1] / 2 + 8

    def head(self, title: str, stand: str, measure: str) -> None:
        """Title, how the run stands, and which line is which; `measure`: of what evaluations gave, or ""."""
        self.text(stand, (_RIGHT, 54), _INK, side=1)
        name = "".join(c if c.isprintable() else " " for c in title.encode("utf-8", "replace").decode())
        self.stamp(fitted(self.font, self.font.plain(name), 20, _RIGHT - _LEFT), (_LEFT, 26), _INK)
        at = _LEFT
        for label, colour in [("loss", _RAW), ("average loss", _LOSS), *([(measure, _MAP)] if measure else [])]:
            self.image[53:56, at : at + 22] = colour
            at += 50 + self.text(label, (at + 28, 54), _INK)

    def labels(self, x: np.ndarray, y: np.ndarray, quality: np.ndarray) -> None:
        """The values of mAP: the newest, the best, the first, and others that are not near one of those before."""
        taken = np.empty((0, 4))
        first = [quality.size - 1, int(quality.argmax()), 0] if quality.size else []
        for i in dict.fromkeys([*first, *range(quality.size)]):
            if i not in first and np.abs(taken[:, ::2].mean(1) - x[i]).min() < _APART:
                continue
            mask = self.font.mask(f"{quality[i]:.1%}", _POINT)
            start = min(max(x[i] - mask.shape[1] / 2, _LEFT + 4), _RIGHT - mask.shape[1] - 4)
            boxes = np.add([[0, up - 8, mask.shape[1], up + 8] for up in (-16, 16)], [start, y[i], start, y[i]])
            cost = [
                crossed(box, x, y) + 100 * (overlaps(box, taken) or not _TOP < box[1] < _BOTTOM - 18) for box in boxes
            ]
            if min(cost) < (100 if i in first else 1):
                box = boxes[int(np.argmin(cost))]
                self.halo(mask, (start, box[1] + 8))
                taken = np.vstack([taken, box])

    def halo(self, mask: np.ndarray, at: tuple[float, float]) -> None:
        """Text that stands out from whatever is behind it."""
        import cv2

        wide = cv2.GaussianBlur(np.pad(mask, 4), (0, 0), 1.6)
        self.stamp(np.minimum(wide * 3, 1), (at[0] - 4, at[1]), (255, 255, 255))
        self.stamp(mask, at, _MAP)


def crossed(box: np.ndarray, x: np.ndarray, y: np.ndarray) -> int:
    """How much of a box's width, 0..10, a line runs through."""
    at = np.linspace(box[0], box[2], 12)[1:-1]
    line = np.interp(at, x, y)
    return int(((line > box[1]) & (line < box[3])).sum())


def overlaps(box: np.ndarray, taken: np.ndarray) -> bool:
    """Whether a box comes near another, (n, 4)."""
    return bool(((taken[:, :2] < box[2:] + 6) & (taken[:, 2:] > box[:2] - 6)).all(1).any())
