"""Rules: the `[[on]]` tables of the configuration, each a condition and what to send."""

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from vedette_edge.errors import SettingError, join_names
from vedette_edge.log.records import Record

EVENTS = ("change", "camera_lost", "camera_restored")
PERIODS = ("hour", "day", "ever")
MOST_RULES = 100
MOST_SECONDS = 366 * 86_400.0
SECONDS = f"seconds from 0 to {MOST_SECONDS:,.0f}, a year"
LONGEST = 200  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of each day, in minutes after midnight, local time. It may span midnight."""

    begin: int
    end: int  # not included

    def contain(self, moment: datetime) -> bool:
        """True if a local time lies within the hours."""
        minute = 60 * moment.hour + moment.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition on records, and what the outputs are sent if it holds."""

    event: str = "change"  # one of EVENTS
    labels: tuple[str, ...] = ()  # empty: all
    score: float = 0.0  # that the label must reach while it stands, 0..1
    for_s: float = 0.0  # that the label, or the state of the camera, must stand
    first: str = ""  # one of PERIODS: only the first of each label in it
    cooldown_s: float = 0.0  # shortest time between two
    hours: Hours | None = None
    webhook: str = ""  # URL
    snapshot: bool = False  # send the picture, too

    @property
    def key(self) -> str:
        """A name for the rule's memory: the same as long as its condition is, whatever it sends."""
        condition = replace(self, webhook="", snapshot=False)
        return hashlib.sha256(repr(condition).encode()).hexdigest()[:16]

    def matches(self, record: Record) -> bool:
        """True for a record of this event and label."""
        if record["event"] != self.event:
            return False
        return not self.labels or record.get("label") in self.labels

    def is_reached(self, record: Record) -> bool:
        """True if the score of a change suffices, smoothed or in the frame of the change."""
        highest = max(float(record.get(name, 0.0)) for name in ("score", "frame_score"))
        return highest >= self.score


def parse_rules(tables: object) -> tuple[Rule, ...]:
    """Parse the `[[on]]` tables. Raises SettingError that names all mistakes at once."""
    if not isinstance(tables, Sequence) or not all(isinstance(one, Mapping) for one in tables):
        raise SettingError("expected tables; begin each with a line [[on]]")
    if len(tables) > MOST_RULES:
        raise SettingError(f"{len(tables)} tables, expected at most {MOST_RULES}")
    mistakes = [
        f"[[on]] {number}: {mistake}"
        for number, table in enumerate(tables, 1)
        for mistake in _list_mistakes(table)
    ]
    if mistakes:
        raise SettingError("\n".join(mistakes))
    return tuple(map(_build_rule, tables))


def check_labels(rules: Sequence[Rule], labels: Collection[str]) -> None:
    """Check that each rule's labels are answers of the model. Raises SettingError."""
    for number, rule in enumerate(rules, 1):
        for label in rule.labels:
            if label not in labels:
                known = join_names(labels)
                raise SettingError(
                    f"[[on]] {number}: the model has no label {label!r}; it has {known}"
                )


def _parse_hours(text: str) -> Hours:
    """Parse `20:00-07:00`. Raises ValueError."""
    match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)", text)
    numbers = list(map(int, match.groups())) if match else [0, 0, 0, 0]
    begin, end = 60 * numbers[0] + numbers[1], 60 * numbers[2] + numbers[3]
    if begin == end or end > 24 * 60:
        raise ValueError
    return Hours(begin, end)


def _is_number(most: float) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= most  # false for NaN
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_texts(value: object) -> bool:
    return _is_text(value) or (
        isinstance(value, list) and bool(value) and all(map(_is_text, value))
    )


def _is_hours(value: object) -> bool:
    try:
        return bool(isinstance(value, str) and _parse_hours(value))
    except ValueError:
        return False


_KEYS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "event": (lambda value: value in EVENTS, f"one of {', '.join(EVENTS)}"),
    "label": (_is_texts, "a label, or a list of labels"),
    "score": (_is_number(1.0), "a number from 0 to 1"),
    "for": (_is_number(MOST_SECONDS), SECONDS),
    "first": (lambda value: value in PERIODS, f"one of {', '.join(PERIODS)}"),
    "cooldown": (_is_number(MOST_SECONDS), SECONDS),
    "hours": (_is_hours, 'two different times such as "20:00-07:00"'),
    "webhook": (_is_text, "an address such as http://192.168.1.2:8123/api/webhook/fox"),
    "snapshot": (lambda value: isinstance(value, bool), "true or false"),
}
_OF_CHANGES = ("label", "score", "snapshot")  # keys that a camera's events do not have


def _list_mistakes(table: Mapping[str, object]) -> Iterator[str]:
    for key, value in table.items():
        if key not in _KEYS:
            yield (
                f"unknown key {key!r:.{LONGEST}}; expected one of: {', '.join(_KEYS)}; "
                "settings of the watch belong above the first [[on]]"
            )
            continue
        is_valid, expected = _KEYS[key]
        if not is_valid(value):
            # The address of a webhook may hold a password.
            shown = "" if key == "webhook" else f" is {value!r:.{LONGEST}}"
            yield f"{key}{shown}: expected {expected}"
    event = table.get("event", "change")
    if event != "change" and event in EVENTS:
        for key in _OF_CHANGES:
            if table.get(key):
                yield f"{event} has no {key}, so this never happens; remove {key}"


def _build_rule(table: Mapping[str, Any]) -> Rule:
    label = table.get("label", [])
    return Rule(
        event=table.get("event", "change"),
        labels=(label,) if isinstance(label, str) else tuple(label),
        score=float(table.get("score", 0.0)),
        for_s=float(table.get("for", 0.0)),
        first=table.get("first", ""),
        cooldown_s=float(table.get("cooldown", 0.0)),
        hours=_parse_hours(table["hours"]) if "hours" in table else None,
        webhook=table.get("webhook", ""),
        snapshot=table.get("snapshot", False),
    )
