"""Today's changes, from the log of the watch, and their snapshots."""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vedette_edge.errors import SettingError
from vedette_edge.log.reader import LATEST_S, Damage, Tail, find_log
from vedette_edge.sinks.snapshot_files import is_snapshot_name

EVENTS = frozenset("start stop camera_opened camera_lost camera_restored change".split())
MOST_RECORDS = 1000
READ_S = 3.0  # that a log may take


@dataclass(frozen=True, slots=True)
class History:
    """The log and the snapshots of a watch; None for what it does not keep."""

    log: Path | None
    snapshots: Path | None

    @classmethod
    def from_hello(cls, fields: Mapping[str, object]) -> "History":
        """The places that a watch names when a viewer connects."""
        log, snapshots = fields.get("log"), fields.get("snapshots")
        return cls(Path(str(log)) if log else None, Path(str(snapshots)) if snapshots else None)

    def read(self, since: float) -> tuple[list[Mapping[str, object]], bool]:
        """Read records since a time, in seconds UTC: the newest MOST_RECORDS.

        A log that takes more than READ_S is read no further; then the second value is False.
        Raises OSError and SettingError.
        """
        if not self.log or not self.log.exists():  # it is written some seconds later
            return [], True
        kept, until_s = deque[Mapping[str, object]](maxlen=MOST_RECORDS), time.monotonic() + READ_S
        with Tail(find_log(self.log), Damage()) as tail:
            tail.skip_files_before(since)
            for record in tail.records():
                if record.event in EVENTS and record.at >= since:
                    kept.append(record.fields)
                if time.monotonic() > until_s:
                    return list(kept), False
        return list(kept), True

    def find_snapshot(self, name: str) -> Path:
        """Find the file of a snapshot. Raises SettingError if it is not there."""
        path = self.snapshots / name if self.snapshots and is_snapshot_name(name) else None
        if not path or path.is_symlink() or not path.is_file():
            raise SettingError(f"{name}: no such snapshot")
        return path


def parse_time(text: str) -> float:
    """Parse seconds since the epoch or ISO 8601; empty for the beginning of today."""
    if not text:
        return datetime.now().replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    try:
        is_number = text.replace(".", "", 1).isdecimal()
        seconds = float(text) if is_number else datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        expected = "seconds since the epoch, or a time such as 2026-11-22T08:00"
        raise ValueError(f"since: expected {expected}") from error
    return min(seconds, LATEST_S)
