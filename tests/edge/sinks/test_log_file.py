"""The log file on a disk that works."""

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.logging_now import (
    FAILING,
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
from vedette_edge.log.reader import Damage, find_rotated_files, read_records
from vedette_edge.log.records import format_timestamp
from vedette_edge.log.rotation import LogLimits
from vedette_edge.log.storage import LogStorage
from vedette_edge.sinks.log_file import Counters, LogFile

__all__ = ["path"]  # a fixture


def test_a_record_is_one_line_of_json_with_its_fields_in_order(path: Path) -> None:
    with LogFile(path, LIMITS) as log:
        log.write({"time": "2026-11-22T08:00:00.000Z", "event": "change", "label": "Füchse\n"})
    expected = '{"time":"2026-11-22T08:00:00.000Z","event":"change","label":"Füchse\\n"}\n'
    assert path.read_text(encoding="utf-8") == expected


def test_nan_and_invalid_text_become_valid_json(path: Path) -> None:
    with LogFile(path, LIMITS) as log:
        log.write(create_change(1, score=float("nan"), camera="\udcff.mp4"))
    fields = read_log(path)[0].fields
    assert fields["score"] is None
    assert fields["camera"] == "\udcff.mp4"


def test_lines_are_on_the_disk_after_the_flush_interval_without_a_close(path: Path) -> None:
    with LogFile(path, replace(LIMITS, sync=True)) as log:
        log.write(create_change(1))
        wait_until(lambda: log.read_counters().written == 1)
        assert read_numbers(path) == [1]


def test_a_later_watch_appends_to_the_same_file(path: Path) -> None:
    for number in range(3):
        with LogFile(path, LIMITS) as log:
            log.write(create_change(number))
    assert read_numbers(path) == [0, 1, 2]


@pytest.mark.parametrize("end", [b'{"time":"2026-11-', b"\0" * 4096, b'{"a\0\0'])
def test_half_a_line_that_a_pulled_plug_left_does_not_harm_the_next(path: Path, end: bytes) -> None:
    with LogFile(path, LIMITS) as log:
        log.write(create_change(1))
    with path.open("ab") as file:
        file.write(end)
    with LogFile(path, LIMITS) as log:
        log.write(create_change(2))
    damage = Damage()
    assert [record.fields["number"] for record in read_records(path, damage)] == [1, 2]
    assert damage.lines == 1


def test_full_files_are_numbered_upward_and_the_oldest_go(path: Path) -> None:
    limits = replace(LIMITS, file_bytes=1000, total_bytes=5000)
    with LogFile(path, limits) as log:
        for number in range(300):
            log.write(create_change(number))
    kept = read_numbers(path)
    assert kept == list(range(300 - len(kept), 300))
    full = find_rotated_files(path)
    assert min(full) > 1
    sizes = [file.stat().st_size for file in [*full.values(), path]]
    assert max(sizes) <= 1000
    assert 4000 <= sum(sizes) <= 5000
    assert log.read_counters().bytes_all == sum(sizes)


def test_a_log_whose_name_has_no_ending_or_is_a_link_is_rotated_where_it_lies(
    tmp_path: Path,
) -> None:
    (tmp_path / "card").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "card" / "watch")
    with LogFile(tmp_path / "link", replace(LIMITS, file_bytes=200)) as log:
        for number in range(5):
            log.write(create_change(number))
    assert read_numbers((tmp_path / "link").resolve()) == [0, 1, 2, 3, 4]
    names = sorted(file.name for file in (tmp_path / "card").iterdir())
    assert names[:3] == [".watch.lock", "watch", "watch.000001"]
    assert len(names) >= 4


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


FOREIGN = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 100


def test_a_killed_watch_hides_no_bytes_by_the_files_that_it_deleted(path: Path) -> None:
    limits = replace(LIMITS, file_bytes=1000, total_bytes=3000, day_bytes=20_000)
    spent = []
    line = b'{"time":"2026-11-22T08:00:00.000Z","event":"change"}'.ljust(99) + b"\n"
    for _ in range(2):
        storage = LogStorage(path, limits)
        storage.open()
        before = storage.quota.spent(time.monotonic())
        for _ in range(12):
            assert storage.quota.admits("change", 500, time.monotonic())
            storage.append(line * 5)
        spent.append(before)
        assert storage._lock
        storage._lock.release()  # as a kill does, without saving
    assert spent[1] >= 12 * 500 - 1500


