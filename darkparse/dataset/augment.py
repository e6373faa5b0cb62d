"""What Darknet does to a training image before the network sees it: drawn at random, then applied; all pure functions.

Pixels are planar: (channels, height, width), float32, 0..1.  Boxes are `(N, 5)` float32: centre, width and height
relative to the image, and the class.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DarkparseError
from ..graph import Graph
from ..images import Floats, Pixels, Window, resize

_ROWS = 16  # of an image are recoloured at a time: little enough for the cache, and for memory that is used again

Boxes = NDArray[np.float32]


@dataclass(frozen=True)
class Crop:
    """What is cut off an image at each edge, px (less than 0: added), and whether the rest is mirrored."""

    left: int = 0
    right: int = 0
    top: int = 0
    bottom: int = 0
    flip: bool = False

    def window(self, width: int, height: int) -> Window:
        """What is left of an image of `width` x `height` px."""
        return Window(self.left, self.top, width - self.left - self.right, height - self.top - self.bottom)

    def reduced(self, reduction: int) -> "Crop":
        """The same of an image that was decoded at a part of its size."""
        left, right, top, bottom = (round(edge / reduction) for edge in (self.left, self.right, self.top, self.bottom))
        return Crop(left, right, top, bottom, self.flip)


@dataclass(frozen=True)
class Colour:
    """A change of colour: `hue` is added (turns), `saturation` and `exposure` (HSV's value) are multiplied by."""

    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0


@dataclass(frozen=True)
class Augmentation:
    """The options of [net] and of the last head that say how images are augmented; by Darknet's names."""

    jitter: float = 0.2
    resize: float = 1.0
    flip: bool = True
    hue: float = 0.0
    saturation: float = 1.0
    exposure: float = 1.0
    letter_box: bool = False
    mixup: bool = False
    cutmix: bool = False
    mosaic: bool = False
    mosaic_bound: bool = False
    blur: int = 0
    gaussian_noise: int = 0

    @classmethod
    def of(cls, graph: Graph) -> "Augmentation":
        """What a cfg asks for; jitter and resize of its last head count for all.

        Raises:
            DarkparseError: options that Darknet refuses together, or a resize that is not above 0
        Source: src/parser.c parse_net_options, src/detector.c train_detector (AlexeyAB 59596d7)
        """
        net = graph.net
        head = graph.heads[-1][1] if graph.heads else None
        resize = getattr(head, "resize", 1.0)
        cutmix, mosaic = net.cutmix or net.mixup in {2, 4}, net.mosaic or net.mixup in {3, 4}
        if not resize > 0:
            raise DarkparseError(f"{graph.file}: resize={resize:g}: expected a number above 0")
        if head and mosaic and net.letter_box > 0:
            raise DarkparseError(
                f"{graph.file}: [net]: letter_box=1 and mosaic=1 do not go together; expected one of them"
            )
        return cls(
            jitter=getattr(head, "jitter", 0.0),
            resize=resize,
            flip=net.flip > 0,
            hue=net.hue,
            saturation=net.saturation or 1.0,  # src/data.c load_thread
            exposure=net.exposure or 1.0,
            letter_box=net.letter_box > 0,
            mixup=net.mixup == 1 and not cutmix and not mosaic,
            cutmix=cutmix and not head,
            mosaic=mosaic,
            mosaic_bound=net.mosaic_bound,
            blur=net.blur,
            gaussian_noise=net.gaussian_noise,
        )


def draw_crop(
    random: np.random.Generator,
    size: tuple[int, int],
    options: Augmentation,
    aspect: float,
    quadrant: int | None = None,
) -> Crop:
    """A crop of an image of `size` (width, height, px) as Darknet draws it.

    Args:
        aspect: width / height of the network's input, to which the crop is extended under letter_box=1
        quadrant: of a mosaic that the image is for: 0 left above, 1 right above, 2 left below, 3 right below.  Half of
            those are moved, so that more of the image is seen there
    Returns:
        a crop that leaves at least a pixel of the image: one that does not is replaced by the whole
    Source: src/data.c load_data_detection (AlexeyAB 59596d7)
    """
    width, height = size
    scale = random.random(2)  # one for left and top, one for right and bottom
    part = random.random(4)
    flip = bool(random.integers(2)) if options.flip else False
    x = _edges(width, options, part[:2], scale)
    y = _edges(height, options, part[2:], scale)
    if options.letter_box:
        x, y = _extended(x, y, size, aspect)
    if quadrant is not None and random.integers(2):
        x = _moved(x, towards_end=(quadrant % 2 == 0) != flip)
        y = _moved(y, towards_end=quadrant < 2)
    crop = Crop(*x, *y, flip=flip)
    outside = max(crop.left, crop.right) >= width or max(crop.top, crop.bottom) >= height
    return Crop(flip=flip) if outside or min(crop.window(width, height)[2:]) < 1 else crop


def _edges(
    length: int, options: Augmentation, part: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[int, int]:
    """What is cut off before and after, px."""
    reach, resize = int(length * options.jitter), options.resize
    least = int(length * (1 - max(resize, 1 / resize)) / 2)
    most = int(length * (1 - 1 / resize) / 2) if resize > 1 else 0
    before, after = (
        int(int(reach * (2 * p - 1)) + least + (most - least) * s) for p, s in zip(part, scale, strict=True)
    )
    return before, after


def _moved(edges: tuple[int, int], towards_end: bool) -> tuple[int, int]:
    """A crop of the same length from the beginning on, or up to the end."""
    return (0, sum(edges)) if towards_end else (sum(edges), 0)


def _extended(
    x: tuple[int, int], y: tuple[int, int], size: tuple[int, int], aspect: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The edges moved outwards by what a whole image lacks of the network's aspect ratio."""
    width, height = size
    if width / height > aspect:
        more = (width / aspect - height) / 2
        return x, (int(y[0] - more), int(y[1] - more))
    more = (height * aspect - width) / 2
    return (int(x[0] - more), int(x[1] - more)), y


def draw_colour(random: np.random.Generator, options: Augmentation) -> Colour:
    """A change of colour as Darknet draws it.  Source: src/data.c load_data_detection (AlexeyAB 59596d7)."""
    hue = options.hue * (2 * random.random() - 1)
    return Colour(hue, draw_scale(random, options.saturation), draw_scale(random, options.exposure))


def draw_scale(random: np.random.Generator, most: float) -> float:
    """Uniform from 1 to `most`, or, as often, its inverse.  Source: src/utils.c rand_scale (AlexeyAB 59596d7)."""
    scale = 1 + (most - 1) * random.random()
    return float(scale if random.integers(2) else 1 / scale)


def crop_pixels(image: Pixels, crop: Crop, width: int, height: int) -> Floats:
    """The crop of an image (rows, columns, channels), stretched to `width` x `height` px; see `images.resize`.

    As Darknet without OpenCV: outside the image its edge pixels are repeated.
    Source: src/data.c load_data_detection, src/image.c flip_image (AlexeyAB 59596d7)
    """
    result = resize(image, width, height, crop.window(image.shape[1], image.shape[0]))
    return np.ascontiguousarray(result[:, :, ::-1]) if crop.flip else result


def crop_boxes(boxes: Boxes, crop: Crop, size: tuple[int, int], least: tuple[float, float]) -> Boxes:
    """What the crop leaves of the boxes of an image of `size` (width, height, px), cut at its edges.

    Args:
        least: a box less wide or high than that, relative to the crop, is dropped
    Source: src/data.c correct_boxes, fill_truth_detection (AlexeyAB 59596d7)
    """
    window = crop.window(*size)
    whole = np.array(size, np.float32)
    scale = np.array(window[2:], np.float32) / whole
    shift = np.array(window[:2], np.float32) / whole / scale
    factor = np.float32(1) / scale
    lower = (boxes[:, :2] - boxes[:, 2:4] / 2) * factor - shift
    upper = (boxes[:, :2] + boxes[:, 2:4] / 2) * factor - shift
    if crop.flip:
        lower[:, 0], upper[:, 0] = 1 - upper[:, 0], 1 - lower[:, 0]
    np.clip(lower, 0, 1, out=lower)
    np.clip(upper, 0, 1, out=upper)
    result = np.concatenate([(lower + upper) / 2, upper - lower, boxes[:, 4:]], axis=1)
    kept = (result[:, 2:4] >= np.array(least, np.float32)).all(axis=1) & (result[:, :2] > 0).all(axis=1)
    return np.asarray(result[kept], np.float32)


def recolour(image: Floats, colour: Colour) -> Floats:
    """The image with other colours, cut off at 0 and 1; with other than 3 channels only the exposure changes.

    Source: src/image.c distort_image (AlexeyAB 59596d7)
    """
    import cv2

    if colour == Colour():
        return image
    if len(image) != 3:
        return np.asarray(np.clip(image * np.float32(colour.exposure), 0, 1), np.float32)
    result = np.empty_like(image)
    for row in range(0, image.shape[1], _ROWS):
        mixed = cv2.cvtColor(cv2.merge(list(image[:, row : row + _ROWS])), cv2.COLOR_RGB2HSV)
        hue, saturation, value = cv2.split(mixed)
        hue += np.float32(360 * colour.hue)  # OpenCV's degrees
        hue[hue < 0] += 360
        hue[hue >= 360] -= 360
        saturation *= np.float32(colour.saturation)
        value *= np.float32(colour.exposure)
        cv2.cvtColor(cv2.merge([hue, saturation, value], mixed), cv2.COLOR_HSV2RGB, mixed)
        result[:, row : row + _ROWS] = np.clip(mixed, 0, 1, out=mixed).transpose(2, 0, 1)
    return result
