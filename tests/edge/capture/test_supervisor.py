"""A camera may die, block or go away: it is said once, and it comes back."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vedette_edge import Contract
from vedette_edge.cameras import CameraConfig
from vedette_edge.capture import supervisor
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Supervisor
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError, SettingError


class Heard:
    """What a supervisor tells."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def delivers(self, line: str) -> None: ...

    def left_out(self, line: str) -> None:
        self.lines.append(("left_out", line))

    def lost(self, reason: str) -> None:
        self.lines.append(("lost", reason))

    def back(self, lost_s: float) -> None:
        self.lines.append(("back", f"{lost_s:.1f}"))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.lines]


@pytest.fixture
def plan(contract: Contract) -> Callable[..., CaptureConfig]:
    def make(
        source: Path,
        *,
        live: bool = False,
        every: bool = True,
        regions: tuple[Region, ...] = (WHOLE,),
    ) -> CaptureConfig:
        wish = CameraConfig(str(source), live=live)
        return CaptureConfig(wish, Orientation(), contract, regions, 0.0, 0.0, every)

    return make


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of half a minute at 20 frames a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(600):
        writer.write(np.full((48, 64, 3), (0, 0, number % 256), np.uint8))
    writer.release()
    return path


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses, so that a test need not wait long."""
    monkeypatch.setattr(supervisor, "PAUSES_S", (0.05, 0.1))
    monkeypatch.setattr(supervisor, "FIRST_SILENCE_S", 5.0)
    monkeypatch.setattr(supervisor, "SILENCE_S", 1.0)


def children() -> list[int]:
    """Capture processes of this one."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, command in lines if "vedette_edge.capture.worker" in command]


def frame_after(watched: Supervisor, timeout_s: float = 20) -> int:
    """Number of the next frame."""
    until_s = time.monotonic() + timeout_s
    while time.monotonic() < until_s:
        if frame := watched.next_frame(0.5):
            return frame[0].number
    raise AssertionError("no frame came")


def kill(watched: Supervisor, heard: Heard) -> None:
    """Kill the camera process, and wait until that is told."""
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    told = heard.kinds().count("lost")
    while heard.kinds().count("lost") == told:
        watched.next_frame(0.05)


def test_every_picture_of_a_folder_is_looked_at_in_order(
    photos: Path, plan: Callable[..., CaptureConfig], contract: Contract
) -> None:
    (photos / "bad.jpg").write_bytes(b"no picture")
    heard, seen = Heard(), []
    with Supervisor(plan(photos), heard, restarts=False) as watched:
        while not watched.ended:
            if frame := watched.next_frame(5.0):
                about, parts = frame
                assert parts.shape == (1, contract.height, contract.width, 3)
                seen.append((about.number, Path(os.fsdecode(about.source)).name))
    assert seen == [(1, "a-red.jpg"), (2, "b-green.png"), (3, "c-blue.webp")]
    assert heard.kinds() == ["left_out"]
    assert not children()


def test_a_killed_camera_process_is_replaced_and_told_of_once(
    clip: Path, plan: Callable[..., CaptureConfig], quick: None
) -> None:
    heard = Heard()
    with Supervisor(plan(clip, live=True, every=False), heard) as watched:
        frame_after(watched)
        for _ in range(10):
            kill(watched, heard)
            frame_after(watched)
    assert heard.kinds() == ["lost", "back"] * 10
    assert all("died" in line for kind, line in heard.lines if kind == "lost")


