"""Pictures to predict."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

DrawPictures = Callable[[Path, int], None]


@pytest.fixture
def draw_pictures() -> DrawPictures:
    """Draws pictures of many sizes into a folder: 000.png and so on, every seventh damaged."""

    def draw(folder: Path, count: int) -> None:
        random = np.random.default_rng(0)
        for number in range(count):
            path = folder / f"{number:03}.png"
            height, width = random.integers(8, 300, 2)
            cv2.imwrite(str(path), random.integers(0, 256, (height, width, 3), np.uint8))
            if number % 7 == 0:
                path.write_bytes(path.read_bytes()[:40])

    return draw
