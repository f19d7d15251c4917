"""The log: one JSON object a line, in files that stay readable and small."""

import json
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.quota import HOUR_S, HOURS, Quota
from vedette_edge.log.records import format_timestamp
from vedette_edge.log.rotation import LogLimits, append_lines, find_rotated_files

WAITING_BYTES = 512 * 1024  # what waits for the disk at most; what comes then is dropped
BATCH_BYTES = 64 * 1024  # written without waiting for the time to flush
FIRST_PAUSE_S = 1.0  # after a disk's first failure; each further pause is twice as long
LONGEST_PAUSE_S = 60.0
CLOSE_S = 1.0  # how long the end waits for a disk


@dataclass(frozen=True, slots=True)
class Counters:
    """How a log goes, since it was opened."""

    written: int  # records
    dropped: int  # records that were lost: the disk failed or was too slow
    left_out: int  # records over the day's limit
    bytes_day: int  # in the last 24 hours, an earlier watch's included
    bytes_all: int  # in all files
    failing_since: str | None  # UTC


class LogFile:
    """A log that is written by a thread of its own. Used with `with`.

    No disk makes `write` wait or raise: what cannot be written waits, then is dropped and counted.
    """

    def __init__(self, path: Path, limits: LogLimits, say: Callable[[str], None]) -> None:
        """`say` is told, once each, when the disk fails and when it works again, by the thread.

        Raises SettingError if `path` is there and no file. A disk that cannot be written yet is
        no error.
        """
        if path.exists() and not path.is_file():
            raise SettingError(f"{path}: is no file; name one to log to, e.g. watch.jsonl")
        self._path, self._limits, self._say = path.resolve(), limits, say
        past = list(_past(self._path))
        self._quota = Quota(limits.day_bytes, time.monotonic(), past)
        self._bytes_all = sum(count for count, _ in past)
        self._lock = threading.Condition()
        self._waiting: deque[tuple[str, bytes]] = deque()  # event, line
        self._waiting_bytes = 0
        self._batch: list[bytes] = []  # lines that are to be written next
        self._closing = False
        self._written = self._dropped = self._left_out = 0
        self._told_s: dict[str, float] = {}  # event: when it was said that it is left out
        self._pause_s = 0.0  # until the next try, while the disk fails
        self._failing_since: str | None = None
        self._dropped_before = 0  # before the disk failed
        self._thread = threading.Thread(target=self._work, name="log", daemon=True)
        self._thread.start()

    def __enter__(self) -> "LogFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, record: Mapping[str, object]) -> None:
        """Take one record. Raises TypeError for values that JSON does not know."""
        line = _encode(record)
        with self._lock:
            room = min(WAITING_BYTES - self._waiting_bytes, self._limits.file_bytes)
            if self._closing or len(line) > room:
                self._dropped += 1
                return
            self._queue(str(record.get("event", "")), line)

    def close(self) -> None:
        """Write what waits, and end; waits for a disk no longer than a second."""
        with self._lock:
            self._closing = True
            self._lock.notify()
        self._thread.join(CLOSE_S)
        if self._thread.is_alive():
            self._say(f"{self._path}: the disk does not answer; the last records may be lost")

    def counters(self) -> Mapping[str, object]:
        """Counters under `log`, where records were lost; costs no waiting for the disk."""
        found = self.counted()
        lost = found.dropped or found.left_out or found.failing_since
        return {"log": asdict(found)} if lost else {}

    def counted(self) -> Counters:
        """How it goes."""
        with self._lock:
            return Counters(
                written=self._written,
                dropped=self._dropped,
                left_out=self._left_out,
                bytes_day=self._quota.spent(time.monotonic()),
                bytes_all=self._bytes_all,
                failing_since=self._failing_since,
            )

    def _queue(self, event: str, line: bytes) -> None:
        self._waiting.append((event, line))
        self._waiting_bytes += len(line)
        if self._waiting_bytes >= BATCH_BYTES:
            self._lock.notify()

    def _work(self) -> None:
        """The thread: batches to the disk, until the log is closed."""
        while not self._closing:
            with self._lock:
                self._lock.wait_for(self._is_due, self._pause_s or self._limits.flush_s)
            self._flush()
        self._flush()  # what came while the last batch was on its way
        self._give_up()

    def _is_due(self) -> bool:
        return self._closing or (not self._pause_s and self._waiting_bytes >= BATCH_BYTES)

    def _flush(self) -> None:
        while self._batch or self._waiting:
            with self._lock:
                self._batch = self._batch or list(self._take())
            if not self._batch:
                continue  # all of them were over the day's limit
            try:
                size = append_lines(self._path, b"".join(self._batch), self._limits)
            except OSError as error:
                self._failed(error)
                return
            with self._lock:
                self._written += len(self._batch)
                self._batch, self._bytes_all = [], size
            self._works()

    def _take(self) -> Iterator[bytes]:
        """The lines of the next batch, as far as the day's limit admits them."""
        now_s, size = time.monotonic(), 0
        room = min(BATCH_BYTES, self._limits.file_bytes)
        while self._waiting and (not size or size + len(self._waiting[0][1]) <= room):
            event, line = self._waiting.popleft()
            self._waiting_bytes -= len(line)
            if self._quota.admits(event, len(line), now_s):
                size += len(line)
                yield line
            else:
                self._left_out += 1
                yield from self._tell(event, now_s)

    def _tell(self, event: str, now_s: float) -> Iterator[bytes]:
        """A note, once a day, that an event is left out."""
        if now_s - self._told_s.get(event, -math.inf) < HOURS * HOUR_S:
            return
        self._told_s[event] = now_s
        note = _note(f"{event} records are left out: the day's {self._limits.day_bytes:,} bytes")
        if self._quota.admits("note", len(note), now_s):
            yield note

    def _failed(self, error: OSError) -> None:
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s or FIRST_PAUSE_S)
        if self._failing_since is None:
            self._failing_since, self._dropped_before = format_timestamp(), self._dropped
            self._tell_user(f"cannot be written ({error.strerror or error}); the watch goes on")

    def _works(self) -> None:
        if self._failing_since is None:
            return
        lost = self._dropped - self._dropped_before
        text = f"could not be written since {self._failing_since}; {lost} records were lost"
        self._failing_since, self._pause_s = None, 0.0
        self._tell_user(f"can be written again; {text}")
        with self._lock:  # after what still waited: there the gap begins
            self._queue("note", _note(f"the log {text}"))

    def _give_up(self) -> None:
        """Count what a failing disk did not take."""
        lost = len(self._batch) + len(self._waiting)
        self._dropped += lost
        if lost:
            lost = self._dropped - self._dropped_before
            self._tell_user(f"still cannot be written; {lost} records were lost")

    def _tell_user(self, text: str) -> None:
        with suppress(OSError):  # nobody may be listening any more
            self._say(f"{self._path}: {text}")


def _encode(record: Mapping[str, object]) -> bytes:
    """One line. What JSON cannot say becomes null (not a number) or an escape (no text)."""
    try:
        text = _strict(record)
    except ValueError:
        text = _strict(json.loads(_lenient(record), parse_constant=lambda _: None))
    return text.encode("utf-8", "backslashreplace") + b"\n"


_strict, _lenient = (
    json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=allow_nan).encode
    for allow_nan in (False, True)
)


def _note(text: str) -> bytes:
    return _encode({"time": format_timestamp(), "event": "note", "text": text})


def _past(path: Path) -> Iterator[tuple[int, float]]:
    """Bytes and age in seconds of each file that is there; a file is as old as its last line."""
    with suppress(OSError):
        for file in [*find_rotated_files(path).values(), path]:
            with suppress(FileNotFoundError):
                found = file.stat()
                yield found.st_size, max(0.0, time.time() - found.st_mtime)
