"""`vedette on`: a command that runs when the watch's label changes."""

import json
import os
import select
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from vedette_edge.cli.log import POLL_S, SERVICE_LOGS
from vedette_edge.cli.on_options import (
    Condition,
    Limits,
    condition_options,
    find_score,
    limit_options,
)
from vedette_edge.cli.options import json_option, suggest_name
from vedette_edge.console import Output, cli_session, escape_unprintable
from vedette_edge.errors import SettingError
from vedette_edge.host.command import Outcome, run_command
from vedette_edge.log.detection import contains_log
from vedette_edge.log.formatting import RecordFormatter, format_count
from vedette_edge.log.reader import Damage, LoggedRecord, Tail, find_log
from vedette_edge.sinks.background import write_in_background
from vedette_edge.watch.signals import Signals

Run = Callable[[Mapping[bytes, bytes]], Outcome]

SERVICE_SNAPSHOTS = Path("/var/lib/vedette/snapshots")
CHECK_S = 0.05
SNAPSHOT_S = 2.0  # to wait for a picture, which is written a moment after its record
EXAMPLES = """\b
Examples:
  vedette on --label fox --score 0.8 -- ./horn.sh
  vedette on --label fox --cooldown 600 --max-age 3600 -- ./message.sh
  vedette on --event camera_lost --event camera_restored -- ./message.sh
  vedette on --log watch.jsonl --once -- env

\b
The command's environment has VEDETTE_EVENT, VEDETTE_LABEL, VEDETTE_SCORE,
VEDETTE_PREVIOUS, VEDETTE_REGION, VEDETTE_TIME, VEDETTE_SNAPSHOT (a file, or
empty) and VEDETTE_RECORD (the line of the log).
"""


@click.command(epilog=EXAMPLES, context_settings={"allow_interspersed_args": False})
@click.argument("command", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, required=True)
@condition_options
@limit_options
@click.option(
    "--log",
    "place",
    metavar="FILE|FOLDER",
    type=click.Path(path_type=Path, readable=False),  # _check_access knows more
    default=SERVICE_LOGS,
    help="Log of the watch.",
)
@click.option(
    "--snapshots",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    default=SERVICE_SNAPSHOTS,
    help="Pictures of the watch.",
)
@click.option("--once", is_flag=True, help="End after the first run: to try it out.")
@json_option
def on(
    command: tuple[str, ...],
    condition: Condition,
    limits: Limits,
    place: Path,
    snapshots: Path,
    once: bool,
    as_json: bool,
) -> None:
    """Run a command when the label of the watch changes.

    The command runs without a shell, one at a time: changes that come meanwhile wait in the log.
    What it prints goes to standard error. Each run is a line on standard output.
    """
    with cli_session() as session, ExitStack() as stack:
        _check_program(command[0])
        terminal = stack.enter_context(write_in_background(session))
        signals = stack.enter_context(Signals(None))
        signals.start_watch()
        batches = _follow(place, condition, terminal, signals.stop)
        records = _select(batches, condition, limits, terminal)
        run = partial(run_command, command, session.err.file.fileno(), limits.timeout, signals.stop)
        for record, outcome in _run_each(records, run, snapshots, signals.stop):
            _report(record, outcome, command[0], terminal, as_json)
            if once:
                raise click.exceptions.Exit(1 if outcome.error else 0)


def _check_program(name: str) -> None:
    """Check that a program exists. Raises SettingError."""
    if shutil.which(name):
        return
    if Path(name).is_file():
        raise SettingError(f"{name}: not executable; make it so: chmod +x {name}")
    place = "" if "/" in name else "; for a file in this folder, add ./ before its name"
    raise SettingError(f"{name}: command not found{place}")


def _follow(
    place: Path, condition: Condition, terminal: Output, stop: int
) -> Iterator[Iterator[LoggedRecord]]:
    """Yield the records from now on, some at a time, until `stop` is readable."""
    path = _locate(place)
    is_new = path is None
    if is_new:
        terminal.err.print(f"{place}: no log yet; waiting for one")
    while path is None:
        if _wait(stop, POLL_S):
            return
        path = _locate(place)
    with Tail(path, Damage()) as tail:
        if not is_new:
            tail.skip_full_files()
            _check_names(path, condition, tail.records(), terminal)
        terminal.err.print(f"{path}: following it")
        while not _wait(stop, POLL_S):
            yield tail.records()


def _wait(stop: int, seconds: float) -> bool:
    """Wait, at most until `stop` is readable. True if it is."""
    return bool(select.select([stop], [], [], seconds)[0])


def _locate(place: Path) -> Path | None:
    """Find the log, or None if there is none yet. Raises SettingError if it cannot be read."""
    _check_access(place)
    try:
        path = find_log(place)
    except SettingError:
        if place.is_dir() and any(place.glob("*.jsonl")):
            raise  # several
        return None
    _check_access(path)
    if path.exists() and not contains_log(path):
        raise SettingError(f"{path}: not a log of a watch; name the file of vedette run --log")
    return path


