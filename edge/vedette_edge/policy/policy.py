"""The policy: decides which records the outputs are sent, by the rules of the configuration."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vedette_edge.log.records import Record
from vedette_edge.policy.memory import PolicyMemory, read_boot_clock
from vedette_edge.policy.rule import EVENTS, Rule

MOST_PICTURES = 32  # of a rule's firsts that wait for the end of a cooldown; others go without
_PERIOD_FORMS = {"": "", "hour": "%Y-%m-%dT%H%z", "day": "%Y-%m-%d", "ever": "ever"}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A record, and the picture that belongs to it."""

    record: Record
    snapshot: Any = None  # passed through

    @property
    def subject(self) -> str:
        """The region or the camera that the record is about."""
        is_change = self.record["event"] == "change"
        return _name_region(str(self.record.get("region", ""))) if is_change else "camera"

    @property
    def label(self) -> str:
        """The label or the event of the camera, of which a rule counts the firsts."""
        return str(self.record.get("label", self.record["event"]))


@dataclass(frozen=True, slots=True)
class Notification:
    """A rule that holds, and the record that it holds for."""

    rule: Rule
    occurrence: Occurrence


@dataclass(slots=True)
class _Candidate:
    """A record that a rule matches, whose label or state stands since."""

    occurrence: Occurrence
    since_s: float
    reached: bool  # the rule's score


class Policy:
    """Decides which records the outputs are sent. For one thread.

    Cooldowns and `for` are counted on the boot clock, periods and hours in local time.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        memory: PolicyMemory,
        clock: Callable[[], float] = read_boot_clock,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` gives seconds since the boot, `wall_clock` seconds since the epoch."""
        keys = list(_number_keys(rules))
        memory.forget_others(keys, wall_clock())
        self._states = [_RuleState(*one, memory) for one in zip(rules, keys, strict=True)]
        self._clock, self._wall_clock = clock, wall_clock

    @property
    def waits_for_score(self) -> bool:
        """True if a rule waits for a label's score to rise: then `add_score` is due each frame."""
        return any(state.waits_for_score for state in self._states)

    def add(self, occurrence: Occurrence) -> list[Notification]:
        """Add a record; return the notifications that it causes now."""
        if occurrence.record["event"] not in EVENTS:
            return []
        for state in self._states:
            state.add(occurrence, self._clock())
        return self.take_due()

    def add_score(
        self, region: str, score: float, describe: Callable[[Record], Occurrence]
    ) -> list[Notification]:
        """Add the score of a region's label; return the notifications that it causes now.

        `describe` creates the occurrence of this frame from the record of the change.
        """
        for state in self._states:
            state.add_score(_name_region(region), score, describe)
        return self.take_due()

    def find_awaited_score(self, region: str) -> float | None:
        """Find the lowest score that a rule waits for in a region; None if none waits."""
        subject = _name_region(region)
        scores = [state.find_awaited_score(subject) for state in self._states]
        return min((score for score in scores if score is not None), default=None)

    def holds(self, occurrence: Occurrence) -> bool:
        """True if a rule waits with this record, to send it later."""
        return any(state.holds(occurrence) for state in self._states)

    def take_due(self) -> list[Notification]:
        """Take the notifications that are due, as a label has stood long enough."""
        now_s, now = self._clock(), self._wall_clock()
        return [due for state in self._states for due in state.take_due(now_s, now)]


def _name_region(region: str) -> str:
    """Name a region as a subject; not even one called "camera" is taken for the camera."""
    return f"region {region}"


