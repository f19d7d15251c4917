"""The supervisor: a camera may die, block or go away; it is lost once, and comes back."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from tests.edge.conftest import EventLog

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.process import CaptureProcess
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Backoff, Supervisor, Timeouts
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.errors import CameraError, SettingError

QUICK = Timeouts(silence_s=1.0, first_silence_s=5.0, pauses_s=(0.05, 0.1))
ConfigFactory = Callable[..., CaptureConfig]


@pytest.fixture
def configure(contract: Contract) -> ConfigFactory:
    """Creates the configuration of a capture process."""

    def create(
        camera: CameraConfig,
        *,
        every_frame: bool = False,
        regions: tuple[Region, ...] = (WHOLE,),
        max_fps: float = 0.0,
    ) -> CaptureConfig:
        return CaptureConfig(camera, Orientation(), contract, regions, max_fps, 0.0, every_frame)

    return create


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of half a minute at 20 frames a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for number in range(600):
        writer.write(np.full((48, 64, 3), (0, 0, number % 256), np.uint8))
    writer.release()
    return path


def play_live(path: Path) -> CameraConfig:
    return CameraConfig(str(path), live=True)


def list_children() -> list[int]:
    """List the capture processes of this process."""
    listed = subprocess.run(
        ["ps", "--ppid", str(os.getpid()), "-o", "pid=,args="],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(None, 1) for line in listed.stdout.splitlines()]
    return [int(pid) for pid, command in lines if "vedette_edge.capture.worker" in command]


def count_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_for_frame(supervisor: Supervisor) -> int:
    """Wait for the next frame; return its number."""
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s:
        if frame := supervisor.next_frame(0.5):
            return frame[0].number
    raise AssertionError("no frame came")


def kill(supervisor: Supervisor, log: EventLog) -> None:
    """Kill the capture process, and wait until the camera is reported lost."""
    os.kill(supervisor.pid, signal.SIGKILL)
    losses = log.kinds().count("lost")
    while log.kinds().count("lost") == losses:
        supervisor.next_frame(0.05)


def test_every_image_of_a_folder_is_delivered_in_order(
    photos: Path, configure: ConfigFactory, contract: Contract, event_log: EventLog
) -> None:
    (photos / "bad.jpg").write_bytes(b"not an image")
    config, seen = configure(CameraConfig(str(photos)), every_frame=True), []
    with Supervisor(config, event_log.add, restarts=False) as supervisor:
        while not supervisor.ended:
            if frame := supervisor.next_frame(5.0):
                info, crops = frame
                assert crops.shape == (1, contract.height, contract.width, 3)
                seen.append((info.number, Path(os.fsdecode(info.source)).name))
    assert seen == [(1, "a-red.jpg"), (2, "b-green.png"), (3, "c-blue.webp")]
    assert event_log.kinds() == ["opened", "skipped_file"]
    assert not list_children()


def test_modules_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: ConfigFactory, event_log: EventLog
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('from the current folder')", "utf-8")
    monkeypatch.chdir(tmp_path)
    with Supervisor(configure(CameraConfig("synthetic")), event_log.add) as supervisor:
        assert wait_for_frame(supervisor) == 1
    assert event_log.kinds() == ["opened"]


def test_a_killed_capture_process_is_replaced_and_reported_once(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(play_live(clip))
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        wait_for_frame(supervisor)
        for _ in range(10):
            kill(supervisor, event_log)
            wait_for_frame(supervisor)
    assert event_log.kinds() == ["opened", *["lost", "opened", "restored"] * 10]
    assert all("died" in reason for reason in event_log.details("lost"))


@pytest.mark.parametrize(
    ("last_act", "reason"),
    [
        ("raise ZeroDivisionError('of\\x1b\\n' + 9999 * 'w')", "code 1: www"),
        ("raise ZeroDivisionError('of nothing')", "code 1: ZeroDivisionError: of nothing"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.write(2, b'free(): invalid pointer\\n'); os.abort()", "SIGABRT: free(): invalid"),
        ("os.write(2, b'user admin refused\\n'); os._exit(3)", "code 3: user *** refused"),
        ("os.write(2, b'http://pw1@h/x fails\\n'); os._exit(3)", "code 3: http://h fails"),
    ],
)
def test_a_death_is_explained_in_one_bounded_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    configure: ConfigFactory,
    event_log: EventLog,
    last_act: str,
    reason: str,
) -> None:
    act = f"import os, signal, cv2\ndef act(*_):\n    {last_act}\ncv2.VideoCapture = act\n"
    (tmp_path / "sitecustomize.py").write_text(act, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    camera = CameraConfig("rtsp://admin:pw1@h/x")
    with Supervisor(configure(camera), event_log.add) as supervisor:
        while not event_log.events:
            supervisor.next_frame(0.1)
    (loss,) = event_log.details("lost")
    assert loss.startswith(f"the capture process died: {reason}")
    assert loss.isprintable()
    assert len(loss) < 400
    assert capfd.readouterr() == ("", "")


def test_what_libraries_write_is_kept_from_the_terminal_and_bounded(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    configure: ConfigFactory,
    event_log: EventLog,
) -> None:
    noise = "import os, time\nold = time.perf_counter\ndef noisy():\n    os.write(2, b'x' * 9999)\n"
    noise += "    os.write(1, b'x')\n    return old()\ntime.perf_counter = noisy\n"
    (tmp_path / "sitecustomize.py").write_text(noise, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with Supervisor(configure(CameraConfig("synthetic")), event_log.add) as supervisor:
        for _ in range(50):
            wait_for_frame(supervisor)
        assert Path(f"/proc/{supervisor.pid}/fd/2").stat().st_size < 200_000
    assert capfd.readouterr() == ("", "")


def test_a_camera_that_blocks_for_ever_is_killed_and_restarted(
    tmp_path: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    pipe, pids = tmp_path / "pipe.avi", set[int]()
    os.mkfifo(pipe)  # opening it waits for a writer
    timeouts = Timeouts(first_silence_s=0.5, pauses_s=(0.05,))
    with Supervisor(configure(play_live(pipe)), event_log.add, timeouts=timeouts) as supervisor:
        while len(pids) < 3:
            assert supervisor.next_frame(0.05) is None
            pids |= set(list_children())
    assert event_log.events == [CameraEvent("lost", "no frame for 0 s")]
    assert not list_children()


def test_a_camera_without_a_rate_of_its_own_waits_for_the_reader(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    with Supervisor(configure(CameraConfig("synthetic")), event_log.add) as supervisor:
        numbers = [wait_for_frame(supervisor) for _ in range(20)]
    assert numbers == list(range(1, 21))


def test_a_camera_whose_frames_are_all_skipped_is_not_lost(
    configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig("synthetic:640x480@20"), max_fps=0.2)
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        numbers = [wait_for_frame(supervisor) for _ in range(2)]
    assert numbers[1] - numbers[0] > 60  # five seconds apart; one second is silence
    assert event_log.kinds() == ["opened"]


def test_a_folder_that_is_followed_may_be_silent(
    photos: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    ahead_s = 0.0
    config = configure(CameraConfig(str(photos), follow=True), every_frame=True)
    with Supervisor(
        config, event_log.add, restarts=False, clock=lambda: time.monotonic() + ahead_s
    ) as supervisor:
        while not event_log.events:
            assert supervisor.next_frame(0.1) is None  # old images do not count
        for _ in range(5):
            looks, ahead_s = event_log.looks, ahead_s + 8
            while event_log.looks == looks:
                assert supervisor.next_frame(0.1) is None
        shutil.copy(photos / "a-red.jpg", photos / "later.jpg")
        assert wait_for_frame(supervisor) == 1


def test_a_followed_folder_loses_no_image_while_its_process_hangs_and_is_replaced(
    photos: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig(str(photos), follow=True), every_frame=True)
    timeouts = Timeouts(silence_s=2.0, first_silence_s=10.0, pauses_s=(0.05,))
    with Supervisor(config, event_log.add, timeouts=timeouts) as supervisor:
        while not event_log.events:
            supervisor.next_frame(0.1)
        shutil.copy(photos / "a-red.jpg", photos / "1.jpg")
        assert wait_for_frame(supervisor) == 1
        supervisor.next_frame(0.5)
        os.kill(supervisor.pid, signal.SIGSTOP)
        for number in (2, 3, 4):
            shutil.copy(photos / "a-red.jpg", photos / f"{number}.jpg")
        sources: list[str] = []
        while len(sources) < 3:
            if frame := supervisor.next_frame(0.5):
                sources.append(Path(os.fsdecode(frame[0].source)).name)
        assert sources == ["2.jpg", "3.jpg", "4.jpg"]
        assert supervisor.next_frame(1.0) is None
    assert [kind for kind in event_log.kinds() if kind != "opened"] == ["lost", "restored"]


def test_a_camera_that_is_absent_at_first_is_opened_when_it_appears(
    clip: Path, tmp_path: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    later = tmp_path / "later.avi"
    with Supervisor(configure(play_live(later)), event_log.add, timeouts=QUICK) as supervisor:
        while "lost" not in event_log.kinds():
            assert supervisor.next_frame(0.1) is None
        clip.rename(later)
        wait_for_frame(supervisor)
    assert event_log.kinds() == ["lost", "opened", "restored"]
    assert "later.avi" in event_log.details("lost")[0]


def test_files_that_fail_are_an_error_without_a_restart(
    tmp_path: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig(str(tmp_path / "gone.avi")))
    with (
        Supervisor(config, event_log.add, restarts=False) as supervisor,
        pytest.raises(CameraError, match=r"gone\.avi"),
    ):
        wait_for_frame(supervisor)


def test_a_region_outside_the_frame_is_an_error(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(play_live(clip), regions=(WHOLE, Region("door", 10, 10, 100, 10)))
    with (
        Supervisor(config, event_log.add) as supervisor,
        pytest.raises(SettingError, match=r"region door .* 64, 48"),
    ):
        wait_for_frame(supervisor)


def test_a_later_frame_without_the_region_is_passed_over_and_then_the_camera_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: ConfigFactory, event_log: EventLog
) -> None:
    small = tmp_path / "small"  # while it exists, and for every third frame, so are the frames
    show = f"""
