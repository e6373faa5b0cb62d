"""Images, from a file or an array to the network's input: read, put in order, resized as in Darknet, and the way back.

Arrays of pixels are (height, width, channels), with the channels in the order in which the network reads them (RGB).
What the network reads is planar: (channels, height, width), float32, 0..1.
"""

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import ImageError
from .kinds import recognise

Pixels = NDArray[Any]
Floats = NDArray[np.float32]
Places = NDArray[np.intp]

LETTERBOX_FILL = 0.5  # src/image.c letterbox_image
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
_CACHED = 1 << 19  # bytes that resizing works on at a time
_FLOAT_SLACK = 1e-3  # cubic resizing overshoots 0..1 a little; pixels of 0..255 do not pass

_CONVERSIONS = {  # channels an array has, channels the network reads: name of OpenCV's conversion
    (1, 3): "COLOR_GRAY2RGB",
    (3, 1): "COLOR_BGR2GRAY",
    (3, 3): "COLOR_BGR2RGB",
    (4, 1): "COLOR_BGRA2GRAY",
    (4, 3): "COLOR_BGRA2RGB",
    (4, 4): "COLOR_BGRA2RGBA",
}
_READ_FLAGS = {1: "IMREAD_GRAYSCALE", 3: "IMREAD_COLOR"}  # src/image_opencv.cpp load_image_mat

_NPY, _PNG = b"\x93NUMPY", b"\x89PNG\r\n\x1a\n"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


def read_image(source: str | Path, channels: int = 3, reduction: int = 1) -> Pixels:
    """Pixels of an image file, (height, width, channels): RGB for 3 channels, grey for 1.

    As Darknet with OpenCV reads it: for 1 and 3 channels uint8, turned as the EXIF orientation says, without alpha.
    Any other number must be the file's own: of RGBA, of the pages of a TIFF together, or of a .npy file of
    (height, width, channels), which is taken as it is; uint8, uint16 or float32 0..1.

    Args:
        reduction: 1, or for 1 and 3 channels 2, 4 or 8: each side is that part of its length, rounded up; of a JPEG
            that takes less time than to decode all of it
    Raises ImageError, with the file's name, where it cannot be read, is cut short, or has other channels.
    Source: src/image_opencv.cpp load_image_mat, load_image_mat_cv (AlexeyAB 59596d7)
    """
    try:
        return _decode(_read_bytes(Path(source)), channels, reduction)
    except ImageError as error:
        raise ImageError(f"{source}: {error}") from error.__cause__


def as_network_order(array: Pixels, channels: int) -> Pixels:
    """The array as a network of `channels` channels reads it: (height, width, channels), of the same type.

    Takes OpenCV's orders: grey (height, width) or (height, width, 1), BGR, BGRA; uint8, uint16 or float32 0..1.
    Grey is repeated for 3 channels, colours are mixed to grey for 1, alpha is dropped for both; other numbers of
    channels must be as many as the network reads, and stay as they are.
    Raises ImageError for another shape, type, range or number of channels.
    Source: src/image_opencv.cpp load_image_mat_cv (AlexeyAB 59596d7)
    """
    import cv2

    pixels = _checked(array)
    conversion = _CONVERSIONS.get((pixels.shape[2], channels))
    if conversion is None:
        return _with_channels(pixels, channels)
    converted: Pixels = cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, conversion))
    return converted.reshape(*pixels.shape[:2], channels)


class Window(NamedTuple):
    """A part of an image, px.  It may reach over the edges, where the pixels at the edge are repeated."""

    left: int
    top: int
    width: int
    height: int


