"""Which numbers are drawn for which image: they depend on the seed and on its place in the run, on nothing else."""

from typing import NamedTuple

import numpy as np

_IMAGES, _CHUNKS = 1, 2  # streams; a stream of its own makes numbers that have nothing to do with the others'


class Place(NamedTuple):
    """Where in a run a training image stands.

    seed: of the run; iteration: from 1; position: in the iteration's batch of `batch` images;
    width, height: of the network's input, px
    """

    seed: int
    iteration: int
    position: int
    batch: int
    width: int
    height: int

    @property
    def net(self) -> tuple[int, int]:
        """Width and height of the network's input, px."""
        return self.width, self.height

    def random(self) -> np.random.Generator:
        """What this image draws from."""
        return np.random.default_rng([self.seed, self.iteration, self.position, _IMAGES])

    def is_mixed(self, threads: int) -> bool:
        """Whether mixup, cutmix or mosaic apply: with probability 1/2 to all images of a chunk.

        A chunk is what one of Darknet's `threads` loading threads loads of a batch.
        Source: src/data.c load_threads, load_data_detection, load_data_augment (AlexeyAB 59596d7)
        """
        chunk = next(i for i in range(threads) if self.position < (i + 1) * self.batch // threads)
        return bool(np.random.default_rng([self.seed, self.iteration, chunk, _CHUNKS]).integers(2))
