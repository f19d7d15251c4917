"""The lock of a log, by which one process at a time writes it."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.edge.logging_now import (
    LIMITS,
    create_change,
    path,
    read_numbers,
    wait_until,
)

from vedette_edge.errors import SettingError
from vedette_edge.log.lock_file import LockFile
from vedette_edge.sinks.log_file import LogFile

__all__ = ["path"]  # a fixture


def test_a_pipe_in_place_of_the_lock_is_not_written_to(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path.with_name(f".{path.name}.lock"))
    lock = LockFile(path)
    assert not lock.acquire()
    lock.write({})


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
