"""A drawn image that is the same to the bit on every machine."""

import numpy as np

from vedette_edge.images.preprocessing import Picture

HEIGHT, WIDTH = 480, 640  # px


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    """Frame `number`: uint8, height x width x 3, R G B. Ramps, fine grain and a square that moves.

    Integers alone, so that it is the same to the bit on every machine; a swapped colour, a
    turn, a mirror or another resize changes it.
    """
    return _with_square(_ground(height, width), number)


def _ground(height: int, width: int) -> Picture:
    """Ramps and fine grain, 0..253."""
    rows, columns = np.ogrid[0:height, 0:width]
    mixed = rows.astype(np.uint32) * np.uint32(2654435761)
    mixed = mixed ^ columns.astype(np.uint32) * np.uint32(2246822519)
    grain = (mixed >> 27).astype(np.uint8)
    red, green = columns * 223 // width, rows * 223 // height
    blue = (rows // 40 + columns // 40) % 2 * 160
    return np.dstack([grain + channel.astype(np.uint8) for channel in (red, green, blue)])


def _with_square(ground: Picture, number: int) -> Picture:
    drawn, (height, width, _) = ground.copy(), ground.shape
    side = min(120, height // 2, width // 2)
    left, top = 7 * number % (width - side), 5 * number % (height - side)
    drawn[top : top + side, left : left + side] = (230, 200, 30)
    return drawn
