"""A watch survives signals in every phase, a clock that is set back, and disks that fail."""

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

import pytest
from tests.edge.conftest import Run

FULL = bool(os.environ.get("ENDURANCE"))


def stop_at(function: str) -> Callable[[Run], None]:
    """Start a watch that hangs in a function."""

    def prepare(run: Run) -> None:
        run.control("stuck", function)
        run.start()
        run.wait_until((run.folder / "reached").exists)

    return prepare


def lose_device(run: Run) -> None:
    (run.folder / "camera").unlink()
    run.start()
    run.wait("camera_lost")


def open_for_ever(run: Run) -> None:
    run.show("does not open")
    run.start()
    run.wait("start")
    time.sleep(1)


def watch(run: Run) -> None:
    run.start("--every-frame")
    run.wait("frame", 5)


def block(run: Run) -> None:
    run.start()
    run.wait("change")
    run.show("holds all")
    time.sleep(0.5)


def check_configuration(run: Run) -> None:
    run.control("busy", "cli.restart_check.find_camera")
    (run.folder / "config.toml").touch()
    run.start("--config", str(run.folder / "config.toml"))
    run.wait("change")
    run.process.send_signal(signal.SIGHUP)
    run.wait_until((run.folder / "reached").exists)


PHASES: dict[str, Callable[[Run], None]] = {
    # Before it handles signals, SIGTERM kills a process, which systemd takes for a clean end too.
    "importing the runtime": stop_at("model.interpreter.import_module"),
    "reading the model": stop_at("model.model_file.read_model_file"),
    "building the interpreter": stop_at("model.interpreter.TFLiteModel"),
    "self-test": stop_at("model.self_test.replay_samples"),
    "opening the camera": open_for_ever,
    "camera absent": lose_device,
    "watching": watch,
    "camera blocked": block,
    # The check goes on until the process ends, which may not abort it within OpenCV.
    "checking a configuration": check_configuration,
}


@pytest.mark.parametrize("phase", PHASES)
def test_sigterm_ends_a_watch_cleanly_in_every_phase(run: Run, phase: str) -> None:
    PHASES[phase](run)
    run.end()
    if run.records("start"):
        assert run.read_log()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()


def test_sigterm_ends_a_watch_cleanly_though_the_disk_is_full(run: Run, small_disk: Path) -> None:
    (small_disk / "hog").write_bytes(bytes(2 * 1024 * 1024))
    run.log = small_disk / "watch.jsonl"
    run.start()
    run.wait_until(lambda: b"cannot be written (No space left on device)" in run.err.read_bytes())
    run.end()
    assert run.records()[-1].items() >= {"event": "stop", "reason": "SIGTERM"}.items()
    errors = run.err.read_text("utf-8")
    assert (errors.count("cannot be written ("), errors.count("still cannot be written")) == (1, 1)


def test_sigterm_at_any_moment_of_a_start_ends_a_watch(run: Run) -> None:
    dice = random.Random(7)
    for _ in range(40 if FULL else 4):
        run.start()
        time.sleep(dice.uniform(0, 1.5))
        run.process.send_signal(signal.SIGTERM)
        # While it imports its modules, SIGTERM kills it: for systemd, a clean end by default.
        assert run.process.wait(60) in (0, -signal.SIGTERM), run.err.read_text("utf-8")
        assert not run.list_capture_processes()
        assert not run.err.read_text("utf-8").count("Traceback")
    with suppress(FileNotFoundError):  # if none opened its log
        events = [one["event"] for one in run.read_log()]
        assert events.count("start") == events.count("stop")


def test_a_clock_that_is_set_back_an_hour_changes_neither_log_nor_labels(run: Run) -> None:
    ahead_s = datetime.now().replace(hour=12, minute=0).timestamp() - time.time()
    run.control("clock", str(ahead_s))
    run.start("--dwell", "0")
    begin = time.monotonic()
    run.wait("change")
    time.sleep(2)
    run.control("clock", str(ahead_s - 3600))
    time.sleep(2)
    run.show("green")
    run.wait("change", 2)
    (child,) = run.list_capture_processes()
    os.kill(child, signal.SIGKILL)
    run.wait("camera_restored")
    run.end()
    whole_s = time.monotonic() - begin
    first, second = run.records("change")
    assert 3 < second["lasted_s"] < whole_s
    assert second["time"] < first["time"]
    assert 0 < run.records("camera_restored")[0]["lost_s"] < whole_s
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
    run: Run, small_disk: Path
) -> None:
    hog, run.log = small_disk / "hog", small_disk / "watch.jsonl"
    run.start("--every-frame", "--log-flush", "0.2")
    run.wait("frame", 10)
    hog.write_bytes(bytes(2 * 1024 * 1024 - 64 * 1024))
    run.wait_until(lambda: b"cannot be written (" in run.err.read_bytes())
    run.wait("frame", len(run.records("frame")) + 60)
    hog.unlink()
    run.wait_until(lambda: b"can be written again" in run.err.read_bytes())
    run.end()
    logged = [one["frame"] for one in run.read_log() if one["event"] == "frame"]
    assert logged == [one["frame"] for one in run.records("frame")]  # they waited for the disk
    (note,) = (one for one in run.read_log() if one["event"] == "note")
    assert "0 records were lost" in note["text"]
    assert run.err.read_text("utf-8").count("cannot be written (") == 1


def test_a_log_continues_after_its_folder_was_deleted_or_read_only(
    run: Run, small_disk: Path
) -> None:
    run.log = small_disk / "logs" / "watch.jsonl"
    run.start("--every-frame", "--log-flush", "0.2")
    run.wait("frame", 10)
    run.wait_until(run.log.exists)
    shutil.rmtree(run.log.parent)
    run.wait_until(run.log.exists)
    mount = ["mount", "-o", "remount", str(small_disk)]
    subprocess.run([*mount, "-r"], check=True)
    run.wait_until(lambda: b"cannot be written (Read-only file system)" in run.err.read_bytes())
    subprocess.run([*mount, "-w"], check=True)
    run.wait_until(lambda: b"can be written again" in run.err.read_bytes())
    run.end()
    events = [one["event"] for one in run.read_log()]
    assert (events.count("note"), events[-1]) == (1, "stop")
    assert run.err.read_text("utf-8").count("cannot be written (") == 1


def test_systemd_knows_of_a_lost_camera_and_a_reload_does_not_stop_the_service(run: Run) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(run.folder / "notify"))
        systemd.settimeout(30)
        run.environment["NOTIFY_SOCKET"] = str(run.folder / "notify")
        run.environment["WATCHDOG_USEC"] = "120000000"
        (run.folder / "config.toml").touch()
        run.start("--config", str(run.folder / "config.toml"))
        red = b"STATUS=red (1.00)"
        beginning = [b"READY=1", b"WATCHDOG=1", red]  # the watchdog is fed from the first look on
        assert [systemd.recv(100) for _ in range(3)] == beginning
        (run.folder / "camera").unlink()
        assert systemd.recv(100).startswith(b"STATUS=camera lost: ")
        run.control("camera", "red")
        assert systemd.recv(100) == red
        run.process.send_signal(signal.SIGHUP)
        assert [systemd.recv(100) for _ in range(3)] == beginning
        run.end()
        assert systemd.recv(100) == b"STOPPING=1"
