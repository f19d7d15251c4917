"""What is told of a watch besides its labels: how it begins and ends, and how its camera does."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from vedette_edge.console import Output
from vedette_edge.errors import VedetteError
from vedette_edge.host.systemd import Watchdog, notify
from vedette_edge.log.records import create_record
from vedette_edge.sinks import Sink
from vedette_edge.watch.signals import Signals
from vedette_edge.watch.stats import WatchStats


class WatchReporter:
    """Tells on the terminal and in the records what happens to the camera."""

    def __init__(self, terminal: Output, sink: Sink, source: str) -> None:
        self._terminal, self._sink, self._source = terminal, sink, source
        self.pulse = Watchdog()
        self.left_out_count = 0
        self.watches = False  # else pictures of files are told of, and nothing besides

    def delivers(self, line: str) -> None:
        if self.watches:
            self._of_camera("delivers", camera=line)

    def left_out(self, line: str) -> None:
        self.left_out_count += 1
        self._terminal.err.print(line, style="yellow")

    def lost(self, reason: str) -> None:
        self._of_camera("lost", reason=reason)
        self.pulse.lost()

    def back(self, lost_s: float) -> None:
        self._of_camera("back", lost_s=round(lost_s, 1))
        self.pulse.back()

    @contextmanager
    def beginning_and_end(
        self, start: Mapping[str, object], signals: Signals, tally: WatchStats
    ) -> Iterator[None]:
        """Around the watch: how it begins, and why it ends."""
        if self.watches:
            self._record("start", **start)
        reason = "an error"
        try:
            yield
            reason = signals.stop_reason or "the source has ended"
        except VedetteError as error:
            reason = str(error)
            raise
        except (SystemExit, KeyboardInterrupt):  # before the watch began
            reason = signals.stop_reason or "SIGINT"
            raise
        finally:
            if not signals.reload_requested:  # systemd would soon kill what begins anew
                notify("STOPPING=1")
            if self.watches:
                up_s = round(time.monotonic() - tally.began_s, 1)
                self._record("stop", reason=reason, up_s=up_s)
            if tally.seen or signals.stop_reason:
                self._terminal.err.print(tally.summary())

    def _of_camera(self, event: str, **fields: object) -> None:
        self._record(event, **{"camera": self._source, **fields})

    def _record(self, event: str, **fields: object) -> None:
        self._sink.write(create_record(event) | fields)
