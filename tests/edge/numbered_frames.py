"""Frames that show their number, which can be read out of a JPEG, and a colour for the model."""

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image

HEIGHT, WIDTH, CELL, BITS = 64, 96, 16, 6 * 2
COLOURS_RGB = ((220, 0, 0), (0, 220, 0), (0, 0, 220))


def draw_frame(number: int, colour: int | None = None) -> Image:
    """Draw a frame with its number in the upper half, a cell a bit, and a colour in the lower."""
    image_rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(BITS):
        row, column = divmod(bit, WIDTH // CELL)
        cell = image_rgb[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        cell[:] = 255 * (number >> bit & 1)
    image_rgb[HEIGHT // 2 :] = COLOURS_RGB[number % 3 if colour is None else colour]
    return image_rgb


def read_number(jpeg: bytes) -> int:
    """Read the number of a frame out of a JPEG."""
    grey = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    number = 0
    for bit in range(BITS):
        row, column = divmod(bit, WIDTH // CELL)
        number |= int(grey[row * CELL + CELL // 2, column * CELL + CELL // 2] > 127) << bit
    return number
