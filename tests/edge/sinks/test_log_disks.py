"""The log file on disks that fail."""

import os
import shutil
import subprocess
import threading
import time
from itertools import accumulate
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
from vedette_edge.log.storage import LogStorage
from vedette_edge.sinks.log_file import LogFile, extend_pause

__all__ = ["path"]  # a fixture
Captured = pytest.LogCaptureFixture


def test_a_full_disk_is_logged_once_and_used_again(small_disk: Path, caplog: Captured) -> None:
    path = small_disk / "watch.jsonl"
    hog = small_disk / "hog"
    hog.write_bytes(bytes(2 * 1024 * 1024 - 16 * 1024))
    with LogFile(path, LIMITS) as log:
        for number in range(10_000):
            log.write(create_change(number, text="x" * 100))
            if number % 100 == 0:
                time.sleep(0.005)
        wait_until(lambda: FAILING in caplog.text)
        assert log.read_counters().failing_since
        assert log.read_counters().dropped > 0
        hog.unlink()
        wait_until(lambda: WORKS in caplog.text)
        log.write(create_change(-1))
    assert [FAILING in caplog.messages[0], WORKS in caplog.messages[1], len(caplog.messages)] == [
        True,
        True,
        2,
    ]
    counters = log.read_counters()
    assert read_numbers(path) == [*range(10_000 - counters.dropped), -1]
    assert f" {counters.dropped} records were lost" in caplog.messages[1]
    notes = [record.find_text("text") for record in read_log(path) if record.event == "note"]
    assert len(notes) == 1
    assert f" {counters.dropped} records were lost" in notes[0]
    assert counters.failing_since is None


def test_a_read_only_disk_does_not_stop_the_watch(small_disk: Path, caplog: Captured) -> None:
    path = small_disk / "watch.jsonl"
    mount = ["mount", "-o", "remount", str(small_disk)]
    subprocess.run([*mount, "-r"], check=True)
    with LogFile(path, LIMITS) as log:
        log.write(create_change(1))
        wait_until(lambda: "Read-only file system" in caplog.text)
        subprocess.run([*mount, "-w"], check=True)
        wait_until(lambda: WORKS in caplog.text)
        with pytest.raises(SettingError, match="logs there already"):
            LogFile(path, LIMITS)
    assert read_numbers(path) == [1]
    assert "0 records were lost" in caplog.messages[1]


def test_a_disk_that_stays_full_is_logged_at_the_end(small_disk: Path, caplog: Captured) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    with LogFile(small_disk / "watch.jsonl", LIMITS) as log:
        for number in range(3):
            log.write(create_change(number))
    assert FAILING in caplog.messages[0]
    assert "3 records were lost" in caplog.messages[1]
    assert log.read_counters().dropped == 3


def test_pauses_between_attempts_grow_up_to_a_minute() -> None:
    pauses = list(accumulate(range(7), lambda pause_s, _: extend_pause(pause_s), initial=1.0))
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert extend_pause(0.0) == 1


@pytest.mark.parametrize("harm", ["folder removed", "file removed", "file replaced", "file cut"])
def test_what_happens_to_the_file_does_not_stop_the_log(
    path: Path, harm: str, caplog: Captured
) -> None:
    with LogFile(path, LIMITS) as log:
        log.write(create_change(1))
        wait_until(lambda: log.read_counters().written == 1)
        if harm == "folder removed":
            shutil.rmtree(path.parent)
        elif harm == "file cut":
            os.truncate(path, 0)
        else:
            path.unlink()
            if harm == "file replaced":
                path.write_text("", encoding="utf-8")
        log.write(create_change(2))
    assert read_numbers(path) == [2]
    assert not caplog.messages


def test_a_folder_in_place_of_the_file_stops_nothing(path: Path, caplog: Captured) -> None:
    with LogFile(path, LIMITS) as log:
        path.mkdir(parents=True)
        log.write(create_change(1))
        wait_until(lambda: FAILING in caplog.text)
        path.rmdir()
        wait_until(lambda: WORKS in caplog.text)
    assert read_numbers(path) == [1]


class HangingStorage(LogStorage):
    """A log on a disk that hangs until `answer` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LIMITS)
        self.answer = threading.Event()

    def open(self) -> None:
        """Open the log, which each attempt to write does first."""
        self.answer.wait()
        super().open()


@pytest.mark.parametrize("hangs_at_start", [True, False])
def test_a_disk_that_does_not_answer_holds_up_neither_start_nor_watch_nor_end(
    path: Path, hangs_at_start: bool, caplog: Captured
) -> None:
    storage = HangingStorage(path)
    if not hangs_at_start:
        storage.answer.set()
    log = LogFile(path, LIMITS, storage)
    storage.answer.clear()
    for number in range(20_000):
        log.write(create_change(number))
    counters = log.read_counters()
    assert counters.written == 0
    assert counters.dropped > 10_000
    log.close()
    assert "does not answer" in caplog.text
    storage.answer.set()
    wait_until(lambda: log.read_counters().written > 0)


def test_a_disk_that_hung_at_the_start_may_turn_out_to_have_no_log(
    path: Path, caplog: Captured
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"a picture")
    storage = HangingStorage(path)
    with LogFile(path, LIMITS, storage) as log:
        storage.answer.set()
        log.write(create_change(1))
        wait_until(lambda: "not a log of a watch" in caplog.text)
        assert log.read_counters().failing_since
    assert (path.read_bytes(), log.read_counters().dropped) == (b"a picture", 1)