def test_a_pipe_in_place_of_the_lock_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path.with_name(f".{path.name}.lock"))
    lock = LockFile(path)
    assert not lock.acquire()
    lock.write({})


def test_a_file_that_is_not_a_log_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c5.mp4"
    path.write_bytes(FOREIGN)
    with pytest.raises(SettingError, match=r"c5.mp4: not a log of a watch .*name a new file"):
        LogFile(path, LIMITS)
    assert path.read_bytes() == FOREIGN
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_others_that_is_named_like_a_full_one_is_neither_counted_nor_deleted(
    path: Path,
) -> None:
    path.parent.mkdir()
    others = path.with_name("watch.000007.jsonl")
    others.write_bytes(FOREIGN)
    with LogFile(path, replace(LIMITS, file_bytes=1000, total_bytes=5000)) as log:
        assert log.read_counters().bytes_all == 0
        for number in range(300):
            log.write(create_change(number))
    files = find_rotated_files(path)
    assert others.read_bytes() == FOREIGN
    assert list(files)[:2] > [7, 8]
    sizes = [file.stat().st_size for file in {*files.values(), path} - {others}]
    assert 4000 <= sum(sizes) <= 5000
    assert log.read_counters().bytes_all == sum(sizes)


def test_a_file_that_takes_the_place_of_the_log_stays_as_it_is(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with LogFile(path, replace(LIMITS, file_bytes=1000)) as log:
        log.write(create_change(1))
        wait_until(lambda: log.read_counters().written == 1)
        path.write_bytes(FOREIGN)
        log.write(create_change(2))
        wait_until(lambda: FAILING in caplog.text)
        path.rename(path.with_name("c5.mp4"))
        wait_until(lambda: WORKS in caplog.text)
    assert path.with_name("c5.mp4").read_bytes() == FOREIGN
    assert read_numbers(path) == [2]


WATCH = """
import sys, time
from pathlib import Path
from vedette_edge.log.rotation import LogLimits
from vedette_edge.sinks.log_file import LogFile
with LogFile(Path(sys.argv[1]), LogLimits(flush_s=0.01)) as log:
    log.write({"time": "2026-11-22T08:00:00.000Z", "event": "change", "number": 1})
    while not log.read_counters().written:
        time.sleep(0.01)
    print("written", flush=True)
    time.sleep(600)
"""


def test_a_second_watch_is_refused_until_the_first_one_is_killed(path: Path) -> None:
    command = [sys.executable, "-c", WATCH, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout
        assert first.stdout.readline() == "written\n"
        with pytest.raises(SettingError, match=f"watch.jsonl: process {first.pid} logs there"):
            LogFile(path, LIMITS)
        first.kill()
    with LogFile(path, LIMITS) as log:
        log.write(create_change(2))
    assert read_numbers(path) == [1, 2]
    assert log.read_counters().bytes_day == path.stat().st_size  # also of the one that was killed


def test_a_child_does_not_inherit_the_lock(path: Path) -> None:
    with LogFile(path, LIMITS):
        child = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        LogFile(path, LIMITS).close()
    finally:
        child.kill()
        child.wait()


def test_a_log_whose_folder_was_removed_is_locked_again(path: Path) -> None:
    with LogFile(path, LIMITS) as log:
        shutil.rmtree(path.parent)
        log.write(create_change(1))
        wait_until(lambda: log.read_counters().written == 1)
        with pytest.raises(SettingError, match=f"process {os.getpid()} logs there"):
            LogFile(path, LIMITS)


def test_a_disk_that_knows_no_locks_is_used_without(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with LogFile(path, LIMITS) as log:
        log.write(create_change(1))
    assert read_numbers(path) == [1]


def test_a_record_that_is_larger_than_a_file_is_dropped_and_counted(path: Path) -> None:
    with LogFile(path, replace(LIMITS, file_bytes=500)) as log:
        log.write(create_change(1, text="x" * 500))
        log.write(create_change(2))
    assert read_numbers(path) == [2]
    assert log.read_counters().dropped == 1


@pytest.mark.parametrize("place", ["/dev/null", "."])
def test_a_log_that_is_not_a_file_is_refused(place: str) -> None:
    with pytest.raises(SettingError, match="not a file"):
        LogFile(Path(place), LIMITS)


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(SettingError, match="file_bytes 1,000,000 and total_bytes 1,500,000"):
        LogLimits(total_bytes=1_500_000)
    with pytest.raises(SettingError, match=r"day_bytes 0 .* must exceed 0"):
        LogLimits(day_bytes=0)
    with pytest.raises(SettingError, match="flush_s 0 must exceed 0"):
        LogLimits(flush_s=0)


def test_a_clock_that_is_set_back_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LogFile(path, replace(LIMITS, file_bytes=300)) as log:
        for number in range(20):
            monkeypatch.setattr(time, "time", lambda number=number: 1e9 - 3600 * number)
            log.write(create_change(number))
    assert read_numbers(path) == list(range(20))


def test_a_million_records_cost_neither_memory_nor_descriptors(path: Path) -> None:
    path.parent.mkdir()
    record = create_change(1)

    def count_resources() -> tuple[int, int, int]:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        return pages * os.sysconf("SC_PAGE_SIZE"), descriptors, threading.active_count()

    def count_done(counters: Counters) -> int:
        return counters.written + counters.dropped

    with LogFile(path, replace(LIMITS, total_bytes=5_000_000)) as log:
        for number in range(1_000_000):
            log.write(record)
            while number % 1000 == 0 and number - count_done(log.read_counters()) > 3000:
                time.sleep(0.0005)  # for the disk, so that none is dropped
            if number == 50_000:
                before = count_resources()
        after = count_resources()
    assert log.read_counters().written == 1_000_000
    assert after[0] - before[0] < 2_000_000
    assert after[1] <= before[1] + 1  # the file that is being appended to
    assert after[2] == before[2]


KILLED = """
import mmap, os, random, signal, sys, time
from pathlib import Path
from vedette_edge.log.records import create_record
from vedette_edge.log.rotation import LogLimits
from vedette_edge.sinks.log_file import LogFile

def watch(life, progress):
    # Write numbered records for ever, and how many of them the log has written.
    with LogFile(Path(sys.argv[1]), LogLimits(20_000, 10**9, 10**9, 0.01, False)) as log:
        number = 0
        while True:
            log.write(create_record("frame") | {"life": life, "number": number})
            number += 1
            progress[life * 8 : life * 8 + 8] = log.read_counters().written.to_bytes(8, "little")
            if number % 20 == 0:
                time.sleep(0.001)

random.seed(7)
progress = mmap.mmap(-1, 1600)
for life in range(200):
    process = os.fork()
    if not process:
        watch(life, progress)
    # Kill every other process at any moment, and the rest once they have written.
    while life % 2 and not any(progress[life * 8 : life * 8 + 8]):
        time.sleep(0.001)
    time.sleep(random.uniform(0.005, 0.06))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
print(*(int.from_bytes(progress[8 * life : 8 * life + 8], "little") for life in range(200)))
"""


@pytest.mark.single_cpu
def test_200_kills_leave_every_written_line_readable(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    written = [int(count) for count in done.stdout.split()]
    assert len(written) == 200
    assert sum(count > 0 for count in written) >= 100
    damage = Damage()
    lives: list[list[object]] = [[] for _ in written]
    for record in read_records(path, damage):
        lives[json.loads(record.text)["life"]].append(record.fields["number"])
    assert damage.lines <= 200  # half a line a kill at most
    for kept, count in zip(lives, written, strict=True):
        assert kept == list(range(len(kept)))
        assert len(kept) >= count
    assert len(find_rotated_files(path)) > 10


def test_limits_are_set_in_megabytes_and_small_ones_make_small_files() -> None:
    assert LogLimits.from_megabytes(5, 50, 5) == LogLimits()
    assert LogLimits.from_megabytes(0.5, 0.1, 2) == LogLimits(50_000, 100_000, 500_000, 2)
