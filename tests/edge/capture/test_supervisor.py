"""The supervisor: a camera may die, block or go away; it is lost once, and comes back."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.edge.capture.conftest import QUICK, ConfigFactory, kill, play_live, wait_for_frame
from tests.edge.conftest import EventLog

from vedette_edge import Contract
from vedette_edge.cameras.config import CameraConfig, CameraEvent
from vedette_edge.capture.region import WHOLE, Region
from vedette_edge.capture.supervisor import Backoff, Supervisor, Timeouts
from vedette_edge.errors import CameraError, SettingError


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


def test_the_last_image_is_delivered_though_the_source_ends_while_the_first_one_is_taken(
    photos: Path, configure: ConfigFactory, event_log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        shutil.copy(photos / "a-red.jpg", photos / f"d-{number}.jpg")
    config, numbers = configure(CameraConfig(str(photos), live=True)), []
    with Supervisor(config, event_log.add, restarts=False) as supervisor:
        note = supervisor._on_frame

        def note_late() -> None:
            os.waitid(os.P_PID, supervisor.pid, os.WEXITED | os.WNOWAIT)
            note()

        monkeypatch.setattr(supervisor, "_on_frame", note_late)
        while not supervisor.ended:
            if frame := supervisor.next_frame(5.0):
                numbers.append(frame[0].number)
    assert numbers[-1] == 53


def test_a_killed_capture_process_is_replaced_and_reported_once(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(play_live(clip))
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        wait_for_frame(supervisor)
        assert supervisor.lost_s == 0
        for _ in range(10):
            kill(supervisor, event_log)
            wait_for_frame(supervisor)
    assert event_log.kinds() == ["opened", *["lost", "opened", "restored"] * 10]
    assert all("died" in reason for reason in event_log.details("lost"))


def test_a_camera_delivers_from_its_first_frame_until_it_is_lost(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    with Supervisor(configure(play_live(clip)), event_log.add, timeouts=QUICK) as supervisor:
        assert not supervisor.delivers  # it opens
        for _ in range(2):
            wait_for_frame(supervisor)
            assert supervisor.delivers
            assert supervisor.silent_s < 1
            kill(supervisor, event_log)
            assert not supervisor.delivers


def test_a_frame_that_is_skipped_ends_the_silence_too(
    clip: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = replace(configure(play_live(clip)), motion=1.0)  # after the first, none moves enough
    with Supervisor(config, event_log.add) as supervisor:
        wait_for_frame(supervisor)
        until_s = time.monotonic() + 1.5
        while time.monotonic() < until_s:
            assert supervisor.next_frame(0.1) is None
        assert supervisor.silent_s < 1


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


def test_a_camera_that_opens_in_vain_again_and_again_is_reported_as_opened_when_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: ConfigFactory, event_log: EventLog
) -> None:
    working, opened = tmp_path / "working", tmp_path / "opened"
    camera = f"""
import os, cv2, numpy as np
class Capture:
    def __init__(self, *_):
        os.write(os.open({str(opened)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY), b"x")
    isOpened = release = set = lambda *_: True
    get = lambda *_: 0.0
    grab = lambda *_: os.path.exists({str(working)!r})
    retrieve = lambda *_: (True, np.zeros((48, 64, 3), np.uint8))
cv2.VideoCapture = Capture
"""
    (tmp_path / "sitecustomize.py").write_text(camera, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    config = configure(CameraConfig("rtsp://h/x"))
    with Supervisor(config, event_log.add, timeouts=QUICK) as supervisor:
        while not opened.exists() or opened.stat().st_size < 4:
            assert supervisor.next_frame(0.1) is None
        assert event_log.kinds() == ["opened", "lost"]
        working.touch()
        wait_for_frame(supervisor)
    assert event_log.kinds() == ["opened", "lost", "opened", "restored"]


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
        pids = {supervisor.pid}
        while len(pids) < 3:  # the second process finds only small frames
            supervisor.next_frame(0.1)
            pids |= set(list_children())
        small.unlink()
        wait_for_frame(supervisor)
    assert event_log.details("lost") == ["no frame for 1 s"]
    assert event_log.kinds() == ["opened", "lost", "opened", "restored"]


def test_a_readable_descriptor_ends_the_wait(
    tmp_path: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    pipe = tmp_path / "pipe.avi"
    os.mkfifo(pipe)
    with Supervisor(configure(play_live(pipe)), event_log.add) as supervisor:
        wake = os.eventfd(1)
        assert supervisor.next_frame(10**9, wake) is None
        os.close(wake)


def test_pauses_grow_up_to_the_last_one_while_the_camera_does_not_work() -> None:
    backoff = Backoff(Timeouts().pauses_s)
    assert [backoff.take_pause(0.0) for _ in range(8)] == [0.5, 1, 2, 5, 10, 30, 30, 30]


def test_pauses_start_over_after_a_camera_that_worked_for_longer_than_the_last_one() -> None:
    backoff = Backoff((1.0, 4.0, 60.0))
    assert [backoff.take_pause(worked_s) for worked_s in (0, 0.9, 4.1, 1.1)] == [1, 4, 1, 1]