def resize(image: Pixels, width: int, height: int, window: Window | None = None) -> Floats:
    """The image stretched to `width` x `height` px by Darknet's bilinear filter: (channels, height, width), 0..1.

    Takes (rows, columns, channels) of uint8, uint16 (as parts of 255 or 65535) or float32.  Corners fall on corners.
    As in Darknet, the last row comes out too dark, down to black, where rounding puts it just before the image's last.
    Height 1, where Darknet divides by zero, gives the last row, as width 1 gives the last column.

    Args:
        window: what of the image is stretched; by default all
    Raises ImageError for an array without pixels or of another shape or type, and for a size below 1.
    Source: src/image.c crop_image, resize_image (AlexeyAB 59596d7)
    """
    _check_shape(image)
    if min(width, height, *(window or ())[2:]) < 1:
        raise ImageError(f"cannot resize to {width} x {height} px{f' from {window}' if window else ''}")
    result = np.empty((image.shape[2], height, width), np.float32)
    _stretch(image, window or Window(0, 0, image.shape[1], image.shape[0]), result)
    return result


def letterbox(image: Pixels, width: int, height: int) -> Floats:
    """The image, in proportion, in the middle of `width` x `height` px of grey: (channels, height, width), 0..1.

    Takes what `resize` takes.  Raises ImageError where it does, and for an image too thin to fill a pixel.
    Source: src/image.c letterbox_image (AlexeyAB 59596d7)
    """
    _check_shape(image)
    place = Placement.of(image.shape[1], image.shape[0], width, height, letterbox=True)
    result = np.full((image.shape[2], height, width), LETTERBOX_FILL, np.float32)
    inside = result[:, place.top : place.top + place.height, place.left : place.left + place.width]
    _stretch(image, Window(0, 0, image.shape[1], image.shape[0]), inside)
    return result


@dataclass(frozen=True)
class Placement:
    """Where an image lies in the network's input: it fills `width` x `height` px in the middle of the net's."""

    net_width: int
    net_height: int
    width: int
    height: int

    @classmethod
    def of(cls, width: int, height: int, net_width: int, net_height: int, letterbox: bool) -> "Placement":
        """Where an image of `width` x `height` px lands: everywhere if stretched, in proportion if letterboxed.

        Raises ImageError for a size below 1, and for an image that would be less than a pixel wide or high.
        Source: src/image.c letterbox_image, src/yolo_layer.c correct_yolo_boxes (AlexeyAB 59596d7)
        """
        if min(width, height, net_width, net_height) < 1:
            raise ImageError(f"cannot place an image of {width} x {height} px in {net_width} x {net_height} px")
        if not letterbox:
            return cls(net_width, net_height, net_width, net_height)
        if np.float32(net_width) / np.float32(width) < np.float32(net_height) / np.float32(height):
            inner = net_width, height * net_width // width
        else:
            inner = width * net_height // height, net_height
        if min(inner) < 1:
            raise ImageError(f"{width} x {height} px is too thin to letterbox to {net_width} x {net_height} px")
        return cls(net_width, net_height, *inner)

    @property
    def left(self) -> int:
        """Columns of fill before the image, px."""
        return (self.net_width - self.width) // 2

    @property
    def top(self) -> int:
        """Rows of fill above the image, px."""
        return (self.net_height - self.height) // 2

    def undo(self, boxes: NDArray[Any]) -> Floats:
        """Boxes (N, 4) of cx, cy, w, h relative to the image, from ones relative to the network's input; float32.

        Relative is 0..1, but boxes may reach over an edge, and nothing is clipped.
        Source: src/yolo_layer.c correct_yolo_boxes (AlexeyAB 59596d7)
        """
        net = np.array([self.net_width, self.net_height], np.float64)
        inner = np.array([self.width, self.height], np.float64)
        ratio = (inner / net).astype(np.float32)
        given = np.asarray(boxes, np.float32).reshape(-1, 4)
        centres = (given[:, :2].astype(np.float64) - (net - inner) / 2 / net) / ratio  # in doubles, as in C
        return np.concatenate([centres.astype(np.float32), given[:, 2:] * (np.float32(1) / ratio)], axis=1)


