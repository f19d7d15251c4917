"""A folder of snapshots that a thread of its own writes."""

import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.sinks.log_file import extend_pause
from vedette_edge.sinks.snapshot_files import SnapshotFiles, SnapshotLimits, is_snapshot_name

MOST_WAITING = 100  # snapshots that wait for the disk; the oldest beyond that are dropped
MOST_WAITING_BYTES = 8 << 20  # of all of them

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SnapshotCounters:
    """Counters of a folder: of this watch, and of the snapshots that are there."""

    written: int
    dropped: int  # the disk failed or was too slow
    bytes: int
    files: int


class SnapshotFolder:
    """Takes snapshots and never makes its user wait.

    They wait for a disk that fails; when too many wait, the oldest are dropped and counted. The
    Python log tells when the disk fails, and when it works again.
    """

    def __init__(
        self, path: Path, limits: SnapshotLimits, files: SnapshotFiles | None = None
    ) -> None:
        self._path, self._limits = path, limits
        self._files = files or SnapshotFiles(path, limits)  # for the thread
        self._lock = threading.Condition()
        self._queue: deque[tuple[str, bytes]] = deque()  # name, JPEG
        self._closing = False
        self._pause_s = 0.0  # until the next attempt, while the disk fails
        self._failing = False
        self._written = self._dropped = 0
        self._reported = 0  # dropped before the disk failed
        self._bytes = self._count = 0
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def write(self, name: str, jpeg: bytes) -> None:
        """Queue a snapshot under a name of `create_snapshot_name`; any other name is dropped."""
        fits = is_snapshot_name(name) and len(jpeg) <= self._limits.total_bytes
        with self._lock:
            if self._closing or not fits:
                self._dropped += 1
                return
            is_late = self._is_full()
        if is_late:
            self._report_failure("the disk is too slow")
        with self._lock:
            if self._is_full():
                self._queue.popleft()
                self._dropped += 1
            self._queue.append((name, jpeg))
            self._lock.notify()

    def close(self, until_s: float) -> None:
        """Write the queue and stop the thread. Waits for the disk until this monotonic time."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(max(0.0, until_s - time.monotonic()))
        if self._thread.is_alive():
            logger.warning("%s: the disk does not answer; snapshots may be lost", self._path)

    def read_counters(self) -> SnapshotCounters:
        """Return the counters. Does not wait for the disk."""
        with self._lock:
            return SnapshotCounters(self._written, self._dropped, self._bytes, self._count)

    def _is_full(self) -> bool:
        """True if the queue has no room for another snapshot."""
        waiting_bytes = sum(len(jpeg) for _, jpeg in self._queue)
        return len(self._queue) >= MOST_WAITING or waiting_bytes >= MOST_WAITING_BYTES

    def _run(self) -> None:
        """Run the thread. It holds no lock while it writes."""
        with suppress(OSError):  # the first snapshot says so
            self._files.open()
        self._update_sizes()
        while snapshot := self._take():
            try:
                self._files.write(*snapshot)
            except OSError as error:
                self._record_failure(snapshot, error)
            else:
                self._record_success()
            self._update_sizes()

    def _take(self) -> tuple[str, bytes] | None:
        """Wait for the next snapshot; None at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._closing, self._pause_s)
            self._lock.wait_for(lambda: self._queue or self._closing)
            return self._queue.popleft() if self._queue else None

    def _update_sizes(self) -> None:
        with self._lock:
            self._bytes, self._count = self._files.size, self._files.count

    def _record_failure(self, snapshot: tuple[str, bytes], error: OSError) -> None:
        self._pause_s = extend_pause(self._pause_s)
        self._report_failure(error.strerror or str(error))
        with self._lock:
            if self._closing or self._is_full():
                self._dropped += 1
            else:
                self._queue.appendleft(snapshot)

    def _record_success(self) -> None:
        self._pause_s = 0.0
        with self._lock:
            self._written += 1
            lost, works_again = self._dropped - self._reported, self._failing and not self._queue
            self._failing = self._failing and not works_again
        if works_again:
            logger.warning("%s: can be written again; %d snapshots were lost", self._path, lost)

    def _report_failure(self, reason: str) -> None:
        """Report that the disk fails, once until it works again."""
        with self._lock:
            is_known, self._failing = self._failing, True
            if not is_known:
                self._reported = self._dropped
        if not is_known:
            text = "%s: no snapshots can be written (%s); the watch goes on"
            logger.warning(text, self._path, reason)


def check_snapshot_folder(path: Path) -> None:
    """Check that snapshots may be at `path`: a folder, or nothing yet. Raises SettingError."""
    advice = "name a folder, such as /var/lib/vedette/snapshots"
    if "\0" in str(path):
        raise SettingError(f"snapshots: {str(path)!r} has a null character; {advice}")
    for place in (path, *path.parents):
        if os.path.lexists(place):
            if not os.path.isdir(place):  # noqa: PTH112 - Path's raises where nobody may look
                raise SettingError(f"{place}: not a folder, so no snapshots fit there; {advice}")
            return
