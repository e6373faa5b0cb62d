"""Blur and noise, as Darknet with OpenCV adds them to training images."""

import numpy as np

from ..images import Floats
from .augment import Boxes

BACKGROUND = 1  # as strength of blur: all but the objects
_BACKGROUND_KERNEL = 17  # px
_MOST_NOISE = 127
_OBJECT_PARTS = 8  # the kernel is at most that part of the smallest object's side


def draw_blur(random: np.random.Generator, strength: int) -> int:
    """None, BACKGROUND or [net]'s `blur`, each as often.  Source: src/data.c load_data_detection (AlexeyAB 59596d7)."""
    return (0, BACKGROUND, strength)[random.integers(3)] if strength else 0


def blurred(image: Floats, strength: int, boxes: Boxes) -> Floats:
    """An image (channels, height, width) behind a Gaussian blur.

    Args:
        strength: px; BACKGROUND leaves the objects sharp.  At most an eighth of the smallest side of an object, so that
            an image without objects stays sharp, unless it is BACKGROUND
        boxes: `(N, 5)`, the objects
    Source: src/data.c load_data_detection, src/image_opencv.cpp image_data_augmentation (AlexeyAB 59596d7)
    """
    height, width = image.shape[1:]
    if strength > BACKGROUND:
        sides = (boxes[:, 2:4] * (width, height)).astype(int)
        strength = min(strength, int(sides.min(initial=strength * _OBJECT_PARTS if len(boxes) else 0)) // _OBJECT_PARTS)
    if strength < BACKGROUND:
        return image
    result = gaussian(image, _BACKGROUND_KERNEL if strength == BACKGROUND else strength // 2 * 2 + 1)
    if strength == BACKGROUND:
        corner = ((boxes[:, :2] - boxes[:, 2:4] / 2) * (width, height)).astype(int)
        side = (boxes[:, 2:4] * (width, height)).astype(int)
        for (left, top), (w, h) in zip(corner, side, strict=True):
            inside = np.s_[:, max(top, 0) : top + h, max(left, 0) : left + w]
            result[inside] = image[inside]
    return result


def gaussian(image: Floats, kernel: int) -> Floats:
    """An image (channels, height, width) blurred by a kernel of that many px, which must be odd."""
    import cv2

    return np.stack([cv2.GaussianBlur(channel, (kernel, kernel), 0) for channel in image]).astype(
        np.float32, copy=False
    )


def noisy(random: np.random.Generator, image: Floats, deviation: int) -> Floats:
    """An image with Gaussian noise of this standard deviation, in parts of 255.

    In Darknet noise cannot be negative, as it is in bytes: half of the pixels stay as they are, the others get lighter.
    Source: src/image_opencv.cpp image_data_augmentation (AlexeyAB 59596d7)
    """
    noise = np.rint(random.standard_normal(image.shape, np.float32) * min(max(deviation, 0), _MOST_NOISE))
    return np.asarray(np.minimum(image + np.maximum(noise, 0) / 255, 1), np.float32)
