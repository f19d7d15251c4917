"""Orientation: how an image has to be turned to stand upright."""

import numpy as np

from vedette_edge.images.preprocessing import Image


def upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: 5 to 8 are transposed, then rows or columns are mirrored."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)