def _check_access(path: Path) -> None:
    if path.exists() and not os.access(path, os.R_OK):
        advice = "for the service's log, join its group: sudo usermod -aG vedette $USER"
        raise SettingError(f"{path}: no permission to read it; {advice}")


def _check_names(
    path: Path, condition: Condition, records: Iterable[LoggedRecord], terminal: Output
) -> None:
    """Report a label or a region that none of the latest records has: it may be a typing error."""
    labels, regions = set[str](), set[str]()
    for record in records:
        labels.add(record.find_text("label"))
        regions.add(record.find_text("region"))
    named = {*condition.label, *condition.previous} - labels, {*condition.region} - regions
    for noun, names, known in zip(("label", "region"), named, (labels, regions), strict=True):
        for name in sorted(names) if known - {""} else ():
            hint = suggest_name(name, known - {""})
            text = f"{path}: no record has the {noun} {name!r} yet; {hint}"
            terminal.err.print(escape_unprintable(text), style="yellow")


def _select(
    batches: Iterable[Iterable[LoggedRecord]],
    condition: Condition,
    limits: Limits,
    terminal: Output,
) -> Iterator[LoggedRecord]:
    """Yield the records to run for: not too old, and not within the cooldown of the last one."""
    last_s = -float("inf")
    for batch in batches:
        late = 0
        for record in filter(condition, batch):
            age_s = max(0.0, time.time() - record.at)
            happened_s = time.monotonic() - age_s  # apart as the changes, not as their reading
            if age_s > limits.max_age:
                late += 1
            elif not limits.cooldown or happened_s - last_s >= limits.cooldown:
                last_s = happened_s
                yield record
        if late:
            text = f"{format_count(late, 'record')} skipped: older than {limits.max_age:g} s"
            terminal.err.print(text, style="yellow")


def _run_each(
    records: Iterable[LoggedRecord], run: Run, snapshots: Path, stop: int
) -> Iterator[tuple[LoggedRecord, Outcome]]:
    """Run the command for one record after the other, until `stop` is readable."""
    for record in records:
        snapshot = _find_snapshot(record, snapshots, stop)
        if _wait(stop, 0):
            return
        outcome = run(_build_environment(record, snapshot))
        if outcome.stopped:
            return
        yield record, outcome


def _find_snapshot(record: LoggedRecord, folder: Path, stop: int) -> bytes:
    """Wait for the picture that a record names; empty if there is none."""
    name = record.find_text("snapshot")
    if not name or "/" in name:
        return b""
    path = folder.absolute() / os.fsdecode(_encode(name))
    until_s = time.monotonic() + SNAPSHOT_S
    while not (os.access(path, os.R_OK) and path.is_file()):
        if time.monotonic() > until_s or _wait(stop, CHECK_S):
            return b""
    return os.fsencode(path)


def _build_environment(record: LoggedRecord, snapshot: bytes) -> Mapping[bytes, bytes]:
    """Build the environment of a run."""
    score = find_score(record)
    values = {
        b"VEDETTE_EVENT": record.event,
        b"VEDETTE_LABEL": record.find_text("label"),
        b"VEDETTE_SCORE": "" if score is None else f"{score:g}",
        b"VEDETTE_PREVIOUS": record.find_text("previous"),
        b"VEDETTE_REGION": record.find_text("region"),
        b"VEDETTE_TIME": record.find_text("time"),
        b"VEDETTE_RECORD": record.text,
    }
    own = {name: _encode(value) for name, value in values.items()}
    return {**os.environb, **own, b"VEDETTE_SNAPSHOT": snapshot}


def _encode(text: str) -> bytes:
    """Encode a text for an environment, which knows no zeros."""
    return text.replace("\0", "").encode("utf-8", "replace")


def _report(
    record: LoggedRecord, outcome: Outcome, program: str, terminal: Output, as_json: bool
) -> None:
    """Print a line for a run, and one on standard error if it failed."""
    if as_json:
        terminal.print_line(_format_json(record, outcome))
    else:
        names = ("region", "label", "best", "camera", "reason", "lost_s")
        fields = {name: record.fields[name] for name in names if name in record.fields}
        fields["score"] = find_score(record)
        line = RecordFormatter().format(replace(record, fields=fields))
        code = "-" if outcome.exit_code is None else outcome.exit_code
        terminal.print_line(f"{line}  exit code {code} after {outcome.duration_s:.1f} s")
    if outcome.error:
        terminal.err.print(escape_unprintable(f"{program}: {outcome.error}"), style="yellow")


def _format_json(record: LoggedRecord, outcome: Outcome) -> str:
    names = ("time", "event", "region", "label", "score")
    fields = {name: record.fields[name] for name in names if name in record.fields}
    if (score := find_score(record)) is not None:
        fields["score"] = score
    run = {"exit_code": outcome.exit_code, "duration_s": round(outcome.duration_s, 3)}
    error = {"error": outcome.error} if outcome.error else {}
    return json.dumps(fields | run | error)
