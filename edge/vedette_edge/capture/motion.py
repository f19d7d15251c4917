"""Whether anything moved, so that still frames need not be classified."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image

WIDTH, HEIGHT = 64, 48  # px of the small picture that is compared
CHANGED = 12  # grey levels by which a pixel must differ: more than a sensor's noise, averaged
ADAPTING = 0.05  # share of each new frame in the picture of what stands still


class Motion:
    """Compares frames with what has stood still."""

    def __init__(self, share: float) -> None:
        """`share` of the picture, 0..1, that must differ."""
        self._share = share
        self._still: NDArray[np.float32] | None = None

    def seen(self, picture_rgb: Image) -> bool:
        """Whether enough differs from the frames before; of the first, always."""
        small = cv2.resize(picture_rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self._still is None:
            self._still = grey
            return True
        changed = np.abs(grey - self._still) > CHANGED
        self._still += ADAPTING * (grey - self._still)
        return float(changed.mean()) >= self._share
