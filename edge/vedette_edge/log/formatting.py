"""Records for a person: a line each, in columns."""

import json
from collections.abc import Callable
from datetime import datetime

from vedette_edge.console import escape_unprintable
from vedette_edge.log.reader import LoggedRecord


def format_record(record: LoggedRecord) -> str:
    """Local time, event, label, score, how long; then what else there is to say."""
    what = EVENTS.get(record.event, _fields)(record)
    return escape_unprintable(f"{local(record.at)}  {record.event:<9}  {what}".rstrip())


def local(at: float, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment in seconds since the epoch, as the clock on the wall shows it."""
    return datetime.fromtimestamp(at).strftime(form)


def duration(seconds: float) -> str:
    """How long, in the two units that matter."""
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def format_label(region: str, label: str) -> str:
    """A label, and where in the picture."""
    return f"{region}: {label}" if region else label


def _row(record: LoggedRecord, rest: str) -> str:
    label = format_label(record.name("region"), record.name("label"))
    score = record.number("score")
    return f"{label:<20}  {'' if score is None else f'{score:.0%}':>4}  {rest}"


def _change(record: LoggedRecord) -> str:
    lasted_s, previous = record.number("lasted_s"), record.name("previous")
    if lasted_s is None or not previous:
        return _row(record, "")
    return _row(record, f"after {duration(lasted_s)} of {previous}")


def _frame(record: LoggedRecord) -> str:
    ms = record.fields.get("ms")
    stages = [f"{stage} {took}" for stage, took in ms.items()] if isinstance(ms, dict) else []
    age_ms = record.number("age_ms")
    if age_ms is not None:
        stages.append(f"age {age_ms:.0f}")
    source = f"  {record.name('source')}" if record.name("source") else ""
    return _row(record, (", ".join(stages) + " ms" if stages else "") + source)


def _heartbeat(record: LoggedRecord) -> str:
    state = record.fields.get("state")
    labels = (
        [format_label(*map(str, pair)) for pair in state.items()] if isinstance(state, dict) else []
    )
    said = [form(number) for name, form in MEASURES if (number := record.number(name)) is not None]
    if throttled := record.fields.get("throttled"):
        said.append(f"throttled {throttled}")
    return f"{', '.join(labels):<20}        {', '.join(said)}"


MEASURES: tuple[tuple[str, Callable[[float], str]], ...] = (
    ("up_s", lambda up_s: f"up {duration(up_s)}"),
    ("frames", lambda frames: f"{frames:.0f} frames"),
    ("fps", lambda fps: f"{fps:.1f}/s"),
    ("overtaken", lambda overtaken: f"{overtaken:.0f} overtaken"),
    ("age_ms", lambda age_ms: f"age {age_ms:.0f} ms"),
    ("temperature_c", lambda temperature_c: f"{temperature_c:.0f} °C"),
)


def _back(record: LoggedRecord) -> str:
    lost_s = record.number("lost_s")
    return _text(record, "camera") + (f"  after {duration(lost_s)}" if lost_s is not None else "")


def _lost(record: LoggedRecord) -> str:
    return f"{_text(record, 'camera')}  {_text(record, 'reason')}"


def _start(record: LoggedRecord) -> str:
    return f"{_text(record, 'model')}  {_text(record, 'camera')}"


def _text(record: LoggedRecord, name: str) -> str:
    value = record.fields.get(name, "")
    return value if isinstance(value, str) else _json(value)


def _fields(record: LoggedRecord) -> str:
    """An event that this version does not know."""
    known = ("time", "event")
    return " ".join(f"{key}={_json(it)}" for key, it in record.fields.items() if key not in known)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


EVENTS: dict[str, Callable[[LoggedRecord], str]] = {
    "start": _start,
    "delivers": lambda record: _text(record, "camera"),
    "change": _change,
    "frame": _frame,
    "heartbeat": _heartbeat,
    "lost": _lost,
    "back": _back,
    "note": lambda record: _text(record, "text"),
    "stop": lambda record: _text(record, "reason"),
}
