"""Cameras that the supervisor must be patient with, and processes that it cannot command."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from vedette_edge import Contract
from vedette_edge.cameras import CameraConfig, Frame
from vedette_edge.capture import supervisor, worker
from vedette_edge.capture.frame_buffer import FrameBuffer
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError


class Heard:
    """What a supervisor tells of a camera that goes and comes."""

    def __init__(self) -> None:
        self.lost_for: list[str] = []
        self.lost_s: list[float] = []

    def delivers(self, line: str) -> None: ...

    def left_out(self, line: str) -> None:
        pytest.fail(line)

    def lost(self, reason: str) -> None:
        self.lost_for.append(reason)

    def back(self, lost_s: float) -> None:
        self.lost_s.append(lost_s)


@pytest.fixture
def plan(contract: Contract) -> Callable[..., CaptureConfig]:
    def make(
        source: str = "synthetic:640x480@30", fps: float = 0.0, motion: float = 0.0
    ) -> CaptureConfig:
        wish = CameraConfig(source, live=True)
        return CaptureConfig(
            wish, Orientation(), contract, (WHOLE,), fps, motion, every_frame=False
        )

    return make


def process_of(watched: Supervisor) -> "subprocess.Popen[bytes]":
    assert watched._process
    return watched._process._process


def take(watched: Supervisor, timeout_s: float = 20) -> None:
    """Wait for the next frame."""
    until_s = time.monotonic() + timeout_s
    while not watched.next_frame(0.1):
        assert time.monotonic() < until_s


def test_the_process_that_takes_frames_imports_nothing_that_only_the_watch_needs() -> None:
    script = "import vedette_edge.capture.worker, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"ai_edge_litert", "tflite_runtime", "click", "rich"}
    assert "vedette_edge.model.classifier" not in done.stdout.split()


def test_a_process_that_cannot_be_killed_holds_up_nothing(
    plan: Callable[..., CaptureConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a driver holds."""
    heard = Heard()
    with Supervisor(plan(), heard) as watched:
        take(watched)
        held = process_of(watched)
        monkeypatch.setattr(held, "kill", lambda: None)
        held.send_signal(signal.SIGSTOP)
        begin = time.monotonic()
        watched._lose("no frame for 10 s")
        assert time.monotonic() - begin < 1
        take(watched)
        assert process_of(watched).pid != held.pid
    held.wait(10)  # its master let go of it, which the kernel does not forget
    assert (heard.lost_for, len(heard.lost_s)) == (["no frame for 10 s"], 1)


def test_a_frame_that_a_dead_process_left_is_not_told_as_the_camera_s_return(
    plan: Callable[..., CaptureConfig],
) -> None:
    heard = Heard()
    with Supervisor(plan(), heard) as watched:
        take(watched)
        time.sleep(0.2)  # in which it gives the next
        watched._lose("no frame for 10 s")
        assert watched.next_frame(0.2) is None
        assert not heard.lost_s
        take(watched)
    assert len(heard.lost_s) == 1


def test_a_machine_that_has_no_room_for_a_process_just_now_is_waited_for(
    plan: Callable[..., CaptureConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    heard = Heard()
    with monkeypatch.context() as patched, Supervisor(plan(), heard) as watched:
        take(watched)
        before = open_files()
        patched.setattr(subprocess, "Popen", refuse)
        process_of(watched).kill()
        assert watched.next_frame(3) is None
        assert open_files() == before - 2  # the two pipes to a process
        patched.undo()
        take(watched)
    assert heard.lost_for == ["the capture process died"]
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        with pytest.raises(CameraError, match="Resource temporarily unavailable"):
            Supervisor(plan(), heard, restarts=False).__enter__()


def test_a_camera_that_comes_and_goes_is_tried_less_and_less_often(
    plan: Callable[..., CaptureConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PAUSES_S", (0.1, 2.0, 60.0))
    frame = tmp_path / "frame.ppm"  # a video of one frame
    frame.write_bytes(b"P6 2 2 255 " + bytes(12))
    heard, until_s = Heard(), time.monotonic() + 8
    with Supervisor(plan(str(frame)), heard) as watched:
        while time.monotonic() < until_s:
            watched.next_frame(0.1)
    assert set(heard.lost_for) == {"the source has ended"}
    assert 1 <= len(heard.lost_for) <= 3
    assert len(heard.lost_for) - len(heard.lost_s) in (0, 1)


def test_how_long_a_camera_was_lost_counts_from_its_last_frame_though_nobody_looked_at_that(
    plan: Callable[..., CaptureConfig],
) -> None:
    heard = Heard()
    with Supervisor(plan(fps=0.05), heard) as watched:
        take(watched)
        assert watched.next_frame(3) is None
        os.kill(process_of(watched).pid, signal.SIGKILL)
        take(watched)
    assert 0.4 < heard.lost_s[0] < 3


def test_a_still_scene_is_looked_at_now_and_then(
    plan: Callable[..., CaptureConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LONGEST_STILL_S", 0.5)

    def still() -> Iterator[Frame]:
        begin = time.monotonic()
        for number in count(1):
            if time.monotonic() - begin > 1.8:
                return
            time.sleep(0.01)
            yield Frame(number, np.zeros((48, 64, 3), np.uint8), 0.0, 0.0, "still")

    asked = plan(motion=0.1)
    handover = FrameBuffer(asked.shape)
    looked_at = list(worker._wanted(still(), asked, handover))  # type: ignore[arg-type]
    handover.close()
    assert len(looked_at) == 4  # at once, after 0.5, 1 and 1.5 s
    assert looked_at[-1][2] > 50  # skipped