import os, time, cv2, numpy as np
class Capture:
    numbers = iter(range(10**9))
    isOpened = release = set = lambda *_: True
    get = lambda *_: 0.0
    def grab(self):
        time.sleep(0.02)
        return True
    def read(self):
        time.sleep(0.02)
        is_small = os.path.exists({str(small)!r}) or next(self.numbers) % 3 == 2
        return True, np.zeros((9, 9, 3) if is_small else (48, 64, 3), np.uint8)
    retrieve = read
cv2.VideoCapture = lambda *_: Capture()
"""
    (tmp_path / "sitecustomize.py").write_text(show, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    config = configure(CameraConfig("rtsp://h/x"), regions=(Region("door", 10, 10, 20, 20),))
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        while wait_for_frame(supervisor) < 9:
            assert event_log.kinds() == ["opened"]
        small.touch()
        while event_log.kinds()[:3] != ["opened", "lost", "opened"]:
            supervisor.next_frame(0.1)
        small.unlink()
        wait_for_frame(supervisor)
    assert event_log.details("lost") == ["no frame for 1 s"]
    assert event_log.kinds()[-1] == "restored"


def test_a_readable_descriptor_ends_the_wait(
    tmp_path: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    with Supervisor(configure(play_live(pipe)), event_log.add) as supervisor:
        wake = os.eventfd(1)
        assert supervisor.next_frame(10**9, wake) is None
        os.close(wake)


def test_the_capture_process_is_killed_with_its_parent(clip: Path, model: Path) -> None:
    script = """
