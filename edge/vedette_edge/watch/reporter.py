"""Reports on a watch besides its labels: its start, its end, and its camera."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from vedette_edge.cameras.config import CameraEvent
from vedette_edge.console import escape_unprintable
from vedette_edge.errors import VedetteError
from vedette_edge.host.systemd import Watchdog, notify
from vedette_edge.log.records import create_record
from vedette_edge.sinks import Sink
from vedette_edge.watch.outage_limiter import OutageLimiter
from vedette_edge.watch.signals import Signals
from vedette_edge.watch.stats import FrameTimings, WatchStats

logger = logging.getLogger(__name__)


class WatchReporter:
    """Writes records of what happens to a camera, and keeps systemd's watchdog informed."""

    def __init__(
        self,
        sink: Sink,
        source: str,
        count_unprinted: Callable[[], int],
        *,
        continuous: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`count_unprinted` counts the lines that nobody read on the terminal.

        Set `continuous` to False for files, of which only the images are reported.
        """
        self._sink, self._source, self._continuous = sink, source, continuous
        self._count_unprinted = count_unprinted
        self._watchdog, self._outages = Watchdog(), OutageLimiter(self._report, clock)
        self.skipped_count = 0  # files

    def report(self, event: CameraEvent) -> None:
        """Write the record of a camera event; the supervisor calls this."""
        self._outages.report(event)

    def _report(self, event: CameraEvent) -> None:
        if event.kind == "looked":
            self._watchdog.feed()
        elif event.kind == "skipped_file":
            self.skipped_count += 1
            logger.warning("%s", escape_unprintable(event.detail))  # a file's name may be hostile
        elif event.kind == "lost":
            self._write("camera_lost", camera=self._source, reason=event.detail)
        elif event.kind == "restored":
            self._write("camera_restored", camera=self._source, lost_s=round(event.lost_s, 1))
        elif event.kind == "frozen":
            text = "the camera delivers the same picture, to the bit: it may hang, or see nothing"
            self._write("note", text=text)
        elif event.kind == "opened" and self._continuous:
            self._write("camera_opened", camera=event.detail)

    def feed_watchdog(self, timings: FrameTimings) -> None:
        """Note that a frame was classified and written."""
        self._watchdog.feed()

    @contextmanager
    def record_start_and_stop(
        self, start: Mapping[str, object], signals: Signals
    ) -> Iterator[WatchStats]:
        """Write a start record, and after the watch a stop record with the reason.

        Yields the statistics that the watch is to count.
        """
        stats = WatchStats()
        if self._continuous:
            self._write("start", **start)
        reason = "an error"
        try:
            yield stats
            reason = signals.stop_reason or "the source has ended"
        except VedetteError as error:
            reason = str(error)
            raise
        except (SystemExit, KeyboardInterrupt):  # before the watch began
            reason = signals.stop_reason or "SIGINT"
            raise
        finally:
            if not signals.reload_requested:  # systemd would kill the watch during its restart
                notify("STOPPING=1")
            if self._continuous:
                self._write_stop(reason, stats)
            if stats.frames or signals.stop_reason:
                logger.info("%s", stats.summarize())

    def _write_stop(self, reason: str, stats: WatchStats) -> None:
        up_s, unprinted = round(time.monotonic() - stats.began_s, 1), self._count_unprinted()
        losses = {"unprinted": unprinted} if unprinted else {}
        self._write("stop", reason=reason, up_s=up_s, **stats.to_fields(), **losses)

    def _write(self, event: str, **fields: object) -> None:
        self._sink.write(create_record(event) | fields)
