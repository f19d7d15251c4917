"""Cameras that need patience, and processes that do not obey."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.edge.capture.conftest import wait_for_frame
from tests.edge.conftest import EventLog

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig, FrameSelector
from vedette_edge.errors import CameraError

ConfigFactory = Callable[..., CaptureConfig]
STILL = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def configure(contract: Contract) -> ConfigFactory:
    """Creates the configuration of a capture process."""

    def create(
        source: str = "synthetic:640x480@30", fps: float = 0.0, motion: float = 0.0
    ) -> CaptureConfig:
        camera = CameraConfig(source, live=True)
        return CaptureConfig(
            camera, Orientation(), contract, (WHOLE,), fps, motion, every_frame=False
        )

    return create


class Clock:
    """The monotonic clock, and what a test adds to it."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def wait_for_loss(supervisor: Supervisor, log: EventLog) -> None:
    """Wait until the camera is reported lost."""
    until_s = time.monotonic() + 60
    while "lost" not in log.kinds():
        supervisor.next_frame(0.05)
        assert time.monotonic() < until_s


def wait_for_end(supervisor: Supervisor) -> None:
    """Wait until no capture process is running."""
    with suppress(CameraError):
        while supervisor.pid:
            supervisor.next_frame(0.05)


def find_outages(log: EventLog) -> list[float]:
    """Find the durations of the outages, in seconds."""
    return [event.lost_s for event in log.events if event.kind == "restored"]


def test_the_capture_process_imports_nothing_that_only_the_watch_needs() -> None:
    script = "import vedette_edge.capture.worker, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"ai_edge_litert", "tflite_runtime", "click", "rich"}
    assert "vedette_edge.model.classifier" not in done.stdout.split()


