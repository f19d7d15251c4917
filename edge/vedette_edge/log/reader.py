"""Read logs: every undamaged record, in the order of writing."""

import json
import os
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from vedette_edge.errors import SettingError

LONGEST_LINE = 1 << 20  # bytes; records are shorter
LATEST_S = 253_000_000_000  # in the year 9987; later times are damage
NUMBER = re.compile(r"\.[0-9]{6,}(?=\.jsonl$)")
# Names in the logs of earlier versions, which are still on the disks of Pis -> names of today.
OLD_EVENTS = {"delivers": "camera_opened", "lost": "camera_lost", "back": "camera_restored"}
OLD_FIELDS = {"overtaken": "dropped"}


@dataclass(frozen=True, slots=True)
class LoggedRecord:
    """One line of a log."""

    at: float  # seconds since the epoch, UTC
    event: str
    fields: Mapping[str, object]  # all of the line, with `time` and `event`
    text: str  # the line itself, in which old names stay

    def find_number(self, name: str) -> float | None:
        """A field's value if it is a number of less than 1e12, or None."""
        value = self.fields.get(name)
        return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None

    def find_text(self, name: str) -> str:
        """A field's value if it is a string, or an empty string."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class Damage:
    """A count of the lines that could not be read."""

    lines: int = 0


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A condition on records; empty collections and None accept all."""

    events: Collection[str] = ()
    labels: Collection[str] = ()
    regions: Collection[str] = ()
    since: float | None = None  # seconds since the epoch
    until: float | None = None

    def __call__(self, record: LoggedRecord) -> bool:
        """True if a record matches; by its own time, since the clock may have been set back."""
        return (
            (not self.events or record.event in self.events)
            and (not self.labels or record.find_text("label") in self.labels)
            and (not self.regions or record.find_text("region") in self.regions)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
        )


def find_log(place: Path) -> Path:
    """Find the log at `place`, a file or a folder with one. Raises SettingError if not found."""
    if not place.is_dir():
        if place.is_file() or (
            place.parent.is_dir() and find_rotated_files(Path(os.path.realpath(place)))
        ):
            return Path(os.path.realpath(place))
        raise SettingError(f"{place}: log not found; name its file: vedette log FILE")
    logs = sorted({place / NUMBER.sub("", path.name) for path in place.glob("*.jsonl")})
    if len(logs) == 1:
        return Path(os.path.realpath(logs[0]))
    content = f"several, choose one: {', '.join(map(str, logs))}" if logs else "no .jsonl file"
    raise SettingError(f"{place}: expected a folder with one log, but it has {content}")


def find_rotated_files(path: Path) -> dict[int, Path]:
    """Find the full files of the log at `path` by their names: number to file, oldest first.

    Raises OSError.
    """
    name = re.compile(re.escape(path.stem) + r"\.([0-9]{6,})" + re.escape(path.suffix))
    files = {
        int(match[1]): entry
        for entry in path.parent.iterdir()
        if (match := name.fullmatch(entry.name))
    }
    return dict(sorted(files.items()))


def read_records(path: Path, damage: Damage) -> Iterator[LoggedRecord]:
    """Read all records of the log at `path`, across its files, and count damaged lines."""
    with Tail(path, damage) as tail:
        yield from tail.records()
        yield from tail.read_rest()


def parse_line(line: bytes, damage: Damage) -> Iterator[LoggedRecord]:
    """Parse a line, under the names of today; a damaged line gives no record and is counted."""
    try:
        text = line.strip(b"\0\r\n\t ").decode()
        fields = json.loads(text)
        moment = datetime.fromisoformat(fields["time"])
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        event = OLD_EVENTS.get(fields["event"], fields["event"])
        fields = {OLD_FIELDS.get(name, name): value for name, value in fields.items()}
        record = LoggedRecord(at, event, fields, text)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        damage.lines += 1
        return
    if isinstance(record.event, str) and 0 <= record.at < LATEST_S:
        yield record
    else:
        damage.lines += 1


class Tail:
    """A position in a log that advances as the log grows. Used with `with`.

    It continues through full files, and through a log that is truncated, removed or replaced.
    """

    def __init__(self, path: Path, damage: Damage) -> None:
        self._path, self._damage = path, damage
        self._file: BufferedReader | None = None
        self._complete = False  # nothing more will be written to that file
        self._last_number = 0  # of the last full file that was opened
        self._is_full = False  # the file had its number when it was opened
        self._next_files = deque[tuple[int, Path]]()  # full files after it, of the latest listing
        self._partial = b""  # a line that is still being written

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def skip_full_files(self) -> None:
        """Go to the newest file before the first call of `records`, which yields no older ones."""
        self._last_number = max(self._find_full_files(), default=0)

    def skip_files_before(self, since: float) -> None:
        """Pass over the full files that were last written before a time, in seconds UTC."""
        for number, path in self._find_full_files().items():
            with suppress(OSError):
                if path.stat().st_mtime < since:
                    self._last_number = number

    def records(self) -> Iterator[LoggedRecord]:
        """Yield the records that have come since the last call."""
        more = True
        while more:
            while line := self._read_line():
                yield from parse_line(line, self._damage)
            more = self._turn()

    def read_rest(self) -> Iterator[LoggedRecord]:
        """Yield the record after the last complete line, at the end of reading."""
        if self._partial:
            yield from parse_line(self._partial, self._damage)

    def _read_line(self) -> bytes:
        """Read the next line; empty if there is none."""
        if self._file is None:
            return b""
        line = self._partial + self._file.readline(LONGEST_LINE)
        is_whole = line.endswith(b"\n") or len(line) >= LONGEST_LINE or self._complete
        self._partial = b"" if is_whole else line
        return line if is_whole else b""

    def _turn(self) -> bool:
        """Go on at the end of a file. True if there is more to read, here or in the next file."""
        if self._file is None or self._complete:
            return self._open_next()
        status = os.fstat(self._file.fileno())
        if status.st_size < self._file.tell():  # truncated
            self._file.seek(0)
            self._partial = b""
            return True
        # Lines that came before the file got its new name are read first.
        self._complete = not _is_same_file(self._path, status)
        return self._complete

    def _open_next(self) -> bool:
        self._close_file()
        if not self._next_files:
            files = self._find_full_files().items()
            self._next_files.extend(one for one in files if one[0] > self._last_number)
        number, path = self._next_files.popleft() if self._next_files else (0, self._path)
        self._last_number = number or self._last_number
        try:
            file = path.open("rb")
        except OSError:
            return bool(number)  # deleted since it was listed: go on with the next
        if not number and max(self._find_full_files(), default=0) > self._last_number:
            file.close()  # it became full meanwhile: read the full files first
            return True
        self._file, self._complete, self._is_full = file, bool(number), bool(number)
        return True

    def _close_file(self) -> None:
        """Close the file, and find the number that it has got since it was opened."""
        if not self._file:
            return
        if not self._is_full:
            status, full = os.fstat(self._file.fileno()), self._find_full_files()
            numbers = (n for n, file in full.items() if _is_same_file(file, status))
            self._last_number = next(numbers, self._last_number)
        self._file.close()
        self._file = None

    def _find_full_files(self) -> dict[int, Path]:
        with suppress(OSError):
            return find_rotated_files(self._path)
        return {}


def _is_same_file(path: Path, status: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.stat(), status)
    return False
