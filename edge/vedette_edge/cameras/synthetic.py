"""A drawn picture that every machine draws alike, for tests without a camera."""

import numpy as np

from vedette_edge.prepare import Picture

HEIGHT, WIDTH = 480, 640  # px


def picture(number: int) -> Picture:
    """Frame `number`: uint8, 480 x 640 x 3, R G B. Ramps, fine grain and a square that moves.

    Integers alone, so that it is the same to the bit on every machine; a swapped colour, a
    turn, a mirror or another resize changes it.
    """
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.uint32)
    grain = (rows * np.uint32(2654435761) ^ columns * np.uint32(2246822519)) >> 27
    red, green = columns * 223 // WIDTH + grain, rows * 223 // HEIGHT + grain
    blue = (rows // 40 + columns // 40) % 2 * 160 + grain
    drawn = np.dstack([red, green, blue]).astype(np.uint8)
    left, top = 7 * number % (WIDTH - 120), 5 * number % (HEIGHT - 120)
    drawn[top : top + 120, left : left + 120] = (230, 200, 30)
    return drawn