def _number_keys(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield a key for each rule's memory; of those with the same condition, each has its own."""
    counts = Counter[str]()
    for rule in rules:
        counts[rule.key] += 1
        yield f"{rule.key}-{counts[rule.key]}"


class _RuleState:
    """A rule, and the records that it waits with."""

    def __init__(self, rule: Rule, key: str, memory: PolicyMemory) -> None:
        self._rule, self._memory = rule, memory.of(key)
        self._candidates: dict[str, _Candidate] = {}  # by subject
        # Firsts that came in a cooldown: none is missed. With their periods.
        self._deferred: deque[tuple[Occurrence, str]] = deque()  # one for each label

    @property
    def waits_for_score(self) -> bool:
        """True if a label stands whose score is too low so far."""
        return any(not one.reached for one in self._candidates.values())

    def find_awaited_score(self, subject: str) -> float | None:
        """Find the score that the label which stands has not reached; None without one."""
        candidate = self._candidates.get(subject)
        return self._rule.score if candidate and not candidate.reached else None

    def holds(self, occurrence: Occurrence) -> bool:
        """True if the record waits."""
        waiting = [one.occurrence for one in self._candidates.values()]
        return any(one is occurrence for one in (*waiting, *(first for first, _ in self._deferred)))

    def add(self, occurrence: Occurrence, now_s: float) -> None:
        """Add a record, in place of the one before about the same subject."""
        self._candidates.pop(occurrence.subject, None)
        if self._rule.matches(occurrence.record):
            reached = self._rule.is_reached(occurrence.record)
            self._candidates[occurrence.subject] = _Candidate(occurrence, now_s, reached)

    def add_score(
        self, subject: str, score: float, describe: Callable[[Record], Occurrence]
    ) -> None:
        """Let the score of the label that stands rise."""
        candidate = self._candidates.get(subject)
        if candidate and not candidate.reached and score >= self._rule.score:
            candidate.occurrence = describe(candidate.occurrence.record)
            candidate.reached = True

    def take_due(self, now_s: float, now: float) -> Iterator[Notification]:
        """Take the notifications that are due."""
        for subject, one in list(self._candidates.items()):
            if one.reached and now_s - one.since_s >= self._rule.for_s:
                del self._candidates[subject]
                if self._admits(one.occurrence, now_s, now):
                    yield Notification(self._rule, one.occurrence)
        if self._deferred and not self._is_cooling(now_s, now) and self._is_within_hours(now):
            occurrence, period = self._deferred.popleft()
            self._memory.note(occurrence.label, period, now_s, now)
            yield Notification(self._rule, occurrence)

    def _admits(self, occurrence: Occurrence, now_s: float, now: float) -> bool:
        """Decide by hours, period and cooldown, and remember it."""
        moment = datetime.fromtimestamp(now).astimezone()
        period, label = moment.strftime(_PERIOD_FORMS[self._rule.first]), occurrence.label
        if not self._is_within_hours(now):
            return False
        if period and self._is_known(label, period):
            return False
        if self._is_cooling(now_s, now):
            if period:
                self._defer(occurrence, period)
            return False
        if period:
            self._drop_deferred(label)
        if period or self._rule.cooldown_s:
            self._memory.note(label, period, now_s, now)
        return True

    def _defer(self, occurrence: Occurrence, period: str) -> None:
        """Let a first wait. Of many, only the latest keep their pictures."""
        self._drop_deferred(occurrence.label)
        self._deferred.append((occurrence, period))
        if len(self._deferred) > MOST_PICTURES:
            early, its_period = self._deferred[-MOST_PICTURES - 1]
            self._deferred[-MOST_PICTURES - 1] = replace(early, snapshot=None), its_period

    def _drop_deferred(self, label: str) -> None:
        """Drop the first of an earlier period, in whose place a later one is sent or waits."""
        self._deferred = deque(one for one in self._deferred if one[0].label != label)

    def _is_known(self, label: str, period: str) -> bool:
        """True if the first of a period was sent, or waits.

        Only the latest period counts. A clock that was ahead and is set back sends a first once
        more, where all periods together would miss one.
        """
        waiting = [one for one in self._deferred if one[0].label == label]
        return period == (waiting[-1][1] if waiting else self._memory.firsts.get(label))

    def _is_within_hours(self, now: float) -> bool:
        hours = self._rule.hours
        return not hours or hours.contain(datetime.fromtimestamp(now).astimezone())

    def _is_cooling(self, now_s: float, now: float) -> bool:
        return self._memory.is_cooling(self._rule.cooldown_s, now_s, now)
