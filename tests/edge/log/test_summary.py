"""A day of the log in figures."""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.edge.log_morning import (
    AT,
    DAY,
    MORNING,
    append,
    format_change,
    format_line,
    log,
    run_log,
    zone,
)

from vedette_edge.log.reader import Damage, parse_line
from vedette_edge.log.summary import Summary, summarize

__all__ = ["log", "zone"]  # fixtures


def summarize_day(*lines: str, day: date = DAY, now: float = 1e11) -> Summary:
    damage = Damage()
    records = [record for text in lines for record in parse_line(text.encode(), damage)]
    assert damage.lines == 0
    return summarize(records, day, now)


def test_a_summary_has_the_duration_and_count_of_each_label() -> None:
    stays = {(it.region, it.label): (it.times, it.lasted_s) for it in summarize_day(*MORNING).stays}
    assert stays == {
        ("door", "none"): (1, 720),
        ("door", "fox"): (1, 178),
        ("nest", "hen"): (1, 100),
    }


def test_a_label_counts_from_midnight_to_midnight() -> None:
    midnight = AT - 9 * 3600
    lines = [
        format_change(midnight - 7200, "fox"),
        format_change(midnight + 3600, "none", "fox", 10_800),
        format_change(midnight + 86_400 + 600, "fox", "none", 83_400),
    ]
    stays = {it.label: (it.times, it.lasted_s) for it in summarize_day(*lines).stays}
    assert stays == {"none": (1, 82_800), "fox": (0, 3600)}


def test_a_killed_watch_saw_its_last_label_until_its_last_record() -> None:
    lines = [
        format_line(AT, "start"),
        format_change(AT, "fox"),
        format_line(AT + 60, "heartbeat", up_s=60),
        format_line(AT + 7200, "start"),
        format_line(AT + 7260, "heartbeat", up_s=60),
    ]
    summary = summarize_day(*lines)
    assert [(it.label, it.lasted_s) for it in summary.stays] == [("fox", 60)]
    assert summary.watched_s == 120
    assert summary.gaps == (
        (AT - 9 * 3600, AT),
        (AT + 60, AT + 7200),
        (AT + 7260, AT + 15 * 3600),
    )


def test_heartbeats_that_are_missing_do_not_make_a_gap_if_the_next_says_up_since() -> None:
    lines = [format_line(AT, "start"), format_line(AT + 7200, "heartbeat", up_s=7200)]
    assert summarize_day(*lines).watched_s == 7200


def test_a_clock_that_jumps_does_not_make_hours_of_watching() -> None:
    lines = [
        format_line(AT - 7 * 3600, "start"),  # a Pi without a battery wakes in the past
        format_line(AT, "heartbeat", up_s=60),
        format_line(AT - 3600, "heartbeat", up_s=120),
        format_line(AT - 3540, "heartbeat", up_s=180),
    ]
    assert summarize_day(*lines).watched_s == 60 + 180


def test_a_label_that_stands_while_the_clock_is_set_counts_for_as_long_as_it_stood() -> None:
    days_s = 3 * 86_400.0  # a Pi that was off so long wakes in the past
    lines = [
        format_line(AT - days_s, "start"),
        format_change(AT - days_s + 1, "none"),
        format_line(AT + 60, "heartbeat", up_s=60),
        format_change(AT + 80, "fox", "none", 79),
        format_line(AT + 120, "heartbeat", up_s=120),
        format_change(AT + 130, "none", "fox", 50),
        format_line(AT - 3420, "heartbeat", up_s=180),
        format_line(AT - 3400, "stop", up_s=200, reason="SIGTERM"),
    ]
    stays = {it.label: it.lasted_s for it in summarize_day(*lines).stays}
    assert stays == {"none": pytest.approx(79 + 70, abs=1), "fox": 50}
    assert not summarize_day(*lines, day=DAY - timedelta(days=1)).stays
    (before,) = summarize_day(*lines, day=DAY - timedelta(days=3)).stays
    assert (before.label, before.times, before.lasted_s) == ("none", 1, 0)


def test_today_has_no_gap_in_the_future() -> None:
    lines = [format_line(AT - 9 * 3600, "start"), format_line(AT, "heartbeat", up_s=9 * 3600)]
    assert summarize_day(*lines, now=AT).gaps == ()


def test_frames_are_counted_across_restarts_and_midnight() -> None:
    midnight = AT - 9 * 3600
    lines = [
        format_line(midnight - 30, "heartbeat", up_s=5000, frames=50_000, overtaken=7),
        format_line(midnight + 30, "heartbeat", up_s=5060, frames=50_600, overtaken=9),
        format_line(midnight + 50, "start"),
        format_line(midnight + 110, "heartbeat", up_s=60, frames=500, dropped=1),
        format_line(midnight + 170, "heartbeat", up_s=120, frames=900, dropped=1),
    ]
    summary = summarize_day(*lines)
    assert (summary.frames, summary.dropped) == (1500, 3)


def test_a_watch_that_ends_before_its_first_heartbeat_has_its_frames_in_its_stop() -> None:
    lines = [
        format_line(AT, "start"),
        format_line(AT + 36, "stop", up_s=36, frames=359, dropped=2),
        format_line(AT + 40, "start"),
        format_line(AT + 100, "heartbeat", up_s=60, frames=600, dropped=3),
        format_line(AT + 110, "stop", up_s=70, frames=700, dropped=4),
        format_line(AT + 120, "start"),
        format_line(AT + 180, "heartbeat", up_s=60, frames=50, dropped=0),
        format_line(AT + 190, "stop", up_s=70),  # of an earlier version
    ]
    summary = summarize_day(*lines)
    assert (summary.frames, summary.dropped) == (359 + 700 + 50, 2 + 4)


def test_a_lost_camera_is_counted_with_the_time_it_was_away() -> None:
    summary = summarize_day(
        *MORNING, format_line(AT + 1000, "camera_lost"), format_line(AT + 1600, "stop")
    )
    assert summary.lost == 2
    assert summary.lost_s == pytest.approx(60.2 + 600)


def test_the_summary_of_a_day_for_a_person_and_for_a_machine(log: Path) -> None:
    append(log, format_line(AT + 30 * 3600, "start"))
    text = run_log(log, "--summary", "2025-11-22").stdout
    for part in (
        r"2025-11-22 +09:00:00 to 09:15:00",
        r"watched +15 min",
        r"not watched +23 h 45 min, 2 times, the longest from 09:15:00 to 00:00:00",
        r"camera lost +once, 1 min",
        r"door: none +1 +12 min",
    ):
        assert re.search(part, text), text
    summary = json.loads(run_log(log, "--summary", "2025-11-22", "--json").stdout)
    assert summary["day"] == "2025-11-22"
    assert summary["first"] == "2025-11-22T08:00:00.000Z"
    assert summary["gaps"][0] == {
        "from": "2025-11-21T23:00:00.000Z",
        "to": "2025-11-22T08:00:00.000Z",
    }
    assert summary["stays"][0] == {"region": "door", "label": "none", "times": 1, "lasted_s": 720}


def test_a_day_without_records_is_reported(log: Path) -> None:
    assert run_log(log, "--summary", "2020-01-01").stdout == "2020-01-01: nothing was logged\n"
    assert "nothing was logged" in run_log(log, "--summary").stdout
    assert "nothing was logged" in run_log(log, "--summary", "yesterday").stdout
