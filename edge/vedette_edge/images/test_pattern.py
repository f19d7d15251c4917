"""Draw an image with integers alone, so that it is bit-identical on every machine."""

import numpy as np

from vedette_edge.images.preprocessing import Image

HEIGHT, WIDTH = 480, 640  # px


def draw_test_pattern(number: int, height: int = HEIGHT, width: int = WIDTH) -> Image:
    """Draw frame `number`: uint8, height x width x 3, R G B: ramps, fine grain, a moving square.

    Swapped colours, a turn, a mirror or another resize change it.
    """
    return draw_square(draw_background(height, width), number)


def draw_background(height: int, width: int) -> Image:
    """Draw ramps and fine grain, 0..253: uint8, height x width x 3, R G B."""
    rows, columns = np.ogrid[0:height, 0:width]
    mixed = rows.astype(np.uint32) * np.uint32(2654435761)
    mixed = mixed ^ columns.astype(np.uint32) * np.uint32(2246822519)
    grain = (mixed >> 27).astype(np.uint8)
    red, green = columns * 223 // width, rows * 223 // height
    blue = (rows // 40 + columns // 40) % 2 * 160
    return np.dstack([grain + channel.astype(np.uint8) for channel in (red, green, blue)])


def draw_square(background: Image, number: int) -> Image:
    """Copy a background and draw the square of frame `number` on it."""
    image, (height, width, _) = background.copy(), background.shape
    side = min(120, height // 2, width // 2)
    left, top = 7 * number % (width - side), 5 * number % (height - side)
    image[top : top + side, left : left + side] = (230, 200, 30)
    return image
