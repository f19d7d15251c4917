"""Commands: what Home Assistant, or anybody who may write to the broker, can set."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

LONGEST = 16  # characters of a number
RANGES = {"enter": (0.05, 1.0), "leave": (0.0, 1.0)}
SWITCHES = {b"ON": True, b"OFF": False}
RESTART = b"restart"
_NUMBER = re.compile(rb"\d{1,3}(?:\.\d{1,12})?")


@dataclass(frozen=True, slots=True)
class Command:
    """A setting and its new value, or `restart`, whose value is True."""

    name: str  # enter, leave, paused or restart
    value: float | bool


def parse_command(name: str, payload: bytes) -> Command | None:
    """Parse what arrived for a setting; None if it is not valid."""
    if name == "restart" and payload == RESTART:
        return Command(name, True)
    if name == "paused" and payload in SWITCHES:
        return Command(name, SWITCHES[payload])
    if name in RANGES and len(payload) <= LONGEST and _NUMBER.fullmatch(payload):
        low, high = RANGES[name]
        value = float(payload)
        return Command(name, value) if low <= value <= high else None
    return None


class TokenBucket:
    """Admits so many a second, and after a pause so many at once."""

    def __init__(
        self, per_s: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._tokens, self._filled_s = float(burst), clock()

    def take(self) -> bool:
        """Take one; False if none is left."""
        now_s = self._clock()
        refill = (now_s - self._filled_s) * self._per_s
        self._tokens, self._filled_s = min(self._burst, self._tokens + refill), now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
