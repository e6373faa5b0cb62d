"""Resizing in torch gives what `darkparse.images` gives, which is tested against Darknet in test_images.py."""

from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import ROOT
from darkparse import images
from darkparse.deployment.preprocessing import FITTINGS
from darkparse.errors import ImageError
from darkparse.images import letterbox, read_image, resize

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
PICTURES = sorted((ROOT / "tests" / "data").glob("*.jpg"))
SOURCES = [(1, 1), (1, 9), (9, 1), (2, 2), (13, 7), (40, 31), (31, 40), (375, 500)]  # height, width
TARGETS = [(1, 1), (1, 3), (3, 1), (2, 2), (3, 11), (16, 9), (31, 40), (2, 42), (160, 96)]  # width, height


def noise(height: int, width: int, dtype: type) -> np.ndarray:
    random = np.random.default_rng([height, width])
    if dtype is np.float32:
        return random.random((height, width, 3), dtype=np.float32)
    return random.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fitting", [resize, letterbox], ids=lambda fitting: fitting.__name__)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("source", SOURCES, ids=lambda size: "x".join(map(str, size)))
def test_bit_for_bit(source: tuple[int, int], dtype: type, fitting: object, device: str) -> None:
    image = noise(*source, dtype)
    there = torch.from_numpy(image).to(device)
    for width, height in TARGETS:
        try:
            expected = fitting(image, width, height)
        except ImageError as why:  # too thin
            with pytest.raises(ImageError, match=f"^{why}$"):
                FITTINGS[fitting](there, width, height)
            continue
        assert np.array_equal(FITTINGS[fitting](there, width, height).cpu().numpy(), expected)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("fitting", [resize, letterbox], ids=lambda fitting: fitting.__name__)
@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_pictures(picture: Path, fitting: object, device: str) -> None:
    image = read_image(picture)
    result = FITTINGS[fitting](torch.from_numpy(image).to(device), 416, 320)
    assert np.array_equal(result.cpu().numpy(), fitting(image, 416, 320))


def test_any_number_of_channels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 5), np.uint8)
    assert np.array_equal(FITTINGS[resize](torch.from_numpy(image), 4, 6).numpy(), resize(image, 4, 6))


def test_the_last_row_is_too_dark_where_darknets_is() -> None:
    white = torch.full((2, 2, 1), 255, dtype=torch.uint8)
    assert FITTINGS[images.resize](white, 2, 42)[0, 40:].tolist() == [[1, 1], [2**-24, 2**-24]]  # see test_images.py
