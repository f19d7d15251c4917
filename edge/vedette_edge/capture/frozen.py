"""Detect a camera that hangs but still delivers: every frame is identical to the bit."""

import time
from collections.abc import Callable

import numpy as np

from vedette_edge.capture.frame_buffer import Crops

FROZEN_S = 600.0  # a real sensor's noise changes bits all the time, even in the dark


class FrozenDetector:
    """Compares each frame with the one before."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last, self._since_s = clock, b"", 0.0
        self._detected = False

    def detect(self, crops: Crops) -> bool:
        """True once, when frames have been identical for FROZEN_S; again after a change."""
        if self._last and np.array_equal(np.frombuffer(self._last, np.uint8), crops.ravel()):
            if self._detected or self._clock() - self._since_s < FROZEN_S:
                return False
            self._detected = True
            return True
        self._last, self._since_s, self._detected = crops.tobytes(), self._clock(), False
        return False