def _stretch(image: Pixels, window: Window, result: Floats) -> None:
    """Fill `result`, (channels, height, width), with what the window shows; see `resize`."""
    rows, columns, channels = image.shape
    _, height, width = result.shape
    white = np.float32(_WHITE[image.dtype])
    if (0, 0, columns, rows) == window == (0, 0, width, height):
        np.divide(image.transpose(2, 0, 1), white, out=result, dtype=np.float32)
        return
    left, right, to_right = _neighbours(window.left, window.width, columns, width)
    left[-1], to_right[-1] = right[-1], 0
    upper, lower, to_lower = _neighbours(window.top, window.height, rows, height)
    weight_upper, weight_lower = 1 - to_lower[:, None], to_lower[:, None]
    weight_lower[-1] = 0  # a view: weight_upper keeps what it had, hence the dark last row
    planes = np.arange(channels)[:, None]
    before, after = (left * channels + planes).ravel(), (right * channels + planes).ravel()
    weight_before, weight_after = (np.tile(to / white, channels) for to in (1 - to_right, to_right))
    # Only the rows that count are touched, they turn to floats only where they are sampled, and a few at a time, in
    # memory that stays in the cache: most of the speed.
    few = min(height, max(1, _CACHED // (2 * channels * (columns * image.itemsize + 4 * width))))
    scratch = np.empty((2, 2 * few, channels * width), np.float32)
    for top in range(0, height, few):
        part = slice(top, top + few)
        strips, above, below = _strips(image, upper[part], lower[part])
        across, more = scratch[:, : len(strips)]
        np.multiply(strips.take(before, axis=1), weight_before, out=across)
        across += np.multiply(strips.take(after, axis=1), weight_after, out=more)
        mixed, more = scratch[1].reshape(2, few, -1)[:, : len(above)]
        np.multiply(across.take(above, axis=0), weight_upper[part], out=mixed)
        mixed += np.multiply(across.take(below, axis=0), weight_lower[part], out=more)
        result[:, part] = mixed.reshape(-1, channels, width).transpose(1, 0, 2)


def _strips(image: Pixels, upper: Places, lower: Places) -> tuple[Pixels, Places, Places]:
    """Rows of the image, (n, columns * channels), and where among them those called `upper` and `lower` are."""
    first, behind = upper[0], lower[-1] + 1
    if behind - first <= 2 * len(upper):
        strips, above, below = image[first:behind], upper - first, lower - first
    else:
        both = np.concatenate([upper, lower])
        strips, (above, below) = image[both], np.arange(len(both)).reshape(2, -1)
    return strips.reshape(len(strips), -1), above, below


def _neighbours(first: int, size: int, limit: int, target: int) -> tuple[Places, Places, Floats]:
    """Of each of `target` samples along `size` pixels from `first` on: the pixel before, the one after, and how far it
    is towards that; of `limit` pixels that there are."""
    step = np.float32(size - 1) / np.float32(max(target - 1, 1))
    position = np.arange(target, dtype=np.float32) * step if target > 1 else np.full(1, size - 1, np.float32)
    before = position.astype(np.intp)
    after = np.minimum(before + 1, size - 1)
    to_after = position - before.astype(np.float32)
    return np.clip(before + first, 0, limit - 1), np.clip(after + first, 0, limit - 1), to_after


def _check_shape(array: Pixels) -> None:
    if not isinstance(array, np.ndarray):
        raise ImageError(f"a NumPy array is needed, not {type(array).__name__}")
    if array.ndim != 3 or 0 in array.shape:
        raise ImageError(f"an array of (height, width, channels) is needed, not of shape {array.shape}")
    if array.dtype not in _WHITE:
        raise ImageError(f"pixels must be uint8, uint16 or float32, not {array.dtype}")


def _checked(array: Pixels) -> Pixels:
    """The array, grey ones with a third axis too; its shape, type and range are fit for a network."""
    pixels = array[:, :, None] if isinstance(array, np.ndarray) and array.ndim == 2 else array
    _check_shape(pixels)
    if pixels.dtype == np.float32:
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= -_FLOAT_SLACK and high <= 1 + _FLOAT_SLACK):  # so that NaN does not pass
            raise ImageError(f"float32 pixels must be 0..1, not {low:g}..{high:g}")
    return pixels


def _with_channels(pixels: Pixels, channels: int) -> Pixels:
    if pixels.shape[2] != channels:
        raise ImageError(f"the number of channels is {pixels.shape[2]} in the image, {channels} in the network")
    return pixels


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except (OSError, ValueError) as error:  # of a directory Windows says "Permission denied"; a zero byte in the name
        reason = "it is a directory" if os.path.isdir(path) else getattr(error, "strerror", error)
        raise ImageError(f"cannot be read: {reason}") from error
    if not data:
        raise ImageError("the file is empty")
    return data


def _decode(data: bytes, channels: int, reduction: int) -> Pixels:
    import cv2

    if data.startswith(_NPY):
        return _with_channels(_checked(_load_npy(data)), channels)
    if _is_cut_short(data):
        raise ImageError("the file is truncated: the end of the image is missing")
    flag = getattr(cv2, _read_flag(channels, reduction))
    buffer = np.frombuffer(data, np.uint8)
    with _opencv_errors():
        image = cv2.imdecode(buffer, flag)
        if image is None:
            kind = recognise(data[:512])
            raise ImageError(f"not an image that OpenCV can read ({f'it is {kind}' if kind else 'or it is damaged'})")
        first = 1 if image.ndim == 2 else image.shape[2]
        if channels in {first, *_READ_FLAGS} or not data.startswith(_TIFF):
            return as_network_order(image, channels)
        return _with_channels(_stacked(cv2.imdecodemulti(buffer, flag)[1]), channels)


def _read_flag(channels: int, reduction: int) -> str:
    """The name of OpenCV's."""
    flag = _READ_FLAGS.get(channels, "IMREAD_UNCHANGED")
    return flag if reduction == 1 else f"{flag.replace('IMREAD', 'IMREAD_REDUCED')}_{reduction}"


def _stacked(pages: Sequence[Pixels]) -> Pixels:
    """The pages of a TIFF as the channels of one image."""
    parts = [_checked(page) for page in pages]
    if len({(part.shape[:2], part.dtype) for part in parts}) != 1:
        raise ImageError("its pages cannot be read, or differ in size or type")
    return np.concatenate([as_network_order(part, part.shape[2]) for part in parts], axis=2)


def _load_npy(data: bytes) -> Pixels:
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except Exception as error:  # the header is parsed as Python, and may fail as that does (tokenize.TokenError)
        raise ImageError(f"not a .npy file that NumPy can read ({error})") from error


def _is_cut_short(data: bytes) -> bool:
    """Whether a JPEG or PNG has no end.  OpenCV 4.8 makes up the missing part of a JPEG."""
    if not data.startswith(_JPEG_START):
        return data.startswith(_PNG) and b"IEND" not in data
    at = 2
    while data[at : at + 1] == b"\xff":  # over the segments, of which one may hold a thumbnail with an end of its own
        if data.startswith(_JPEG_SCAN, at):
            return data.rfind(_JPEG_END, at) < 0
        at += 1 if data.startswith(b"\xff\xff", at) else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return at >= len(data)


class _Silence:
    """OpenCV's log is off while any thread is in here."""

    def __init__(self) -> None:
        self.lock, self.inside, self.level = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.level = self.set(0)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.inside -= 1
            if not self.inside:
                self.set(self.level)

    def set(self, level: int) -> int:
        """The level that it had; there is none in OpenCV 4.8."""
        import cv2

        log: Any = getattr(cv2.utils, "logging", None)
        return int(log.setLogLevel(level)) if log else 0


_silence = _Silence()


@contextmanager
def _opencv_errors() -> Iterator[None]:
    """Turns OpenCV's exceptions into ImageErrors, and its log off."""
    import cv2

    try:
        with _silence:
            yield
    except cv2.error as error:
        too_large = "CV_IO_MAX_IMAGE" in str(error)
        reason = "it has over 2^20 px a side or 2^30 px in all" if too_large else " ".join(str(error).split())
        raise ImageError(f"OpenCV does not read it: {reason}") from error
