"""A limit on reports of skipped images, so that a flood of them fills neither pipe nor log."""

import time
from collections.abc import Callable
from dataclasses import replace

from vedette_edge.cameras.config import CameraEvent, OnCameraEvent

PERIOD_S = 60.0


class SkipLimiter:
    """Passes on the first skipped image, and then once in PERIOD_S the last and a count."""

    def __init__(
        self, on_event: OnCameraEvent, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pass_on, self._clock = on_event, clock
        self._last: CameraEvent | None = None  # held back
        self._held, self._due_s = 0, 0.0

    def report(self, event: CameraEvent) -> None:
        """Pass on an event, or hold back one of a skipped image."""
        if event.kind == "skipped_file":
            self._last, self._held = event, self._held + 1
        else:
            self._pass_on(event)
        self.report_due()

    def report_due(self) -> None:
        """Pass on what was held back, if it is due."""
        if self._last and self._clock() >= self._due_s:
            self.close()

    def close(self) -> None:
        """Pass on what was held back, at the end."""
        if self._last:
            more = f"; {self._held - 1} more since the last message" if self._held > 1 else ""
            self._pass_on(replace(self._last, detail=self._last.detail + more))
            self._last, self._held, self._due_s = None, 0, self._clock() + PERIOD_S