def test_a_process_that_cannot_be_killed_does_not_hold_up_its_successor(
    configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that a driver holds."""
    clock, held = Clock(), list["subprocess.Popen[bytes]"]()
    with Supervisor(configure(), event_log.add, clock=clock) as supervisor:
        wait_for_frame(supervisor)
        os.kill(supervisor.pid, signal.SIGSTOP)
        with monkeypatch.context() as patched:
            patched.setattr(subprocess.Popen, "kill", lambda process: held.append(process))
            clock.ahead_s = Timeouts().silence_s
            wait_for_loss(supervisor, event_log)
        wait_for_frame(supervisor)
        assert supervisor.pid != held[0].pid
    held[0].kill()
    held[0].wait()
    assert event_log.details("lost") == ["no frame for 10 s"]
    assert event_log.kinds().count("restored") == 1


def test_a_frame_that_a_dead_process_left_does_not_end_the_outage(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    timeouts = Timeouts(pauses_s=(1.0,))
    with Supervisor(configure(), event_log.add, timeouts=timeouts) as supervisor:
        wait_for_frame(supervisor)
        os.kill(supervisor.pid, signal.SIGSTOP)  # so that it leaves a frame or none at all
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_for_loss(supervisor, event_log)
        assert supervisor.next_frame(0.2) is None
        assert "restored" not in event_log.kinds()
        wait_for_frame(supervisor)
    assert event_log.kinds() == ["opened", "lost", "opened", "restored"]


def test_a_machine_without_room_for_a_process_is_asked_again(
    configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def count_open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    with (
        monkeypatch.context() as patched,
        Supervisor(configure(), event_log.add) as supervisor,
    ):
        wait_for_frame(supervisor)
        before = count_open_files()
        patched.setattr(subprocess, "Popen", refuse)
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_for_loss(supervisor, event_log)
        assert supervisor.next_frame(3) is None
        assert count_open_files() == before - 3  # two pipes and standard error
        patched.undo()
        wait_for_frame(supervisor)
    assert event_log.details("lost") == ["the capture process died: SIGKILL"]
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", refuse)
        with pytest.raises(CameraError, match="Resource temporarily unavailable"):
            Supervisor(configure(), event_log.add, restarts=False).__enter__()


def test_a_camera_that_comes_and_goes_is_restarted_less_and_less_often(
    configure: ConfigFactory, tmp_path: Path, event_log: EventLog
) -> None:
    video = tmp_path / "frame.ppm"  # a video of one frame
    video.write_bytes(b"P6 2 2 255 " + bytes(12))
    clock, timeouts = Clock(), Timeouts(pauses_s=(100.0, 1000.0, 2000.0))
    with Supervisor(
        configure(str(video)), event_log.add, timeouts=timeouts, clock=clock
    ) as supervisor:
        for pause_s in timeouts.pauses_s:
            wait_for_end(supervisor)
            clock.ahead_s += pause_s - 50
            assert supervisor.next_frame(0.5) is None
            with pytest.raises(CameraError, match="no capture process is running"):
                _ = supervisor.pid
            clock.ahead_s += 50
            wait_for_frame(supervisor)
    assert set(event_log.details("lost")) == {"the source has ended"}


def test_an_outage_counts_from_the_last_frame_even_if_that_was_skipped(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    with Supervisor(configure(fps=0.05), event_log.add) as supervisor:
        wait_for_frame(supervisor)
        assert supervisor.next_frame(3) is None
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_for_frame(supervisor)
    (lost_s,) = find_outages(event_log)
    assert lost_s < 3  # seconds since the frame before


def test_a_still_scene_is_classified_every_30_seconds(configure: ConfigFactory) -> None:
    clock = iter(range(100))
    selector = FrameSelector(configure(motion=0.1), lambda: float(next(clock)))
    accepted = [second for second in range(100) if selector.accept(STILL)]
    assert accepted == [0, 30, 60, 90]
    assert selector.skipped == 96


def test_a_rate_limit_is_kept_on_average(configure: ConfigFactory) -> None:
    clock = iter(range(100))  # tenths of a second
    selector = FrameSelector(configure(fps=4.0), lambda: next(clock) / 10)
    accepted = [tenth for tenth in range(100) if selector.accept(STILL)]
    assert len(accepted) == 40
    assert {after - before for before, after in pairwise(accepted)} == {2, 3}


class AbsentCamera:
    """A capture process whose camera is not there."""

    events = -1

    def __init__(self, *_: object) -> None:
        self.failed = [CameraEvent("failed", "/dev/video0: not found")]

    def describe_death(self) -> str:
        return ""

    def read_events(self) -> list[CameraEvent]:
        return self.failed

    def kill(self) -> None:
        pass


def test_a_camera_that_is_absent_for_a_week_is_lost_once_and_looked_at_throughout(
    configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, week_s, step_s, gap_s, looked_s = Clock(), 7 * 24 * 3600, 5.0, 0.0, 0.0
    with monkeypatch.context() as patched:
        patched.setattr("vedette_edge.capture.supervisor.CaptureProcess", AbsentCamera)
        with Supervisor(configure(), event_log.add, clock=clock) as supervisor:
            while clock.ahead_s < week_s:
                clock.ahead_s += step_s
                looks = event_log.looks
                supervisor.next_frame(0)
                if event_log.looks > looks:
                    gap_s, looked_s = max(gap_s, clock.ahead_s - looked_s), clock.ahead_s
            assert event_log.kinds() == ["lost"]
            assert gap_s < 60  # half of the service's WatchdogSec
            patched.undo()
            clock.ahead_s += 30
            wait_for_frame(supervisor)
    assert event_log.kinds() == ["lost", "opened", "restored"]
    assert find_outages(event_log)[0] == pytest.approx(week_s, abs=60)


def test_a_skipped_frame_is_a_finished_look(configure: ConfigFactory, event_log: EventLog) -> None:
    with Supervisor(configure(fps=0.001), event_log.add) as supervisor:
        wait_for_frame(supervisor)
        looks = event_log.looks
        until_s = time.monotonic() + 60
        while event_log.looks < looks + 3:
            assert supervisor.next_frame(0.1) is None
            assert time.monotonic() < until_s


def test_the_pause_begins_anew_after_a_camera_that_worked_for_longer(
    configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, timeouts = Clock(), Timeouts(silence_s=60.0, pauses_s=(100.0, 200.0))

    def wait_out(pause_s: float) -> None:
        """Wait for a frame, which comes after this pause and not before."""
        clock.ahead_s += pause_s - 50
        assert supervisor.next_frame(0.3) is None
        with pytest.raises(CameraError, match="no capture process"):
            _ = supervisor.pid
        clock.ahead_s += 50
        wait_for_frame(supervisor)

    with Supervisor(configure(), event_log.add, timeouts=timeouts, clock=clock) as supervisor:
        wait_for_frame(supervisor)
        for worked_s, pause_s in ((0, 100), (0, 200), (75, 200), (250, 100)):
            for _ in range(worked_s // 25):
                clock.ahead_s += 25
                wait_for_frame(supervisor)
            os.kill(supervisor.pid, signal.SIGKILL)
            wait_for_end(supervisor)
            wait_out(pause_s)
        os.kill(supervisor.pid, signal.SIGKILL)
        wait_for_end(supervisor)
        with monkeypatch.context() as patched:  # then it is absent for an attempt
            patched.setattr("vedette_edge.capture.supervisor.CaptureProcess", AbsentCamera)
            for ahead_s in (200, 1):  # to start a process, and to read its events
                clock.ahead_s += ahead_s
                assert supervisor.next_frame(0) is None
        wait_out(200)
    assert event_log.kinds().count("lost") == 5
