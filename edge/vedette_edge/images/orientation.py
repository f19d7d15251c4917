"""EXIF orientations, and how to undo them."""

import numpy as np

from vedette_edge.images.preprocessing import Image


def turn_upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: transpose 5 to 8, then mirror rows or columns.

    Any number but 2 to 8 leaves the image as it is.
    """
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
