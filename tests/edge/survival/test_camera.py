"""What a watch survives of its camera: `vedette run` as a whole, in a process of its own.

`make endurance` does it as often as the product promises; else a few times must do.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.edge.conftest import Run

FULL = bool(os.environ.get("ENDURANCE"))


def held(pid: int) -> tuple[int, int]:
    """Descriptors and threads of a process."""
    descriptors, threads = (
        len(list(Path(f"/proc/{pid}", kind).iterdir())) for kind in ("fd", "task")
    )
    return descriptors, threads


def test_each_kill_of_the_camera_process_is_lost_once_and_back_once(run: "Run") -> None:
    kills = 100 if FULL else 4
    run.start("--heartbeat", "0")
    run.wait("change")
    before = held(run.process.pid)
    for number in range(1, kills + 1):
        time.sleep(0.6)  # longer than the pause: one that comes and goes is tried less often
        (child,) = run.camera_processes()
        os.kill(child, signal.SIGKILL)
        run.wait("back", number)
    assert held(run.process.pid) == before
    run.end()
    events = [one["event"] for one in run.logged() if one["event"] != "delivers"]
    assert events == ["start", "change", *["lost", "back"] * kills, "stop"]
    assert {one["reason"] for one in run.told("lost")} == {"the capture process died"}
    assert all(0.4 < one["lost_s"] < 10 for one in run.told("back"))


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("0x0", "gave no picture"),
        ("grey", "gave no picture"),
        ("float", "gave no picture"),
        ("nothing", "gave no picture"),
        ("blocks", "no frame for 3 s"),
        ("holds all", "no frame for 3 s"),
    ],
)
def test_a_camera_that_gives_garbage_or_nothing_is_lost_once_and_back_once(
    run: "Run", shown: str, reason: str
) -> None:
    run.environment["SILENCE_S"] = "3"
    run.start()
    run.wait("change")
    run.shows(shown)
    assert reason in run.wait("lost")["reason"]
    time.sleep(2)  # in which it is tried again, in vain
    run.shows("green")
    lost_s = run.wait("back")["lost_s"]
    assert 2 < lost_s < 20
    assert run.wait("change", 2)["lasted_s"] > lost_s - 0.1  # which is rounded
    run.end()
    told = [one["event"] for one in run.logged() if one["event"] in ("lost", "back", "change")]
    assert told == ["change", "lost", "back", "change"]


@pytest.mark.parametrize("shown", ["sizes", "huge"])
def test_frames_of_other_sizes_are_looked_at_as_they_are(run: "Run", shown: str) -> None:
    run.start("--every-frame")
    run.wait("change")
    run.shows(shown)
    time.sleep(0.5)
    run.wait("frame", len(run.told("frame")) + 12)
    assert not run.told("lost")
    assert {one["label"] for one in run.told("frame")} == {"red"}
    run.end()


def test_a_usb_camera_that_is_absent_at_first_and_pulled_out_later_is_picked_up(run: "Run") -> None:
    device = run.folder / "camera"
    device.unlink()
    run.start()
    assert "is not there" in run.wait("lost")["reason"]
    time.sleep(1)
    run.shows("red")
    run.wait("back")
    device.unlink()
    assert "gave no picture" in run.wait("lost", 2)["reason"]
    run.shows("red")
    run.wait("back", 2)
    run.end()
    assert [one["event"] for one in run.told("lost", "back")] == ["lost", "back"] * 2


@pytest.mark.parametrize("stopped", [False, True])
def test_the_camera_process_goes_with_its_master_though_its_driver_lets_no_python_run(
    run: "Run", stopped: bool
) -> None:
    run.start()
    run.wait("change")
    run.shows("holds all")
    time.sleep(0.5)
    (child,) = run.camera_processes()
    if stopped:
        os.kill(child, signal.SIGSTOP)
    run.process.kill()
    run.process.wait()
    limit_s = time.monotonic() + 5
    while run.camera_processes():
        assert time.monotonic() < limit_s
        time.sleep(0.02)


def test_an_rtsp_camera_that_is_stopped_and_started_again_is_lost_once_and_back_once(
    run: "Run", serve: Callable[[int], "subprocess.Popen[str]"]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    del run.environment["PYTHONPATH"]  # no stand-in: OpenCV itself
    server = serve(port)
    run.start(camera=f"rtsp://admin:secret@127.0.0.1:{port}/cam")
    assert run.wait("change")["label"] == "red"
    server.kill()
    begin = time.monotonic()
    assert "broke off" in run.wait("lost")["reason"]
    time.sleep(3)  # in which it is tried again, in vain
    serve(port)
    assert run.wait("back")["lost_s"] <= time.monotonic() - begin + 0.1
    run.end()
    told = [one["event"] for one in run.logged()]
    assert told == ["start", "delivers", "change", "lost", "delivers", "back", "stop"]
    assert "secret" not in run.log.read_text("utf-8") + run.err.read_text("utf-8")
