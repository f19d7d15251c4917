"""Motion detection, so that still frames need not be classified."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vedette_edge.images.preprocessing import Image

WIDTH, HEIGHT = 64, 48  # px of the reduced image that is compared
CHANGE = 12  # grey levels by which a pixel must differ: more than a sensor's averaged noise
ADAPTATION = 0.05  # weight of each new frame in the background


class MotionDetector:
    """Compares frames with a background that adapts slowly."""

    def __init__(self, share: float) -> None:
        """`share` of the image, 0..1, that must differ from the background."""
        self._share = share
        self._background: NDArray[np.float32] | None = None

    def detect(self, image_rgb: Image) -> bool:
        """True if enough of the frame has changed; always true for the first."""
        small = cv2.resize(image_rgb, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self._background is None:
            self._background = grey
            return True
        changed = np.abs(grey - self._background) > CHANGE
        self._background += ADAPTATION * (grey - self._background)
        return float(changed.mean()) >= self._share
