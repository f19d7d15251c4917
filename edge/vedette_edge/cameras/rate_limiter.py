"""A steady frame rate, for sources that have none of their own."""

import time


class RateLimiter:
    """Limits a loop to a rate. After a delay it catches up."""

    def __init__(self, rate: float) -> None:
        """`rate` is in frames/s; 0 never waits."""
        self._rate, self._count, self._start_s = rate, 0, 0.0

    def wait(self) -> None:
        """Wait until the next frame is due; the first is due at once."""
        self._start_s = self._start_s or time.monotonic()
        if self._rate:
            due_s = self._start_s + self._count / self._rate
            time.sleep(max(0.0, due_s - time.monotonic()))
            self._count += 1
