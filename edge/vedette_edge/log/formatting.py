"""Format records for a person: a line each, in columns."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime

from rich.cells import cell_len

from vedette_edge.console import escape_unprintable, format_answer
from vedette_edge.log.reader import LoggedRecord

EVENT_COLUMNS = len("heartbeat")  # the longest event with a label
MIN_LABEL_COLUMNS, MOST_LABEL_COLUMNS = 8, 24
Row = tuple[str, str, str]  # label, score and the rest


class RecordFormatter:
    """Formats records, with a column of labels that fits those that are known to come.

    A label that does not fit widens the column from its line on, up to MOST_LABEL_COLUMNS.
    """

    def __init__(self, labels: Iterable[str] = ()) -> None:
        self._columns = MIN_LABEL_COLUMNS
        for label in labels:
            self._widen(escape_unprintable(label))

    def format(self, record: LoggedRecord) -> str:
        """Format local time, event, label, score and duration, then the event's other fields."""
        fields = FORMATTERS.get(record.event, _format_fields)(record)
        text = fields if isinstance(fields, str) else self._format_columns(*fields)
        line = f"{format_local_time(record.at)}  {record.event:<{EVENT_COLUMNS}}  {text}"
        return escape_unprintable(line.rstrip())

    def _format_columns(self, label: str, score: str, rest: str) -> str:
        label = escape_unprintable(label)
        if score:  # without one, it is a list of labels, or a reason
            self._widen(label)
        return f"{label}{' ' * (self._columns - cell_len(label))}  {score:>4}  {rest}"

    def _widen(self, label: str) -> None:
        self._columns = max(self._columns, min(cell_len(label), MOST_LABEL_COLUMNS))


def format_local_time(at: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """Format seconds since the epoch in local time."""
    return datetime.fromtimestamp(at).strftime(form)


def format_duration(seconds: float) -> str:
    """Format a duration with its two largest units, or one of less than an hour."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def format_position(seconds: float) -> str:
    """Format a time in a video, such as 1:02:03.50; without hours if there are none."""
    minutes, rest = divmod(round(seconds, 2), 60)
    whole = f"{minutes // 60:.0f}:{minutes % 60:02.0f}" if minutes >= 60 else f"{minutes:.0f}"
    return f"{whole}:{rest:05.2f}"


def format_count(count: float, noun: str) -> str:
    """Format a count with its noun, such as `1 frame` or `2 frames`."""
    return f"{count:.0f} {noun}{'' if count == 1 else 's'}"


def format_label(region: str, label: str) -> str:
    """Format a label, after the region of the image that has it."""
    return f"{region}: {label}" if region else label


def _format_row(record: LoggedRecord, rest: str) -> Row:
    answer = format_answer(record.find_text("label"), record.find_text("best"))
    label = format_label(record.find_text("region"), answer)
    score = record.find_number("score")
    return label, "" if score is None else f"{score:.0%}", rest


def _format_change(record: LoggedRecord) -> Row:
    lasted_s, previous = record.find_number("lasted_s"), record.find_text("previous")
    after = ""
    if lasted_s is not None and previous:
        score = record.find_number("previous_score")
        most = "" if score is None else f", up to {score:.0%}"
        after = f"after {format_duration(lasted_s)} of {previous}{most}"
    return _format_row(record, after)


def _format_frame(record: LoggedRecord) -> Row:
    """Format what it shows, and where: the time in a video, or the file or camera.

    `--json` has the rest, such as the times of the stages.
    """
    position_s = record.find_number("position_s")
    where = record.find_text("source") if position_s is None else format_position(position_s)
    return _format_row(record, where)


def _format_heartbeat(record: LoggedRecord) -> Row:
    state = record.fields.get("state")
    pairs = state.items() if isinstance(state, dict) else ()
    labels = ", ".join(format_label(*map(str, pair)) for pair in pairs)
    parts = _format_statistics(record)
    if throttled := record.fields.get("throttled"):
        parts.append(f"throttled {throttled}")
    return labels, "", ", ".join(parts)


def _format_stop(record: LoggedRecord) -> Row:
    return _join_fields(record, "reason"), "", ", ".join(_format_statistics(record))


def _format_statistics(record: LoggedRecord) -> list[str]:
    numbers = ((record.find_number(name), form) for name, form in STATISTICS)
    return [form(number) for number, form in numbers if number is not None]


STATISTICS: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("up_s", lambda up_s: f"up {format_duration(up_s)}"),
    ("lost_s", lambda lost_s: f"camera lost for {format_duration(lost_s)}"),
    ("frames", lambda frames: format_count(frames, "frame")),
    ("fps", lambda fps: f"{fps:.1f}/s"),
    ("dropped", lambda dropped: f"{dropped:.0f} dropped"),
    ("unclassified", lambda count: f"{count:.0f} unclassified"),
    ("age_ms", lambda age_ms: f"age {age_ms:.0f} ms"),
    ("temperature_c", lambda temperature_c: f"{temperature_c:.0f} °C"),
)


def _format_lost(record: LoggedRecord) -> str:
    camera, reason = record.find_text("camera"), record.find_text("reason")
    return reason if reason.startswith(f"{camera}: ") else _join_fields(record, "camera", "reason")


def _format_restored(record: LoggedRecord) -> str:
    lost_s = record.find_number("lost_s")
    after = f"  after {format_duration(lost_s)}" if lost_s is not None else ""
    return _join_fields(record, "camera") + after


def _join_fields(record: LoggedRecord, *names: str) -> str:
    values = (record.fields.get(name, "") for name in names)
    return "  ".join(value if isinstance(value, str) else _format_json(value) for value in values)


def _format_fields(record: LoggedRecord) -> str:
    """Format the fields of an event that this version does not know."""
    fields = {key: it for key, it in record.fields.items() if key not in ("time", "event")}
    return " ".join(f"{key}={_format_json(it)}" for key, it in fields.items())


def _format_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


FORMATTERS: dict[str, Callable[[LoggedRecord], Row | str]] = {
    "start": lambda record: _join_fields(record, "model", "camera"),
    "camera_opened": lambda record: _join_fields(record, "camera"),
    "change": _format_change,
    "frame": _format_frame,
    "heartbeat": _format_heartbeat,
    "camera_lost": _format_lost,
    "camera_restored": _format_restored,
    "note": lambda record: _join_fields(record, "text"),
    "stop": _format_stop,
}