import sys, time
from vedette_edge import Classifier
from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.worker import CaptureConfig
from vedette_edge.capture.orientation import Orientation
from vedette_edge.capture.region import WHOLE
from vedette_edge.capture.supervisor import Supervisor
camera, contract = CameraConfig(sys.argv[1], live=True), Classifier(sys.argv[2]).contract
config = CaptureConfig(camera, Orientation(), contract, (WHOLE,), 0.0, 0.0, False)
with Supervisor(config, lambda event: None) as supervisor:
    while not supervisor.next_frame(1.0):
        pass
    print(supervisor.pid, flush=True)
    time.sleep(60)
"""
    command = [sys.executable, "-c", script, str(clip), str(model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        parent.kill()
    until_s = time.monotonic() + 60
    while Path(f"/proc/{child}").exists() and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_nothing_stays_open_after_many_restarts(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    before = count_open_files()
    config = configure(play_live(clip))
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        wait_for_frame(supervisor)
        during = count_open_files()
        for _ in range(15):
            kill(supervisor, event_log)
            wait_for_frame(supervisor)
        assert count_open_files() == during
    assert count_open_files() == before


def test_a_process_that_cannot_be_started_leaves_nothing_open(
    clip: Path, configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse, raising=True)
    buffer = Mock(descriptors=())
    before = count_open_files()
    with pytest.raises(OSError, match="Too many"):
        CaptureProcess(configure(play_live(clip)), buffer)
    assert count_open_files() == before


def test_pauses_grow_up_to_the_last_one_while_the_camera_does_not_work() -> None:
    backoff = Backoff(Timeouts().pauses_s)
    assert [backoff.take_pause(0.0) for _ in range(8)] == [0.5, 1, 2, 5, 10, 30, 30, 30]


def test_pauses_start_over_after_a_camera_that_worked_for_longer_than_the_last_one() -> None:
    backoff = Backoff((1.0, 4.0, 60.0))
    assert [backoff.take_pause(worked_s) for worked_s in (0, 0.9, 4.1, 1.1)] == [1, 4, 1, 1]
