"""What the edge's tests share: a real model and pictures that every machine draws alike."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from vedette_edge import Contract, model_file

Picture = NDArray[np.uint8]


@pytest.fixture(scope="session")
def model() -> Path:
    """A real model: is a picture mostly red, green or blue? See tests/make_colours.py."""
    return Path(__file__).parent / "colours.tflite"


@pytest.fixture(scope="session")
def contract(model: Path) -> Contract:
    found = model_file.read(model).contract
    assert found
    return found


@pytest.fixture(scope="session")
def drawn() -> Callable[[int, int], Picture]:
    """Draws a picture of a height and a width with large and small detail, by integers alone."""

    def draw(height: int, width: int) -> Picture:
        rows, columns = np.mgrid[0:height, 0:width].astype(np.uint32)
        waves = (rows * columns // 7) ^ (columns * 3)
        noise = (rows * np.uint32(2654435761) ^ columns * np.uint32(2246822519)) >> 16
        channels = (rows * 255 // height + noise % 32, waves, columns * 255 // width ^ noise % 64)
        return np.dstack([channel & 255 for channel in channels]).astype(np.uint8)

    return draw


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with one photo of each colour, in three formats."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour_bgr in (
        ("a-red.jpg", (0, 0, 220)),
        ("b-green.png", (0, 220, 0)),
        ("c-blue.webp", (220, 0, 0)),
    ):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), colour_bgr, np.uint8))
    return folder
