"""A watch and its camera: `vedette run` as a whole, in a process of its own.

`make endurance` repeats it as often as the product promises; otherwise a few times must do.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.edge.conftest import Run

FULL = bool(os.environ.get("ENDURANCE"))


def count_resources(pid: int) -> tuple[int, int]:
    """Count descriptors and threads of a process."""
    descriptors, threads = (
        len(list(Path(f"/proc/{pid}", kind).iterdir())) for kind in ("fd", "task")
    )
    return descriptors, threads


def test_each_kill_of_the_capture_process_is_one_loss_and_one_return(run: Run) -> None:
    kills = 100 if FULL else 4
    run.start("--heartbeat", "0")
    run.wait("change")
    before = count_resources(run.process.pid)
    for number in range(1, kills + 1):
        time.sleep(0.6)  # longer than the pause: one that comes and goes is tried less often
        (child,) = run.list_capture_processes()
        os.kill(child, signal.SIGKILL)
        run.wait("camera_restored", number)
    assert count_resources(run.process.pid) == before
    run.end()
    events = [one["event"] for one in run.read_log() if one["event"] != "camera_opened"]
    assert events == ["start", "change", *["camera_lost", "camera_restored"] * kills, "stop"]
    reasons = {one["reason"] for one in run.records("camera_lost")}
    assert reasons == {"the capture process died: SIGKILL"}
    assert all(one["lost_s"] > 0.4 for one in run.records("camera_restored"))


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("0x0", "delivered no image"),
        ("grey", "delivered no image"),
        ("float", "delivered no image"),
        ("nothing", "delivered no image"),
        ("blocks", "no frame for 3 s"),
        ("holds all", "no frame for 3 s"),
    ],
)
def test_a_camera_that_gives_garbage_or_nothing_is_lost_once_and_restored_once(
    run: Run, shown: str, reason: str
) -> None:
    run.environment["SILENCE_S"] = "3"
    run.start()
    run.wait("change")
    run.show(shown)
    assert reason in run.wait("camera_lost")["reason"]
    time.sleep(2)  # in which it is tried again, in vain
    run.show("green")
    lost_s = run.wait("camera_restored")["lost_s"]
    assert lost_s > 2
    assert run.wait("change", 2)["lasted_s"] > lost_s - 0.1  # which is rounded
    run.end()
    events = [
        one["event"]
        for one in run.read_log()
        if one["event"] in ("camera_lost", "camera_restored", "change")
    ]
    assert events == ["change", "camera_lost", "camera_restored", "change"]


@pytest.mark.parametrize("shown", ["sizes", "huge"])
def test_frames_of_other_sizes_are_classified_as_they_are(run: Run, shown: str) -> None:
    run.start("--every-frame")
    run.wait("change")
    run.show(shown)
    time.sleep(0.5)
    run.wait("frame", len(run.records("frame")) + 12)
    assert not run.records("camera_lost")
    assert {one["label"] for one in run.records("frame")} == {"red"}
    run.end()


def test_a_usb_camera_that_is_absent_at_first_and_pulled_out_later_is_opened_again(
    run: Run,
) -> None:
    device = run.folder / "camera"
    device.unlink()
    run.start()
    assert "not found" in run.wait("camera_lost")["reason"]
    time.sleep(1)
    run.show("red")
    run.wait("camera_restored")
    device.unlink()
    assert "delivered no image" in run.wait("camera_lost", 2)["reason"]
    run.show("red")
    run.wait("camera_restored", 2)
    run.end()
    assert [one["event"] for one in run.records("camera_lost", "camera_restored")] == [
        "camera_lost",
        "camera_restored",
    ] * 2


@pytest.mark.parametrize("stopped", [False, True])
def test_the_capture_process_dies_with_its_parent_even_if_its_driver_blocks_python(
    run: Run, stopped: bool
) -> None:
    run.start()
    run.wait("change")
    run.show("holds all")
    time.sleep(0.5)
    (child,) = run.list_capture_processes()
    if stopped:
        os.kill(child, signal.SIGSTOP)
    run.process.kill()
    run.process.wait()
    limit_s = time.monotonic() + 60
    while run.list_capture_processes():
        assert time.monotonic() < limit_s
        time.sleep(0.02)


def test_an_rtsp_camera_that_is_stopped_and_started_again_is_lost_once_and_restored_once(
    run: Run, serve: Callable[[int], "subprocess.Popen[str]"]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    del run.environment["PYTHONPATH"]  # no stand-in: OpenCV itself
    server = serve(port)
    run.start(camera=f"rtsp://admin:secret@127.0.0.1:{port}/cam")
    assert run.wait("change")["label"] == "red"
    server.kill()
    begin = time.monotonic()
    assert "broke off" in run.wait("camera_lost")["reason"]
    time.sleep(3)  # in which it is tried again, in vain
    serve(port)
    assert run.wait("camera_restored")["lost_s"] <= time.monotonic() - begin + 0.1
    run.end()
    events = [one["event"] for one in run.read_log()]
    assert events == [
        "start",
        "camera_opened",
        "change",
        "camera_lost",
        "camera_opened",
        "camera_restored",
        "stop",
    ]
    assert "secret" not in run.log.read_text("utf-8") + run.err.read_text("utf-8")
