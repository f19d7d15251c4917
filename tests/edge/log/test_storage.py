"""The quota of a log, across restarts."""

import errno
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from tests.edge.logging_now import (
    FAILING,
    FOREIGN,
    LIMITS,
    WORKS,
    create_change,
    path,
    read_log,
    read_numbers,
    wait_until,
)

from vedette_edge.errors import SettingError
from vedette_edge.log.lock_file import LockFile
from vedette_edge.log.records import format_timestamp
from vedette_edge.log.storage import LogStorage
from vedette_edge.sinks import log_file
from vedette_edge.sinks.log_file import LogFile

__all__ = ["path"]  # a fixture


def test_over_the_days_limit_frames_go_first_and_heartbeats_last(path: Path) -> None:
    limits = replace(LIMITS, day_bytes=20_000)
    with LogFile(path, limits) as log:
        for event in ("frame", "change", "heartbeat"):
            for _ in range(250):
                log.write({"time": format_timestamp(), "event": event, "label": "fox"})
    records = read_log(path)
    bytes_of = Counter[str]()
    for record in records:
        bytes_of[record.event] += len(record.text) + 1
    assert 11_000 < bytes_of["frame"] <= 12_000
    assert 3_500 < bytes_of["change"] <= 4_000
    assert 3_000 < bytes_of["heartbeat"] <= 4_000
    assert path.stat().st_size <= 20_000 + bytes_of["note"]
    notes = [record.find_text("text").split()[0] for record in records if record.event == "note"]
    assert notes == ["frame", "change", "heartbeat"]
    counters = log.read_counters()
    assert counters.left_out == 750 - (len(records) - 3)
    assert counters.written == len(records)


