"""A limit on reports of outages, so that a camera that comes and goes does not fill the log."""

from collections.abc import Callable
from dataclasses import replace

from vedette_edge.cameras.config import CameraEvent, OnCameraEvent

PERIOD_S = 3600.0
MOST = 120  # outages in a period that are reported at once
LASTING_S = 60.0  # of each further outage, until it is reported all the same


class OutageLimiter:
    """Passes on MOST outages in PERIOD_S; of further ones those that last, and then a count."""

    def __init__(self, on_event: OnCameraEvent, clock: Callable[[], float]) -> None:
        self._pass_on, self._clock = on_event, clock
        self._period_s = clock()  # when it began
        self._lost: CameraEvent | None = None  # of the present outage, until it is passed on
        self._lost_s = 0.0  # when that came
        self._reported, self._left_out = 0, 0  # outages

    def report(self, event: CameraEvent) -> None:
        """Pass on an event, or hold back one of an outage. Each look reports what is due."""
        if event.kind == "lost":
            self._lost, self._lost_s = event, self._clock()
        elif not self._lost or event.kind not in ("opened", "restored"):
            self._pass_on(event)
        elif event.kind == "restored":
            self._lost, self._left_out = None, self._left_out + 1
        self._report_due()

    def _report_due(self) -> None:
        now_s = self._clock()
        if now_s - self._period_s >= PERIOD_S:
            self._period_s, self._reported = now_s, 0
        if self._lost and (self._reported < MOST or now_s - self._lost_s >= LASTING_S):
            more = f"; {self._left_out} more since the last message" if self._left_out else ""
            self._pass_on(replace(self._lost, detail=self._lost.detail + more))
            self._lost, self._left_out, self._reported = None, 0, self._reported + 1
