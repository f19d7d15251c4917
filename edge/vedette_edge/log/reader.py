"""Reads logs back: all that is whole, in the order in which it was written."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.rotation import find_rotated_files

LONGEST_LINE = 1 << 20  # bytes; the log writes none that is longer
LATEST_S = 253_000_000_000  # in the year 9987; what lies beyond is no time
NUMBER = re.compile(r"\.[0-9]{6,}(?=\.jsonl$)")


@dataclass(frozen=True, slots=True)
class LoggedRecord:
    """One line of a log."""

    at: float  # seconds since the epoch, UTC
    event: str
    fields: Mapping[str, object]  # all that the line says, `time` and `event` among it
    text: str  # the line itself

    def number(self, name: str) -> float | None:
        """A field's value if that is a sensible number."""
        value = self.fields.get(name)
        return float(value) if isinstance(value, int | float) and abs(value) < 1e12 else None

    def name(self, name: str) -> str:
        """A field's value if that is text; empty if not."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


@dataclass(slots=True)
class Damage:
    """What could not be read."""

    lines: int = 0


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records are asked for; what is empty or None asks for all."""

    events: frozenset[str] = field(default_factory=frozenset)
    labels: frozenset[str] = field(default_factory=frozenset)
    regions: frozenset[str] = field(default_factory=frozenset)
    since: float | None = None  # seconds since the epoch
    until: float | None = None

    def __call__(self, record: LoggedRecord) -> bool:
        """Each record by its own time: a clock may have been set back in between."""
        return (
            (not self.events or record.event in self.events)
            and (not self.labels or record.name("label") in self.labels)
            and (not self.regions or record.name("region") in self.regions)
            and (self.since is None or record.at >= self.since)
            and (self.until is None or record.at < self.until)
        )


def find_log(place: Path) -> Path:
    """The log at `place`, a file or a folder that holds one. Raises SettingError without one."""
    if not place.is_dir():
        if place.is_file() or (place.parent.is_dir() and find_rotated_files(place.resolve())):
            return place.resolve()
        raise SettingError(f"{place}: there is no log; say where it is: vedette log FILE")
    logs = sorted({place / NUMBER.sub("", path.name) for path in place.glob("*.jsonl")})
    if len(logs) == 1:
        return logs[0].resolve()
    found = f"several, say which: {', '.join(map(str, logs))}" if logs else "no .jsonl file"
    raise SettingError(f"{place}: a folder with one log was expected, it holds {found}")


def read_records(path: Path, damage: Damage) -> Iterator[LoggedRecord]:
    """All records of the log at `path`, across its files; what is damaged is counted."""
    with Tail(path, damage) as tail:
        yield from tail.records()
        yield from tail.rest()


def parse(line: bytes, damage: Damage) -> Iterator[LoggedRecord]:
    """The record of a line, if it is a whole one."""
    try:
        text = line.strip(b"\0\r\n\t ").decode()
        fields = json.loads(text)
        moment = datetime.fromisoformat(fields["time"])
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        record = LoggedRecord(at, fields["event"], fields, text)
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
        damage.lines += 1
        return
    if isinstance(record.event, str) and 0 <= record.at < LATEST_S:
        yield record
    else:
        damage.lines += 1


class Tail:
    """A place in a log that moves on as the log grows. Used with `with`.

    It goes on through full files, and through a log that is cut, removed or replaced.
    """

    def __init__(self, path: Path, damage: Damage) -> None:
        self._path, self._damage = path, damage
        self._file: BufferedReader | None = None
        self._over = False  # nothing more will be written to that file
        self._seen = 0  # number of the last full file that was begun
        self._half = b""  # a line that is still being written

    def __enter__(self) -> "Tail":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def records(self) -> Iterator[LoggedRecord]:
        """What has come since the last call."""
        more = True
        while more:
            while line := self._line():
                yield from parse(line, self._damage)
            more = self._turn()

    def rest(self) -> Iterator[LoggedRecord]:
        """What stands after the last whole line, for who will not come again."""
        if self._half:
            yield from parse(self._half, self._damage)

    def _line(self) -> bytes:
        """The next line, or nothing."""
        if self._file is None:
            return b""
        line = self._half + self._file.readline(LONGEST_LINE)
        whole = line.endswith(b"\n") or len(line) >= LONGEST_LINE or self._over
        self._half = b"" if whole else line
        return line if whole else b""

    def _turn(self) -> bool:
        """At the end of a file: whether there is more to read, here or in the next."""
        if self._file is None or self._over:
            return self._open_next()
        here = os.fstat(self._file.fileno())
        if here.st_size < self._file.tell():  # cut
            self._file.seek(0)
            self._half = b""
            return True
        # What came between the end of the file and its new name is read first.
        self._over = not _is(self._path, here)
        return self._over

    def _open_next(self) -> bool:
        full = self._full()
        if self._file:
            here = os.fstat(self._file.fileno())
            self._seen = next((n for n, file in full.items() if _is(file, here)), self._seen)
            self._file.close()
            self._file = None
        number = next((n for n in full if n > self._seen), None)
        try:
            file = (full[number] if number else self._path).open("rb")
        except OSError:
            return False
        if number is None and max(self._full(), default=0) > self._seen:
            file.close()  # it became full meanwhile: another comes first
            return True
        self._file, self._over, self._seen = file, number is not None, number or self._seen
        return True

    def _full(self) -> dict[int, Path]:
        with suppress(OSError):
            return find_rotated_files(self._path)
        return {}


def _is(path: Path, here: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(path.stat(), here)
    return False
