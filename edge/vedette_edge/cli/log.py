"""`vedette log`: what the watch saw, for a person or a machine."""

import json
import re
import time
from collections import deque
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vedette_edge.console import Output, cli_session

if TYPE_CHECKING:
    from vedette_edge.log.reader import Damage, LoggedRecord, RecordFilter, Tail

DEFAULT = Path("/var/log/vedette")  # where the service logs
LATEST = 10  # records shown before those that come
POLL_S = 0.3
STYLES = {"change": "bold", "heartbeat": "dim", "lost": "red", "back": "green", "note": "yellow"}
UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@click.command("log")
@click.argument("place", metavar="[FILE|FOLDER]", type=click.Path(path_type=Path), default=DEFAULT)
@click.option("-f", "--follow", is_flag=True, help="The latest, then each new one as it comes.")
@click.option("--event", "events", multiple=True, help="Only such: change, heartbeat, lost, …")
@click.option("--label", "labels", multiple=True, help="Only this label.")
@click.option("--region", "regions", multiple=True, help="Only this region.")
@click.option("--since", callback=lambda *it: _moment(it[2]), help="2h, 3d or 2026-11-22T08:00.")
@click.option("--until", callback=lambda *it: _moment(it[2]), help="The same; not included.")
@click.option(
    "--summary",
    "day",
    is_flag=False,
    flag_value="today",
    metavar="[DAY]",
    callback=lambda *it: _day(it[2]),
    help="One day in figures: today, yesterday or 2026-11-22.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, for machines.")
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

    Without FILE: the service's, in /var/log/vedette. Times are local. What a pulled plug left
    damaged is skipped and counted.

    \b
    Examples:
      vedette log watch.jsonl --event change --since 2h
      vedette log --follow
      vedette log watch.jsonl --label fox --json | jq .time
      vedette log --summary yesterday
    """
    from vedette_edge.log import reader

    wanted = reader.RecordFilter(
        frozenset(events), frozenset(labels), frozenset(regions), since, until
    )
    if day and (follow or wanted != reader.RecordFilter()):
        raise click.UsageError("--summary is of a whole day: only --json goes with it")
    with cli_session() as terminal:
        path, damage = reader.find_log(place), reader.Damage()
        try:
            if day:
                _print_summary(path, day, damage, terminal, as_json)
            elif follow:
                _follow(reader.Tail(path, damage), wanted, terminal, as_json)
            else:
                for record in filter(wanted, reader.read_records(path, damage)):
                    _print(record, terminal, as_json)
        finally:
            if damage.lines:
                terminal.err.print(f"{path}: {damage.lines} damaged lines skipped", style="yellow")


def _print_summary(
    path: Path, day: date, damage: "Damage", terminal: Output, as_json: bool
) -> None:
    from vedette_edge.log import reader
    from vedette_edge.log import summary as log_summary

    summary = log_summary.summarize(reader.read_records(path, damage), day, time.time())
    if as_json:
        terminal.print_line(json.dumps(log_summary.to_dict(summary), ensure_ascii=False))
    else:
        terminal.print_line(log_summary.render_summary(summary))


def _follow(tail: "Tail", wanted: "RecordFilter", terminal: Output, as_json: bool) -> None:
    """Without end: who asks since when gets all since then, others the latest."""
    with tail:
        there = filter(wanted, tail.records())
        for record in there if wanted.since is not None else deque(there, LATEST):
            _print(record, terminal, as_json)
        while True:
            time.sleep(POLL_S)
            for record in filter(wanted, tail.records()):
                _print(record, terminal, as_json)


def _print(record: "LoggedRecord", terminal: Output, as_json: bool) -> None:
    from vedette_edge.log.formatting import format_record

    if as_json:
        terminal.print_line(record.text)
    elif terminal.out.is_terminal:
        terminal.out.print(format_record(record), style=STYLES.get(record.event))
    else:
        terminal.print_line(format_record(record))


def _moment(text: str | None) -> float | None:
    """So long ago, or a time: local, unless it says otherwise. Seconds since the epoch."""
    if text is None:
        return None
    if match := re.fullmatch(r"(\d{1,6})\s*(s|min|m|h|d|w)", text):
        return time.time() - int(match[1]) * UNITS_S[match[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError) as error:
        expected = "90s, 30min, 2h, 3d, 1w, 2026-11-22 or 2026-11-22T08:00"
        raise click.BadParameter(f"{text!r} is no time; expected is e.g. {expected}") from error


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    named = {"today": date.today(), "yesterday": date.today() - timedelta(days=1)}
    try:
        return named.get(text) or date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no day; expected is today, yesterday or e.g. 2026-11-22"
            " (a file goes before --summary)"
        ) from error
