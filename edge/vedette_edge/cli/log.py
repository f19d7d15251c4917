"""`vedette log`: records of the watch, for people and programs."""

import json
import re
import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import click

from vedette_edge.cli.options import json_option, suggest_name
from vedette_edge.console import Output, cli_session, escape_unprintable
from vedette_edge.errors import SettingError
from vedette_edge.log import summary
from vedette_edge.log.formatting import RecordFormatter
from vedette_edge.log.reader import Damage, LoggedRecord, RecordFilter, Tail, find_log, read_records
from vedette_edge.log.records import EVENTS

SERVICE_LOGS = Path("/var/log/vedette")
LATEST = 10  # records to show before new ones
POLL_S = 0.3
STYLES = {
    "change": "bold",
    "heartbeat": "dim",
    "camera_lost": "red",
    "camera_restored": "green",
    "note": "yellow",
}
UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
EXAMPLES = """\b
Examples:
  vedette log watch.jsonl --event change --since 2h
  vedette log --follow
  vedette log watch.jsonl --label fox --json | jq .time
  vedette log --summary yesterday
"""


def _parse_time(text: str) -> float:
    """Parse an age or a time, local without a time zone, to seconds since the epoch."""
    if match := re.fullmatch(r"(\d{1,6})\s*(s|min|m|h|d|w)", text):
        return time.time() - int(match[1]) * UNITS_S[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        expected = "90s, 30min, 2h, 3d, 1w, 2026-11-22 or 2026-11-22T08:00"
        raise click.BadParameter(f"{text!r} is not a time; expected e.g. {expected}") from error


FIRST_YEAR, LAST_YEAR = 1971, 9986  # of records, in any time zone


def _parse_day(text: str) -> date:
    names = {"today": date.today(), "yesterday": date.today() - timedelta(days=1)}
    try:
        day = names.get(text) or date.fromisoformat(text)
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError("records have no such times")
        return day
    except ValueError as error:
        expected = "today, yesterday or e.g. 2026-11-22 (put the file before --summary)"
        raise click.BadParameter(f"{text!r} is not a day; expected {expected}") from error


@click.command("log", epilog=EXAMPLES)
@click.argument(
    "place", metavar="[FILE|FOLDER]", type=click.Path(path_type=Path), default=SERVICE_LOGS
)
@click.option("-f", "--follow", is_flag=True, help="Show the latest records, then new ones.")
@click.option("--event", "events", multiple=True, help="Only this event: change, heartbeat, …")
@click.option("--label", "labels", multiple=True, help="Only this label.")
@click.option("--region", "regions", multiple=True, help="Only this region.")
@click.option("--since", type=_parse_time, metavar="TIME", help="2h, 3d or 2026-11-22T08:00.")
@click.option("--until", type=_parse_time, metavar="TIME", help="The same; not included.")
@click.option(
    "--summary",
    "day",
    is_flag=False,
    flag_value="today",
    metavar="[DAY]",
    type=_parse_day,
    help="Sum up one day: today, yesterday or 2026-11-22.",
)
@json_option
def log(
    place: Path,
    follow: bool,
    events: tuple[str, ...],
    labels: tuple[str, ...],
    regions: tuple[str, ...],
    since: float | None,
    until: float | None,
    day: date | None,
    as_json: bool,
) -> None:
    """Show what the watch has logged, across all files of a log.

    Without FILE it reads the service's log in /var/log/vedette. Times are local. Lines that a power
    cut damaged are skipped and counted.
    """
    selected = RecordFilter(events, labels, regions, since, until)
    if day and (follow or selected != RecordFilter()):
        raise click.UsageError("--summary covers a whole day: combine it only with --json")
    with cli_session() as terminal:
        reading = _Reading(find_log(place), selected, terminal)
        with reading.report_damage():
            if day:
                _print_summary(reading.records(), day, terminal, as_json)
            elif follow:
                _print_records(_follow(reading, selected), terminal, as_json)
            else:
                _print_records(filter(selected, reading.records()), terminal, as_json)


class _Reading:
    """Reads a log, and reports what the user cannot have meant: a wrong file, or a wrong name."""

    def __init__(self, path: Path, selected: RecordFilter, terminal: Output) -> None:
        self.path, self._terminal = path, terminal
        self.damage = Damage()
        self._count = 0  # records
        named = {"event": selected.events, "label": selected.labels, "region": selected.regions}
        self._named = {field: names for field, names in named.items() if names}
        self._known = {field: set[str]() for field in self._named}  # of all records

    def records(self) -> Iterator[LoggedRecord]:
        """Yield all records, and check at the end."""
        yield from self.count(read_records(self.path, self.damage))
        self.check()

    def count(self, records: Iterable[LoggedRecord]) -> Iterator[LoggedRecord]:
        """Pass records on, and note the values of the fields that the user names."""
        for record in records:
            self._count += 1
            for field, known in self._known.items():
                known.add(record.event if field == "event" else record.find_text(field))
            yield record

    def check(self) -> None:
        """Report names that no record has.

        Raises SettingError if there are lines and none is a record, or for a wrong event. A label
        that never appeared may be right.
        """
        if self.damage.lines and not self._count:
            lines = f"none of its {self.damage.lines} lines is a record"
            raise SettingError(
                f"{self.path}: not a log of a watch: {lines}. Name the file of --log"
            )
        for field, names in self._named.items():
            known = self._known[field] - {""} | (EVENTS if field == "event" else set())
            for name in names:
                if name not in known:
                    self._report_unknown(field, name, known)

    def _report_unknown(self, field: str, name: str, known: Collection[str]) -> None:
        hint = f"; {suggest_name(name, known)}" if known else ""
        text = escape_unprintable(f"no record has the {field} {name!r}{hint}")
        if field == "event":
            raise SettingError(f"{self.path}: {text}")
        self._terminal.err.print(f"{self.path}: {text}", style="yellow")

    @contextmanager
    def report_damage(self) -> Iterator[None]:
        """Report damaged lines of a log in the end, also if the user ends it."""
        try:
            yield
        finally:
            if self.damage.lines and self._count:
                text = f"{self.path}: {self.damage.lines} damaged lines skipped"
                self._terminal.err.print(text, style="yellow")


def _print_summary(
    records: Iterable[LoggedRecord], day: date, terminal: Output, as_json: bool
) -> None:
    figures = summary.summarize(records, day, time.time())
    if as_json:
        terminal.print_line(json.dumps(summary.to_dict(figures), ensure_ascii=False))
    else:
        terminal.print_line(summary.render_summary(figures))


def _follow(reading: _Reading, selected: RecordFilter) -> Iterator[LoggedRecord]:
    """Yield the latest records, or all since a time that was set; then new ones, without end."""
    with Tail(reading.path, reading.damage) as tail:
        records = filter(selected, reading.count(tail.records()))
        yield from records if selected.since is not None else deque(records, LATEST)
        reading.check()
        while True:
            time.sleep(POLL_S)
            yield from filter(selected, tail.records())


def _print_records(records: Iterable[LoggedRecord], terminal: Output, as_json: bool) -> None:
    formatter = RecordFormatter()
    for record in records:
        line = record.text if as_json else formatter.format(record)
        if terminal.out.is_terminal and not as_json:
            terminal.out.print(line, style=STYLES.get(record.event), soft_wrap=True)
        else:
            terminal.print_line(line)
