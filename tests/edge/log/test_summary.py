"""A day of the log in figures."""

import json
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from tests.edge.log_morning import AT, DAY, MORNING, append, change, line, log, vedette_log, zone

from vedette_edge.log.reader import Damage, parse
from vedette_edge.log.summary import Summary, summarize

__all__ = ["log", "zone"]  # fixtures


def of_day(*lines: str, day: date = DAY, now: float = 1e11) -> Summary:
    damage = Damage()
    records = [record for text in lines for record in parse(text.encode(), damage)]
    assert damage.lines == 0
    return summarize(records, day, now)


def test_a_summary_says_how_long_each_label_stood_and_how_often_it_came() -> None:
    stays = {(it.region, it.label): (it.times, it.lasted_s) for it in of_day(*MORNING).stays}
    assert stays == {
        ("door", "none"): (1, 720),
        ("door", "fox"): (1, 178),
        ("nest", "hen"): (1, 100),
    }


def test_a_label_counts_from_midnight_to_midnight() -> None:
    midnight = AT - 9 * 3600
    lines = [
        change(midnight - 7200, "fox"),
        change(midnight + 3600, "none", "fox", 10_800),
        change(midnight + 86_400 + 600, "fox", "none", 83_400),
    ]
    stays = {it.label: (it.times, it.lasted_s) for it in of_day(*lines).stays}
    assert stays == {"none": (1, 82_800), "fox": (0, 3600)}


def test_a_killed_watch_saw_its_last_label_until_its_last_record() -> None:
    lines = [
        line(AT, "start"),
        change(AT, "fox"),
        line(AT + 60, "heartbeat", up_s=60),
        line(AT + 7200, "start"),
        line(AT + 7260, "heartbeat", up_s=60),
    ]
    summary = of_day(*lines)
    assert [(it.label, it.lasted_s) for it in summary.stays] == [("fox", 60)]
    assert summary.watched_s == 120
    assert summary.gaps == (
        (AT - 9 * 3600, AT),
        (AT + 60, AT + 7200),
        (AT + 7260, AT + 15 * 3600),
    )


def test_heartbeats_that_are_missing_do_not_make_a_gap_if_the_next_says_up_since() -> None:
    lines = [line(AT, "start"), line(AT + 7200, "heartbeat", up_s=7200)]
    assert of_day(*lines).watched_s == 7200


def test_a_clock_that_jumps_does_not_make_hours_of_watching() -> None:
    lines = [
        line(AT - 7 * 3600, "start"),  # a Pi without a battery wakes in the past
        line(AT, "heartbeat", up_s=60),
        line(AT - 3600, "heartbeat", up_s=120),
        line(AT - 3540, "heartbeat", up_s=180),
    ]
    assert of_day(*lines).watched_s == 60 + 180


def test_a_label_that_stands_while_the_clock_is_set_counts_for_as_long_as_it_stood() -> None:
    days_s = 3 * 86_400.0  # a Pi that was off so long wakes in the past
    lines = [
        line(AT - days_s, "start"),
        change(AT - days_s + 1, "none"),
        line(AT + 60, "heartbeat", up_s=60),
        change(AT + 80, "fox", "none", 79),
        line(AT + 120, "heartbeat", up_s=120),
        change(AT + 130, "none", "fox", 50),
        line(AT - 3420, "heartbeat", up_s=180),
        line(AT - 3400, "stop", up_s=200, reason="SIGTERM"),
    ]
    stays = {it.label: it.lasted_s for it in of_day(*lines).stays}
    assert stays == {"none": pytest.approx(79 + 70, abs=1), "fox": 50}
    assert not of_day(*lines, day=DAY - timedelta(days=1)).stays
    (before,) = of_day(*lines, day=DAY - timedelta(days=3)).stays
    assert (before.label, before.times, before.lasted_s) == ("none", 1, 0)


def test_today_has_no_gap_in_the_future() -> None:
    lines = [line(AT - 9 * 3600, "start"), line(AT, "heartbeat", up_s=9 * 3600)]
    assert of_day(*lines, now=AT).gaps == ()


def test_frames_are_counted_across_restarts_and_midnight() -> None:
    midnight = AT - 9 * 3600
    lines = [
        line(midnight - 30, "heartbeat", up_s=5000, frames=50_000, overtaken=7),
        line(midnight + 30, "heartbeat", up_s=5060, frames=50_600, overtaken=9),
        line(midnight + 50, "start"),
        line(midnight + 110, "heartbeat", up_s=60, frames=500, overtaken=1),
        line(midnight + 170, "heartbeat", up_s=120, frames=900, overtaken=1),
    ]
    summary = of_day(*lines)
    assert (summary.frames, summary.overtaken) == (1500, 3)


def test_a_lost_camera_is_counted_with_the_time_it_was_away() -> None:
    summary = of_day(*MORNING, line(AT + 1000, "lost"), line(AT + 1600, "stop"))
    assert summary.lost == 2
    assert summary.lost_s == pytest.approx(60.2 + 600)


def test_the_summary_of_a_day_for_a_person_and_for_a_machine(log: Path) -> None:
    append(log, line(AT + 30 * 3600, "start"))
    text = vedette_log(log, "--summary", "2025-11-22").stdout
    for part in (
        r"2025-11-22 +09:00:00 to 09:15:00",
        r"watched +15 min",
        r"not watched +23 h 45 min, 2 times, the longest from 09:15:00 to 00:00:00",
        r"camera lost +once, 1 min",
        r"door: none +1 +12 min",
    ):
        assert re.search(part, text), text
    found = json.loads(vedette_log(log, "--summary", "2025-11-22", "--json").stdout)
    assert found["day"] == "2025-11-22"
    assert found["first"] == "2025-11-22T08:00:00.000Z"
    assert found["gaps"][0] == {
        "from": "2025-11-21T23:00:00.000Z",
        "to": "2025-11-22T08:00:00.000Z",
    }
    assert found["stays"][0] == {"region": "door", "label": "none", "times": 1, "lasted_s": 720}


def test_a_day_without_records_is_said(log: Path) -> None:
    assert vedette_log(log, "--summary", "2020-01-01").stdout == "2020-01-01: nothing was logged\n"
    assert "nothing was logged" in vedette_log(log, "--summary").stdout
    assert "nothing was logged" in vedette_log(log, "--summary", "yesterday").stdout
