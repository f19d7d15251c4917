"""The log, on disks that do not behave."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tests.edge.logging_now import (
    FAILING,
    LIMITS,
    WORKS,
    Said,
    change,
    logged,
    numbers,
    path,
    wait_until,
)

from vedette_edge.sinks import log_file as log_module
from vedette_edge.sinks.log_file import LogFile

__all__ = ["path"]  # a fixture


def test_a_full_disk_is_said_once_and_taken_up_again(small_disk: Path) -> None:
    path, said = small_disk / "watch.jsonl", Said()
    hog = small_disk / "hog"
    hog.write_bytes(bytes(2 * 1024 * 1024 - 16 * 1024))
    with LogFile(path, LIMITS, said.append) as log:
        for number in range(10_000):
            log.write(change(number, text="x" * 100))
            if number % 100 == 0:
                time.sleep(0.005)
        wait_until(lambda: said.has(FAILING))
        assert log.counted().failing_since
        assert log.counted().dropped > 0
        hog.unlink()
        wait_until(lambda: said.has(WORKS))
        log.write(change(-1))
    assert [FAILING in said[0], WORKS in said[1], len(said)] == [True, True, 2]
    found, counters = numbers(path), log.counted()
    assert found == [*range(10_000 - counters.dropped), -1]
    assert f" {counters.dropped} records were lost" in said[1]
    notes = [record.find_text("text") for record in logged(path) if record.event == "note"]
    assert len(notes) == 1
    assert f" {counters.dropped} records were lost" in notes[0]
    assert counters.failing_since is None


def test_a_read_only_disk_does_not_stop_the_watch(small_disk: Path) -> None:
    path, said = small_disk / "watch.jsonl", Said()
    mount = ["mount", "-o", "remount", str(small_disk)]
    subprocess.run([*mount, "-r"], check=True)
    with LogFile(path, LIMITS, said.append) as log:
        log.write(change(1))
        wait_until(lambda: said.has("Read-only file system"))
        subprocess.run([*mount, "-w"], check=True)
        wait_until(lambda: said.has(WORKS))
    assert numbers(path) == [1]
    assert "0 records were lost" in said[1]


def test_a_disk_that_stays_full_is_told_of_at_the_end(small_disk: Path) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    said = Said()
    with LogFile(small_disk / "watch.jsonl", LIMITS, said.append) as log:
        for number in range(3):
            log.write(change(number))
    assert FAILING in said[0]
    assert "3 records were lost" in said[1]
    assert log.counted().dropped == 3


def test_pauses_between_tries_grow_up_to_a_minute(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogFile(path, LIMITS, print)
    log.close()
    pauses = []
    for _ in range(8):
        log._failed(OSError(28, "No space left on device"))
        pauses.append(log._pause_s)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("harm", ["folder removed", "file removed", "file replaced", "file cut"])
def test_what_happens_to_the_file_does_not_stop_the_log(path: Path, harm: str) -> None:
    said = Said()
    with LogFile(path, LIMITS, said.append) as log:
        log.write(change(1))
        wait_until(lambda: log.counted().written == 1)
        if harm == "folder removed":
            shutil.rmtree(path.parent)
        elif harm == "file cut":
            os.truncate(path, 0)
        else:
            path.unlink()
            if harm == "file replaced":
                path.write_text("", encoding="utf-8")
        log.write(change(2))
    assert numbers(path) == [2]
    assert said == []


def test_a_folder_in_the_files_place_is_survived_and_taken_up_again(path: Path) -> None:
    said = Said()
    with LogFile(path, LIMITS, said.append) as log:
        path.mkdir(parents=True)
        log.write(change(1))
        wait_until(lambda: said.has(FAILING))
        path.rmdir()
        wait_until(lambda: said.has(WORKS))
    assert numbers(path) == [1]


def test_a_disk_that_does_not_answer_holds_up_neither_the_watch_nor_its_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, said = threading.Event(), Said()
    monkeypatch.setattr(log_module, "append", lambda *_: answer.wait() and 0)
    monkeypatch.setattr(log_module, "CLOSE_S", 0.05)
    log = LogFile(path, LIMITS, said.append)
    for number in range(20_000):
        log.write(change(number))
    counters = log.counted()
    assert counters.written == 0
    assert counters.dropped > 10_000
    log.close()
    assert said.has("does not answer")
    answer.set()
    log._thread.join()
