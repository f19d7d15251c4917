"""The log file on a disk that works."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

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
from vedette_edge.log.reader import Damage, find_rotated_files, read_records
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


def test_a_file_that_is_not_a_log_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "c5.mp4"
    path.write_bytes(FOREIGN)
    with pytest.raises(SettingError, match=r"c5.mp4: not a log of a watch .*name a new file"):
        LogFile(path, LIMITS)
    assert path.read_bytes() == FOREIGN
    assert list(tmp_path.iterdir()) == [path]


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
