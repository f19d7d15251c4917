"""The capture process under its supervisor: how it dies, and what it leaves behind."""

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn
from unittest.mock import Mock

import pytest
from tests.edge.capture.conftest import QUICK, ConfigFactory, kill, play_live, wait_for_frame
from tests.edge.conftest import EventLog

from vedette_edge.cameras.config import CameraConfig
from vedette_edge.capture.process import CaptureProcess
from vedette_edge.capture.supervisor import Supervisor, Timeouts
from vedette_edge.errors import CameraError

PATIENT = Timeouts(silence_s=2.0, first_silence_s=10.0, pauses_s=(0.05,))


def count_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_modules_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: ConfigFactory, event_log: EventLog
) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('from the current folder')", "utf-8")
    monkeypatch.chdir(tmp_path)
    with Supervisor(configure(CameraConfig("synthetic")), event_log.add) as supervisor:
        assert wait_for_frame(supervisor) == 1
    assert event_log.kinds() == ["opened"]


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


@pytest.fixture
def evil_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV hangs on images that end in `hang`, and crashes on those that end in `kill`."""
    act = """
import os, time, cv2
decode = cv2.imdecode
def act(data, flags):
    if data[-4:].tobytes() == b"hang":
        time.sleep(3600)
    if data[-4:].tobytes() == b"kill":
        os.kill(os.getpid(), 11)
    return decode(data, flags)
cv2.imdecode = act
"""
    (tmp_path / "sitecustomize.py").write_text(act, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


def test_an_image_that_hangs_or_kills_the_process_is_named_and_not_read_again(
    evil_images: None, photos: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    good = (photos / "a-red.jpg").read_bytes()
    config = configure(CameraConfig(str(photos), follow=True), every_frame=True)
    with Supervisor(config, event_log.add, timeouts=PATIENT) as supervisor:
        while not event_log.events:
            supervisor.next_frame(0.1)
        for name, end in (("1.jpg", b"hang"), ("2.jpg", b""), ("3.jpg", b"kill"), ("4.jpg", b"")):
            (photos / name).write_bytes(good + end)
        assert wait_for_frame(supervisor) == 1  # 2.jpg
        wait_for_frame(supervisor)
    assert event_log.details("lost") == [
        f"no frame for 2 s; the last file that it opened: {photos / '1.jpg'}",
        f"the capture process died: SIGSEGV; the last file that it opened: {photos / '3.jpg'}",
    ]


def test_a_process_that_dies_between_two_images_names_none(
    photos: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    config = configure(CameraConfig(str(photos), follow=True), every_frame=True)
    with Supervisor(config, event_log.add, timeouts=PATIENT) as supervisor:
        while not event_log.events:
            supervisor.next_frame(0.1)
        shutil.copy(photos / "a-red.jpg", photos / "later.jpg")
        wait_for_frame(supervisor)
        looks = event_log.looks
        while event_log.looks < looks + 3:
            supervisor.next_frame(0.1)
        kill(supervisor, event_log)
    assert event_log.details("lost") == ["the capture process died: SIGKILL"]


def test_an_image_that_hangs_ends_a_pass_through_a_folder_and_is_named(
    evil_images: None, photos: Path, configure: ConfigFactory, event_log: EventLog
) -> None:
    with (photos / "b-green.png").open("ab") as file:
        file.write(b"hang")
    config = configure(CameraConfig(str(photos)), every_frame=True)
    with Supervisor(config, event_log.add, restarts=False, timeouts=PATIENT) as supervisor:
        assert wait_for_frame(supervisor) == 1
        with pytest.raises(CameraError, match=r"no frame for 2 s; .* opened: .*/b-green\.png"):
            wait_for_frame(supervisor)


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
