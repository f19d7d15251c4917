"""The log file: one JSON object a line, in files that stay readable and small."""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.quota import HOUR_S, HOURS
from vedette_edge.log.records import create_record, encode_record, format_timestamp
from vedette_edge.log.rotation import LogLimits
from vedette_edge.log.storage import LogStorage

QUEUE_BYTES = 512 * 1024  # waiting for the disk at most; records beyond that are dropped
BATCH_BYTES = 64 * 1024  # written without waiting for the flush interval
FIRST_PAUSE_S = 1.0  # after the first failure of a disk; each further pause is twice as long
LONGEST_PAUSE_S = 60.0
OPEN_S = 2.0  # to wait for the disk at the start
CLOSE_S = 1.0  # the same at the end

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of a log since it was opened."""

    written: int  # records
    dropped: int  # records that were lost: the disk failed or was too slow
    left_out: int  # records over the day's limit
    bytes_day: int  # in the last 24 hours, including earlier watches
    bytes_all: int  # in all files
    failing_since: str | None  # UTC

    @property
    def has_losses(self) -> bool:
        """True if records were lost, or may be soon."""
        return bool(self.dropped or self.left_out or self.failing_since)


class LogFile:
    """A log that a thread of its own writes. Use it with `with`.

    No disk makes `write` wait or raise. Records wait for a disk that fails; when too many wait,
    further ones are dropped and counted. The Python log tells when the disk fails and when it
    works again.
    """

    def __init__(self, path: Path, limits: LogLimits, storage: LogStorage | None = None) -> None:
        """Open a log. A disk that cannot be written yet, or does not answer, is not an error.

        Raises SettingError if `path` exists and is not a log, or if another process logs there.
        If the disk is too slow to tell, this is a failure to write instead.
        """
        self._path, self._limits = path, limits
        self._storage = storage or LogStorage(path, limits)  # for the thread
        self._opened = threading.Event()
        self._refusal: SettingError | None = None
        self._lock = threading.Condition()
        self._queue: deque[tuple[str, bytes]] = deque()  # event, line
        self._queue_bytes = 0
        self._batch: list[bytes] = []  # lines to write next
        self._closing = False
        self._written = self._dropped = self._left_out = 0
        self._bytes_day = self._bytes_all = 0
        self._noted_s: dict[str, float] = {}  # event: time of the note that it is left out
        self._pause_s = 0.0  # until the next attempt, while the disk fails
        self._failing_since: str | None = None
        self._dropped_before = 0  # the disk failed
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        if self._opened.wait(OPEN_S) and self._refusal:
            self.close()
            raise self._refusal

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, record: Mapping[str, object]) -> None:
        """Queue a record. Raises TypeError for values that JSON does not know."""
        line = encode_record(record) + b"\n"
        with self._lock:
            room = min(QUEUE_BYTES - self._queue_bytes, self._limits.file_bytes)
            if self._closing or len(line) > room:
                self._dropped += 1
                return
            self._enqueue(str(record.get("event", "")), line)

    def close(self) -> None:
        """Write the queue and stop the thread. Waits for a disk up to CLOSE_S."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            self._warn("the disk does not answer; the last records may be lost")

    def read_counters(self) -> Counters:
        """Return the counters. Does not wait for the disk."""
        with self._lock:
            return Counters(
                written=self._written,
                dropped=self._dropped,
                left_out=self._left_out,
                bytes_day=self._bytes_day,
                bytes_all=self._bytes_all,
                failing_since=self._failing_since,
            )

    def _enqueue(self, event: str, line: bytes) -> None:
        self._queue.append((event, line))
        self._queue_bytes += len(line)
        if self._queue_bytes >= BATCH_BYTES:
            self._lock.notify()

    def _run(self) -> None:
        """Run the thread: write batches to the disk until the log is closed."""
        self._open()
        while not self._closing:
            with self._lock:
                self._lock.wait_for(self._is_due, self._pause_s or self._limits.flush_s)
            self._flush()
        self._flush()  # the records that arrived during the last flush
        self._count_unwritten()
        self._storage.close()

    def _open(self) -> None:
        try:
            self._storage.open()
        except SettingError as error:
            self._refusal = error
        except OSError:
            pass  # the first batch says so
        self._update_sizes()
        self._opened.set()

    def _is_due(self) -> bool:
        return self._closing or (not self._pause_s and self._queue_bytes >= BATCH_BYTES)

    def _flush(self) -> None:
        while self._batch or self._queue:
            with self._lock:
                self._batch = self._batch or list(self._take_batch())
            if not self._batch:
                continue  # all records were over the day's limit
            try:
                self._storage.append(b"".join(self._batch))
            except (OSError, SettingError) as error:
                self._record_failure(error)
                return
            with self._lock:
                self._written += len(self._batch)
                self._batch = []
                self._update_sizes()
            self._record_success()

    def _take_batch(self) -> Iterator[bytes]:
        """Take the lines of the next batch from the queue, as far as the quota admits them."""
        now_s, size = time.monotonic(), 0
        room = min(BATCH_BYTES, self._limits.file_bytes)
        while self._queue and (not size or size + len(self._queue[0][1]) <= room):
            event, line = self._queue.popleft()
            self._queue_bytes -= len(line)
            if self._storage.quota.admits(event, len(line), now_s):
                size += len(line)
                yield line
            else:
                self._left_out += 1
                yield from self._create_note(event, now_s)

    def _create_note(self, event: str, now_s: float) -> Iterator[bytes]:
        """Create a note, once a day, that records of an event are left out."""
        if now_s - self._noted_s.get(event, -math.inf) < HOURS * HOUR_S:
            return
        self._noted_s[event] = now_s
        limit = f"the day's {self._limits.day_bytes:,} bytes"
        note = _encode_note(f"{event} records are left out: {limit}")
        self._storage.quota.spend(len(note), now_s)
        yield note

    def _update_sizes(self) -> None:
        self._bytes_all = self._storage.size
        self._bytes_day = self._storage.quota.spent(time.monotonic())

    def _record_failure(self, error: OSError | SettingError) -> None:
        self._pause_s = extend_pause(self._pause_s)
        if self._failing_since is None:
            self._failing_since, self._dropped_before = format_timestamp(), self._dropped
            reason = getattr(error, "strerror", None) or error
            self._warn(f"cannot be written ({reason}); the watch goes on")

    def _record_success(self) -> None:
        if self._failing_since is None:
            return
        lost = self._dropped - self._dropped_before
        text = f"could not be written since {self._failing_since}; {lost} records were lost"
        self._failing_since, self._pause_s = None, 0.0
        self._warn(f"can be written again; {text}")
        with self._lock:  # behind the records that still wait: the gap is after them
            self._enqueue("note", _encode_note(f"the log {text}"))

    def _count_unwritten(self) -> None:
        """Count the records that a failing disk did not take."""
        unwritten = len(self._batch) + len(self._queue)
        self._dropped += unwritten
        if unwritten:
            lost = self._dropped - self._dropped_before
            self._warn(f"still cannot be written; {lost} records were lost")

    def _warn(self, text: str) -> None:
        logger.warning("%s: %s", self._path, text)


def extend_pause(pause_s: float) -> float:
    """Double the pause between two attempts to write, from FIRST_PAUSE_S to LONGEST_PAUSE_S."""
    return min(LONGEST_PAUSE_S, 2 * pause_s or FIRST_PAUSE_S)


def _encode_note(text: str) -> bytes:
    return encode_record(create_record("note") | {"text": text}) + b"\n"