def test_a_camera_that_blocks_for_ever_is_killed_and_tried_again(
    tmp_path: Path, plan: Callable[..., CaptureConfig], quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_SILENCE_S", 1.0)
    pipe, heard, seen = tmp_path / "pipe.avi", Heard(), set()
    os.mkfifo(pipe)  # opening it waits for somebody who writes
    with Supervisor(plan(pipe, live=True, every=False), heard) as watched:
        until_s = time.monotonic() + 5
        while time.monotonic() < until_s:
            assert watched.next_frame(0.2) is None
            seen |= set(children())
    assert len(seen) >= 2
    assert heard.lines == [("lost", "no frame for 1 s")]
    assert not children()


def test_a_camera_without_a_rate_of_its_own_waits_for_the_watch(contract: Contract) -> None:
    plan = CaptureConfig(
        CameraConfig("synthetic"), Orientation(), contract, (WHOLE,), 0.0, 0.0, every_frame=False
    )
    with Supervisor(plan, Heard()) as watched:
        numbers = [frame_after(watched) for _ in range(20)]
    assert numbers == list(range(1, 21))


def test_a_scene_in_which_nothing_moves_is_no_dead_camera(
    contract: Contract, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, wish = Heard(), CameraConfig("synthetic:640x480@20")
    plan = CaptureConfig(wish, Orientation(), contract, (WHOLE,), 0.2, 0.0, every_frame=False)
    with Supervisor(plan, heard) as watched:
        numbers = [frame_after(watched) for _ in range(2)]
    assert numbers[1] - numbers[0] > 60  # five seconds apart, and silence is one
    assert not heard.lines


def test_a_folder_that_is_watched_may_be_silent(
    photos: Path, contract: Contract, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = CaptureConfig(
        CameraConfig(str(photos), follow=True),
        Orientation(),
        contract,
        (WHOLE,),
        0.0,
        0.0,
        every_frame=True,
    )
    with Supervisor(plan, Heard(), restarts=False) as watched:
        assert watched.next_frame(6.5) is None  # what was there before does not count
        shutil.copy(photos / "a-red.jpg", photos / "later.jpg")
        assert frame_after(watched) == 1


def test_a_camera_that_is_absent_at_the_start_and_there_later_is_picked_up(
    clip: Path, tmp_path: Path, plan: Callable[..., CaptureConfig], quick: None
) -> None:
    later, heard = tmp_path / "later.avi", Heard()
    with Supervisor(plan(later, live=True, every=False), heard) as watched:
        for _ in range(10):
            assert watched.next_frame(0.1) is None
        clip.rename(later)
        frame_after(watched)
    assert heard.kinds() == ["lost", "back"]
    assert "is not there" in heard.lines[0][1]


def test_files_that_fail_are_an_error_and_not_tried_again(
    tmp_path: Path, plan: Callable[..., CaptureConfig]
) -> None:
    with (
        Supervisor(plan(tmp_path / "gone.avi"), Heard(), restarts=False) as watched,
        pytest.raises(CameraError, match="is not there"),
    ):
        frame_after(watched)


def test_a_region_outside_the_frame_is_an_error(
    clip: Path, plan: Callable[..., CaptureConfig]
) -> None:
    region = Region("door", 10, 10, 100, 10)
    with (
        Supervisor(plan(clip, live=True, regions=(WHOLE, region)), Heard()) as watched,
        pytest.raises(SettingError, match="the frame ends at 64, 48"),
    ):
        frame_after(watched)


def test_a_waker_ends_the_wait(
    clip: Path, tmp_path: Path, plan: Callable[..., CaptureConfig]
) -> None:
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    with Supervisor(plan(pipe, live=True), Heard()) as watched:
        wake = os.eventfd(1)
        begin = time.monotonic()
        assert watched.next_frame(60, wake) is None
        assert time.monotonic() - begin < 30
        os.close(wake)


def test_the_capture_process_goes_when_its_master_is_killed(
    clip: Path, tmp_path: Path, model: Path
) -> None:
    script = """
import sys, time
from vedette_edge import Classifier
from vedette_edge.cameras import CameraConfig
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
source, contract = CameraConfig(sys.argv[1], live=True), Classifier(sys.argv[2]).contract
plan = CaptureConfig(source, Orientation(), contract, (WHOLE,), 0.0, 0.0, False)
class Silent:
    def delivers(self, line): pass
with Supervisor(plan, Silent()) as watched:
    while not watched.next_frame(1.0):
        pass
    print(watched._process._process.pid, flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", script, str(clip), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as master:
        assert master.stdout
        child = int(master.stdout.readline())
        master.kill()
    until_s = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_nothing_is_left_open_after_many_restarts(
    clip: Path, plan: Callable[..., CaptureConfig], quick: None
) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    heard = Heard()
    with Supervisor(plan(clip, live=True, every=False), heard) as watched:
        frame_after(watched)
        during = open_files()
        for _ in range(15):
            kill(watched, heard)
            frame_after(watched)
        assert open_files() == during
    assert open_files() == before
