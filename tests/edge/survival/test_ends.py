"""What a watch survives besides its camera: signals in every phase, a clock that is set, disks."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.edge.conftest import Run

FULL = bool(os.environ.get("ENDURANCE"))


def stuck(where: str) -> Callable[["Run"], None]:
    """The watch stands still there."""

    def prepare(run: "Run") -> None:
        run.control("stuck", where)
        run.start()
        run.until((run.folder / "reached").exists)

    return prepare


def no_device(run: "Run") -> None:
    (run.folder / "camera").unlink()
    run.start()
    run.wait("lost")


def opening(run: "Run") -> None:
    run.shows("does not open")
    run.start()
    run.wait("start")
    time.sleep(1)


def watching(run: "Run") -> None:
    run.start("--every-frame")
    run.wait("frame", 5)


def blocked(run: "Run") -> None:
    run.start()
    run.wait("change")
    run.shows("holds all")
    time.sleep(0.5)


PHASES: dict[str, Callable[["Run"], None]] = {
    "importing": stuck("model.interpreter.import_module"),
    "reading the model": stuck("model.model_file.read_model_file"),
    "building the interpreter": stuck("model.interpreter.TFLiteModel"),
    "self-test": stuck("model.self_test.replay_samples"),
    "opening the camera": opening,
    "camera absent": no_device,
    "watching": watching,
    "camera blocked": blocked,
}


@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_ends_it_in_every_phase_within_2_seconds(run: "Run", phase: str) -> None:
    PHASES[phase](run)
    run.end()
    if run.told("start"):
        assert run.logged()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()


def test_sigterm_ends_it_though_the_log_s_disk_is_full(run: "Run", small_disk: Path) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    run.log = small_disk / "watch.jsonl"
    run.start()
    run.until(lambda: b"cannot be written (No space left on device)" in run.err.read_bytes())
    run.end()
    assert run.told()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()
    said = run.err.read_text("utf-8")
    assert (said.count("cannot be written ("), said.count("still cannot be written")) == (1, 1)


def test_sigterm_at_any_moment_of_a_start_ends_it(run: "Run") -> None:
    dice = random.Random(7)
    for _ in range(40 if FULL else 4):
        run.start()
        time.sleep(dice.uniform(0, 1.5))
        run.process.send_signal(signal.SIGTERM)
        # Before any of our code runs, Python knows no better than to die of it; systemd is content.
        assert run.process.wait(20) in (0, -signal.SIGTERM), run.err.read_text("utf-8")
        assert not run.camera_processes()
        assert not run.err.read_text("utf-8").count("Traceback")
    with suppress(FileNotFoundError):  # where none came so far as to open its log
        events = [one["event"] for one in run.logged()]
        assert events.count("start") == events.count("stop")


def test_a_clock_that_is_set_back_an_hour_confuses_neither_log_nor_decisions(run: "Run") -> None:
    ahead_s = datetime.now().replace(hour=12, minute=0).timestamp() - time.time()
    run.control("clock", str(ahead_s))
    run.start("--dwell", "0")
    begin = time.monotonic()
    run.wait("change")
    time.sleep(2)
    run.control("clock", str(ahead_s - 3600))
    time.sleep(2)
    run.shows("green")
    run.wait("change", 2)
    (child,) = run.camera_processes()
    os.kill(child, signal.SIGKILL)
    run.wait("back")
    run.end()
    whole_s = time.monotonic() - begin
    first, second = run.told("change")
    assert 3 < second["lasted_s"] < whole_s
    assert second["time"] < first["time"]
    assert 0 < run.told("back")[0]["lost_s"] < whole_s
    shown = subprocess.run(
        [sys.executable, "-m", "vedette_edge", "log", run.log, "--summary", "--json"],
        capture_output=True,
        text=True,
        env=os.environ | run.environment,
        check=True,
    )
    day = json.loads(shown.stdout)
    assert 0 < day["watched_s"] <= whole_s
    assert day["lost"] == 1
    stays = {stay["label"]: stay["lasted_s"] for stay in day["stays"]}
    assert stays.keys() == {"red", "green"}
    assert sum(stays.values()) <= whole_s


def test_a_disk_that_is_full_for_a_while_does_not_stop_the_watch(
    run: "Run", small_disk: Path
) -> None:
    hog, run.log = small_disk / "hog", small_disk / "watch.jsonl"
    run.start("--every-frame", "--log-flush", "0.2")
    run.wait("frame", 10)
    hog.write_bytes(bytes(2 * 1024 * 1024 - 64 * 1024))
    run.until(lambda: b"cannot be written (" in run.err.read_bytes())
    run.wait("frame", len(run.told("frame")) + 60)
    hog.unlink()
    run.until(lambda: b"can be written again" in run.err.read_bytes())
    run.end()
    kept = [one["frame"] for one in run.logged() if one["event"] == "frame"]
    assert kept == [one["frame"] for one in run.told("frame")]  # they waited for the disk
    (note,) = (one for one in run.logged() if one["event"] == "note")
    assert "0 records were lost" in note["text"]
    assert run.err.read_text("utf-8").count("cannot be written (") == 1


def test_a_log_whose_folder_goes_or_cannot_be_written_is_taken_up_again(
    run: "Run", small_disk: Path
) -> None:
    run.log = small_disk / "logs" / "watch.jsonl"
    run.start("--every-frame", "--log-flush", "0.2")
    run.wait("frame", 10)
    run.until(run.log.exists)
    shutil.rmtree(run.log.parent)
    run.until(run.log.exists)
    mount = ["mount", "-o", "remount", str(small_disk)]
    subprocess.run([*mount, "-r"], check=True)
    run.until(lambda: b"cannot be written (Read-only file system)" in run.err.read_bytes())
    subprocess.run([*mount, "-w"], check=True)
    run.until(lambda: b"can be written again" in run.err.read_bytes())
    run.end()
    events = [one["event"] for one in run.logged()]
    assert (events.count("note"), events[-1]) == (1, "stop")
    assert run.err.read_text("utf-8").count("cannot be written (") == 1


def test_systemd_waits_for_a_lost_camera_and_is_not_told_of_an_end_that_is_none(run: "Run") -> None:
    day, usual = b"WATCHDOG_USEC=86400000000", b"WATCHDOG_USEC=120000000"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(run.folder / "notify"))
        systemd.settimeout(30)
        run.environment["NOTIFY_SOCKET"] = str(run.folder / "notify")
        run.environment["WATCHDOG_USEC"] = "120000000"
        run.start()
        red = b"STATUS=red (1.00)"
        beginning = [red, b"READY=1", usual, b"WATCHDOG=1"]
        assert [systemd.recv(100) for _ in range(4)] == beginning
        (run.folder / "camera").unlink()
        assert systemd.recv(100).startswith(b"STATUS=camera lost: ")
        assert systemd.recv(100) == day
        run.control("camera", "red")
        assert [systemd.recv(100) for _ in range(2)] == [red, usual]
        run.process.send_signal(signal.SIGHUP)
        assert [systemd.recv(100) for _ in range(4)] == beginning
        run.end()
        assert systemd.recv(100) == b"STOPPING=1"
