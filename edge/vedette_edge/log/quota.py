"""A limit to the bytes that a log may write in 24 hours."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

HOUR_S = 3600
HOURS = 24

# Records that are few and that a reader cannot do without: written whatever was spent.
ALWAYS = frozenset({"start", "stop", "camera_lost", "camera_restored", "note"})
# The share of a day's bytes up to which an event may be written: smaller for events that come more
# often, so that changes outlast frames, and the heartbeat outlasts both.
SHARES = {"frame": 0.6, "heartbeat": 1.0}
OTHERS = 0.8


class Quota:
    """The bytes written in the last 24 hours, counted by the hour.

    Times are seconds on the monotonic clock, which nobody can set: a jump of the wall clock frees
    no bytes and costs none.
    """

    def __init__(self, day_bytes: int) -> None:
        self._day_bytes = day_bytes
        self._hours: Counter[int] = Counter()
        self._offset_s = 0.0  # of the hours, so that they go on after a restart
        self._shut: dict[str, int] = {}  # event: the hour in which it reached its limit
        self._heartbeat_hour: int | None = None  # of the last heartbeat

    def spend(self, count: int, now_s: float) -> None:
        """Count bytes as written."""
        self._hours[self._find_hour(now_s)] += count

    def spent(self, now_s: float) -> int:
        """The bytes of the last 24 hours, and of the begun 25th."""
        oldest = self._find_hour(now_s) - HOURS
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]
        return sum(self._hours.values())

    def admits(self, event: str, count: int, now_s: float) -> bool:
        """Count `count` bytes and return True if a record of this size may be written.

        One heartbeat an hour may always be written, as may the events in ALWAYS.
        """
        hour, is_heartbeat = self._find_hour(now_s), event == "heartbeat"
        is_due = is_heartbeat and hour != self._heartbeat_hour
        if not (event in ALWAYS or is_due or self._has_room(event, count, now_s)):
            return False
        if is_heartbeat:
            self._heartbeat_hour = hour
        self.spend(count, now_s)
        return True

    def save(self, now_s: float, size: int) -> dict[str, object]:
        """Return the bytes by age in hours, for `restore`; `size` is that of the whole log."""
        hour = self._find_hour(now_s)
        hours = [self._hours[hour - age] for age in range(HOURS + 1)]
        begun_s = (now_s + self._offset_s) % HOUR_S
        boot = _read_boot_id()
        return {"boot": boot, "at_s": now_s, "begun_s": begun_s, "hours": hours, "size": size}

    def restore(self, saved: Mapping[str, Any], now_s: float, size: int) -> None:
        """Count what `save` returned before a restart, and what the log has grown since.

        The clock starts at 0 with each boot, and nobody knows how long the machine was off: the
        bytes are then as old as when they were saved. Damaged values count as empty.
        """
        with suppress(LookupError, TypeError, ValueError, OverflowError):
            at_s, begun_s = float(saved["at_s"]), float(saved["begun_s"])
            hours = [max(0, int(it)) for it in saved["hours"]]
            unsaved = max(0, size - int(saved["size"]))  # by a watch that was killed
            if not (0 <= begun_s < HOUR_S and len(hours) == HOURS + 1):
                return
            same_boot = saved["boot"] == _read_boot_id() and 0 <= at_s <= now_s
            spent = self.spent(now_s)  # while the disk did not answer
            self._hours = Counter({-age: count for age, count in enumerate(hours)})
            self._offset_s = begun_s - (at_s if same_boot else now_s)
            self.spend(spent + unsaved, now_s)

    def _has_room(self, event: str, count: int, now_s: float) -> bool:
        """True if a record is within the share of its event.

        An event that reached its limit stays out until the hour is over, however small its next
        record is: a gap in the log has one beginning and one end.
        """
        hour = self._find_hour(now_s)
        if self.spent(now_s) + count > self._day_bytes * SHARES.get(event, OTHERS):
            self._shut[event] = hour
        return self._shut.get(event) != hour

    def _find_hour(self, now_s: float) -> int:
        return int((now_s + self._offset_s) // HOUR_S)


def _read_boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""
