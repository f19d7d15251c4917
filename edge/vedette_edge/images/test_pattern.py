"""A drawn image that is the same to the bit on every machine."""

import numpy as np

from vedette_edge.images.preprocessing import Image

HEIGHT, WIDTH = 480, 640  # px


def draw_test_pattern(number: int, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Frame `number`: uint8, height x width x 3, R G B. Ramps, fine grain and a square that moves.

    Integers alone, so that it is the same to the bit on every machine; a swapped colour, a
    turn, a mirror or another resize changes it.
    """
    return draw_square(draw_background(height, width), number)


def draw_background(height: int, width: int) -> Image:
    """Ramps and fine grain, 0..253."""
    rows, columns = np.ogrid[0:height, 0:width]
    mixed = rows.astype(np.uint32) * np.uint32(2654435761)
    mixed = mixed ^ columns.astype(np.uint32) * np.uint32(2246822519)
    grain = (mixed >> 27).astype(np.uint8)
    red, green = columns * 223 // width, rows * 223 // height
    blue = (rows // 40 + columns // 40) % 2 * 160
    return np.dstack([grain + channel.astype(np.uint8) for channel in (red, green, blue)])


def draw_square(ground: Image, number: int) -> Image:
    drawn, (height, width, _) = ground.copy(), ground.shape
    side = min(120, height // 2, width // 2)
    left, top = 7 * number % (width - side), 5 * number % (height - side)
    drawn[top : top + side, left : left + side] = (230, 200, 30)
    return drawn
