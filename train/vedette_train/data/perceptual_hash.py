"""A hash of which few bits differ between images that look alike."""

import cv2
import numpy as np

from vedette_edge.images.preprocessing import Image

PLAIN = 2.0  # grey levels, standard deviation below which an image shows nothing


def compute_hash(image: Image) -> str:
    """256 bits in hexadecimal: 1 for each low frequency above the median, the lowest 64 first.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions,
    2010, section 3.2.1, of a 32 x 32 grey image, with more of its bits. The bits of a plain
    image would be those of its noise, so it gets the hash of an image without noise.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if small.std() < PLAIN:
        small[:] = 0
    frequencies = cv2.dct(small)[:16, :16]
    bits = frequencies > np.median(frequencies)
    ordered = np.concatenate([bits[:8, :8].ravel(), bits[:8, 8:].ravel(), bits[8:].ravel()])
    return np.packbits(ordered).tobytes().hex()