def test_neither_a_restart_nor_another_time_begins_a_new_day(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = replace(LIMITS, day_bytes=5_000)
    for day in range(20):
        monkeypatch.setattr(time, "time", lambda day=day: 1e9 + 86_400 * day)
        with LogFile(path, limits) as log:
            for number in range(10):
                log.write(create_change(number))
    changes = [one for one in read_log(path) if one.event == "change"]
    assert 3_500 < sum(len(one.text) + 1 for one in changes) <= 4_000
    path.with_name(".watch.jsonl.lock").write_bytes(b"\xff" * 1000)  # damaged
    with LogFile(path, limits) as log:
        log.write(create_change(7))
        wait_until(lambda: log.read_counters().written == 1)
    assert log.read_counters().bytes_day < 200


LINE = b'{"time":"2026-11-22T08:00:00.000Z","event":"change"}'.ljust(99) + b"\n"
EVENTS = "start camera_opened change heartbeat camera_lost camera_restored note stop".split()


@pytest.mark.parametrize(("files", "age_s", "day_bytes"), [(8, -30 * 86400, 5e6), (1, 60, 3e5)])
def test_the_log_of_an_earlier_version_costs_nothing(
    path: Path, files: int, age_s: float, day_bytes: float
) -> None:
    """Nor does one from the future: the clock of a Pi that was off may be behind."""
    path.parent.mkdir()
    line = b'{"time":"2026-11-22T08:00:00.000Z","event":"frame"}\n'
    for number in range(files):
        file = path if number == 0 else path.with_name(f"watch.{number:06}.jsonl")
        file.write_bytes(line * (900_000 // len(line)))
        os.utime(file, (0, time.time() - age_s))
    with LogFile(path, replace(LIMITS, day_bytes=round(day_bytes))) as log:
        for event in EVENTS:
            log.write(create_change(1) | {"event": event})
    assert [one.event for one in read_log(path) if one.event != "frame"] == EVENTS


def test_a_watch_that_restarts_with_a_spent_day_logs_what_matters(path: Path) -> None:
    with LogFile(path, replace(LIMITS, day_bytes=100)) as log:
        for number in range(10):
            log.write(create_change(number) | {"event": "note"})
    with LogFile(path, replace(LIMITS, day_bytes=100)) as log:
        for event in [*EVENTS, *EVENTS]:
            log.write(create_change(-1) | {"event": event})
    kept = [one.event for one in read_log(path) if one.fields.get("number") == -1]
    once = [event for event in EVENTS if event not in ("camera_opened", "change")]
    assert kept == [*once, *(event for event in once if event != "heartbeat")]


def test_a_killed_watch_hides_no_bytes_by_the_files_that_it_deleted(path: Path) -> None:
    limits = replace(LIMITS, file_bytes=1000, total_bytes=3000, day_bytes=20_000)
    spent = []
    for _ in range(2):
        storage = LogStorage(path, limits)
        storage.open()
        before = storage.quota.spent(time.monotonic())
        for _ in range(12):
            assert storage.quota.admits("change", 500, time.monotonic())
            storage.append(LINE * 5)
        spent.append(before)
        assert storage._lock
        storage._lock.release()  # as a kill does, without saving
    assert spent[1] >= 12 * 500 - 1500


__all__ = ["path"]  # a fixture
T = TypeVar("T")


class FailingOnce(LogStorage):
    """A log on a disk that is full at first."""

    failures = 1

    def append(self, lines: bytes) -> None:
        """Append lines, but for the first time."""
        if self.failures:
            self.failures -= 1
            raise OSError(errno.ENOSPC, "No space left on device")
        super().append(lines)


def test_a_log_that_works_again_waits_for_its_flush_interval_as_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses_s: list[float | None] = []

    class Condition(threading.Condition):
        def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
            pauses_s.append(timeout)
            return super().wait_for(predicate, timeout)

    monkeypatch.setattr(threading, "Condition", Condition)
    monkeypatch.setattr(log_file, "FIRST_PAUSE_S", 0.02)
    limits = replace(LIMITS, flush_s=0.01)
    with LogFile(path, limits, FailingOnce(path, limits)) as log:
        log.write(create_change(1))
        wait_until(lambda: 0.02 in pauses_s)
        failed = pauses_s.index(0.02)
        wait_until(lambda: len(pauses_s) > failed + 2)
    assert set(pauses_s[failed + 1 :]) == {0.01}
    assert read_numbers(path) == [1]


def test_a_new_log_is_opened_in_folders_that_do_not_exist_yet(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "watch.jsonl"
    storage = LogStorage(path, LIMITS)
    storage.append(LINE)
    storage.close()
    assert path.read_bytes() == LINE


def test_what_is_no_log_is_refused_and_stays(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(FOREIGN)
    with pytest.raises(SettingError, match=re.escape(str(path))):
        LogStorage(path, LIMITS).open()
    assert path.read_bytes() == FOREIGN


def test_bytes_that_a_killed_watch_wrote_after_its_start_are_counted(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(LINE * 3)  # of an earlier version
    for earlier in (3, 8):
        storage = LogStorage(path, LIMITS)
        storage.open()
        assert storage.size == earlier * len(LINE)
        assert storage.quota.spent(time.monotonic()) == (earlier - 3) * len(LINE)
        with path.open("ab") as file:
            file.write(LINE * 5)
        assert storage._lock
        storage._lock.release()  # as a kill does, without saving


def test_notes_on_what_is_left_out_count_as_bytes_of_the_day(path: Path) -> None:
    with LogFile(path, replace(LIMITS, day_bytes=1000)) as log:
        for number in range(20):
            log.write(create_change(number))
    assert "records are left out" in path.read_text("utf-8")
    assert log.read_counters().bytes_day == path.stat().st_size


def test_a_disk_that_was_away_for_a_while_restores_no_bytes_twice(path: Path) -> None:
    storage = LogStorage(path, LIMITS)
    lock, aside = path.with_name(".watch.jsonl.lock"), path.with_name("aside")
    for move in (lambda: lock.rename(aside), lambda: aside.replace(lock), lambda: None):
        assert storage.quota.admits("change", 100, time.monotonic())
        storage.append(LINE)
        move()
    assert storage.quota.spent(time.monotonic()) == 300
    storage.close()


def test_the_quota_is_saved_now_and_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[object] = []
    monkeypatch.setattr(LockFile, "write", lambda _, state: saved.append(state))
    storage = LogStorage(path, LIMITS)
    for _ in range(3):
        storage.append(LINE)
    assert len(saved) == 1
    storage.close()
    assert len(saved) == 2


def test_each_outage_tells_the_records_that_it_lost_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_file, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(log_file, "QUEUE_BYTES", 500)
    storage = FailingOnce(path, LIMITS)

    def wait_for_warning(text: str, count: int) -> None:
        wait_until(lambda: caplog.text.count(text) == count)

    with LogFile(path, LIMITS, storage) as log:
        for outage in (1, 2):
            storage.failures = 1_000_000
            log.write(create_change(0))
            wait_for_warning(FAILING, outage)
            for number in range(1, 50 * outage):
                log.write(create_change(number))
            storage.failures = 0
            wait_for_warning(WORKS, outage)
    counts = [int(count) for count in re.findall(r"(\d+) records were lost", caplog.text)]
    assert min(counts) > 0
    assert sum(counts) == log.read_counters().dropped
