"""The memory of rules: the firsts that were sent, and when each rule sent last.

It outlives the watch, in a file, so that a watch that restarts often sends no more than one that
does not. The file is for this machine alone and may be deleted: the rules start over then.
"""

import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vedette_edge.files import read_bounded

MOST_BYTES = 16 << 20
MOST_GONE, FORGET_S = 100, 30 * 86_400  # rules that are gone from the configuration
MOST_LABELS = 10_000  # whose firsts a rule remembers, more than most models have; the oldest go


def read_boot_clock() -> float:
    """Seconds since the machine started, those of a suspension included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class RuleMemory:
    """The memory of one rule."""

    firsts: dict[str, str] = field(default_factory=dict)  # label -> its latest period
    sent_s: float = -math.inf  # on the boot clock
    sent_at: float = -math.inf  # seconds since the epoch
    before_boot: bool = False  # it sent last before the machine started: `sent_s` means nothing

    def is_cooling(self, cooldown_s: float, now_s: float, now: float) -> bool:
        """True within a cooldown. A changed wall clock counts only for what was before the boot."""
        if self.before_boot:
            return now_s < cooldown_s and now - self.sent_at < cooldown_s
        return now_s - self.sent_s < cooldown_s

    def note(self, label: str, period: str, now_s: float, now: float) -> None:
        """Note that the rule sends now."""
        self.sent_s, self.sent_at, self.before_boot = now_s, now, False
        if period:
            self.firsts.pop(label, None)
            self.firsts[label] = period
            if len(self.firsts) > MOST_LABELS:
                del self.firsts[next(iter(self.firsts))]


class PolicyMemory:
    """The memories of all rules, as a file keeps them."""

    def __init__(
        self, path: Path | None = None, read_boot: Callable[[], str] | None = None
    ) -> None:
        """Load the file at `path`. One that is absent, damaged or unreadable counts as empty."""
        self._boot = (read_boot or _read_boot)()
        self._rules: dict[str, RuleMemory] = {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            if path:
                content = json.loads(read_bounded(path, MOST_BYTES))
                rules = content["rules"].items()
                same = content["boot"] == self._boot
                self._rules = {key: _parse_memory(one, same_boot=same) for key, one in rules}

    def of(self, key: str) -> RuleMemory:
        """The memory of the rule with this key."""
        return self._rules.setdefault(key, RuleMemory())

    def forget_others(self, keys: Collection[str], now: float) -> None:
        """Forget rules that the configuration no longer has, after a while: they may come back."""
        gone = {key: one for key, one in self._rules.items() if key not in keys}
        latest = sorted(gone, key=lambda key: gone[key].sent_at)[-MOST_GONE:]
        kept = {key for key in latest if now - gone[key].sent_at < FORGET_S}
        self._rules = {key: one for key, one in self._rules.items() if key in {*keys, *kept}}

    def to_dict(self) -> dict[str, object]:
        """Create the content of the file, which does not change with the memory."""
        rules = {key: _to_dict(one) for key, one in self._rules.items() if one.sent_at > -math.inf}
        return {"boot": self._boot, "rules": rules}


def _parse_memory(data: Mapping[str, Any], *, same_boot: bool) -> RuleMemory:
    """Parse one rule's memory. Raises ValueError, TypeError or KeyError if it is damaged."""
    firsts = {str(label): str(period) for label, period in data["firsts"].items()}
    before = bool(data["before_boot"]) or not same_boot
    return RuleMemory(firsts, float(data["sent_s"]), float(data["sent_at"]), before)


def _to_dict(memory: RuleMemory) -> dict[str, object]:
    return {
        "firsts": dict(memory.firsts),
        "sent_s": memory.sent_s,
        "sent_at": memory.sent_at,
        "before_boot": memory.before_boot,
    }


def _read_boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return ""
