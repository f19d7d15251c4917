"""`vedette log`, as a user meets it, and the reader behind it."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
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

from vedette_edge.__main__ import main
from vedette_edge.log import reader
from vedette_edge.log.formatting import RecordFormatter
from vedette_edge.log.reader import (
    OLD_EVENTS,
    Damage,
    Tail,
    find_rotated_files,
    parse_line,
    read_records,
)
from vedette_edge.log.summary import summarize

__all__ = ["log", "zone"]  # fixtures


def labels(*arguments: str | Path) -> list[str]:
    result = run_log(*arguments, "--json")
    assert result.exit_code == 0
    return [json.loads(text).get("label", "") for text in result.stdout.splitlines()]


def test_a_person_reads_local_time_event_label_score_and_how_long(log: Path) -> None:
    lines = run_log(log).stdout.splitlines()
    assert len(lines) == len(MORNING)
    assert re.split("  +", lines[0])[1:] == ["start", "model.tflite", "picamera2"]
    assert lines[0].startswith("2025-11-22 09:00:00  ")
    assert re.split("  +", lines[4]) == [
        "2025-11-22 09:12:02",
        "change",
        "door: fox",
        "91%",
        "after 12 min of none, up to 99%",
    ]
    assert lines[4].index("91%") == lines[8].index("50%")
    assert lines[3].endswith("up 1 min, 600 frames, 10.0/s")
    assert lines[5].endswith("picamera2  no frame for 10 s")
    assert lines[6].endswith("picamera2  after 1 min")
    assert lines[8].endswith("50%")  # without the times of the stages
    assert lines[9].endswith("SIGTERM")


def test_a_machine_gets_the_lines_as_they_are(log: Path) -> None:
    assert run_log(log, "--json").stdout == "".join(MORNING)


def test_a_folder_with_one_log_stands_for_it(log: Path) -> None:
    assert run_log(log.parent, "--json").stdout == "".join(MORNING)
    log.unlink()
    assert run_log(log.parent, "--json").stdout == "".join(MORNING[:5])
    assert run_log(log, "--json").stdout == "".join(MORNING[:5])


def test_a_full_file_can_be_read_alone(log: Path) -> None:
    assert labels(log.with_name("watch.000010.jsonl")) == ["none", "", "fox"]


def test_it_filters_by_event_label_region_and_time(log: Path) -> None:
    assert labels(log, "--event", "change") == ["none", "fox", "hen"]
    assert labels(log, "--event", "change", "--event", "stop") == ["none", "fox", "hen", ""]
    assert labels(log, "--label", "fox") == ["fox"]
    assert labels(log, "--region", "door") == ["none", "fox"]
    assert labels(log, "--region", "door", "--until", "2025-11-22T09:12") == ["none"]
    assert labels(log, "--since", "2025-11-22T09:12", "--label", "hen") == ["hen", "hen"]
    assert labels(log, "--since", "2025-11-22T08:12:00Z", "--event", "change") == ["fox", "hen"]
    assert labels(log, "--since", "2h") == []


def test_since_counts_back_from_now(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    ages_s = {"week": 8 * 86400, "day": 30 * 3600, "hours": 5000, "minutes": 100, "now": 1}
    path.write_text(
        "".join(format_change(time.time() - age_s, label) for label, age_s in ages_s.items()),
        encoding="utf-8",
    )
    for since, count in {"1w": 4, "2d": 4, "2h": 3, "30min": 2, "30m": 2, "60s": 1}.items():
        assert len(labels(path, "--since", since)) == count


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--since", "noon"], "noon"),
        (["--since", "9999999h"], "9999999h"),
        (["--summary", "someday"], "someday"),
        (["--summary", "--follow"], "--summary"),
        (["--summary", "--label", "fox"], "--summary"),
    ],
)
def test_a_wrong_command_line_says_what_is_expected(
    log: Path, arguments: list[str], named: str
) -> None:
    result = run_log(log, *arguments)
    assert result.exit_code == 2
    assert named in result.stderr


def test_where_there_is_no_log_it_says_what_to_do(tmp_path: Path) -> None:
    assert "vedette log FILE" in run_log(tmp_path / "watch.jsonl").stderr
    assert "no .jsonl file" in run_log(tmp_path).stderr
    (tmp_path / "a.jsonl").touch()
    assert run_log(tmp_path).exit_code == 0
    (tmp_path / "b.jsonl").touch()
    result = run_log(tmp_path)
    assert str(tmp_path / "b.jsonl") in result.stderr
    assert result.exit_code == 1


def test_what_is_damaged_is_skipped_and_counted(log: Path) -> None:
    good = log.read_bytes()
    damaged = [b"\0" * 512, os.urandom(3000).replace(b"\n", b""), b"[" * 100_000, b"7", b"", b"{}"]
    more = [b'{"time":7,"event":"a"}', b'{"time":"9999-12-31T23:59:59Z","event":"a"}', b"\xff"]
    half = b'{"time":"2025-11-22T08:00:00.000Z","ev'
    log.write_bytes(b"\n".join([*damaged, *more, good + half]))
    result = run_log(log, "--json")
    assert result.exit_code == 0
    assert result.stdout == "".join(MORNING)
    assert result.stderr.endswith(": 10 damaged lines skipped\n")


@pytest.mark.parametrize(("old", "new"), OLD_EVENTS.items())
def test_an_event_under_its_old_name_is_read_as_the_new(old: str, new: str) -> None:
    text = format_line(AT, old, camera="picamera2")
    (record,) = parse_line(text.encode(), Damage())
    assert record.event == new
    assert record.text + "\n" == text
    (renamed,) = parse_line(format_line(AT, new, camera="picamera2").encode(), Damage())
    assert RecordFormatter().format(record) == RecordFormatter().format(renamed)


def test_a_heartbeat_that_counts_overtaken_frames_counts_dropped_ones() -> None:
    (record,) = parse_line(format_line(AT, "heartbeat", overtaken=7).encode(), Damage())
    assert record.find_number("dropped") == 7
    assert "7 dropped" in RecordFormatter().format(record)


def test_zeros_before_a_whole_line_do_not_hide_it() -> None:
    damage = Damage()
    (record,) = parse_line(b"\0\0" + MORNING[2].encode(), damage)
    assert record.text + "\n" == MORNING[2]
    assert damage.lines == 0


def test_a_file_of_garbage_without_a_line_s_end_is_read_in_pieces(tmp_path: Path) -> None:
    path, damage = tmp_path / "watch.jsonl", Damage()
    path.write_bytes(bytes(range(256)).replace(b"\n", b"") * 10_000)
    assert list(read_records(path, damage)) == []
    assert damage.lines == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
names = "label score region previous lasted_s ms age_ms up_s frames overtaken dropped state".split()
names += "lost_s position_s previous_score camera reason text model throttled temperature_c".split()
events = "start camera_opened change frame heartbeat camera_lost camera_restored".split()
events += "note stop new delivers lost back".split()


@given(
    st.sampled_from(events),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(st.sampled_from(names), json_values),
)
def test_no_value_of_any_field_is_too_strange(
    event: str, at: datetime, fields: dict[str, object]
) -> None:
    text = json.dumps({"time": at.isoformat(), "event": event, **fields})
    records = list(parse_line(text.encode(), Damage()))
    for record in records:
        assert RecordFormatter().format(record).isprintable()
    day = DAY if not records else datetime.fromtimestamp(records[0].at).date()
    assert summarize(records * 2, day, now=1e12).day == day


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(garbage: bytes) -> None:
    damage = Damage()
    assert len(list(parse_line(garbage, damage))) + damage.lines == 1


def rotate(path: Path) -> None:
    path.rename(path.with_name(f"watch.{max(find_rotated_files(path), default=0) + 1:06}.jsonl"))


def test_it_follows_through_full_files_removal_cuts_and_replacement(tmp_path: Path) -> None:
    path, damage = tmp_path / "watch.jsonl", Damage()
    append(path, format_change(AT, "0"))
    with Tail(path, damage) as tail:

        def seen() -> str:
            return "".join(record.find_text("label") for record in tail.records())

        assert seen() == "0"
        assert seen() == ""
        text = format_change(AT, "1")
        append(path, text[:20])
        assert seen() == ""
        append(path, text[20:], format_change(AT, "2"))
        assert seen() == "12"
        append(path, format_change(AT, "3"))
        rotate(path)
        append(path, format_change(AT, "4"))
        rotate(path)
        append(path, format_change(AT, "5"))
        assert seen() == "345"
        path.unlink()
        assert seen() == ""
        append(path, format_change(AT, "6"))
        assert seen() == "6"
        path.write_text("", encoding="utf-8")
        assert seen() == ""
        append(path, format_change(AT, "7"))
        assert seen() == "7"
    assert damage.lines == 0


def test_full_files_can_be_skipped_but_for_those_that_become_full_later(log: Path) -> None:
    with Tail(log, Damage()) as tail:
        tail.skip_full_files()
        log.rename(log.with_name("watch.000011.jsonl"))
        log.write_text(format_line(AT + 999, "start"), encoding="utf-8")
        texts = [f"{record.text}\n" for record in tail.records()]
    assert texts == [*MORNING[5:], format_line(AT + 999, "start")]


def test_following_shows_the_latest_then_what_comes(tmp_path: Path) -> None:
    path = tmp_path / "watch.jsonl"
    append(path, *(format_change(AT, f"before-{number}") for number in range(50)))
    with subprocess.Popen(
        [sys.executable, "-m", "vedette_edge", "log", path, "-f", "--event", "change"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        first = [process.stdout.readline() for _ in range(10)]
        rotate(path)
        append(path, format_line(AT, "note", text="not asked for"), format_change(AT, "after"))
        following = process.stdout.readline()
        process.terminate()
    assert re.findall(r"before-\d+", "".join(first)) == [f"before-{n}" for n in range(40, 50)]
    assert "after" in following


def test_a_reader_that_leaves_ends_it_quietly(log: Path) -> None:
    append(log, *MORNING * 3000)
    done = subprocess.run(
        f"'{sys.executable}' -m vedette_edge log '{log}' | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_many_files_are_listed_a_few_times_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b'{"time":"2026-11-22T08:00:00.000Z","event":"change","label":"fox"}\n'
    path, listings = tmp_path / "watch.jsonl", list[Path]()
    for number in range(1, 41):
        path.with_name(f"watch.{number:06}.jsonl").write_bytes(line)
    path.write_bytes(line)

    def count_listing(log: Path) -> dict[int, Path]:
        listings.append(log)
        return find_rotated_files(log)

    monkeypatch.setattr(reader, "find_rotated_files", count_listing)
    assert len(list(read_records(path, Damage()))) == 41
    assert len(listings) < 5


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_without_records_that_no_clock_knows_is_refused(log: Path, day: str) -> None:
    result = CliRunner().invoke(main, ["log", str(log), "--summary", day])
    assert result.exit_code == 2
    assert "is not a day" in result.output
