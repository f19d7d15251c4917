"""A limit to the bytes that a log may write in 24 hours."""

from collections import Counter
from collections.abc import Iterable

HOUR_S = 3600
HOURS = 24

# The share of a day's bytes up to which an event may be written: smaller for events that come more
# often, so that changes outlast frames, and the heartbeat outlasts everything.
SHARES = {"frame": 0.6, "heartbeat": 1.0, "start": 1.0, "stop": 1.0, "note": 1.0}
OTHERS = 0.8


class Quota:
    """The bytes written in the last 24 hours, counted by the hour.

    Times are seconds on the monotonic clock, which nobody can set: a jump of the wall clock frees
    no bytes and costs none. `past` has the bytes of an earlier watch with their age in seconds.
    """

    def __init__(self, day_bytes: int, now_s: float, past: Iterable[tuple[int, float]]) -> None:
        self._day_bytes = day_bytes
        self._hours: Counter[int] = Counter()
        self._shut: dict[str, int] = {}  # event: the hour in which it reached its limit
        for count, age_s in past:
            self.spend(count, now_s - age_s)

    def spend(self, count: int, now_s: float) -> None:
        """Count bytes as written."""
        self._hours[int(now_s // HOUR_S)] += count

    def spent(self, now_s: float) -> int:
        """The bytes of the last 24 hours, and of the begun 25th."""
        oldest = int(now_s // HOUR_S) - HOURS
        for hour in [hour for hour in self._hours if hour < oldest]:
            del self._hours[hour]
        return sum(self._hours.values())

    def admits(self, event: str, count: int, now_s: float) -> bool:
        """Count `count` bytes and return True if a record of this size may be written.

        An event that reached its limit stays out until the hour is over, however small its next
        record is: a gap in the log has one beginning and one end.
        """
        hour = int(now_s // HOUR_S)
        limit = self._day_bytes * SHARES.get(event, OTHERS)
        if self._shut.get(event) == hour:
            return False
        if self.spent(now_s) + count > limit:
            self._shut[event] = hour
            return False
        self.spend(count, now_s)
        return True
