"""Training sets of detectors: images and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from ..images import Floats
from .augment import Augmentation, Boxes, Crop, crop_boxes, crop_pixels, draw_colour, draw_crop, recolour
from .draws import Place
from .effects import blurred, draw_blur, noisy
from .index import Index
from .mix import Quadrant, draw_cut, mixup
from .samples import Picker, Sample

MOST_BOXES = 200  # of an image; src/parser.c, the default of `max`


class Part(NamedTuple):
    """An augmented image, its boxes, and how it was cut from one of `size` (width, height, px)."""

    image: Floats
    boxes: Boxes
    crop: Crop
    size: tuple[int, int]


@dataclass(frozen=True)
class BoxSamples:
    """A training set of a detector, as AlexeyAB's Darknet with OpenCV loads it.

    In two things it follows the build without OpenCV: scaling, and outside an image its edge pixels are repeated.
    An image that is much larger than needed is decoded at half, a quarter or an eighth of its size.

    index: its images; options: how they are augmented; channels: of the network; most: boxes of an image
    Source: src/data.c load_data_detection (AlexeyAB 59596d7)
    """

    THREADS: ClassVar[int] = 6  # src/detector.c train_detector

    index: Index
    options: Augmentation
    channels: int = 3
    most: int = MOST_BOXES

    def sample(self, place: Place) -> Sample:
        """The training image for a place in a run; see `Samples`."""
        picker = Picker(self.index, self.channels, place.random())
        if (self.options.mosaic or self.options.mixup) and place.is_mixed(self.THREADS):
            image, boxes = (self._mosaic if self.options.mosaic else self._mixup)(picker, place)
        else:
            image, boxes, *_ = self._part(picker, place)
        return Sample(image, boxes, picker.paths, picker.notes)

    def _mixup(self, picker: Picker, place: Place) -> tuple[Floats, Boxes]:
        parts = [self._part(picker, place) for _ in range(2)]
        return mixup([part.image for part in parts]), np.concatenate([part.boxes for part in parts])[: self.most]

    def _mosaic(self, picker: Picker, place: Place) -> tuple[Floats, Boxes]:
        cut = draw_cut(picker.random, *place.net)
        mosaic = np.empty((self.channels, place.height, place.width), np.float32)
        boxes = np.zeros((0, 5), np.float32)
        for number in range(4):
            part = self._part(picker, place, number)
            quadrant = Quadrant.of(number, cut, place.net, part.crop, part.size)
            quadrant.paste(mosaic, part.image)
            moved = quadrant.move(part.boxes[: self.most - len(boxes)], place.net, self.options.mosaic_bound)
            boxes = np.concatenate([boxes, moved])
        return mosaic, boxes

    def _part(self, picker: Picker, place: Place, quadrant: int | None = None) -> Part:
        """One augmented image; one that cannot be read is replaced by the next that is drawn."""
        random, (width, height) = picker.random, place.net
        while True:
            number = picker.draw()
            columns, rows = map(int, self.index.sizes[number])
            crop = draw_crop(random, (columns, rows), self.options, width / height, quadrant)
            window = crop.window(columns, rows)
            reduction = picker.reduction(number, min(window.width / width, window.height / height))
            if (pixels := picker.read(number, reduction)) is not None:
                break
        image = recolour(crop_pixels(pixels, crop.reduced(reduction), width, height), draw_colour(random, self.options))
        boxes = self._boxes(random, number, crop, place)
        return Part(self._effects(random, image, boxes), boxes, crop, (columns, rows))

    def _boxes(self, random: np.random.Generator, number: int, crop: Crop, place: Place) -> Boxes:
        """Those of an image that the crop leaves; where there are too many, any of them."""
        boxes = random.permutation(self.index.boxes_of(number))[: self.most]
        size = self.index.sizes[number]
        return crop_boxes(boxes, crop, (int(size[0]), int(size[1])), (1 / place.width, 1 / place.height))

    def _effects(self, random: np.random.Generator, image: Floats, boxes: Boxes) -> Floats:
        image = blurred(image, draw_blur(random, self.options.blur), boxes)
        if self.options.gaussian_noise and random.integers(2):
            image = noisy(random, image, self.options.gaussian_noise)
        return image
